"""Operators and how they are connected: no weights of a network, no framework.

An operator is one module and one row in `ops.table`.

* `operator`: what the module of an operator offers.
* `table`: the operators that there are, of which each has a module that is named after it.
* `architecture`: the layers of a float network and their shapes.

What modules share when they compute:

* `tensors`: int8 tensors.
* `grid`, `ranges`: from a real interval to int8.
* `weights`: float kernels and biases to int8 and int32.
* `without_weights`: defaults for operators without weights.
* `one_grid`: operators that copy codes, on one grid.
* `each_code`: operators that compute each output code from one code.
* `activation`, `padding`: fused activations, and padding around an image.
* `fixed_point`: TFLite's multiplication by a number, rounded twice.
* `products`: exact sums of products, and how they are rounded.
* `expf`: the exponential function of the C library.
* `certificate`: the proof that runtimes compute a layer alike.

What modules share when they read and write files:

* `tflite`, `onnx`: how operators are written to files, and read from files that we wrote.
* `file_form`: how any file stores an operator.
* `stored`: a layer as any file stores it.
* `divided_input`: quantises a float32 input of a `.tflite` as an `.onnx` does.
* `tflite_reading`: what operators share when they are read from any `.tflite`.
* `onnx_reading`: an `.onnx` while its nodes are read.
* `onnx_weights`: kernels and biases in any `.onnx`.
* `onnx_stem`: a convolution over several pixels at a time, as one over single pixels.
"""
