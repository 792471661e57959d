"""The integer graph: THE model, of which every file is a serialisation.

In come a `Network` with ranges, or the bytes of an int8 `.tflite`; out goes an `IntegerGraph`. All
modules loop over `ops`. This room knows no runtime and no training.

* `graph`: what an `IntegerGraph` is, where it ends, and when two are the same function.
* `quantise`: makes one from a float network.
* `tflite_reader`: reads one from a file.
* `certify`: proves that two runtimes compute it alike; finds ranges for which there is a proof.
* `oracle`: computes it in NumPy, bit for bit as XNNPACK.
* `float_reference`: computes it in float32, without rounding.
"""
