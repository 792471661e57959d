"""Model files: bytes to a raw, checked model and back, once a format.

`onnx` has a parser, a writer and edits. `model` is what a file of either format holds, sensible or
not: tensors, operators and what frames them. `recipe` says how to make a copy with more outputs,
`between` which operators lie between tensors, `work` how much a file may cost. Whether we support
a file is a question to the parsed model, asked elsewhere.
"""
