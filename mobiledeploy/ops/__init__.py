"""Operators and how they are joined: no weights of a network, no framework.

An operator is one module and one row in `table`, which lists them: `conv` (full and depthwise),
`dense`, `add`, `mul`, `hard_swish`, `mean`, `softmax`. `operator` says what
such a module offers. `architecture` holds the layers of a float network and their shapes.

What modules share: `tensors` (int8 tensors), `grid` and `ranges` (from a real interval to int8),
`weights` (float kernels to int8), `activation` and `padding`, `products` (exact sums, and how they
are rounded), `expf` (the C library's), `certificate`, `without_weights` (answers of operators that
have none), `tflite` and `onnx` (how operators are written to files), `file_form` (what they are
called in anybody's files).

A layer is read from anybody's file with `stored` (a layer as it stands in a file),
`tflite_reading` (what operators share there), `onnx_reading` (an `.onnx` while its nodes are
read), `onnx_weights` (kernels and biases in it), `onnx_stem` (a convolution over several pixels at
a time).
"""
