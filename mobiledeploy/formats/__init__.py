"""Model files: bytes to a raw, checked model and back, once a format.

`model` is what a file of either format holds, sensible or not: tensors, operators and what frames
them. `model_file` is a file in memory with what stands in it. `tflite` parses, writes and edits
TFLite's files. `recipe` says how to make a copy with further outputs, `between` which operators a
part of a graph needs, and `work` bounds what reading a file may cost. Nothing in here runs a
model; whether we support one is a question to the parsed model.
"""
