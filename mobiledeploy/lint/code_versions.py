"""The operator versions of TFLite that take int8 and int16 codes."""

from typing import Final

CODE_VERSIONS: Final[dict[str, dict[str, int]]] = {
    "int8": {
        "ADD": 2,
        "AVERAGE_POOL_2D": 2,
        "CONCATENATION": 2,
        "CONV_2D": 3,
        "DEPTHWISE_CONV_2D": 3,
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
}
"""By the type of an operator's first input, the first version that takes it: those of image
classifiers. Some converters write lower ones. Source: `op_version.cc`, beside the source of
`op_versions`; for int16 convolutions its text, the types in its code being those of an earlier
plan."""
