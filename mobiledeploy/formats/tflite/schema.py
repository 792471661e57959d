"""Enum numbers of TFLite's schema by name, as of August 2026.

Schema: tensorflow/compiler/mlir/lite/schema/schema.fbs. LiteRT's package has the names as well,
in a module of 18,000 lines whose import takes longer than `inspect` takes to read a file.
"""

import dataclasses
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.formats.model import NARROW, Activation

Padding: TypeAlias = Literal["same", "valid"]

_OPERATORS: Final = """
    ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE
    EMBEDDING_LOOKUP FLOOR FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D
    LOCAL_RESPONSE_NORMALIZATION LOGISTIC LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU RELU_N1_TO_1
    RELU6 RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH SVDF TANH CONCAT_EMBEDDINGS
    SKIP_GRAM CALL CUSTOM EMBEDDING_LOOKUP_SPARSE PAD UNIDIRECTIONAL_SEQUENCE_RNN GATHER
    BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND TRANSPOSE MEAN SUB DIV SQUEEZE
    UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE BIDIRECTIONAL_SEQUENCE_RNN EXP TOPK_V2 SPLIT
    LOG_SOFTMAX DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM CAST PRELU MAXIMUM ARG_MAX MINIMUM LESS
    NEG PADV2 GREATER GREATER_EQUAL LESS_EQUAL SELECT SLICE SIN TRANSPOSE_CONV SPARSE_TO_DENSE
    TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT RSQRT SHAPE POW ARG_MIN FAKE_QUANT
    REDUCE_PROD REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT UNPACK REDUCE_MIN
    FLOOR_DIV REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD RANGE RESIZE_NEAREST_NEIGHBOR
    LEAKY_RELU SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL REVERSE_V2 ADD_N GATHER_ND
    COS WHERE RANK ELU REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG ROUND HARD_SWISH
    IF WHILE NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 SCATTER_ND SELECT_V2 DENSIFY
    SEGMENT_SUM BATCH_MATMUL PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO
    RFFT2D CONV_3D IMAG REAL COMPLEX_ABS HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT
    HASHTABLE_SIZE REDUCE_ALL CONV_3D_TRANSPOSE VAR_HANDLE READ_VARIABLE ASSIGN_VARIABLE
    BROADCAST_ARGS RANDOM_STANDARD_NORMAL BUCKETIZE RANDOM_UNIFORM MULTINOMIAL GELU
    DYNAMIC_UPDATE_SLICE RELU_0_TO_1 UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX
    UNSORTED_SEGMENT_SUM ATAN2 UNSORTED_SEGMENT_MIN SIGN BITCAST BITWISE_XOR RIGHT_SHIFT
    STABLEHLO_LOGISTIC STABLEHLO_ADD STABLEHLO_DIVIDE STABLEHLO_MULTIPLY STABLEHLO_MAXIMUM
    STABLEHLO_RESHAPE STABLEHLO_CLAMP STABLEHLO_CONCATENATE STABLEHLO_BROADCAST_IN_DIM
    STABLEHLO_CONVOLUTION STABLEHLO_SLICE STABLEHLO_CUSTOM_CALL STABLEHLO_REDUCE STABLEHLO_ABS
    STABLEHLO_AND STABLEHLO_COSINE STABLEHLO_EXPONENTIAL STABLEHLO_FLOOR STABLEHLO_LOG
    STABLEHLO_MINIMUM STABLEHLO_NEGATE STABLEHLO_OR STABLEHLO_POWER STABLEHLO_REMAINDER
    STABLEHLO_RSQRT STABLEHLO_SELECT STABLEHLO_SUBTRACT STABLEHLO_TANH STABLEHLO_SCATTER
    STABLEHLO_COMPARE STABLEHLO_CONVERT STABLEHLO_DYNAMIC_SLICE STABLEHLO_DYNAMIC_UPDATE_SLICE
    STABLEHLO_PAD STABLEHLO_IOTA STABLEHLO_DOT_GENERAL STABLEHLO_REDUCE_WINDOW STABLEHLO_SORT
    STABLEHLO_WHILE STABLEHLO_GATHER STABLEHLO_TRANSPOSE DILATE STABLEHLO_RNG_BIT_GENERATOR
    REDUCE_WINDOW STABLEHLO_COMPOSITE STABLEHLO_SHIFT_LEFT STABLEHLO_CBRT STABLEHLO_CASE
"""
OPERATORS: Final = tuple(_OPERATORS.split())
"""Names in `BuiltinOperator`, by number."""

