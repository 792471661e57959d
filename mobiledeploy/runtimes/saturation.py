"""Keep ONNX Runtime's int8 products from overflowing on x86 without VNNI.

Such CPUs add pairs of uint8 x int8 products in 16 bits (`vpmaddubsw`), which overflow; VNNI, and
every other architecture, adds them in 32. With `session.x64quantprecision` ONNX Runtime turns int8
weights into uint8 ones, whose kernels add in 32 bits. With it, version 1.32 cannot load files in
which two kernels share a zero point, as tf2onnx writes them, nor integer operators with int8
activations, whose kernels do not saturate anyway.

Sources: onnxruntime/core/optimizer/avx2_weight_s8_to_u8.cc and qdq_transformer/s8_to_u8.cc.
"""

import functools
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from mobiledeploy.formats.onnx import edit

KEY: Final = "session.x64quantprecision"
OPTION: Final = f"{KEY}=1"
"""The session option that an app must set for ONNX Runtime on such a CPU."""
PRODUCTS: Final = 4
PROBE: Final = bytes.fromhex(
    "08083a580a180a01610a0162120179220d4d61744d756c496e74656765721201702a0f0804080110"
    "034201624a047f7f7f7f5a130a0161120e0a0c080212080a0208010a02080462130a0179120e0a0c"
    "080612080a0208010a02080142040a00100d"
)
"""An ONNX model: `MatMulInteger` of four uint8 codes `a` and four weights of 127."""


@functools.cache
def this_cpu_saturates() -> bool:
    """Whether ONNX Runtime's uint8 x int8 products saturate on this CPU without the option.

    A small model is run to find out, since CPU flags can be wrong: an emulator shows those of its
    host.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session: Any = onnxruntime.InferenceSession(PROBE, options, providers=["CPUExecutionProvider"])
    total = session.run(None, {"a": np.full((1, PRODUCTS), 255, np.uint8)})[0]
    return int(total.item()) != PRODUCTS * 255 * 127


def variants(model: bytes) -> Iterator[tuple[bytes, str]]:
    """Yield forms of a file to try to load with the option, each with words for it.

    Args:
        model: The file, which comes first; then a copy with a zero point for each kernel.
    """
    yield model, OPTION
    copy = edit.with_own_zero_points(model)
    if copy is not None:
        yield copy, f"{OPTION}, with a zero point for each kernel"
