"""Google's `litert-quantizer`, the successor of `ai-edge-quantizer`."""

from peer import edge_quantizer
from peer.record import Made, Stopwatch
from peer.task import Task


def make(task: Task, watch: Stopwatch) -> list[Made]:
    """Write `litert_quantizer.tflite` from `float.tflite`."""
    return edge_quantizer.make(task, watch, package="litert_quantizer")
