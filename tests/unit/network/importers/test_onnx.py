from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import float_graph_reference as reference
import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from mobiledeploy.base.errors import ConversionError, CorruptFileError, RequestError
from mobiledeploy.network.importers import onnx as importer
from mobiledeploy.network.importers.imported import Imported
from mobiledeploy.network.simplify.passes import simplify

EXPORTS = Path(__file__).parent / "exports"
RNG = np.random.default_rng(7)
CLOSE = 2e-6
"""Largest difference from ONNX Runtime, as a part of the largest output."""

Array = npt.NDArray[Any]


def weights(*shape: int) -> Array:
    return RNG.normal(0, 0.5, shape).astype(np.float32)


def number(value: float) -> Array:
    return np.array(value, np.float32)


def graph_file(
    path: Path,
    nodes: Sequence[Any],
    constants: dict[str, Array],
    shape: Sequence[int | str],
    *,
    opset: int = 17,
    dtype: int = TensorProto.FLOAT,
    functions: Sequence[Any] = (),
    metadata: dict[str, str] | None = None,
) -> Path:
    """Write a model from `x` to `y`."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", dtype, list(shape))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid("own", 1) for _ in functions)]
    model = helper.make_model(graph, opset_imports=imports, functions=functions, ir_version=8)
    helper.set_model_props(model, metadata or {})
    onnx.save(model, path)
    return path


def runtime_output(path: Path, x: Array) -> Array:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {session.get_inputs()[0].name: x})
    return np.asarray(output)


def sample(imported: Imported, batch: int = 1) -> tuple[Array, Array]:
    """Return an input in NHWC, and in the source's own layout."""
    x = RNG.normal(0, 1, (batch, *imported.graph.input_shape)).astype(np.float32)
    own = np.moveaxis(x, -1, 1) if imported.input_layout == "NCHW" else x
    return x, np.ascontiguousarray(own)


def assert_equal(path: Path, *, batch: int = 1, **options: Any) -> Imported:
    """Check that the imported network computes what ONNX Runtime computes."""
    imported = importer.read(path, **options)
    assert not imported.unsupported, [node.attributes for node in imported.unsupported]
    x, own = sample(imported, batch)
    expected = runtime_output(path, own)
    output = reference.output(imported.graph, x)
    # The graph keeps images with their channels last.
    if output.ndim > 2 and imported.input_layout == "NCHW":
        output = np.moveaxis(output, -1, 1)
    output = output.reshape(expected.shape)
    assert np.abs(output - expected).max() <= CLOSE * max(np.abs(expected).max(), 1)
    return imported


@pytest.mark.parametrize("name", sorted(path.stem for path in EXPORTS.glob("*.onnx")))
def test_torchvision_exports_compute_what_onnx_runtime_computes(name: str) -> None:
    size = (33, 35) if name == "mobilenet_v2" else None
    imported = assert_equal(EXPORTS / f"{name}.onnx", image_size=size)
    assert imported.input_layout == "NCHW"
    assert imported.input_range == ()
    assert imported.producer.startswith("pytorch")
    assert imported.classes == 5
    x, _ = sample(imported)
    graph = imported.graph
    np.testing.assert_allclose(
        reference.output(simplify(graph).graph, x), reference.output(graph, x), rtol=0, atol=1e-5
    )


def node(kind: str, inputs: str, outputs: str = "y", **attributes: Any) -> Any:
    return helper.make_node(kind, inputs.split(), outputs.split(), **attributes)


def ints(*values: int) -> Array:
    return np.array(values, np.int64)


IMAGE = (1, 4, 9, 7)
CONV = node("Conv", "x w b", "c", pads=[1, 1, 1, 1])
KERNEL = {"w": weights(6, 4, 3, 3), "b": weights(6)}

