"""An `.onnx` that breaks one rule is reported with that rule's id, and with no other."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mobiledeploy.errors import CorruptFileError
from mobiledeploy.lint.inspection import inspect_file

Ids = Callable[[bytes], set[str]]
CLEAN = {"MD410"}
"""A fact about every file of uint8 activations and int8 weights."""


class File:
    """An `.onnx` taken apart, and ways to change it."""

    def __init__(self, data: bytes) -> None:
        self.model: Any = onnx.load_from_string(data)
        self.graph = self.model.graph

    def bytes(self) -> bytes:
        data: bytes = self.model.SerializeToString()
        return data

    def writer(self, name: str) -> Any:
        return next(node for node in self.graph.node if name in node.output)

    def reader(self, name: str, kind: str) -> Any:
        return next(n for n in self.graph.node if name in n.input and n.op_type == kind)

    def constant(self, name: str) -> Any:
        return next(tensor for tensor in self.graph.initializer if tensor.name == name)

    def add_constant(self, name: str, values: Any) -> str:
        self.graph.initializer.append(numpy_helper.from_array(np.array(values), name))
        return name

    def insert(self, before: Any, place: int, kind: str, *more: str, **attributes: Any) -> None:
        """Put an operator between a node and one of its inputs."""
        name = f"{before.input[place]}/{kind}"
        node = helper.make_node(kind, [before.input[place], *more], [name], **attributes)
        before.input[place] = name
        self.graph.node.insert(list(self.graph.node).index(before), node)

    def layer(self, name: str) -> Any:
        """The operator whose codes have a name."""
        return self.writer(self.writer(name).input[0])


def converter(file: File) -> None:
    reader = file.reader("wide", "DequantizeLinear")
    grid = list(reader.input[1:])
    file.insert(reader, 0, "DequantizeLinear", *grid)
    file.insert(reader, 0, "QuantizeLinear", *grid)


def activation(file: File) -> None:
    """Behind the codes of its layer, between two groups that could touch."""
    reader = file.reader("wide", "DequantizeLinear")
    grid = list(reader.input[1:])
    file.insert(reader, 0, "DequantizeLinear", *grid)
    file.insert(reader, 0, "Relu")
    file.insert(reader, 0, "QuantizeLinear", *grid)


def transpose(file: File) -> None:
    reader = file.reader("narrow", "DequantizeLinear")
    file.insert(reader, 0, "Transpose", perm=[0, 1, 2, 3])


def unused_set(file: File) -> None:
    file.model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 2))


def unused_values(file: File) -> None:
    file.add_constant("nothing", np.arange(5, dtype=np.int8))


def duplicate(file: File) -> None:
    values = np.random.default_rng(0).normal(size=100).astype(np.float32)
    copies = [file.add_constant(f"copy{number}", values) for number in (0, 1)]
    file.graph.node.append(helper.make_node("Sub", copies, ["difference"]))
    described = helper.make_tensor_value_info("difference", TensorProto.FLOAT, [values.size])
    file.graph.output.append(described)


def open_dimension(file: File) -> None:
    file.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "width"


def foreign(file: File) -> None:
    file.model.opset_import.append(helper.make_opsetid("own.domain", 1))
    file.insert(file.reader("pool", "DequantizeLinear"), 0, "Own", domain="own.domain")


def batch_norm(file: File) -> None:
    numbers = [file.add_constant(f"norm{n}", np.full(17, 1.5, np.float32)) for n in range(4)]
    file.insert(file.writer("wide"), 0, "BatchNormalization", *numbers)


def lost_input(file: File) -> None:
    file.graph.input.append(helper.make_tensor_value_info("second", TensorProto.FLOAT, ["n", 4]))


def asymmetric(file: File) -> None:
    zero = file.constant("stem/zero_point")
    values = numpy_helper.to_array(zero).copy()
    values[2] = 3
    zero.CopyFrom(numpy_helper.from_array(values, zero.name))


def wrong_axis(file: File) -> None:
    node = file.reader("wide/kernel", "DequantizeLinear")
    node.attribute[0].i = 2


def bias_scale(file: File) -> None:
    scale = file.constant("wide/bias_scale")
    values = numpy_helper.to_array(scale) * np.float32(1.01)
    scale.CopyFrom(numpy_helper.from_array(values, scale.name))


def read_otherwise(file: File) -> None:
    node = file.reader("narrow", "DequantizeLinear")
    scale = numpy_helper.to_array(file.constant(node.input[1]))
    node.input[1] = file.add_constant("other", np.float32(scale * np.float32(1.01)))


def new_ir(file: File) -> None:
    file.model.ir_version = 10


def unclean(file: File) -> None:
    file.layer("wide").attribute.append(helper.make_attribute("colour", 3))


def in_floats(file: File) -> None:
    quantise, dequantise = file.writer("wide"), file.reader("wide", "DequantizeLinear")
    file.reader(dequantise.output[0], "GlobalAveragePool").input[0] = quantise.input[0]
    for node in (quantise, dequantise):
        file.graph.node.remove(node)
    for name in quantise.input[1:]:
        file.graph.initializer.remove(file.constant(name))


def float_activation(file: File) -> None:
    file.insert(file.writer("narrow"), 0, "Relu")


def vector_scale(file: File) -> None:
    node = file.reader("narrow", "DequantizeLinear")
    scale = numpy_helper.to_array(file.constant(node.input[1]))
    node.input[1] = file.add_constant("vector", scale.reshape(1))
    zero = numpy_helper.to_array(file.constant(node.input[2]))
    node.input[2] = file.add_constant("vector_zero", zero.reshape(1))


def shared_zero_point(file: File) -> None:
    file.reader("spread/kernel", "DequantizeLinear").input[2] = "narrow/zero_point"
    file.graph.initializer.remove(file.constant("spread/zero_point"))


FAULTS: dict[str, Callable[[File], None]] = {
    "MD002": converter,
    "MD003": activation,
    "MD004": transpose,
    "MD005": unused_set,
    "MD007": unused_values,
    "MD008": duplicate,
    "MD009": open_dimension,
    "MD010": foreign,
    "MD011": batch_norm,
    "MD014": lost_input,
    "MD101": asymmetric,
    "MD104": wrong_axis,
    "MD106": bias_scale,
    "MD208": read_otherwise,
    "MD305": new_ir,
    "MD401": unclean,
    "MD402": in_floats,
    "MD403": float_activation,
    "MD406": vector_scale,
    "MD407": shared_zero_point,
}
ALSO = {
    "MD010": {"MD304"},  # a foreign operator is in no table of versions
    "MD011": {"MD402"},  # it works on real numbers, right behind a convolution
    "MD403": {"MD201"},  # what it keeps away are dead codes
}


def test_the_clean_file_breaks_no_rule(clean_onnx: bytes, ids: Ids) -> None:
    assert ids(clean_onnx) == CLEAN


@pytest.mark.parametrize("rule", FAULTS)
def test_a_file_that_breaks_one_rule_is_reported_with_its_id(
    rule: str, clean_onnx: bytes, ids: Ids
) -> None:
    file = File(clean_onnx)
    FAULTS[rule](file)
    assert ids(file.bytes()) == CLEAN | {rule} | ALSO.get(rule, set())


def convolution(
    *, activations: Any = np.uint8, weights: Any = np.int8, float_weights: bool = False
) -> Any:
    """A graph of one convolution between codes, by hand."""
    random = np.random.default_rng(1)
    codes = helper.np_dtype_to_tensor_dtype(np.dtype(activations))
    zero = 128 if weights == np.uint8 else 0
    kernel = (random.integers(-127, 128, (6, 5, 3, 3)) + zero).astype(weights)
    constants = {
        "scale": np.float32(0.02),
        "zero": activations(3),
        "kernel": kernel.astype(np.float32) if float_weights else kernel,
        "kernel_scale": np.float32(0.01) if zero else np.full(6, 0.01, np.float32),
        "kernel_zero": weights(zero) if zero else np.zeros(6, weights),
        "bias": np.zeros(6, np.int32),
        "bias_scale": np.float32(0.0002) if zero else np.full(6, 0.0002, np.float32),
    }
    quantised = ["kernel", "kernel_scale", "kernel_zero"]
    nodes = [
        helper.make_node("DequantizeLinear", ["image", "scale", "zero"], ["x"]),
        helper.make_node("DequantizeLinear", quantised, ["w"], axis=0),
        helper.make_node("DequantizeLinear", ["bias", "bias_scale"], ["b"], axis=0),
        helper.make_node("Conv", ["x", "w", "b"], ["y"]),
        helper.make_node("QuantizeLinear", ["y", "scale", "zero"], ["result"]),
    ]
    if float_weights:
        nodes.insert(1, helper.make_node("QuantizeLinear", quantised, ["codes"], axis=0))
        nodes[2].input[0] = "codes"
    graph = helper.make_graph(
        nodes,
        "convolution",
        [helper.make_tensor_value_info("image", codes, ["n", 5, 8, 8])],
        [helper.make_tensor_value_info("result", codes, ["n", 6, 6, 6])],
        [numpy_helper.from_array(np.array(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


def on_codes() -> Any:
    """The same as one operator."""
    model = convolution()
    inputs = ["image", "scale", "zero", "kernel", "kernel_scale", "kernel_zero"]
    del model.graph.node[:]
    model.graph.node.append(
        helper.make_node("QLinearConv", [*inputs, "scale", "zero", "bias"], ["result"])
    )
    model.graph.initializer.remove(
        next(tensor for tensor in model.graph.initializer if tensor.name == "bias_scale")
    )
    return model


def dynamic() -> Any:
    """The same with codes that are chosen anew for each image."""
    model = convolution()
    del model.graph.node[:], model.graph.input[:], model.graph.output[:]
    model.graph.input.append(
        helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 5, 8, 8])
    )
    model.graph.output.append(
        helper.make_tensor_value_info("result", TensorProto.FLOAT, ["n", 6, 6, 6])
    )
    model.graph.node.extend(
        [
            helper.make_node("DynamicQuantizeLinear", ["image"], ["x", "x_scale", "x_zero"]),
            helper.make_node("ConvInteger", ["x", "kernel", "x_zero"], ["sums"]),
            helper.make_node("Cast", ["sums"], ["real"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["real", "x_scale"], ["result"]),
        ]
    )
    kept = [tensor for tensor in model.graph.initializer if tensor.name == "kernel"]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    return model


def test_a_dynamically_quantised_file_is_no_float_file(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(dynamic().SerializeToString())
    found = inspect_file(path)
    assert found.kind == "float, quantised weights"
    assert found.macs == 6 * 6 * 6 * 5 * 3 * 3


def test_zero_points_of_int16_are_no_weights(ids: Ids) -> None:
    model = convolution(activations=np.int16)
    model.opset_import[0].version = 21
    assert "MD109" not in ids(model.SerializeToString())


@pytest.mark.parametrize(
    ("model", "found"),
    [
        (dynamic(), {"MD110"}),
        (convolution(), {"MD410"}),
        (convolution(activations=np.int8), {"MD404"}),
        (convolution(weights=np.uint8), {"MD405"}),
        (convolution(float_weights=True), {"MD408"}),
        (on_codes(), {"MD409", "MD410"}),
    ],
    ids=["dynamic", "clean", "int8 activations", "uint8 weights", "float weights", "on codes"],
)
def test_forms_that_other_tools_write(model: Any, found: set[str], ids: Ids) -> None:
    assert ids(model.SerializeToString()) == found


def stored_outside(folder: Path, location: str) -> Path:
    """A model whose kernel lies in another file."""
    model = convolution()
    (kernel,) = (tensor for tensor in model.graph.initializer if tensor.name == "kernel")
    (folder / "weights.bin").write_bytes(b"unrelated" + kernel.raw_data)
    kernel.data_location = TensorProto.EXTERNAL
    places = {"location": location, "offset": "9", "length": str(len(kernel.raw_data))}
    for key, value in places.items():
        kernel.external_data.add(key=key, value=value)
    kernel.ClearField("raw_data")
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_weights_in_the_models_folder_are_read(tmp_path: Path) -> None:
    report = inspect_file(stored_outside(tmp_path, "weights.bin"))
    assert {finding.rule for finding in report.findings} == {"MD013", "MD410"}
    (kernel,) = (tensor for tensor in report.tensors if tensor.name == "kernel")
    assert kernel.stored == 6 * 5 * 9
    assert report.macs == 6 * 5 * 9 * 36


@pytest.mark.parametrize(
    "location", ["../weights.bin", "/etc/hostname", "link/weights.bin", "a\0b", "x" * 300, ""]
)
def test_weights_outside_the_models_folder_are_refused(tmp_path: Path, location: str) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(1000))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    with pytest.raises(CorruptFileError, match="in the model's folder"):
        inspect_file(stored_outside(folder, location))


def test_weights_that_are_not_there_are_a_damaged_file(tmp_path: Path) -> None:
    with pytest.raises(CorruptFileError, match="is not there"):
        inspect_file(stored_outside(tmp_path, "lost.bin"))


def test_weights_that_overlap_in_another_file_are_a_damaged_file(tmp_path: Path) -> None:
    path = stored_outside(tmp_path, "weights.bin")
    model = onnx.load(path, load_external_data=False)
    (kernel,) = (tensor for tensor in model.graph.initializer if tensor.name == "kernel")
    model.graph.initializer.append(kernel)
    second = model.graph.initializer[-1]
    second.name, second.external_data[1].value = "second", "8"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(CorruptFileError, match="overlap"):
        inspect_file(path)


@pytest.mark.parametrize(
    ("ml", "kind", "minimum", "unknown"),
    [
        (2, None, "1.12", ()),
        (4, None, "1.17", ()),
        (5, None, "1.18", ()),
        (99, None, None, ("ai.onnx.ml 99",)),
        (2, "QLinearSigmoid", "1.17", ()),
        (2, "NewestOfAll", None, ("com.microsoft.NewestOfAll",)),
    ],
)
def test_imports_and_operators_of_other_domains_count_for_the_minimum(
    tmp_path: Path, ml: int, kind: str | None, minimum: str | None, unknown: tuple[str, ...]
) -> None:
    model = convolution()
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", ml))
    if kind is not None:
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
        grids = ["scale", "zero", "scale", "zero"]
        node = helper.make_node(kind, ["result", *grids], ["more"], domain="com.microsoft")
        model.graph.node.append(node)
        model.graph.output[0].name = "more"
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    found = inspect_file(path).runtime
    assert (found.minimum, found.unknown) == (minimum, unknown)
