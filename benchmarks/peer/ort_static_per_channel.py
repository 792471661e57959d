"""ONNX Runtime's `quantize_static`: see `ort_static.py`."""

from peer import ort_static
from peer.record import Made, Stopwatch
from peer.task import Task


def make(task: Task, watch: Stopwatch) -> list[Made]:
    """Write the variant's file."""
    return ort_static.make(task, watch, variant="_per_channel")
