"""Importers: from a file of any source to the one form that the passes simplify.

* `imported`: a network with what its file says about it.
* `keras`: a whole Keras model, from a file or from memory.
* `keras_layers`: its layers, by class name.
* `keras_operators`: functions between its layers.
* `keras_activations`: its activation functions.
* `onnx`: a float `.onnx`.
* `onnx_operators`: its operators.
* `onnx_constants`: its operators on constants.
* `tflite`: a float `.tflite`.
* `tflite_operators`: its operators.
* `builder`: makes nodes from operators on the axes of a source.
* `views`: tensors whose values are stored in another order than the source's.
* `gelu`: recognises GELU.
"""
