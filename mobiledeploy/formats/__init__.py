"""Model files: bytes to a raw, checked model and back, once a format.

`model` is what a file of either format holds, sensible or not: tensors, operators and what frames
them. Whether we support it is a question to the parsed model, asked elsewhere.
"""