_TYPES: Final = """
    FLOAT32 FLOAT16 INT32 UINT8 INT64 STRING BOOL INT16 COMPLEX64 INT8 FLOAT64 COMPLEX128
    UINT64 RESOURCE VARIANT UINT32 UINT16 INT4 BFLOAT16 INT2 UINT4 FLOAT8_E4M3FN FLOAT8_E5M2
"""
TYPES: Final = tuple(_TYPES.split())
"""Names in `TensorType`, by number."""

ACTIVATIONS: Final[tuple[Activation, ...]] = (
    "none",
    "relu",
    "relu_n1_to_1",
    "relu6",
    "tanh",
    "sign_bit",
)
"""Names in `ActivationFunctionType`, by number."""

PADDINGS: Final[tuple[Padding, ...]] = ("same", "valid")
"""Names in `Padding`, by number."""

_OPTIONS_TABLES: Final = """
    NONE Conv2DOptions DepthwiseConv2DOptions ConcatEmbeddingsOptions LSHProjectionOptions
    Pool2DOptions SVDFOptions RNNOptions FullyConnectedOptions SoftmaxOptions
    ConcatenationOptions AddOptions L2NormOptions LocalResponseNormalizationOptions LSTMOptions
    ResizeBilinearOptions CallOptions ReshapeOptions SkipGramOptions SpaceToDepthOptions
    EmbeddingLookupSparseOptions MulOptions PadOptions GatherOptions BatchToSpaceNDOptions
    SpaceToBatchNDOptions TransposeOptions ReducerOptions SubOptions DivOptions SqueezeOptions
    SequenceRNNOptions StridedSliceOptions ExpOptions TopKV2Options SplitOptions
    LogSoftmaxOptions CastOptions DequantizeOptions MaximumMinimumOptions ArgMaxOptions
    LessOptions NegOptions PadV2Options GreaterOptions GreaterEqualOptions LessEqualOptions
    SelectOptions SliceOptions TransposeConvOptions SparseToDenseOptions TileOptions
    ExpandDimsOptions EqualOptions NotEqualOptions ShapeOptions PowOptions ArgMinOptions
    FakeQuantOptions PackOptions LogicalOrOptions OneHotOptions LogicalAndOptions
    LogicalNotOptions UnpackOptions FloorDivOptions SquareOptions ZerosLikeOptions FillOptions
    BidirectionalSequenceLSTMOptions BidirectionalSequenceRNNOptions
    UnidirectionalSequenceLSTMOptions FloorModOptions RangeOptions ResizeNearestNeighborOptions
    LeakyReluOptions SquaredDifferenceOptions MirrorPadOptions AbsOptions SplitVOptions
    UniqueOptions ReverseV2Options AddNOptions GatherNdOptions CosOptions WhereOptions
    RankOptions ReverseSequenceOptions MatrixDiagOptions QuantizeOptions MatrixSetDiagOptions
    HardSwishOptions IfOptions WhileOptions DepthToSpaceOptions NonMaxSuppressionV4Options
    NonMaxSuppressionV5Options ScatterNdOptions SelectV2Options DensifyOptions
    SegmentSumOptions BatchMatMulOptions CumsumOptions CallOnceOptions BroadcastToOptions
    Rfft2dOptions Conv3DOptions HashtableOptions HashtableFindOptions HashtableImportOptions
    HashtableSizeOptions VarHandleOptions ReadVariableOptions AssignVariableOptions
    RandomOptions BucketizeOptions GeluOptions DynamicUpdateSliceOptions
    UnsortedSegmentProdOptions UnsortedSegmentMaxOptions UnsortedSegmentMinOptions
    UnsortedSegmentSumOptions ATan2Options SignOptions BitcastOptions BitwiseXorOptions
    RightShiftOptions
"""
OPTIONS_TABLES: Final = tuple(_OPTIONS_TABLES.split())
"""Names in `BuiltinOptions`, by number."""


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """A field of an options table.

    Attributes:
        slot: Its position in the table.
        kind: Its type, a `struct` format character; or `SHAPE`.
        default: The value of an omitted field.
    """

    slot: int
    kind: str
    default: Any


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """The options table of an operator.

    Attributes:
        table: Its name in `BuiltinOptions`.
        fields: By name: the fields that influence what is computed.
    """

    table: str
    fields: dict[str, Field]

    @property
    def number(self) -> int:
        """The table's number in `BuiltinOptions`."""
        return OPTIONS_TABLES.index(self.table)


