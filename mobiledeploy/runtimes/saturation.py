"""Whether ONNX Runtime's uint8 x int8 products saturate on this CPU: it is asked itself.

x86 without VNNI adds pairs of products in 16 bits (`vpmaddubsw`), which overflow; VNNI, and every
other architecture, adds them in 32. What a system says of its CPU need not be what a program
runs on: an emulator shows the flags of the machine outside.
"""

import functools
from typing import Any, Final

import numpy as np

PRODUCTS: Final = 4
PROBE: Final = bytes.fromhex(
    "08083a580a180a01610a0162120179220d4d61744d756c496e74656765721201702a0f0804080110"
    "034201624a047f7f7f7f5a130a0161120e0a0c080212080a0208010a02080462130a0179120e0a0c"
    "080612080a0208010a02080142040a00100d"
)
"""An ONNX model: `MatMulInteger` of four uint8 codes `a` and four weights of 127."""


@functools.cache
def this_cpu_saturates() -> bool:
    """Whether ONNX Runtime's uint8 x int8 products saturate here, unless it is told not to."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session: Any = onnxruntime.InferenceSession(PROBE, options, providers=["CPUExecutionProvider"])
    total = session.run(None, {"a": np.full((1, PRODUCTS), 255, np.uint8)})[0]
    return int(total.item()) != PRODUCTS * 255 * 127
