"""The integer graph: THE model, of which every file is a serialisation.

In come a `Network` with ranges, or the bytes of an int8 `.tflite`; out goes an `IntegerGraph`
(`graph`), its NumPy oracle (`oracle`), its float twin (`float_reference`) and its certificates
(`certify`), the proof that two runtimes compute it alike. `quantise` and `exact_ranges` come from
floats, `tflite_reader` from a file. `head` cuts the softmax off, `digest` says
which graphs are one function. All of them loop over `ops`. This room knows no runtime and no
training.
"""
