"""Inspect a `.tflite` or `.onnx` without running it: its contents, and rules that it breaks.

In comes any file, parsed into a `formats.model.Model`; out go findings with stable ids, which
docs/lint.md explains. A rule is a small function over the model. Nothing in here knows a runtime's
code, a network's architecture or how a file was made; operators are described in `ops`.

* `inspection`: inspects a file, or the two files of a build; lists all rules.
* `report`: the result, as `inspect --json` writes it.
* `inputs_outputs`: inputs and outputs as an app sees them.
* `required_runtime`: the oldest runtime that runs a file.
* `graph`: a model with its links and layers, which the rules read.
* `layers`: finds the layers with their scales, weights and activations.
* `rule`: `Rule` and `Finding`.
* `graph_rules`, `weight_rules`, `range_rules`, `version_rules`, `onnx_rules`: the rules.
* `metadata_rules`: the rules on what a `.tflite` says to clients.
* `mediapipe`: what keeps a file from running in MediaPipe Tasks.
* `tflite_versions`: the TFLite release that introduced each operator version.
"""