CASES: dict[str, tuple[Sequence[Any], dict[str, Array], Sequence[int], int]] = {
    "conv with pads of its own at each side": (
        [node("Conv", "x w", pads=[0, 1, 2, 1], strides=[2, 1])],
        {"w": weights(6, 4, 3, 2)},
        IMAGE,
        11,
    ),
    "conv SAME_UPPER": (
        [node("Conv", "x w", auto_pad="SAME_UPPER", strides=[2, 2])],
        {"w": weights(6, 4, 2, 4)},
        IMAGE,
        11,
    ),
    "conv SAME_LOWER": (
        [node("Conv", "x w", auto_pad="SAME_LOWER", strides=[2, 2])],
        {"w": weights(6, 4, 2, 4)},
        IMAGE,
        11,
    ),
    "conv in groups, dilated": (
        [node("Conv", "x w b", group=2, dilations=[2, 1])],
        {"w": weights(6, 2, 3, 3), "b": weights(6)},
        IMAGE,
        11,
    ),
    "conv of a sequence": (
        [
            node("Conv", "x w b", "c", pads=[2, 0], strides=[2]),
            node("MaxPool", "c", "m", kernel_shape=[2]),
            node("GlobalAveragePool", "m", "g"),
            node("Flatten", "g"),
        ],
        {"w": weights(6, 4, 3), "b": weights(6)},
        (1, 4, 20),
        13,
    ),
    "batch norm and PReLU": (
        [node("BatchNormalization", "x s o m v", "b", epsilon=1e-3), node("PRelu", "b p")],
        {
            "s": weights(4),
            "o": weights(4),
            "m": weights(4),
            "v": np.abs(weights(4)),
            "p": weights(4, 1, 1),
        },
        IMAGE,
        15,
    ),
    "batch norm of a vector": (
        [node("BatchNormalization", "x s o m v")],
        {"s": weights(5), "o": weights(5), "m": weights(5), "v": np.abs(weights(5))},
        (1, 5),
        15,
    ),
    "clip with attributes": ([node("Clip", "x", min=-0.5, max=0.75)], {}, IMAGE, 6),
    "clip with one input": (
        [node("Clip", "x  hi".replace("  ", " "), "t"), node("Clip", "t low")],
        {"hi": number(-0.2), "low": number(-1)},
        IMAGE,
        13,
    ),
    "pools that round up": (
        [
            node(
                "MaxPool",
                "x",
                "m",
                kernel_shape=[3, 2],
                strides=[2, 3],
                pads=[1, 0, 0, 1],
                ceil_mode=1,
            ),
            node("AveragePool", "m", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
        ],
        {},
        IMAGE,
        12,
    ),
    "pools that count pads": (
        [
            node(
                "AveragePool",
                "x",
                kernel_shape=[3, 3],
                strides=[2, 2],
                pads=[1, 1, 1, 0],
                count_include_pad=1,
            )
        ],
        {},
        IMAGE,
        12,
    ),
    "pools that do not count pads": (
        [node("AveragePool", "x", kernel_shape=[3, 3], strides=[1, 2], auto_pad="SAME_UPPER")],
        {},
        IMAGE,
        12,
    ),
    "flattened image before a Gemm": (
        [CONV, node("Flatten", "c", "f"), node("Gemm", "f g h", transB=1, alpha=0.5, beta=2.0)],
        {**KERNEL, "g": weights(5, 378), "h": weights(5)},
        IMAGE,
        13,
    ),
    "flattened image before MatMul and Add": (
        [CONV, node("Reshape", "c s", "f"), node("MatMul", "f g", "m"), node("Add", "m h")],
        {**KERNEL, "s": ints(1, -1), "g": weights(378, 5), "h": weights(5)},
        IMAGE,
        13,
    ),
    "flattened image as the output": ([CONV, node("Flatten", "c")], KERNEL, IMAGE, 13),
    "Gemm with a bias that is one number": (
        [node("Gemm", "x g h")],
        {"g": weights(5, 3), "h": weights(1)},
        (1, 5),
        13,
    ),
    "channel shuffle": (
        [
            CONV,
            node("Reshape", "c s", "r"),
            node("Transpose", "r", "t", perm=[0, 2, 1, 3, 4]),
            node("Reshape", "t u", "z"),
            node("Conv", "z k"),
        ],
        {**KERNEL, "s": ints(1, 2, 3, 9, 7), "u": ints(1, 6, 9, 7), "k": weights(3, 6, 2, 2)},
        IMAGE,
        13,
    ),
    "reshape that no axis divides": (
        [CONV, node("Reshape", "c s", "r"), node("Reshape", "r u", "z"), node("MatMul", "z g")],
        {**KERNEL, "s": ints(1, 42, 9), "u": ints(1, -1), "g": weights(378, 3)},
        IMAGE,
        13,
    ),
    "split, sum and concatenation": (
        [
            node("Split", "x", "a b", axis=1, num_outputs=2),
            node("Sum", "a b a", "s"),
            node("Concat", "s a b", axis=1),
        ],
        {},
        IMAGE,
        18,
    ),
    "concatenation of rows": (
        [CONV, node("Concat", "c c", "d", axis=2), node("Conv", "d k")],
        {**KERNEL, "k": weights(3, 6, 2, 2)},
        IMAGE,
        13,
    ),
    "slices with steps and from the end": (
        [node("Slice", "x b e a s")],
        {"b": ints(-1, 1), "e": ints(-5, 8), "a": ints(1, 2), "s": ints(-1, 3)},
        IMAGE,
        13,
    ),
    "slice with attributes": (
        [node("Slice", "x", axes=[1, 3], starts=[1, -6], ends=[3, 1000])],
        {},
        IMAGE,
        9,
    ),
    "gathered channels": ([node("Gather", "x i", axis=1)], {"i": ints(2, 0, 1)}, IMAGE, 13),
    "a gathered pixel": (
        [node("Gather", "x i", "p", axis=2), node("ReduceMean", "p", axes=[2], keepdims=0)],
        {"i": np.array(3, np.int64)},
        IMAGE,
        13,
    ),
    "means over one axis after the other": (
        [
            CONV,
            node("ReduceMean", "c", "m", axes=[3], keepdims=1),
            node("ReduceMean", "m", "n", axes=[2], keepdims=0),
            node("ReduceSum", "n a", keepdims=1),
        ],
        {**KERNEL, "a": ints(1)},
        IMAGE,
        13,
    ),
    "maximum over space, squeezed": (
        [
            CONV,
            node("ReduceMax", "c", "m", axes=[-1, -2]),
            node("Squeeze", "m a", "q"),
            node("Unsqueeze", "q u"),
        ],
        {**KERNEL, "a": ints(2, 3), "u": ints(1)},
        IMAGE,
        13,
    ),
    "a gate of channels and one of space": (
        [
            CONV,
            node("GlobalAveragePool", "c", "g"),
            node("Sigmoid", "g", "s"),
            node("Mul", "c s", "d"),
            node("ReduceMean", "d", "n", axes=[1]),
            node("Mul", "n d"),
        ],
        KERNEL,
        IMAGE,
        13,
    ),
    "constants of several shapes": (
        [
            node("Add", "x row", "a"),
            node("Mul", "a map", "m"),
            node("Sub", "one m", "s"),
            node("Div", "s per", "d"),
            node("Max", "d low", "e"),
            node("Min", "per e"),
        ],
        {
            "row": weights(7),
            "map": weights(1, 4, 9, 1),
            "one": weights(1),
            "per": weights(4, 1, 1) + 2,
            "low": number(-0.5),
        },
        IMAGE,
        13,
    ),
    "softmax before opset 13": (
        [node("GlobalAveragePool", "x", "g"), node("Softmax", "g")],
        {},
        IMAGE,
        11,
    ),
    "softmax of channels": ([node("Softmax", "x", axis=1)], {}, IMAGE, 13),
    "log softmax": ([node("LogSoftmax", "x", axis=-1)], {}, (1, 6), 13),
    "hard swish in four operators": (
        [
            node("Add", "x three", "a"),
            node("Clip", "a lo hi", "k"),
            node("Div", "k hi", "d"),
            node("Mul", "x d"),
        ],
        {"three": number(3), "lo": number(0), "hi": number(6)},
        IMAGE,
        13,
    ),
    "hard sigmoid and hard swish": (
        [node("HardSigmoid", "x", "s", alpha=0.3), node("HardSwish", "s")],
        {},
        IMAGE,
        14,
    ),
    "GELU by erf, halved first": (
        [
            node("Mul", "x half", "h"),
            node("Mul", "x root", "r"),
            node("Erf", "r", "e"),
            node("Add", "e one", "p"),
            node("Mul", "h p"),
        ],
        {"half": number(0.5), "root": number(0.70710677), "one": number(1)},
        IMAGE,
        13,
    ),
    "GELU by tanh": (
        [
            node("Pow", "x three", "c"),
            node("Mul", "c k", "kc"),
            node("Add", "x kc", "s"),
            node("Mul", "s t", "i"),
            node("Tanh", "i", "h"),
            node("Add", "h one", "p"),
            node("Mul", "x p", "q"),
            node("Mul", "q half"),
        ],
        {
            "three": number(3),
            "k": number(0.044715),
            "t": number(0.7978845608),
            "one": number(1),
            "half": number(0.5),
        },
        IMAGE,
        13,
    ),
    "other activations": (
        [
            node("LeakyRelu", "x", "a"),
            node("Elu", "a", "b", alpha=0.5),
            node("Selu", "b", "c"),
            node("Celu", "c", "d", alpha=0.5),
            node("Softplus", "d", "e"),
            node("Exp", "e", "f"),
            node("Neg", "f", "g"),
            node("Tanh", "g"),
        ],
        {},
        IMAGE,
        13,
    ),
    "Mish": ([node("Mish", "x")], {}, IMAGE, 18),
    "Gelu": ([node("Gelu", "x", "g", approximate="tanh"), node("Gelu", "g")], {}, IMAGE, 20),
    "nearest pixels": (
        [node("Resize", "x  s".replace("  ", " ").replace("x s", "x none s"), mode="nearest")],
        {"none": np.zeros(0, np.float32), "s": np.array([1, 1, 2, 3], np.float32)},
        IMAGE,
        13,
    ),
    "nearest pixels of an old operator": (
        [node("Upsample", "x s", mode="nearest")],
        {"s": np.array([1, 1, 2, 2], np.float32)},
        IMAGE,
        9,
    ),
    "pads of space and of channels": (
        [node("Pad", "x p v", "a"), node("Pad", "a q")],
        {
            "p": ints(0, 0, 1, 2, 0, 0, 0, 3),
            "v": number(-1.5),
            "q": ints(0, 2, 0, 0, 0, 1, 0, 0),
        },
        IMAGE,
        13,
    ),
    "repeated rows and columns": (
        [
            node("Unsqueeze", "x three", "u"),
            node("Tile", "u t", "v"),
            node("Reshape", "v s", "w"),
            node("Unsqueeze", "w four", "p"),
            node("Expand", "p e", "q"),
            node("Reshape", "q z"),
        ],
        {
            "three": ints(3),
            "t": ints(1, 1, 1, 2, 1),
            "s": ints(1, 4, 18, 7),
            "four": ints(4),
            "e": ints(1, 1, 1, 1, 3),
            "z": ints(0, 0, 0, -1),
        },
        IMAGE,
        13,
    ),
    "blocks of pixels and back": (
        [
            node("DepthToSpace", "x", "a", blocksize=2),
            node("SpaceToDepth", "a", "b", blocksize=2),
            node("DepthToSpace", "b", blocksize=2, mode="CRD"),
        ],
        {},
        IMAGE,
        13,
    ),
    "shape arithmetic": (
        [
            CONV,
            node("Shape", "c", "s"),
            node("Gather", "s zero", "n"),
            node("Unsqueeze", "n axis", "u"),
            node("Concat", "u rest", "t", axis=0),
            node("Reshape", "c t", "f"),
            node("MatMul", "f g"),
        ],
        {
            **KERNEL,
            "zero": np.array(0, np.int64),
            "axis": ints(0),
            "rest": ints(-1),
            "g": weights(378, 3),
        },
        IMAGE,
        13,
    ),
    "padding computed from the size": (
        [
            node("Shape", "x", "s"),
            node("Gather", "s two", "n"),
            node("Sub", "n one", "d"),
            node("Clip", "d zero", "a"),
            helper.make_node("Clip", ["d", "", "two"], ["b"]),
            node("Unsqueeze", "a axis", "top"),
            node("Unsqueeze", "b axis", "left"),
            node("Concat", "none none top left none none none none", "pads", axis=0),
            node("Pad", "x pads", "p"),
            node("Conv", "p w"),
        ],
        {
            "w": weights(6, 4, 3, 3),
            "zero": np.array(0, np.int64),
            "one": np.array(6, np.int64),
            "two": np.array(2, np.int64),
            "axis": ints(0),
            "none": ints(0),
        },
        IMAGE,
        13,
    ),
    "constants of nodes": (
        [
            helper.make_node("Constant", [], ["k"], value_float=0.5),
            helper.make_node(
                "ConstantOfShape",
                ["l"],
                ["z"],
                value=numpy_helper.from_array(np.array([2], np.float32)),
            ),
            node("Mul", "x k", "m"),
            node("Add", "m z"),
        ],
        {"l": ints(1, 1, 1, 7)},
        IMAGE,
        13,
    ),
    "what does nothing": (
        [
            node("Identity", "x", "a"),
            node("Dropout", "a", "b"),
            node("Cast", "b", "c", to=1),
            node("Expand", "c e", "d"),
            node("Tile", "d t", "r"),
            node("Relu", "r"),
        ],
        {"e": ints(1, 1), "t": ints(1, 1, 1, 1)},
        IMAGE,
        13,
    ),
    "weights as codes with scales": (
        [node("DequantizeLinear", "q s z", "w", axis=0), node("Conv", "x w")],
        {
            "q": RNG.integers(-99, 99, (6, 4, 3, 3)).astype(np.int8),
            "s": np.abs(weights(6)),
            "z": np.zeros(6, np.int8),
        },
        IMAGE,
        13,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_operators_compute_what_onnx_runtime_computes(case: str, tmp_path: Path) -> None:
    nodes, constants, shape, opset = CASES[case]
    assert_equal(graph_file(tmp_path / "m.onnx", nodes, constants, shape, opset=opset))


def test_transpositions_of_exporters_from_nhwc_cancel(tmp_path: Path) -> None:
    nodes = [
        node("Transpose", "x", "n", perm=[0, 3, 1, 2]),
        node("Conv", "n w b", "c", pads=[1, 1, 1, 1]),
        node("Transpose", "c", "t", perm=[0, 2, 3, 1]),
        node("Mul", "t per", "m"),
        node("Transpose", "m", "o", perm=[0, 3, 1, 2]),
        node("Conv", "o k", "d"),
        node("Transpose", "d", "e", perm=[0, 2, 3, 1]),
        node("Reshape", "e s", "f"),
        node("MatMul", "f g"),
    ]
    constants = {
        **KERNEL,
        "per": weights(6),
        "k": weights(3, 6, 2, 2),
        "s": ints(-1, 144),
        "g": weights(144, 4),
    }
    imported = assert_equal(graph_file(tmp_path / "m.onnx", nodes, constants, (1, 9, 7, 4)))
    assert imported.input_layout == "NHWC"
    kinds = [node.op for node in imported.graph.nodes]
    assert kinds == ["conv", "affine", "conv", "reshape", "dense"]


def test_layers_keep_their_names_and_get_suffixes_where_they_become_several(
    tmp_path: Path,
) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], name="/stem/Conv", pads=[1, 1, 1, 1]),
        helper.make_node("Flatten", ["c"], ["f"], name="/Flatten"),
        helper.make_node("Gemm", ["f", "g"], ["y"], name="/head/Gemm"),
    ]
    path = graph_file(tmp_path / "m.onnx", nodes, {**KERNEL, "g": weights(378, 4)}, IMAGE)
    names = [node.name for node in importer.read(path).graph.nodes]
    assert names == ["/stem/Conv", "/head/Gemm/reshape", "/head/Gemm"]


