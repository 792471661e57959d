"""Other tools that make int8 files of the same trained weights, compared with ours.

`task`: the weights and images that every tool gets.
`channel_spread`: the same function with channels of different sizes.
`make`: runs one tool in a process of its own.
`record`: the result of a tool.
`ours`, `keras_ptq`, `keras_qat`, `edge_quantizer`, `ort_static`, `onnx2tf`: one module a tool.
`float_tflite`, `float_onnx`: the float files that some tools start from.
`whole_model`: the Keras file that `mobiledeploy quantize` starts from.
`keras_model`: the Keras model that some tools start from.
`random_weights`: weights, if there are no trained ones.
`tflite_to_onnx`: converts a `.tflite` by tf2onnx.
`session`: runs a file of any tool.
`accuracy`: measures the accuracy and parity of all files.
`latency`: measures the latency of all files.
`ratios`: our latency divided by that of other tools.
`machine`: describes the CPU and the installed versions.
`table`: the result as text.
"""
