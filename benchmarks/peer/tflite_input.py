"""How a `.tflite` of a peer is fed."""

from pathlib import Path

from peer.record import Made


def describe(tflite: Path, *, file: str | None = None) -> Made:
    """Return a file with the input grid of a `.tflite`: that file itself, or one made from it."""
    from ai_edge_litert.interpreter import Interpreter

    scale, zero_point = Interpreter(str(tflite)).get_input_details()[0]["quantization"]
    return Made(file=file or tflite.name, scale=scale or None, zero_point=zero_point)
