"""Importers: from a file of any source to the one form that the passes simplify.

* `sources`: imports a file of any source, recognised by its content.
* `imported`: a network with what its file says about it.
* `keras`: a whole Keras model, from a file or from memory.
* `keras_layers`: its layers, by class name.
* `keras_operators`: functions between its layers.
* `keras_activations`: its activation functions.
* `onnx`: imports a float `.onnx`.
* `onnx_operators`: operators of an `.onnx` as nodes.
* `onnx_constants`: computes operators of an `.onnx` on constants.
* `tflite`: imports a float `.tflite`.
* `tflite_operators`: operators of a `.tflite` as nodes.
* `builder`: makes nodes of a graph from operators on the axes of a source.
* `views`: a tensor with the axes that the source gives it.
* `gelu`: recognises GELU.
"""
