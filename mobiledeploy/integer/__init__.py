"""The integer graph: the quantised model in memory, of which both files are serialisations.

In come a `Network` with ranges, or the bytes of an int8 `.tflite`; out goes an `IntegerGraph`.
Operators are those of `ops`. This room knows no runtime and no training.

* `graph`: `IntegerGraph`, its digest, and its copies with or without the softmax.
* `quantise`: makes one from a float network.
* `fold_padding`: lets convolutions and pools take over the PAD before them.
* `tflite_reader`: reads one from a file.
* `in_floats`: the codes of a layer that ONNX Runtime computes in float32.
`mean_as_convolution`: writes a mean, of an image or of windows, as a depthwise convolution.
* `table_as_convolution`: writes a table for each channel as a depthwise convolution.
* `sum_by_moved_scales`: finds scales by which XNNPACK adds as another runtime does.
* `symmetric_kernels`: gives kernels with a zero point a form for an int8 `.tflite`.
* `certify`: proves that both runtimes compute it alike; widens ranges until that can be proven.
* `oracle`: computes it in NumPy, bit for bit as XNNPACK does.
* `float_reference`: computes it in float32, without rounding.
"""