def test_all_that_is_not_supported_is_named_at_once(tmp_path: Path) -> None:
    nodes = [
        CONV,
        helper.make_node("LRN", ["c"], ["l"], name="norm", size=3),
        helper.make_node("Resize", ["l", "", "s"], ["r"], name="up", mode="linear"),
        helper.make_node("Conv", ["r", "k"], ["d"], name="last"),
        helper.make_node("Einsum", ["d"], ["y"], name="sum", equation="ijkl->ij"),
    ]
    constants = {**KERNEL, "s": np.array([1, 1, 2, 2], np.float32), "k": weights(3, 6, 2, 2)}
    imported = importer.read(graph_file(tmp_path / "m.onnx", nodes, constants, IMAGE))
    reasons = {node.label: node.attributes["reason"] for node in imported.unsupported}
    assert reasons == {
        "`norm` (LRN)": "it is not known here",
        "`up` (Resize)": "its mode is linear",
        "`sum` (Einsum)": "it is not known here",
    }
    with pytest.raises(ConversionError, match="norm"):
        imported.graph.shapes()


@pytest.mark.parametrize(
    ("build", "kind", "reason"),
    [
        (lambda: node("Erf", "x"), "Erf", "GELU"),
        (lambda: node("QuantizeLinear", "x s z"), "QuantizeLinear", "quantised already"),
        (lambda: node("Conv", "x x"), "Conv", "computed instead of constant"),
        (lambda: node("Conv", "x w", auto_pad="SAME"), "Conv", "auto_pad is SAME"),
        (lambda: node("Div", "s x"), "Div", "divides a constant"),
        (lambda: node("Softmax", "x", axis=0), "Softmax", "across the images of a batch"),
        (lambda: node("Gemm", "x w"), "Gemm", "shape"),
        (lambda: node("Foo", "x"), "Foo", "not known"),
    ],
)
def test_what_is_not_supported_says_why(
    build: Callable[[], Any], kind: str, reason: str, tmp_path: Path
) -> None:
    constants = {"w": weights(6, 4, 3, 3), "s": number(1), "z": np.array(0, np.uint8)}
    path = graph_file(tmp_path / "m.onnx", [build()], constants, IMAGE)
    (unsupported,) = importer.read(path).unsupported
    assert unsupported.kind == kind
    assert reason in unsupported.attributes["reason"]


