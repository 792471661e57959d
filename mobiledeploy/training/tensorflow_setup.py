"""Import TensorFlow without its start-up messages, with deterministic kernels."""

import contextlib
import gc
import logging
import os
import sys
from collections.abc import Iterator
from typing import Any, Final

from mobiledeploy.base import quiet
from mobiledeploy.base.errors import MissingDependencyError, RequestError
from mobiledeploy.base.progress import Event, Progress, silent

_QUIET: Final = {
    "TF_CPP_MIN_LOG_LEVEL": "3",  # errors only
    "GRPC_VERBOSITY": "ERROR",
    "ABSL_MIN_LOG_LEVEL": "3",
}

_BACKEND: Final = "KERAS_BACKEND"


def tensorflow() -> Any:
    """Return the `tensorflow` module, importing it without its start-up messages.

    Raises:
        MissingDependencyError: TensorFlow is not installed.
    """
    loaded = sys.modules.get("tensorflow")
    if loaded is not None:
        return loaded
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        # TensorFlow imports parts of Keras, among them the one that chooses the backend.
        with _collector_off(), quiet.native_stderr(), _keras_on_tensorflow():
            import tensorflow as tf
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"training needs `{error.name}`, which is not installed",
            hint="python -m pip install 'mobiledeploy[build]'",
        ) from error
    # Its Python code warns about retracing and about deprecations.
    for name in ("tensorflow", "absl"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return tf


def keras() -> Any:
    """Return the `keras` module with TensorFlow as its backend, whatever the user's default is.

    Raises:
        MissingDependencyError: TensorFlow is not installed.
        RequestError: Keras already runs on another backend in this process.
    """
    tensorflow()
    with _keras_on_tensorflow():
        import keras
    running = keras.backend.backend()
    if running != "tensorflow":
        raise RequestError(
            f"training needs Keras on TensorFlow, in this process it already runs on {running}",
            hint="import mobiledeploy and build in a separate process",
        )
    return keras


def start(threads: int, *, progress: Progress = silent, stage: str = "train") -> None:
    """Set the number of threads and deterministic kernels: equal requests give equal bits.

    TensorFlow accepts a number of threads only before its first computation in a process. Where
    it has already run with another number, that number stays, and an event says so.

    Args:
        threads: Threads within one operation, and number of operations that run in parallel.
        progress: Called when TensorFlow starts, and if the number of threads cannot be set.
        stage: The stage's name in the events.

    Raises:
        MissingDependencyError: TensorFlow is not installed.
    """
    if "tensorflow" not in sys.modules:
        progress(Event(stage, "starting TensorFlow"))
    tf = tensorflow()
    threading = tf.config.threading
    tf.config.experimental.enable_op_determinism()
    try:
        threading.set_intra_op_parallelism_threads(threads)
        threading.set_inter_op_parallelism_threads(threads)
    except RuntimeError:  # raised when the number differs and TensorFlow already runs
        running = threading.get_intra_op_parallelism_threads()
        message = (
            f"TensorFlow already runs with {running or 'all'} threads, not {threads}: "
            "the last bits of the weights may differ"
        )
        progress(Event(stage, message))


@contextlib.contextmanager
def _keras_on_tensorflow() -> Iterator[None]:
    """Let Keras, if the block imports it, choose TensorFlow; then restore the user's setting."""
    before = os.environ.get(_BACKEND)
    os.environ[_BACKEND] = "tensorflow"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_BACKEND]
        else:
            os.environ[_BACKEND] = before


@contextlib.contextmanager
def _collector_off() -> Iterator[None]:
    """Switch the garbage collector off: imports, which make no garbage, are a tenth faster."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
