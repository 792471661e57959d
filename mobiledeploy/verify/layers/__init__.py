"""Where the layers of two files differ.

`layer_outputs`: the outputs of each layer of a file for an image, as codes.
`single_layer`: a layer cut out of its file, run on its own.
`recompute`: whether a runtime computes what its file's integers say.
`extremes`: every layer on codes that images might never produce.
`float_biases`: gives an `.onnx` the integers that ONNX Runtime makes of float biases.
`tables_of_elements`: gives an `.onnx` tables in place of nodes that no reader knows.
`tflite_tables`: gives a `.tflite` tables in place of operators that no reader knows.
`functions_of_codes`: which tensors of a graph are functions of each code of another one.
`as_computed`: the layers of a file as its runtime computes them.
`divergence`: the first layer that diverges.
"""