def test_a_batch_normalisation_in_training_mode_is_not_supported(tmp_path: Path) -> None:
    nodes = [node("BatchNormalization", "x s o m v", "y a b", training_mode=1)]
    constants = dict.fromkeys("somv", np.ones(4, np.float32))
    path = graph_file(tmp_path / "m.onnx", nodes, constants, IMAGE, opset=15)
    (unsupported,) = importer.read(path).unsupported
    assert "training mode" in unsupported.attributes["reason"]


def test_an_open_size_of_images_is_asked_for() -> None:
    with pytest.raises(RequestError, match="leaves the image's size open"):
        importer.read(EXPORTS / "mobilenet_v2.onnx")


def test_another_size_than_the_file_is_made_for_is_refused() -> None:
    with pytest.raises(RequestError, match="made for images of 45x45"):
        importer.read(EXPORTS / "resnet18.onnx", image_size=(40, 45))


def test_a_file_for_a_batch_of_another_size_computes_each_image_alike(tmp_path: Path) -> None:
    nodes = [CONV, node("Reshape", "c s", "f"), node("MatMul", "f g")]
    constants = {**KERNEL, "s": ints(3, 378), "g": weights(378, 4)}
    path = graph_file(tmp_path / "m.onnx", nodes, constants, (3, *IMAGE[1:]))
    imported = assert_equal(path, batch=3)
    assert [notice.kind for notice in imported.notices] == ["fixed_batch"]


