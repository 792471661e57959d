"""Damaged and contradictory files never kill or hang what loads them: 2,000, each a clear error.

`benchmarks/hostile_files.py` tries as many as you like.
"""

import itertools
from collections.abc import Callable, Iterator

import graphs
import hostile
import numpy as np
import pytest

from mobiledeploy.base.errors import MobileDeployError
from mobiledeploy.formats import model_file
from mobiledeploy.integer.certify import certify
from mobiledeploy.runtimes import Format, Runtime, table
from mobiledeploy.runtimes.child import Children, ChildSession
from mobiledeploy.targets import onnx, tflite
from mobiledeploy.verify.outputs.opened_file import open_file

FILES = 500
SECONDS = 10.0
"""More than any of these small files needs, on a busy machine too."""


def written(kind: Format) -> bytes:
    graph = graphs.assorted_graph()
    return tflite.write(graph) if kind == "tflite" else onnx.write(graph, certify(graph))


@pytest.mark.parametrize(
    ("kind", "copies"),
    [
        ("tflite", hostile.damaged),
        ("tflite", hostile.contradictory_tflite),
        ("onnx", hostile.damaged),
        ("onnx", hostile.contradictory_onnx),
    ],
)
def test_no_file_kills_or_hangs_the_command(
    kind: Format, copies: Callable[..., Iterator[bytes]]
) -> None:
    ran, said = 0, []
    with Children(load_seconds=SECONDS, image_seconds=SECONDS) as children:
        runtimes = itertools.cycle(table.running(kind))
        for data, runtime in zip(copies(written(kind), FILES), runtimes, strict=False):
            try:
                run(data, runtime, children)
                ran += 1
            except MobileDeployError as error:
                said.append(str(error))
    assert ran + len(said) == FILES
    assert ran > 10, "hardly any file is still sound: the damage is too coarse to try the runtimes"
    assert all(said)
    assert not [error for error in said if "took longer" in error]


def run(data: bytes, runtime: Runtime, children: Children) -> None:
    """Take a file through everything that `verify` does before it compares."""
    opened = open_file(model_file.of_bytes("a file", data), children)
    session = opened.load(runtime, taps=opened.ends.taps, threads=1)
    session.run(np.zeros((2, *session.input.shape), session.input.dtype))
    assert isinstance(session, ChildSession)
    session.close()
