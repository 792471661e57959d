"""Operators and how they are joined: no weights of a network, no framework.

An operator is one module and one row in `table`.

`conv`, `dense`, `add`, `mul`, `hard_swish`, `mean`, `softmax`: an operator each.
`table`: lists them.
`operator`: what such a module offers.
`architecture`: the layers of a float network and their shapes.

What modules share to compute and to quantise:

`tensors`: int8 tensors.
`grid`: from a real interval to int8.
`ranges`: the interval that each activation takes.
`weights`: float kernels to int8.
`activation`: what a fused activation means on codes.
`padding`: SAME and VALID in numbers.
`products`: exact sums of products, and how they are rounded.
`expf`: the C library's.
`certificate`: the proof that a layer is one function in every runtime.
`without_weights`: answers of operators that have none.

What they share to stand in files:

`tflite`, `onnx`: how they are written.
`file_form`: what is known of their names in anybody's files.
`stored`: a layer as it stands in a file.
`tflite_reading`: how layers are read from a `.tflite`.
`onnx_reading`: an `.onnx` while its nodes are read.
`onnx_weights`: kernels and biases in it.
`onnx_stem`: a convolution in it that is written over several pixels at a time.
"""
