"""The integer graph: THE model, of which every file is a serialisation.

In come a `Network` with ranges, or a parsed int8 `.tflite`; out goes an `IntegerGraph`,
its NumPy oracle and its certificates, the proof that two runtimes compute it alike. This room
knows no runtime and no training.
"""
