"""TensorFlow, started quietly and so that the same request gives the same bits."""

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
        # TensorFlow imports parts of Keras, among them what reads the choice.
        with _collector_off(), quiet.native_stderr(), _keras_on_tensorflow():
            import tensorflow as tf
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"training needs `{error.name}`, which is not installed",
            hint="python -m pip install 'mobiledeploy[build]'",
        ) from error
    # Its Python side warns about graphs that resemble earlier ones, and about its own future.
    for name in ("tensorflow", "absl"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return tf


def keras() -> Any:
    """Return the `keras` module, running on TensorFlow whatever else the user runs it on.

    Raises:
        MissingDependencyError: TensorFlow is not installed.
        RequestError: Keras already runs on something else in this process.
    """
    tensorflow()
    with _keras_on_tensorflow():
        import keras
    running = keras.backend.backend()
    if running != "tensorflow":
        raise RequestError(
            f"training needs Keras on TensorFlow, in this process it already runs on {running}",
            hint="import mobiledeploy and build in a process of its own",
        )
    return keras


def start(threads: int, *, progress: Progress = silent, stage: str = "train") -> None:
    """Fix what decides the last bits: the kernels' threads, and deterministic kernels.

    TensorFlow takes a number of threads only before it computes for the first time in a process.
    Where it has already run with another number, that number stays, and an event says so.

    Args:
        threads: Within one operation, and of operations that run side by side.
        progress: Told that TensorFlow starts, and if the threads are not those asked for.
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
    """Decide what Keras runs on when it is imported; then the user's choice is what it was."""
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
    """Import a tenth faster: the collector would walk a growing heap that holds no garbage."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
