"""Operators and how they are connected: no weights of a network, no framework.

An operator is one module and one row in `ops.table`.

* `node`: an operator in an integer graph.
* `operator`: what an operator's module offers.
* `capabilities`: what it may offer besides.
* `table`: the operators that there are, of which each has a module that is named after it.
* `architecture`: the layers of a float network and their shapes.

What modules share when they compute:

* `tensors`: int8 tensors.
* `grid`, `ranges`: from a real interval to int8.
* `weights`: float kernels and biases to int8 and int32.
* `without_weights`: defaults for operators without weights.
* `one_grid`: operators that copy codes, on one grid.
* `each_pair`: operators that compute each output code from a pair of codes.
* `constant_operand`: reads one of two operands, of which one is a constant, as a table.
* `sums`: the arithmetic of a sum of two tensors, of which the second may be subtracted.
* `sum_operator`: an operator made of it.
* `each_code`: what computes each output code from one code.
* `each_code_operator`: an operator made of such a function.
* `pools`: operators that move a window over an image.
* `reductions`: operators that reduce an image to one number for each channel.
* `activation`, `padding`: fused activations, and padding around an image.
* `fixed_point`: TFLite's multiplication by a number, rounded twice.
* `products`: exact sums of products, and how they are rounded.
* `requantise`: the codes of all codes on another grid.
* `expf`: the exponential function of the C library.
* `each_kernel`: a node's codes, once for each kernel that a runtime may choose.
* `certificate`: the proof that runtimes compute a layer alike.

What modules share when they read and write files:

* `tflite`, `onnx`: how operators are written to files, and read from files that we wrote.
* `file_form`: how any file stores an operator.
* `stored`: a layer as any file stores it.
* `divided_input`: quantises a float32 input of a `.tflite` as an `.onnx` does.
* `tflite_reading`, `onnx_reading`: what operators share when they are read from any file.
* `onnx_values`: what may stand behind a tensor's name in an `.onnx`.
* `onnx_reader`: an `.onnx` while its nodes are read.
* `onnx_weights`: kernels and biases in any `.onnx`.
* `onnx_stem`: a convolution over several pixels at a time, as one over single pixels.
"""