SHAPE: Final = "shape"
"""Kind of a field that is a list of sizes, int32."""
ACTIVATION: Final = "fused_activation_function"
"""The field that names an operator's fused activation."""


def _activation(slot: int) -> dict[str, Field]:
    return {ACTIVATION: Field(slot, "b", 0)}


_PADDING: Final = {"padding": Field(0, "b", 0)}
_STRIDES: Final = {"stride_w": Field(1, "i", 0), "stride_h": Field(2, "i", 0)}


def _dilations(slot: int) -> dict[str, Field]:
    return {
        "dilation_w_factor": Field(slot, "i", 1),
        "dilation_h_factor": Field(slot + 1, "i", 1),
    }


_POOL: Final = Options(
    "Pool2DOptions",
    {
        **_PADDING,
        **_STRIDES,
        "filter_width": Field(3, "i", 0),
        "filter_height": Field(4, "i", 0),
        **_activation(5),
    },
)

_REDUCER: Final = Options("ReducerOptions", {"keep_dims": Field(0, "?", default=False)})
_MAXIMUM_MINIMUM: Final = Options("MaximumMinimumOptions", {})


def _corners(slot: int) -> dict[str, Field]:
    return {
        "align_corners": Field(slot, "?", default=False),
        "half_pixel_centers": Field(slot + 1, "?", default=False),
    }


