"""Whatever the bytes, reading and comparing them gives a result or one of our errors."""

import contextlib
import functools

import comparing
import graphs
from hypothesis import given, settings
from hypothesis import strategies as st

from mobiledeploy import reading
from mobiledeploy.base import codec
from mobiledeploy.base.errors import MobileDeployError
from mobiledeploy.formats.onnx import parse as parse_onnx
from mobiledeploy.formats.tflite import parse
from mobiledeploy.integer.certify import certify
from mobiledeploy.targets import onnx, tflite


@functools.cache
def files() -> tuple[bytes, bytes]:
    graph = graphs.assorted_graph()
    return tflite.write(graph, io="float32"), onnx.write(graph, certify(graph), io="float32")


@functools.cache
def sound() -> reading.Reading:
    return reading.read_tflite(parse(files()[0]))


changes = st.lists(
    st.tuples(st.integers(0, 2**20), st.binary(min_size=1, max_size=4)), min_size=1, max_size=5
)


def changed(data: bytes, places: list[tuple[int, bytes]]) -> bytes:
    result = bytearray(data)
    for place, new in places:
        start = place % (len(data) - 4)
        result[start : start + len(new)] = new
    return bytes(result)


@settings(max_examples=80, deadline=3000)
@given(changes)
def test_a_damaged_tflite_is_read_and_compared_or_refused(places: list[tuple[int, bytes]]) -> None:
    with contextlib.suppress(MobileDeployError):
        found = reading.read_tflite(parse(changed(files()[0], places)))
        codec.to_json(comparing.compare(sound(), found))


@settings(max_examples=80, deadline=3000)
@given(changes)
def test_a_damaged_onnx_is_read_and_compared_or_refused(places: list[tuple[int, bytes]]) -> None:
    with contextlib.suppress(MobileDeployError):
        found = reading.read_onnx(parse_onnx(changed(files()[1], places)))
        codec.to_json(comparing.compare(found, sound()))


@settings(max_examples=30, deadline=3000)
@given(st.integers(0, 2**20))
def test_a_cut_off_file_is_refused(length: int) -> None:
    data = files()[1]
    with contextlib.suppress(MobileDeployError):
        reading.read_onnx(parse_onnx(data[: length % len(data)]))