def test_a_number_for_each_image_is_a_vector_of_one(tmp_path: Path) -> None:
    nodes = [node("Gemm", "x w", "z"), node("Squeeze", "z axes")]
    constants = {"w": weights(4, 1), "axes": ints(1)}
    path = graph_file(tmp_path / "m.onnx", nodes, constants, (1, 4))
    graph = importer.read(path).graph
    assert graph.shapes()[graph.output] == (1,)


def test_inputs_that_nothing_reads_are_left_out(tmp_path: Path) -> None:
    path = graph_file(tmp_path / "m.onnx", [CONV, node("Relu", "c")], KERNEL, IMAGE)
    proto = onnx.load(path)
    for name in ("left", "over"):
        proto.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3]))
    onnx.save(proto, path)
    imported = importer.read(path)
    assert [(notice.kind, notice.names) for notice in imported.notices] == [
        ("unread_inputs", ("left", "over"))
    ]
    proto.graph.node[1].op_type = "Add"
    proto.graph.node[1].input.append("over")
    onnx.save(proto, path)
    with pytest.raises(ConversionError, match="expected one input, received 2"):
        importer.read(path)


def test_a_reshape_that_mixes_the_images_of_a_batch_is_not_supported(tmp_path: Path) -> None:
    path = graph_file(tmp_path / "m.onnx", [node("Reshape", "x s")], {"s": ints(2, 4)}, (4, 2))
    (unsupported,) = importer.read(path).unsupported
    assert "mixes the images of a batch" in unsupported.attributes["reason"]


