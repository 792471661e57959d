"""Whatever the bytes, inspecting them gives a report that is JSON, or one of our errors, soon."""

import contextlib
import functools
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import graphs
import hostile
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mobiledeploy.base import codec
from mobiledeploy.base.errors import CorruptFileError, MobileDeployError
from mobiledeploy.integer.certify import certify
from mobiledeploy.lint.inspection import inspect
from mobiledeploy.targets import onnx, tflite

Changes = list[tuple[int, bytes]]
mutations = st.lists(
    st.tuples(st.integers(0, 2**16), st.binary(min_size=1, max_size=4)), min_size=1, max_size=6
)
relaxed = settings(
    max_examples=100, deadline=4000, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@functools.cache
def whole(ending: str) -> bytes:
    graph = graphs.assorted_graph()
    if ending == "tflite":
        return tflite.write(graph, io="float32")
    return onnx.write(graph, certify(graph))


def look(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    json.loads(codec.to_json(inspect(path)))


@pytest.mark.parametrize("ending", ["tflite", "onnx"])
@relaxed
@given(changes=mutations)
def test_mutated_bytes_give_a_report_or_our_error(
    tmp_path: Path, without_children: None, ending: str, changes: Changes
) -> None:
    data = bytearray(whole(ending))
    for place, new in changes:
        data[place % len(data) : place % len(data) + len(new)] = new
    with contextlib.suppress(MobileDeployError):
        look(tmp_path / f"model.{ending}", bytes(data))


@pytest.mark.parametrize("ending", ["tflite", "onnx"])
@settings(relaxed, max_examples=40)
@given(share=st.floats(0, 0.9))  # an .onnx may end after any field behind its graph
def test_a_truncated_file_gives_our_error(
    tmp_path: Path, without_children: None, ending: str, share: float
) -> None:
    data = whole(ending)
    with pytest.raises(CorruptFileError):
        look(tmp_path / f"model.{ending}", data[: int(share * len(data))])


@relaxed
@given(tail=st.binary(max_size=300))
def test_random_bytes_give_our_error(tmp_path: Path, without_children: None, tail: bytes) -> None:
    for name, start in (("model.tflite", b"\x10\0\0\0TFL3"), ("model.onnx", b"\x08\x08:")):
        with pytest.raises(CorruptFileError):
            look(tmp_path / name, start + tail)


@pytest.mark.parametrize(
    ("ending", "copies"),
    [("tflite", hostile.contradictory_tflite), ("onnx", hostile.contradictory_onnx)],
)
def test_numbers_that_contradict_each_other_give_a_report_or_our_error(
    tmp_path: Path, without_children: None, ending: str, copies: Callable[..., Iterator[bytes]]
) -> None:
    for data in copies(whole(ending), 150, seed=1):
        with contextlib.suppress(MobileDeployError):
            look(tmp_path / f"model.{ending}", data)
