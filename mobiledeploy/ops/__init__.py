"""Operators and how they are joined: no weights of a network, no framework.

An operator is one module and one row in `ops.table`.

* `operator`: what the module of an operator offers.
* `table`: the operators that there are, of which each has a module that is named after it.
* `architecture`: the layers of a float network and their shapes.

What modules share when they compute:

* `tensors`: int8 tensors.
* `grid`, `ranges`: from a real interval to int8.
* `weights`: float kernels and biases to int8 and int32.
* `without_weights`: the answers of operators that have none.
* `activation`, `padding`: fused activations, and what lies around an image.
* `products`: exact sums of products, and how they are rounded.
* `expf`: the exponential function of the C library.
* `certificate`: the proof that runtimes compute a layer alike.

What modules share when they read and write files:

* `tflite`, `onnx`: how operators are written to files, and how those of ours are read again.
* `file_form`: how operators stand in anybody's files.
* `stored`: a layer as it stands in anybody's file.
* `tflite_reading`: what operators share when they are read from anybody's `.tflite`.
* `onnx_reading`: an `.onnx` while its nodes are read.
* `onnx_weights`: kernels and biases in anybody's `.onnx`.
* `onnx_stem`: a convolution over several pixels at a time, as one over single pixels.
"""
