"""TensorFlow starts without messages, with the requested threads."""

import os
import subprocess
import sys

import pytest

from mobiledeploy.base.errors import RequestError
from mobiledeploy.base.progress import Event
from mobiledeploy.training import tensorflow_setup

pytestmark = pytest.mark.tensorflow

QUIET = """
from mobiledeploy.training import tensorflow_setup
tensorflow_setup.start(2)
tensorflow_setup.start(2)
tf = tensorflow_setup.tensorflow()
import keras
print(tf.config.threading.get_intra_op_parallelism_threads())
print(tf.config.threading.get_inter_op_parallelism_threads())
print(tf.config.list_logical_devices()[0].device_type)
for _ in range(8):  # TensorFlow warns when graphs resemble each other
    tf.function(lambda x: x + 1, autograph=False)(tf.zeros(3))
keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)])(tf.zeros((1, 8, 8, 3)))
"""


def test_nothing_is_written_to_stderr() -> None:
    run = subprocess.run([sys.executable, "-c", QUIET], capture_output=True, text=True, check=True)
    assert run.stderr == ""
    assert run.stdout.split() == ["2", "2", "CPU"]


def test_an_event_says_if_the_number_of_threads_cannot_be_set() -> None:
    tf = tensorflow_setup.tensorflow()
    tf.zeros(1) + 1
    running = tf.config.threading.get_intra_op_parallelism_threads()
    events: list[Event] = []
    tensorflow_setup.start(running + 1, progress=events.append)
    assert f"not {running + 1}" in events[0].message
    assert tf.config.threading.get_intra_op_parallelism_threads() == running


def test_the_users_keras_backend_setting_is_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    for theirs in ("jax", None):
        if theirs:
            monkeypatch.setenv("KERAS_BACKEND", theirs)
        else:
            monkeypatch.delenv("KERAS_BACKEND")
        assert tensorflow_setup.keras().backend.backend() == "tensorflow"
        assert os.environ.get("KERAS_BACKEND") == theirs


def test_keras_on_another_backend_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tensorflow_setup.keras().backend, "backend", lambda: "torch")
    with pytest.raises(RequestError, match="it already runs on torch") as refused:
        tensorflow_setup.keras()
    assert refused.value.hint