OPTIONS: Final[dict[str, Options]] = {
    "ABS": Options("AbsOptions", {}),
    "ADD": Options("AddOptions", _activation(0)),
    "ARG_MAX": Options("ArgMaxOptions", {"output_type": Field(0, "b", 0)}),
    "AVERAGE_POOL_2D": _POOL,
    "BATCH_MATMUL": Options(
        "BatchMatMulOptions",
        {"adj_x": Field(0, "?", default=False), "adj_y": Field(1, "?", default=False)},
    ),
    "BATCH_TO_SPACE_ND": Options("BatchToSpaceNDOptions", {}),
    "BROADCAST_TO": Options("BroadcastToOptions", {}),
    "CAST": Options(
        "CastOptions", {"in_data_type": Field(0, "b", 0), "out_data_type": Field(1, "b", 0)}
    ),
    "CONCATENATION": Options("ConcatenationOptions", {"axis": Field(0, "i", 0), **_activation(1)}),
    "CONV_2D": Options(
        "Conv2DOptions", {**_PADDING, **_STRIDES, **_activation(3), **_dilations(4)}
    ),
    "DEPTHWISE_CONV_2D": Options(
        "DepthwiseConv2DOptions",
        {
            **_PADDING,
            **_STRIDES,
            "depth_multiplier": Field(3, "i", 0),
            **_activation(4),
            **_dilations(5),
        },
    ),
    "DEPTH_TO_SPACE": Options("DepthToSpaceOptions", {"block_size": Field(0, "i", 0)}),
    "DEQUANTIZE": Options("DequantizeOptions", {}),
    "DIV": Options("DivOptions", _activation(0)),
    "EXP": Options("ExpOptions", {}),
    "EXPAND_DIMS": Options("ExpandDimsOptions", {}),
    "FULLY_CONNECTED": Options(
        "FullyConnectedOptions",
        {
            **_activation(0),
            "weights_format": Field(1, "b", 0),
            "keep_num_dims": Field(2, "?", default=False),
        },
    ),
    "GATHER": Options("GatherOptions", {"axis": Field(0, "i", 0), "batch_dims": Field(1, "i", 0)}),
    "GELU": Options("GeluOptions", {"approximate": Field(0, "?", default=False)}),
    "HARD_SWISH": Options("HardSwishOptions", {}),
    "L2_NORMALIZATION": Options("L2NormOptions", _activation(0)),
    "L2_POOL_2D": _POOL,
    "LEAKY_RELU": Options("LeakyReluOptions", {"alpha": Field(0, "f", 0.0)}),
    "LOG_SOFTMAX": Options("LogSoftmaxOptions", {}),
    "MAXIMUM": _MAXIMUM_MINIMUM,
    "MAX_POOL_2D": _POOL,
    "MEAN": _REDUCER,
    "MINIMUM": _MAXIMUM_MINIMUM,
    "MIRROR_PAD": Options("MirrorPadOptions", {"mode": Field(0, "b", 0)}),
    "MUL": Options("MulOptions", _activation(0)),
    "NEG": Options("NegOptions", {}),
    "PACK": Options("PackOptions", {"values_count": Field(0, "i", 0), "axis": Field(1, "i", 0)}),
    "PAD": Options("PadOptions", {}),
    "PADV2": Options("PadV2Options", {}),
    "QUANTIZE": Options("QuantizeOptions", {}),
    "REDUCE_MAX": _REDUCER,
    "REDUCE_MIN": _REDUCER,
    "RESHAPE": Options("ReshapeOptions", {"new_shape": Field(0, SHAPE, None)}),
    "RESIZE_BILINEAR": Options("ResizeBilinearOptions", _corners(2)),
    "RESIZE_NEAREST_NEIGHBOR": Options("ResizeNearestNeighborOptions", _corners(0)),
    "REVERSE_V2": Options("ReverseV2Options", {}),
    "SHAPE": Options("ShapeOptions", {"out_type": Field(0, "b", 0)}),
    "SLICE": Options("SliceOptions", {}),
    "SOFTMAX": Options("SoftmaxOptions", {"beta": Field(0, "f", 0.0)}),
    "SPACE_TO_BATCH_ND": Options("SpaceToBatchNDOptions", {}),
    "SPACE_TO_DEPTH": Options("SpaceToDepthOptions", {"block_size": Field(0, "i", 0)}),
    "SPLIT": Options("SplitOptions", {"num_splits": Field(0, "i", 0)}),
    "SPLIT_V": Options("SplitVOptions", {"num_splits": Field(0, "i", 0)}),
    "SQUARED_DIFFERENCE": Options("SquaredDifferenceOptions", {}),
    "SQUEEZE": Options("SqueezeOptions", {"squeeze_dims": Field(0, SHAPE, None)}),
    "STRIDED_SLICE": Options(
        "StridedSliceOptions",
        {
            "begin_mask": Field(0, "i", 0),
            "end_mask": Field(1, "i", 0),
            "ellipsis_mask": Field(2, "i", 0),
            "new_axis_mask": Field(3, "i", 0),
            "shrink_axis_mask": Field(4, "i", 0),
            "offset": Field(5, "?", default=False),
        },
    ),
    "SUB": Options("SubOptions", _activation(0)),
    "SUM": _REDUCER,
    "TILE": Options("TileOptions", {}),
    "TRANSPOSE": Options("TransposeOptions", {}),
    "TRANSPOSE_CONV": Options("TransposeConvOptions", {**_PADDING, **_STRIDES, **_activation(3)}),
    "UNPACK": Options("UnpackOptions", {"num": Field(0, "i", 0), "axis": Field(1, "i", 0)}),
}
"""Options by operator, for operators of image classifiers that have a table of options. PRELU and
LOGISTIC have none."""


