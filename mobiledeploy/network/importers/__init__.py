"""Importers: from a file of any source to the one form that the passes simplify.

* `sources`: imports a file of any source, recognised by its content.
* `imported`: a network with what its file says about it.
* `onnx`: imports a float `.onnx`.
* `onnx_operators`: operators of an `.onnx` as nodes.
* `onnx_constants`: computes operators of an `.onnx` on constants.
* `tflite`: imports a float `.tflite`.
* `tflite_operators`: operators of a `.tflite` as nodes.
* `builder`: makes nodes of a graph from operators on the axes of a source.
* `views`: a tensor with the axes that the source gives it.
* `gelu`: recognises GELU.
"""
