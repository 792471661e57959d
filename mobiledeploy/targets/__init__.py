"""Serialise a model: the same graph gives the same bytes.

In comes an `IntegerGraph`, or a float `Network`; out go the bytes of a `.tflite` or an `.onnx`.
This room runs no model.

* `tflite`: an integer graph as `.tflite`.
* `onnx`: an integer graph as `.onnx`; `onnx_stem`: its first convolution in a faster form.
* `outer_tensor`: the type of an input or output, next to the graph's codes.
* `float_files`: a float network as `.tflite` or `.onnx`.
"""
