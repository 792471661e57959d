"""Importers: one for each source of a float network; each gives a `FloatGraph`.

* `imported`: a network as a file gives it, with what the file says about it.
* `builder`: makes nodes of a graph from operators on the axes of a source.
* `views`: a tensor with the axes that the source gives it.
* `keras`: imports a whole Keras model from a file or from memory.
* `keras_layers`: Keras's layers as nodes, by class name.
* `keras_operators`: functions between Keras layers as nodes.
* `keras_activations`: Keras's activation functions as nodes.
"""
