"""A `.tflite` as `.onnx` by tf2onnx."""

from pathlib import Path

OPSET = 17


def to_onnx(tflite: Path) -> Path:
    """Write `<name>.onnx` beside the file; return its path."""
    import tf2onnx

    onnx = tflite.with_suffix(".onnx")
    tf2onnx.convert.from_tflite(str(tflite), opset=OPSET, output_path=str(onnx))
    return onnx
