"""What a `.tflite` or `.onnx` holds, and what is wrong with it, found without running it.

In comes a file, from anywhere, parsed into the view that both formats share (`formats.model`).
Rules, small functions over that view, give findings with stable ids (docs/lint.md explains each).
Nothing in here knows a runtime's code, a network's architecture or how a file was made; what an
operator is, its module in `ops` says.

* `inspection`: inspects a file, or the two files of a build; lists all rules.
* `report`: what comes out, as JSON has it.
* `inputs_outputs`: what an app must put in, and what it gets.
* `required_runtime`: the oldest runtime that runs a file.
* `graph`: a model as the rules look at it.
* `layers`: its layers, with the codes, grids and weights that they compute with.
* `rule`: what a rule is.
* `graph_rules`, `weight_rules`, `range_rules`, `version_rules`, `onnx_rules`: the rules.
* `tflite_versions`: since when TFLite knows which version of an operator.
"""