def test_weights_in_float16_are_used_as_float32(tmp_path: Path) -> None:
    nodes = [
        node("Cast", "x", "h", to=TensorProto.FLOAT16),
        node("Cast", "w", "v", to=1),
        node("Cast", "h", "i", to=1),
        node("Conv", "i v"),
    ]
    constants = {"w": weights(6, 4, 3, 3).astype(np.float16)}
    path = graph_file(tmp_path / "m.onnx", nodes, constants, IMAGE)
    imported = importer.read(path)
    assert imported.dtypes == ("float16",)
    assert [notice.kind for notice in imported.notices] == ["float16"]
    (conv,) = imported.graph.nodes
    np.testing.assert_array_equal(
        conv.arrays["kernel"], constants["w"].transpose(2, 3, 1, 0).astype(np.float32)
    )


def test_bytes_as_input_state_their_range(tmp_path: Path) -> None:
    nodes = [node("Cast", "x", "f", to=1), node("Conv", "f w b")]
    path = graph_file(tmp_path / "m.onnx", nodes, KERNEL, IMAGE, dtype=TensorProto.UINT8)
    assert importer.read(path).input_range == ((0.0, 255.0),)


def test_metadata_state_range_and_labels(tmp_path: Path) -> None:
    nodes = [CONV, node("GlobalAveragePool", "c", "g"), node("Flatten", "g")]
    metadata = {
        "Image.NominalPixelRange": "Normalized_0_1",
        "names": "{0: 'cat', 1: \"dog's\", 2: 'c', 3: 'd', 4: 'e', 5: 'f'}",
    }
    path = graph_file(tmp_path / "m.onnx", nodes, KERNEL, IMAGE, metadata=metadata)
    imported = importer.read(path)
    assert imported.input_range == ((0.0, 1.0),)
    assert imported.labels == ("cat", "dog's", "c", "d", "e", "f")


