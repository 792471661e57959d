"""Serialise a model: the same graph gives the same bytes.

In comes an `IntegerGraph`; out go the bytes of a `.tflite` or an `.onnx`. The float exports stand
here too. This room runs no model.
"""
