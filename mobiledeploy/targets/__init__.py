"""Serialise a model: the same graph gives the same bytes.

In comes an `IntegerGraph`, or a float `Network`; out go the bytes of a `.tflite` or an `.onnx`.
This room runs no model.

* `tflite`: an integer graph as `.tflite`.
* `onnx`: an integer graph as `.onnx`.
* `onnx_stem`: writes the first convolution of an `.onnx` in a form that ONNX Runtime runs fast.
* `outer_tensor`: the type and zero point of an input or output as an app sees it.
* `description`: what a `.tflite` of a build says about itself, with its labels.
* `float_tflite`: any float graph as `.tflite`, without TensorFlow.
* `float_files`: a float network as `.tflite` or `.onnx`.
"""
