"""No number in a file can change without the comparison saying so."""

import functools
from typing import Any

import comparing
import graphs
import numpy as np
import numpy.typing as npt
import onnx as onnx_package
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper
from tflite_editor import TfliteFile

from mobiledeploy import reading
from mobiledeploy.base.errors import MobileDeployError
from mobiledeploy.compare.difference import Difference
from mobiledeploy.formats.onnx import parse as parse_onnx
from mobiledeploy.formats.tflite import parse
from mobiledeploy.integer.certify import certify
from mobiledeploy.reading import Reading
from mobiledeploy.targets import onnx, tflite

WITHOUT_MEANING = {
    # Of kernels for other types, and of shapes that a vector has anyway.
    "asymmetricQuantizeInputs",
    "keepDims",
    "keepNumDims",
    "potScaleInt16",
    "quantizedBiasType",
}


@functools.cache
def files() -> tuple[bytes, bytes]:
    graph = graphs.assorted_graph()
    return tflite.write(graph, io="uint8"), onnx.write(graph, certify(graph), io="uint8")


@functools.cache
def sound() -> tuple[Reading, Reading, frozenset[Difference]]:
    pair = reading.read_tflite(parse(files()[0])), reading.read_onnx(parse_onnx(files()[1]))
    return *pair, frozenset(comparing.compare(*pair).differences)


def is_silent(*, tflite: bytes | None = None, onnx: bytes | None = None) -> bool:
    a, b, usual = sound()
    try:
        a = a if tflite is None else reading.read_tflite(parse(tflite))
        b = b if onnx is None else reading.read_onnx(parse_onnx(onnx))
    except MobileDeployError:
        return False
    return frozenset(comparing.compare(a, b).differences) == usual


def nudged(values: Any, place: int) -> Any:
    """One number becomes its neighbour."""
    flat = np.array(values).ravel().copy()
    place %= flat.size
    if np.issubdtype(flat.dtype, np.floating):
        flat[place] = np.nextafter(flat[place], flat.dtype.type(9))
    elif flat[place] == np.iinfo(flat.dtype).max:
        flat[place] -= flat.dtype.type(1)
    else:
        flat[place] += flat.dtype.type(1)
    return flat.reshape(np.shape(values))


@settings(max_examples=60, deadline=3000)
@given(number=st.integers(0, 10**6), place=st.integers(0, 10**6))
def test_no_constant_of_an_onnx_changes_silently(number: int, place: int) -> None:
    model = onnx_package.load_from_string(files()[1])
    constants = model.graph.initializer
    constant = constants[number % len(constants)]
    values = nudged(numpy_helper.to_array(constant), place)
    constant.CopyFrom(numpy_helper.from_array(values, constant.name))
    assert not is_silent(onnx=model.SerializeToString()), constant.name


@settings(max_examples=40, deadline=3000)
@given(number=st.integers(0, 10**6), place=st.integers(0, 10**6))
def test_no_attribute_of_an_onnx_changes_silently(number: int, place: int) -> None:
    model = onnx_package.load_from_string(files()[1])
    found = [(n, a) for n in model.graph.node for a in n.attribute if n.op_type != "Flatten"]
    node, attribute = found[number % len(found)]
    if attribute.ints:
        attribute.ints[place % len(attribute.ints)] += 1
    else:
        attribute.i += 1
    silent = is_silent(onnx=model.SerializeToString())
    # The axis means nothing where there is one scale.
    single = node.op_type == "DequantizeLinear" and "logits" in node.input[0]
    assert silent == single, (node.op_type, node.input, attribute.name)


@settings(max_examples=60, deadline=3000)
@given(
    number=st.integers(0, 10**6),
    place=st.integers(0, 10**6),
    field=st.sampled_from(["scale", "zeroPoint", "data"]),
)
def test_no_number_of_a_tensor_of_a_tflite_changes_silently(
    number: int, place: int, field: str
) -> None:
    file = TfliteFile(files()[0])
    model, tensors = file.model, file.graph.tensors
    if field == "data":
        tensors = [t for t in tensors if model.buffers[t.buffer].data is not None]
        tensor = tensors[number % len(tensors)]
        dtype: npt.DTypeLike = {2: np.int32, 9: np.int8}[tensor.type]
        data = np.array(model.buffers[tensor.buffer].data, np.uint8)
        file.store(tensor, nudged(data.view(dtype), place))
    else:
        tensors = [t for t in tensors if t.quantization and t.quantization.scale is not None]
        tensor = tensors[number % len(tensors)]
        grid = tensor.quantization
        dtype = np.float32 if field == "scale" else np.int64
        setattr(grid, field, nudged(np.array(getattr(grid, field), dtype), place))
    assert not is_silent(tflite=file.bytes()), (tensor.name, field)


@settings(max_examples=40, deadline=3000)
@given(number=st.integers(0, 10**6))
def test_no_option_of_a_tflite_changes_silently(number: int) -> None:
    file = TfliteFile(files()[0])
    found = [
        (operator.builtinOptions, name)
        for operator in file.graph.operators
        if operator.builtinOptions is not None
        for name in vars(operator.builtinOptions)
        if name not in WITHOUT_MEANING and getattr(operator.builtinOptions, name) is not None
    ]
    options, name = found[number % len(found)]
    before = getattr(options, name)
    setattr(options, name, before + 1)
    silent = is_silent(tflite=file.bytes())
    # A window of one pixel that moves by one needs no padding.
    expected = name == "padding" and options is file.graph.operators[3].builtinOptions
    assert silent == expected, (type(options).__name__, name, before)
