import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import float_graph_reference as reference
import numpy as np
import numpy.typing as npt
import pytest
from ai_edge_litert import schema_py_generated as schema
from tflite_editor import TfliteFile

from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.formats import tflite
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.network.importers import tflite as importer
from mobiledeploy.network.importers.imported import Imported
from mobiledeploy.runtimes import litert

RNG = np.random.default_rng(7)
CLOSE = 2e-6
"""Largest difference from LiteRT, as a part of the largest output."""

Array = npt.NDArray[Any]
SAME, VALID = 0, 1
RELU, RELU_N1, RELU6, TANH = 1, 2, 3, 4
IMAGE = (1, 9, 7, 4)
Step = tuple[str, Sequence[Any], tuple[int, ...], str, dict[str, Any]]
"""Operator, its inputs (constants, or the number of a tensor: 0 the input, n the n-th step's),
shape of its output, options table and its fields."""


def f32(*shape: int) -> Array:
    return RNG.normal(0, 0.5, shape).astype(np.float32)


def ints(*values: int) -> Array:
    return np.array(values, np.int32)


def model_bytes(steps: Sequence[Step], shape: tuple[int, ...] = IMAGE) -> bytes:
    writer = TfliteWriter()
    tensors = [writer.activation("image", np.float32, shape)]
    for number, (op, inputs, size, options, fields) in enumerate(steps, 1):
        read = [
            value
            if isinstance(value, int) and value < 0
            else tensors[value]
            if isinstance(value, int)
            else writer.constant(f"c{number}", value)
            for value in inputs
        ]
        tensors.append(writer.activation(f"t{number}", np.float32, size))
        writer.operator(op, 1, read, tensors[-1], options, **fields)
    return writer.finish(
        description="test",
        min_runtime="1.5.0",
        inputs={"x": tensors[0]},
        outputs={"y": tensors[-1]},
    )


def imported_of(data: bytes, **options: Any) -> Imported:
    return importer.read_model(tflite.parse(data), name="net", **options)


def assert_equal(data: bytes, *, close: float = CLOSE) -> Imported:
    """Check that the imported network computes what LiteRT computes."""
    imported = imported_of(data)
    assert not imported.unsupported, [node.attributes for node in imported.unsupported]
    x = RNG.normal(0, 1, (1, *imported.graph.input_shape)).astype(np.float32)
    (expected,) = litert.load(data, kernels="builtin").run(x)
    output = reference.output(imported.graph, x).reshape(expected.shape)
    assert np.abs(output - expected).max() <= close * max(np.abs(expected).max(), 1)
    return imported


def conv(weights: Array, size: tuple[int, ...], **fields: Any) -> Step:
    options = {"StrideH": 1, "StrideW": 1, "Padding": SAME, **fields}
    return "CONV_2D", (0, weights, f32(weights.shape[0])), size, "Conv2DOptions", options


def depthwise(weights: Array, size: tuple[int, ...], **fields: Any) -> Step:
    options = {
        "StrideH": 1,
        "StrideW": 1,
        "Padding": SAME,
        "DepthMultiplier": weights.shape[3] // 4,
        **fields,
    }
    return (
        "DEPTHWISE_CONV_2D",
        (0, weights, f32(weights.shape[3])),
        size,
        "DepthwiseConv2DOptions",
        options,
    )


def pool(op: str, size: tuple[int, ...], **fields: Any) -> Step:
    options = {
        "StrideH": 2,
        "StrideW": 1,
        "FilterHeight": 3,
        "FilterWidth": 2,
        "Padding": SAME,
        **fields,
    }
    return op, (0,), size, "Pool2DOptions", options


def plain(op: str, *more: Any, size: tuple[int, ...] = IMAGE, options: str = "", **f: Any) -> Step:
    return op, (0, *more), size, options, f


