"""Serialise a model: the same graph gives the same bytes.

In comes an `IntegerGraph`, or a float `Network`; out go the bytes of a `.tflite` or an `.onnx`.
This room runs no model.

* `tflite`: an integer graph as `.tflite`.
* `onnx`: an integer graph as `.onnx`.
* `onnx_stem`: the first convolution of an `.onnx`, written so that ONNX Runtime computes it fast.
* `outer_tensor`: the type of an input or output, next to the graph's codes.
* `float_files`: a float network as `.tflite` or `.onnx`.
"""
