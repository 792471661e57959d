"""Model files: bytes <-> a parsed, checked model, once for each format.

* `model`: what a file of either format holds, sensible or not.
* `model_file`: a model file in memory, parsed once.
* `file_kind`: what kind a file is that is neither a `.tflite` nor an `.onnx`.
* `tflite`, `onnx`: parse, write and edit the two formats.
* `edit`: what editing has in common: recipes for copies, operators of a part.
* `limits`: bounds on what it may cost to read a file.

Nothing in here runs a model. Whether we support one is a question to the parsed model:
`require_supported`.
"""