def test_labels_of_another_number_than_classes_are_not_used(tmp_path: Path) -> None:
    nodes = [CONV, node("GlobalAveragePool", "c", "g"), node("Flatten", "g")]
    path = graph_file(tmp_path / "m.onnx", nodes, KERNEL, IMAGE, metadata={"classes": "a,b"})
    imported = importer.read(path)
    assert imported.labels == ()
    assert [(notice.kind, notice.names) for notice in imported.notices] == [
        ("labels_do_not_fit", ("2", "6"))
    ]


def test_functions_of_the_file_and_branches_with_a_known_condition_are_followed(
    tmp_path: Path,
) -> None:
    function = helper.make_function(
        "own",
        "Swish",
        ["a"],
        ["b"],
        [node("Sigmoid", "a", "s"), node("Mul", "a s", "b")],
        [helper.make_opsetid("", 17)],
    )

    def branch(kind: str) -> Any:
        info = helper.make_tensor_value_info(f"{kind}_out", TensorProto.FLOAT, None)
        return helper.make_graph([node(kind, "h", f"{kind}_out")], kind, [], [info])

    nodes = [
        helper.make_node("Swish", ["x"], ["h"], domain="own", name="act"),
        node("Shape", "x", "s"),
        node("Gather", "s one", "n"),
        node("Equal", "n four", "q"),
        helper.make_node(
            "If", ["q"], ["y"], then_branch=branch("Relu"), else_branch=branch("Exp")
        ),
    ]
    constants = {"one": np.array(1, np.int64), "four": np.array(4, np.int64)}
    path = graph_file(tmp_path / "m.onnx", nodes, constants, IMAGE, functions=[function])
    imported = assert_equal(path)
    assert [node.name for node in imported.graph.nodes] == ["act/s", "act/b", "Relu_out"]


