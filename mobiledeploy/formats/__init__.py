"""Model files: bytes to a raw, checked model and back, once a format.

`model`: what a file of either format holds, sensible or not: tensors, operators, what frames them.
`model_file`: a file in memory with what stands in it.
`other_kinds`: what a file is that is neither a `.tflite` nor an `.onnx`.
`tflite`, `onnx`: parse, write and edit the two formats.
`recipe`: how to make a copy with further outputs.
`between`: which operators a part of a graph needs.
`work`: a bound on what reading a file may cost.

Nothing in here runs a model. Whether we support one is a question to the parsed model:
`require_supported`.
"""
