"""A file in a child process answers as it does here, and takes nobody with it when it fails."""

import os
import signal
import sys
import threading

import graphs
import numpy as np
import pytest
from tflite_editor import TfliteFile

from mobiledeploy.base.errors import ConversionError, CorruptFileError, RequestError
from mobiledeploy.integer.certify import certify
from mobiledeploy.runtimes import kinds
from mobiledeploy.runtimes.child import Child, ChildSession
from mobiledeploy.runtimes.kinds import Kind
from mobiledeploy.targets import onnx, tflite

GRAPH = graphs.assorted_graph()
IMAGES = graphs.extremes(GRAPH.input.shape)


def file_for(kind: Kind) -> bytes:
    return onnx.write(GRAPH, certify(GRAPH)) if kind.startswith("ort") else tflite.write(GRAPH)


@pytest.fixture(scope="module")
def child():
    with Child() as found:
        yield found


@pytest.mark.parametrize("kind", kinds.TITLES)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_child_answers_byte_for_byte_what_this_process_does(
    child: Child, kind: Kind, threads: int
) -> None:
    here = kinds.load(kind, file_for(kind), threads=threads)
    there = child.load(kind, file_for(kind), threads=threads)
    assert (there.runtime, there.input, there.outputs) == (here.runtime, here.input, here.outputs)
    for got, expected in zip(there.run(IMAGES), here.run(IMAGES), strict=True):
        np.testing.assert_array_equal(got, expected)
        assert got.dtype == expected.dtype


def test_sessions_are_used_from_several_threads(child: Child) -> None:
    sessions = [child.load("xnnpack", file_for("xnnpack")) for _ in range(2)]
    expected = sessions[0].run(IMAGES)[0]
    wrong: list[int] = []

    def ask(session: ChildSession) -> None:
        answers = [session.run(IMAGES)[0] for _ in range(10)]
        wrong.extend(i for i, got in enumerate(answers) if not np.array_equal(got, expected))

    threads = [threading.Thread(target=ask, args=(session,)) for session in sessions * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_refusals_come_back_as_themselves(child: Child) -> None:
    with pytest.raises(CorruptFileError, match=r"half\.tflite in LiteRT XNNPACK: "):
        child.load("xnnpack", file_for("xnnpack")[:2000], name="half.tflite")
    with pytest.raises(ConversionError, match="no inner tensor `nowhere`"):
        child.load("xnnpack", file_for("xnnpack"), taps=["nowhere"])
    session = child.load("xnnpack", file_for("xnnpack"))
    with pytest.raises(RequestError, match="expected a int8 input"):
        session.run(IMAGES.astype(np.float32))
    assert session.run(IMAGES)


def test_a_closed_session_and_an_ended_process_say_so() -> None:
    with Child() as child:
        session = child.load("xnnpack", file_for("xnnpack"))
    with pytest.raises(CorruptFileError, match="the process that held it has ended"):
        session.run(IMAGES)


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGKILL"])
def test_a_death_is_a_damaged_file_and_the_next_file_is_loaded(name: str) -> None:
    with Child() as child:
        session = child.load("xnnpack", file_for("xnnpack"), name="deadly.tflite")
        os.kill(session.process._process.pid, signal.Signals[name])
        with pytest.raises(CorruptFileError, match=rf"deadly.tflite .* crashed \({name}\)"):
            session.run(IMAGES)
        with pytest.raises(CorruptFileError, match="has ended"):
            session.run(IMAGES)
        assert child.load("xnnpack", file_for("xnnpack")).run(IMAGES)


def test_what_takes_too_long_is_stopped_and_the_next_file_is_loaded() -> None:
    with Child(load_seconds=0.001) as child:
        with pytest.raises(CorruptFileError, match=r"slow\.tflite in LiteRT XNNPACK: took longer"):
            child.load("xnnpack", file_for("xnnpack"), name="slow.tflite")
        child._load_seconds = 60
        assert child.load("xnnpack", file_for("xnnpack")).run(IMAGES)


def test_a_bug_in_the_child_is_not_taken_for_a_damaged_file() -> None:
    with Child() as child:
        session = child.load("xnnpack", file_for("xnnpack"))
        session.number = 99
        with pytest.raises(RuntimeError, match="KeyError: 99"):
            session.run(IMAGES)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space")
def test_a_file_that_wants_all_memory_is_refused() -> None:
    file = TfliteFile(tflite.write(GRAPH))
    for tensor in file.graph.tensors:
        if tensor.shape is not None and len(tensor.shape) == 4 and tensor.shape[0] == 1:
            tensor.shape = [1, 60_000, 60_000, tensor.shape[3]]
    with Child() as child:
        with pytest.raises(CorruptFileError):
            child.load("builtin", file.bytes()).run(np.zeros((1, 60_000, 60_000, 3), np.int8))
        assert child.load("xnnpack", file_for("xnnpack")).run(IMAGES)