class Model:
    """Slots of a file's root table."""

    VERSION: Final = 0
    OPERATOR_CODES: Final = 1
    SUBGRAPHS: Final = 2
    DESCRIPTION: Final = 3
    BUFFERS: Final = 4
    METADATA: Final = 6
    SIGNATURES: Final = 7


class OperatorCode:
    """Slots of an entry in the list of operators that a file uses."""

    DEPRECATED_CODE: Final = 0
    CUSTOM_CODE: Final = 1
    VERSION: Final = 2
    CODE: Final = 3


class SubGraph:
    """Slots of a graph."""

    TENSORS: Final = 0
    INPUTS: Final = 1
    OUTPUTS: Final = 2
    OPERATORS: Final = 3
    NAME: Final = 4


class Operator:
    """Slots of an operator."""

    CODE_INDEX: Final = 0
    INPUTS: Final = 1
    OUTPUTS: Final = 2
    OPTIONS_TYPE: Final = 3
    OPTIONS: Final = 4


class Tensor:
    """Slots of a tensor."""

    SHAPE: Final = 0
    TYPE: Final = 1
    BUFFER: Final = 2
    NAME: Final = 3
    QUANTISATION: Final = 4
    SPARSITY: Final = 6
    SHAPE_SIGNATURE: Final = 7


class Quantisation:
    """Slots of `QuantizationParameters`, and of the `BlockwiseQuantization` in it."""

    SCALE: Final = 2
    ZERO_POINT: Final = 3
    DETAILS_TYPE: Final = 4
    DETAILS: Final = 5
    AXIS: Final = 6

    BLOCKWISE: Final = 2
    """Number of `BlockwiseQuantization` in `QuantizationDetails`."""
    BLOCK_SCALES: Final = 0
    BLOCK_ZERO_POINTS: Final = 1
    BLOCK_SIZE: Final = 2


class Buffer:
    """Slots of a buffer."""

    DATA: Final = 0
    OFFSET: Final = 1
    SIZE: Final = 2


class Metadata:
    """Slots of an entry of metadata."""

    NAME: Final = 0
    BUFFER: Final = 1


class Signature:
    """Slots of `SignatureDef`, and of the `TensorMap` in it."""

    INPUTS: Final = 0
    OUTPUTS: Final = 1
    KEY: Final = 2
    SUBGRAPH: Final = 4

    TENSOR_NAME: Final = 0
    TENSOR_INDEX: Final = 1


_NOT_IN_NUMPY: Final = frozenset({*NARROW, "bfloat16", "string", "resource", "variant"})


def operator(number: int) -> str:
    """Return the name of an operator, such as `CONV_2D`; `BUILTIN_300` for one without a name."""
    return OPERATORS[number] if 0 <= number < len(OPERATORS) else f"BUILTIN_{number}"


def dtype(number: int, where: str) -> str:
    """Return the name of a tensor's type, such as `int8`.

    Args:
        number: The number in `TensorType`.
        where: Which tensor, for messages.

    Raises:
        CorruptFileError: There is no such type.
    """
    if not 0 <= number < len(TYPES):
        raise CorruptFileError(f"{where}: there is no type {number}")
    return TYPES[number].lower()


def padding(number: int) -> Padding | None:
    """Return the name of a padding; None for a number that is not in the schema."""
    return PADDINGS[number] if 0 <= number < len(PADDINGS) else None


def numpy_type(dtype: str) -> np.dtype[Any] | None:
    """Return NumPy's type for a tensor's type; None if it has none."""
    if dtype in _NOT_IN_NUMPY or dtype.startswith("float8"):
        return None
    return np.dtype(dtype)
