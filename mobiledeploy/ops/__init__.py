"""Operators and how they are joined: no weights of a network, no framework.

An operator is one module and one row in `table`, which lists them: `conv` (full and depthwise),
`dense`, `add`, `mul`, `hard_swish`, `mean`, `softmax`. `operator` says what
such a module offers. `architecture` holds the layers of a float network and their shapes.

What modules share: `tensors` (int8 tensors), `grid` and `ranges` (from a real interval to int8),
`weights` (float kernels to int8), `activation` and `padding`, `products` (exact sums, and how they
are rounded), `expf` (the C library's), `certificate`, `without_weights` (answers of operators that
have none), `tflite` and `onnx` (how operators are written to files), `file_form` (how they stand
in anybody's files).
"""
