"""What a `.tflite` or `.onnx` holds, and what is wrong with it, found without running it.

In comes a file, from anywhere, parsed into the view that both formats share (`formats.model`).
Rules, small functions over that view, give findings with stable ids (`rules.py` lists them,
docs/lint.md explains each); `inspection.py` puts everything together. Nothing in here knows a
runtime's code, a network's architecture or how a file was made.
"""
