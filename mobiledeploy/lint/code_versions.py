"""The operator versions of TFLite that take codes: of activations, of weights, of both.

Some converters write lower ones. Source: `op_version.cc`, beside the source of `op_versions`; for
int16 convolutions its text, the types in its code being those of an earlier plan. Only operators
of image classifiers are here.
"""

from typing import Final

from mobiledeploy.formats.model import NARROW, Model, Operator, Tensor

UNKNOWN: Final = -1
"""No version says that an operator takes these types: none is written, or none is known."""

INPUTS: Final[dict[str, dict[str, int]]] = {
    "int8": {
        "ADD": 2,
        "AVERAGE_POOL_2D": 2,
        "CONCATENATION": 2,
        "CONV_2D": 3,
        "DEPTHWISE_CONV_2D": 3,
        "DEQUANTIZE": 2,
        "FULLY_CONNECTED": 4,
        "LOGISTIC": 2,
        "MAX_POOL_2D": 2,
        "MEAN": 2,
        "MUL": 2,
        "PAD": 2,
        "RELU": 2,
        "RELU6": 2,
        "SOFTMAX": 2,
        "SUB": 2,
        "TRANSPOSE": 2,
    },
    "int16": {
        "AVERAGE_POOL_2D": 3,
        "CONCATENATION": 3,
        "CONV_2D": 4,
        "DEPTHWISE_CONV_2D": 5,
        "DEQUANTIZE": 3,
        "FULLY_CONNECTED": 7,
        "LOGISTIC": 3,
        "MAX_POOL_2D": 3,
        "MEAN": 3,
        "MUL": 4,
        "PAD": 3,
        "RELU6": 3,
        "SOFTMAX": 3,
        "TRANSPOSE": 5,
    },
    "float16": {"DEQUANTIZE": 3},
    "int4": {"DEQUANTIZE": 6},
    "int2": {"DEQUANTIZE": 7},
    "uint4": {"DEQUANTIZE": 8},
}
"""By the type of an operator's first input, the first version that takes it."""

WEIGHTS: Final[dict[tuple[str, str], dict[str, tuple[int, int]]]] = {
    ("float32", "int8"): {
        "CONV_2D": (2, 5),
        "DEPTHWISE_CONV_2D": (4, 6),
        "FULLY_CONNECTED": (3, 12),
    },
    ("int8", "int4"): {
        "CONV_2D": (7, 7),
        "DEPTHWISE_CONV_2D": (7, 7),
        "FULLY_CONNECTED": (10, 10),
    },
    ("int16", "int4"): {"FULLY_CONNECTED": (13, 13)},
    ("float32", "int2"): {"FULLY_CONNECTED": (14, 14)},
    ("int8", "int2"): {"FULLY_CONNECTED": (14, 14)},
    ("int16", "int2"): {"FULLY_CONNECTED": (14, 14)},
}
"""By the types of activations and weights, the first version that takes them: with one scale, and
with several."""

WEIGHTED: Final = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_DEQUANTIZE_CHANNELS: Final = 5
"""Version of DEQUANTIZE that takes several scales."""


def needed(model: Model, operator: Operator) -> int:
    """Return the version that an operator must have for its types; 0 if any will do."""
    source, weights = model.tensor(operator.input(0)), model.tensor(operator.input(1))
    if source is None or operator.domain:
        return 0
    version = INPUTS.get(source.dtype, {}).get(operator.kind, 0)
    if operator.kind == "DEQUANTIZE" and _several(source):
        version = max(version, _DEQUANTIZE_CHANNELS)
    if operator.kind not in WEIGHTED or weights is None:
        return version
    if weights.block:
        return UNKNOWN
    several = WEIGHTS.get((source.dtype, weights.dtype), {}).get(operator.kind)
    if several is None:
        return UNKNOWN if weights.dtype in NARROW else version
    return several[_several(weights)]


def _several(tensor: Tensor) -> bool:
    return tensor.grid is not None and tensor.grid.scale.size > 1
