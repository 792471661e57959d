"""TensorFlow starts quietly, once, and as it was asked to."""

import os
import subprocess
import sys

import pytest

from mobiledeploy.base.errors import RequestError
from mobiledeploy.base.progress import Event
from mobiledeploy.training import tensorflow_setup

pytestmark = pytest.mark.tensorflow

QUIET = """
from mobiledeploy.training import session
session.start(2)
session.start(2)
tf = session.tensorflow()
import keras
print(tf.config.threading.get_intra_op_parallelism_threads())
print(tf.config.threading.get_inter_op_parallelism_threads())
print(tf.config.list_logical_devices()[0].device_type)
for _ in range(8):  # TensorFlow warns when graphs resemble each other
    tf.function(lambda x: x + 1, autograph=False)(tf.zeros(3))
keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)])(tf.zeros((1, 8, 8, 3)))
"""


def test_nothing_reaches_stderr() -> None:
    run = subprocess.run([sys.executable, "-c", QUIET], capture_output=True, text=True, check=True)
    assert run.stderr == ""
    assert run.stdout.split() == ["2", "2", "CPU"]


def test_threads_that_cannot_be_had_are_reported() -> None:
    tf = tensorflow_setup.tensorflow()
    tf.zeros(1) + 1
    running = tf.config.threading.get_intra_op_parallelism_threads()
    events: list[Event] = []
    tensorflow_setup.start(running + 1, progress=events.append)
    assert f"not {running + 1}" in events[0].message
    assert tf.config.threading.get_intra_op_parallelism_threads() == running


def test_the_choice_of_what_keras_runs_on_stays_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    for theirs in ("jax", None):
        if theirs:
            monkeypatch.setenv("KERAS_BACKEND", theirs)
        else:
            monkeypatch.delenv("KERAS_BACKEND")
        assert tensorflow_setup.keras().backend.backend() == "tensorflow"
        assert os.environ.get("KERAS_BACKEND") == theirs


def test_keras_that_already_runs_on_something_else_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tensorflow_setup.keras().backend, "backend", lambda: "torch")
    with pytest.raises(RequestError, match="it already runs on torch") as refused:
        tensorflow_setup.keras()
    assert refused.value.hint
