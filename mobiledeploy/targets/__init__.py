"""Serialise a model: the same graph gives the same bytes.

In comes an `IntegerGraph`; out go the bytes of a `.tflite` or an `.onnx`. The float exports
stand here too, and the taps that look inside a `.tflite`. This room runs no model.
"""
