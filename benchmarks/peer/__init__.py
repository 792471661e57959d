"""Other ways from the same trained weights to int8 files, measured side by side with ours.

`task.py` is what all are given, `record.py` what each hands back; one module for each way
(`ours`, `keras_ptq`, `keras_qat`, `edge_quantizer`, `litert_quantizer`, `ort_static`), run by
`make.py` in a process of its own; `latency.py` and `accuracy.py` judge the files, `table.py`
shows the result.
"""