CASES: dict[str, tuple[Sequence[Step], tuple[int, ...]]] = {
    "conv SAME, stride 2, ReLU6": (
        [conv(f32(5, 3, 3, 4), (1, 5, 4, 5), StrideH=2, StrideW=2, FusedActivationFunction=RELU6)],
        IMAGE,
    ),
    "conv VALID, dilated": (
        [conv(f32(5, 3, 3, 4), (1, 5, 5, 5), Padding=VALID, DilationHFactor=2)],
        IMAGE,
    ),
    "conv in groups": ([conv(f32(6, 3, 3, 2), (1, 9, 7, 6))], IMAGE),
    "depthwise with two channels each": (
        [depthwise(f32(1, 3, 3, 8), (1, 9, 7, 8), FusedActivationFunction=RELU)],
        IMAGE,
    ),
    "depthwise, dilated": (
        [depthwise(f32(1, 3, 3, 4), (1, 9, 7, 4), DilationHFactor=2, DilationWFactor=2)],
        IMAGE,
    ),
    "fully connected, flattens": (
        [
            (
                "FULLY_CONNECTED",
                (0, f32(3, 252), f32(3)),
                (1, 3),
                "FullyConnectedOptions",
                {"FusedActivationFunction": RELU_N1},
            )
        ],
        IMAGE,
    ),
    "fully connected, keeps axes, no bias": (
        [
            (
                "FULLY_CONNECTED",
                (0, f32(3, 4), -1),
                (1, 9, 7, 3),
                "FullyConnectedOptions",
                {"KeepNumDims": True},
            )
        ],
        IMAGE,
    ),
    "max pool": ([pool("MAX_POOL_2D", (1, 5, 7, 4))], IMAGE),
    "average pool, counts no pads": ([pool("AVERAGE_POOL_2D", (1, 5, 7, 4))], IMAGE),
    "pad and conv": (
        [
            plain(
                "PAD",
                np.array([[0, 0], [0, 1], [2, 1], [0, 0]], np.int32),
                size=(1, 10, 10, 4),
                options="PadOptions",
            ),
            (
                "CONV_2D",
                (1, f32(5, 3, 3, 4), f32(5)),
                (1, 4, 4, 5),
                "Conv2DOptions",
                {"StrideH": 2, "StrideW": 2, "Padding": VALID},
            ),
        ],
        IMAGE,
    ),
    "pad with a value, and of channels": (
        [
            plain(
                "PADV2",
                np.array([[0, 0], [0, 1], [2, 1], [0, 0]], np.int32),
                np.array([-2], np.float32),
                size=(1, 10, 10, 4),
                options="PadV2Options",
            ),
            (
                "PAD",
                (1, np.array([[0, 0], [0, 0], [0, 0], [1, 2]], np.int32)),
                (1, 10, 10, 7),
                "PadOptions",
                {},
            ),
        ],
        IMAGE,
    ),
    "arithmetic with constants": (
        [
            plain("ADD", f32(4), options="AddOptions", FusedActivationFunction=RELU),
            ("MUL", (1, f32(9, 1, 4)), IMAGE, "MulOptions", {}),
            ("SUB", (np.array(1, np.float32), 2), IMAGE, "SubOptions", {}),
            ("DIV", (3, f32(1, 1, 1, 4) + 3), IMAGE, "DivOptions", {}),
            ("MAXIMUM", (4, np.array(-0.5, np.float32)), IMAGE, "MaximumMinimumOptions", {}),
            ("MINIMUM", (5, f32(4)), IMAGE, "MaximumMinimumOptions", {}),
        ],
        IMAGE,
    ),
    "a gate of channels": (
        [
            plain("MEAN", ints(1, 2), size=(1, 1, 1, 4), options="ReducerOptions", KeepDims=True),
            ("LOGISTIC", (1,), (1, 1, 1, 4), "", {}),
            ("MUL", (0, 2), IMAGE, "MulOptions", {}),
            ("SUB", (2, 3), IMAGE, "SubOptions", {}),
        ],
        IMAGE,
    ),
    "reductions": (
        [
            plain("REDUCE_MAX", ints(-2), size=(1, 9, 4), options="ReducerOptions"),
            ("SUM", (1, ints(1)), (1, 4), "ReducerOptions", {}),
        ],
        IMAGE,
    ),
    "activations": (
        [
            plain("RELU_N1_TO_1"),
            ("HARD_SWISH", (1,), IMAGE, "HardSwishOptions", {}),
            ("LEAKY_RELU", (2,), IMAGE, "LeakyReluOptions", {"Alpha": 0.2}),
            ("PRELU", (3, f32(1, 1, 4)), IMAGE, "", {}),
            ("ELU", (4,), IMAGE, "", {}),
            ("GELU", (5,), IMAGE, "GeluOptions", {"Approximate": False}),
            ("TANH", (6,), IMAGE, "", {}),
            ("EXP", (7,), IMAGE, "ExpOptions", {}),
            ("NEG", (8,), IMAGE, "NegOptions", {}),
            ("SQUARE", (9,), IMAGE, "SquareOptions", {}),
            ("RELU6", (10,), IMAGE, "", {}),
        ],
        IMAGE,
    ),
    "softmax with a factor": (
        [
            plain("SOFTMAX", options="SoftmaxOptions", Beta=0.5),
            ("LOG_SOFTMAX", (1,), IMAGE, "LogSoftmaxOptions", {}),
        ],
        IMAGE,
    ),
    "concatenation": (
        [
            plain("CONCATENATION", 0, size=(1, 9, 7, 8), options="ConcatenationOptions", Axis=-1),
            ("CONCATENATION", (1, 1), (1, 18, 7, 8), "ConcatenationOptions", {"Axis": 1}),
        ],
        IMAGE,
    ),
    "channel shuffle": (
        [
            plain("RESHAPE", ints(1, 9, 7, 2, 2), size=(1, 9, 7, 2, 2)),
            ("TRANSPOSE", (1, ints(0, 1, 2, 4, 3)), (1, 9, 7, 2, 2), "TransposeOptions", {}),
            ("RESHAPE", (2, ints(1, -1, 7, 4)), IMAGE, "", {}),
            ("RELU", (3,), IMAGE, "", {}),
        ],
        IMAGE,
    ),
    "slices": (
        [
            plain(
                "STRIDED_SLICE",
                ints(0, 1, -5, 0),
                ints(0, 8, 0, 2),
                ints(1, 2, 1, 1),
                size=(1, 4, 5, 2),
                options="StridedSliceOptions",
                BeginMask=1,
                EndMask=5,
            ),
            ("SLICE", (1, ints(0, 1, 0, 1), ints(1, 2, -1, 1)), (1, 2, 5, 1), "SliceOptions", {}),
        ],
        IMAGE,
    ),
    "channels in the reverse order": (
        [
            plain(
                "STRIDED_SLICE",
                ints(0, 0, 0, 0),
                ints(0, 0, 0, 0),
                ints(1, 1, 1, -1),
                options="StridedSliceOptions",
                BeginMask=15,
                EndMask=15,
            )
        ],
        IMAGE,
    ),
    "a row": (
        [
            plain(
                "STRIDED_SLICE",
                ints(0, 3),
                ints(0, 4),
                ints(1, 1),
                size=(1, 7, 4),
                options="StridedSliceOptions",
                BeginMask=1,
                EndMask=1,
                ShrinkAxisMask=2,
            ),
            ("EXPAND_DIMS", (1, ints(-1)), (1, 7, 4, 1), "ExpandDimsOptions", {}),
        ],
        IMAGE,
    ),
    "nearest pixels": (
        [
            plain(
                "RESIZE_NEAREST_NEIGHBOR",
                ints(18, 21),
                size=(1, 18, 21, 4),
                options="ResizeNearestNeighborOptions",
                HalfPixelCenters=True,
            )
        ],
        IMAGE,
    ),
    "blocks of pixels and back": (
        [
            plain(
                "SPACE_TO_DEPTH", size=(1, 3, 2, 36), options="SpaceToDepthOptions", BlockSize=3
            ),
            ("DEPTH_TO_SPACE", (1,), (1, 6, 4, 9), "DepthToSpaceOptions", {"BlockSize": 2}),
        ],
        (1, 9, 6, 4),
    ),
    "a vector": (
        [("FULLY_CONNECTED", (0, f32(3, 6), f32(3)), (1, 3), "FullyConnectedOptions", {})],
        (1, 6),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_operators_compute_what_litert_computes(case: str) -> None:
    steps, shape = CASES[case]
    imported = assert_equal(model_bytes(steps, shape))
    assert imported.input_range == ()
    assert imported.labels == ()


def test_parts_of_a_split_are_slices() -> None:
    writer = TfliteWriter()
    source = writer.activation("image", np.float32, IMAGE)
    parts = [writer.activation(f"part{number}", np.float32, (1, 9, 7, 2)) for number in (0, 1)]
    writer._operator(
        (schema.BuiltinOperator.SPLIT, 1),
        [writer.constant("axis", ints(3)), source],
        parts,
        {
            "BuiltinOptionsType": schema.BuiltinOptions.SplitOptions,
            "BuiltinOptions": writer._table("SplitOptions", NumSplits=2),
        },
    )
    last = writer.activation("difference", np.float32, (1, 9, 7, 2))
    writer.operator("SUB", 1, parts, last, "SubOptions")
    data = writer.finish(
        description="", min_runtime="1.5.0", inputs={"x": source}, outputs={"y": last}
    )
    imported = assert_equal(data)
    assert [node.op for node in imported.graph.nodes] == ["slice", "slice", "sub"]


def with_weights(cast: Any, **grid: Any) -> bytes:
    """Return a convolution whose kernel is behind a DEQUANTIZE."""
    writer = TfliteWriter()
    source = writer.activation("image", np.float32, IMAGE)
    stored = writer.constant("stored", cast(f32(5, 3, 3, 4)), **grid)
    kernel = writer.activation("kernel", np.float32, (5, 3, 3, 4))
    writer.operator("DEQUANTIZE", 2, [stored], kernel, "DequantizeOptions")
    output = writer.activation("conv", np.float32, (1, 9, 7, 5))
    writer.operator(
        "CONV_2D",
        1,
        [source, kernel, writer.constant("bias", f32(5))],
        output,
        "Conv2DOptions",
        StrideH=1,
        StrideW=1,
        Padding=SAME,
    )
    return writer.finish(
        description="", min_runtime="1.5.0", inputs={"x": source}, outputs={"y": output}
    )


def test_weights_in_float16_are_used_as_float32() -> None:
    imported = assert_equal(with_weights(lambda values: values.astype(np.float16)))
    assert imported.dtypes == ("float16", "float32")
    assert [notice.kind for notice in imported.notices] == ["float16"]


def test_weights_as_codes_are_dequantised() -> None:
    scale = np.array([0.02], np.float32)
    data = with_weights(
        lambda values: np.clip(np.round(values / 0.02), -127, 127).astype(np.int8), scale=scale
    )
    imported = assert_equal(data)
    assert [(notice.kind, notice.names) for notice in imported.notices] == [
        ("dequantised_weights", ("stored",))
    ]


def test_a_quantised_file_is_refused() -> None:
    writer = TfliteWriter()
    grid = {"scale": np.float32(0.5), "zero_point": 3}
    source = writer.activation("image", np.int8, IMAGE, **grid)  # type: ignore[arg-type]
    output = writer.activation("relu", np.int8, IMAGE, **grid)  # type: ignore[arg-type]
    writer.operator("RELU", 2, [source], output)
    data = writer.finish(
        description="", min_runtime="1.5.0", inputs={"x": source}, outputs={"y": output}
    )
    with pytest.raises(ConversionError, match="quantised already"):
        imported_of(data)


def test_all_that_is_not_supported_is_named_at_once() -> None:
    steps: list[Step] = [
        plain(
            "MIRROR_PAD",
            np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32),
            size=(1, 11, 9, 4),
            options="MirrorPadOptions",
        ),
        ("SQRT", (1,), (1, 11, 9, 4), "", {}),
        (
            "CONV_2D",
            (2, f32(5, 3, 3, 7), f32(5)),
            (1, 11, 9, 5),
            "Conv2DOptions",
            {"StrideH": 1, "StrideW": 1},
        ),
        ("RESIZE_BILINEAR", (3, ints(22, 18)), (1, 22, 18, 5), "ResizeBilinearOptions", {}),
        ("RELU", (4,), (1, 22, 18, 5), "", {}),
    ]
    imported = imported_of(model_bytes(steps))
    assert {node.name: node.kind for node in imported.unsupported} == {
        "t1": "MIRROR_PAD",
        "t2": "SQRT",
        "t3": "CONV_2D",
        "t4": "RESIZE_BILINEAR",
    }
    with pytest.raises(ConversionError, match="t1"):
        imported.graph.shapes()


def test_an_activation_that_is_not_supported_refuses_the_whole_layer() -> None:
    steps = [conv(f32(5, 3, 3, 4), (1, 9, 7, 5), FusedActivationFunction=TANH)]
    imported = imported_of(model_bytes(steps))
    (node,) = imported.graph.nodes
    assert node.attributes["reason"] == "its activation is tanh"


def test_an_open_size_of_images_is_asked_for() -> None:
    file = TfliteFile(model_bytes([conv(f32(5, 3, 3, 4), (1, 9, 7, 5))]))
    file.tensor("image").shapeSignature = np.array([-1, -1, -1, 4], np.int32)
    with pytest.raises(RequestError, match="leaves the image's size open"):
        imported_of(file.bytes())
    graph = imported_of(file.bytes(), image_size=(12, 10)).graph
    assert graph.shapes()[graph.output] == (12, 10, 5)


def test_another_size_than_the_file_is_made_for_is_refused() -> None:
    data = model_bytes([conv(f32(5, 3, 3, 4), (1, 9, 7, 5))])
    with pytest.raises(RequestError, match="made for images of 9x7"):
        imported_of(data, image_size=(9, 8))


def test_the_names_of_fused_layers_are_shortened_to_the_first() -> None:
    file = TfliteFile(
        model_bytes([conv(f32(5, 3, 3, 4), (1, 9, 7, 5), FusedActivationFunction=1)])
    )
    file.tensor("t1").name = b"net/conv/Relu;net/bn/batchnorm;net/conv"
    names = [node.name for node in imported_of(file.bytes()).graph.nodes]
    assert names == ["net/conv/Relu", "net/conv/Relu/clip"]


def classifier_metadata() -> bytes:
    """A `ModelMetadata` with a mean and deviation for each channel, and a file of labels."""
    builder = flatbuffers.Builder(256)

    def table(slots: int, **fields: tuple[str, int]) -> int:
        builder.StartObject(slots)
        for slot, (kind, value) in fields.items():
            if kind == "offset":
                builder.PrependUOffsetTRelativeSlot(int(slot[1:]), value, 0)
            else:
                builder.PrependUint8Slot(int(slot[1:]), value, 0)
        end: int = builder.EndObject()
        return end

    def vector(offset: int) -> int:
        builder.StartVector(4, 1, 4)
        builder.PrependUOffsetTRelative(offset)
        end: int = builder.EndVector()
        return end

    mean, std = (
        builder.CreateNumpyVector(np.array(values, np.float32))
        for values in ((120, 110, 100, 0), (60, 55, 50, 1))
    )
    options = table(2, s0=("offset", mean), s1=("offset", std))
    unit = table(2, s0=("byte", 1), s1=("offset", options))
    image = table(7, s4=("offset", vector(unit)))
    name = builder.CreateString("classes.txt")
    labels = table(3, s0=("offset", name), s2=("byte", 2))
    output = table(7, s6=("offset", vector(labels)))
    graph = table(4, s2=("offset", vector(image)), s3=("offset", vector(output)))
    builder.Finish(table(7, s3=("offset", vector(graph))), file_identifier=b"M001")
    return bytes(builder.Output())


def test_metadata_state_range_and_labels(tmp_path: Path) -> None:
    file = TfliteFile(model_bytes([conv(f32(3, 3, 3, 4), (1, 9, 7, 3))]))
    entry = schema.MetadataT()
    entry.name = b"TFLITE_METADATA"
    entry.buffer = file.add_buffer(np.frombuffer(classifier_metadata(), np.uint8))
    file.model.metadata.append(entry)
    path = tmp_path / "m.tflite"
    path.write_bytes(file.bytes())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("classes.txt", "cat\ndog\nbird\n")
        archive.writestr("readme.txt", "labels are in the other one")
    imported = importer.read(path)
    assert imported.labels == ("cat", "dog", "bird")
    assert imported.input_range == ((-2.0, 2.25), (-2.0, 145 / 55), (-2.0, 3.1), (0.0, 255.0))
    assert imported.notices == ()
