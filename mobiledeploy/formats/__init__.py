"""Model files: bytes <-> a parsed, checked model, with one parser for each format.

* `model`: a file of either format as plain data, sensible or not.
* `model_file`: a model file in memory, parsed once.
* `file_kind`: recognises files that are neither a `.tflite` nor an `.onnx`.
* `tflite`, `onnx`: parse, write and edit the two formats.
* `edit`: what both formats share: recipes for tapped copies, operators of a cut-out part.
* `limits`: bounds on the time and memory that reading a file may take.

Nothing in here runs a model. `require_supported` refuses a parsed model that we cannot compute.
"""