def test_weights_in_another_file_are_read(tmp_path: Path) -> None:
    path = graph_file(tmp_path / "m.onnx", [node("Conv", "x w b")], KERNEL, IMAGE)
    onnx.save(
        onnx.load(path),
        tmp_path / "e.onnx",
        save_as_external_data=True,
        location="e.data",
        size_threshold=0,
    )
    assert_equal(tmp_path / "e.onnx")


def test_nodes_out_of_order_are_sorted(tmp_path: Path) -> None:
    path = graph_file(tmp_path / "m.onnx", [node("Relu", "c"), CONV], KERNEL, IMAGE)
    assert [node.op for node in importer.read(path).graph.nodes] == ["conv", "clip"]


def test_several_outputs_need_a_choice(tmp_path: Path) -> None:
    path = graph_file(tmp_path / "m.onnx", [CONV, node("Relu", "c")], KERNEL, IMAGE)
    model = onnx.load(path)
    model.graph.output.append(helper.make_tensor_value_info("c", TensorProto.FLOAT, None))
    onnx.save(model, path)
    with pytest.raises(RequestError, match="expected one output, received 2: y, c"):
        importer.read(path)
    assert importer.read(path, output="c").graph.output == "c"


def test_constants_that_would_fill_the_memory_are_refused(tmp_path: Path) -> None:
    nodes = [node("ConstantOfShape", "s", "z"), node("Add", "x z")]
    path = graph_file(tmp_path / "m.onnx", nodes, {"s": ints(1, 1 << 20, 1 << 20)}, IMAGE)
    with pytest.raises(CorruptFileError, match="too"):
        importer.read(path)


def test_damaged_attributes_are_a_reason_of_their_layer(tmp_path: Path) -> None:
    for damaged in (
        node("Conv", "x w", strides=[0, 1]),
        node("Transpose", "x", perm=[0, 0, 1, 2]),
        node("Reshape", "x s"),
        node("Concat", "x x", axis=9),
        node("Gather", "x s", axis=7),
        node("Split", "x s", "y z", axis=1),
        node("Conv", "x w", group=0),
        node("BatchNormalization", "x w w w w"),
        node("Pad", "x s"),
        node("Unsqueeze", "x s"),
    ):
        constants = {"w": weights(6, 4, 3, 3), "s": ints(5, -1, -1)}
        path = graph_file(tmp_path / "m.onnx", [damaged], constants, IMAGE, opset=18)
        imported = importer.read(path)
        assert [node.kind for node in imported.unsupported] == [damaged.op_type]
