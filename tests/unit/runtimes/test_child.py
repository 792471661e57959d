"""A child process gives the same outputs as this one, and a crash there ends only the child."""

import dataclasses
import os
import signal
import sys
import threading
from collections.abc import Iterator

import graphs
import numpy as np
import pytest
from tflite_editor import TfliteFile

from mobiledeploy.base import fork_server
from mobiledeploy.base.errors import (
    ConversionError,
    CorruptFileError,
    RequestError,
    RuntimeDiedError,
)
from mobiledeploy.formats import model_file
from mobiledeploy.integer.certify import certify
from mobiledeploy.runtimes import FileLayer, Runtime, table
from mobiledeploy.runtimes.child import Children, ChildSession
from mobiledeploy.targets import onnx, tflite

GRAPH = graphs.assorted_graph()
IMAGES = graphs.extremes(GRAPH.input.shape)
FILES = {"tflite": tflite.write(GRAPH), "onnx": onnx.write(GRAPH, certify(GRAPH))}
XNNPACK, ORACLE = table.named("litert-xnnpack"), table.named("numpy-oracle")
REFERENCE = table.named("litert-reference")


@pytest.fixture(scope="module")
def children() -> Iterator[Children]:
    with Children() as children:
        yield children


def kill(session: ChildSession, name: str = "SIGKILL") -> None:
    os.kill(session._process._process.pid, signal.Signals[name])


@pytest.mark.parametrize("runtime", table.RUNTIMES, ids=lambda runtime: runtime.name)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_child_process_gives_the_same_bytes_as_this_process(
    children: Children, runtime: Runtime, threads: int
) -> None:
    data = FILES[runtime.format]
    tapped = children.tapped(runtime, data, ["logits", "stem"])
    assert tapped == model_file.tap(runtime.format, data, ["logits", "stem"])
    here = runtime.load(tapped, threads=threads)
    there = children.load(runtime, tapped, threads=threads)
    assert (there.runtime, there.options) == (here.runtime, here.options)
    assert (there.input, there.outputs) == (here.input, here.outputs)
    assert len(there.outputs) == 3
    for got, expected in zip(there.run(IMAGES), here.run(IMAGES), strict=True):
        np.testing.assert_array_equal(got, expected)
        assert got.dtype == expected.dtype


@pytest.mark.parametrize(
    "runtime", [r for r in table.RUNTIMES if r.kernel_reasons], ids=lambda runtime: runtime.name
)
def test_a_child_process_gives_the_same_kernel_reasons_as_this_process(
    children: Children, runtime: Runtime
) -> None:
    ask = runtime.kernel_reasons
    assert ask is not None
    layers = [
        FileLayer(name=name, operator="CONV_2D", kind="conv", weights=f"{name}/kernel")
        for name in ("stem", "nowhere")
    ]
    data = FILES[runtime.format]
    answers = children.kernel_reasons(runtime, data, layers)
    assert answers == ask(data, layers)
    assert [len(reasons) for reasons in answers] == [0, 1]


def test_sessions_can_be_used_from_several_threads(children: Children) -> None:
    sessions = [children.load(XNNPACK, FILES["tflite"]) for _ in range(2)]
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


def test_errors_in_the_child_arrive_with_the_same_type(children: Children) -> None:
    with pytest.raises(CorruptFileError, match=r"half\.tflite in LiteRT XNNPACK: "):
        children.load(XNNPACK, FILES["tflite"][:2000], name="half.tflite")
    with pytest.raises(ConversionError, match="no inner tensor `nowhere`"):
        children.tapped(XNNPACK, FILES["tflite"], ["nowhere"])
    session = children.load(XNNPACK, FILES["tflite"])
    with pytest.raises(RequestError, match="expected a int8 input"):
        session.run(IMAGES.astype(np.float32))
    assert session.run(IMAGES)


def test_using_a_closed_process_raises_an_error_that_says_so() -> None:
    with Children() as children:
        session = children.load(XNNPACK, FILES["tflite"])
    with pytest.raises(RuntimeError, match="was closed"):
        session.run(IMAGES)


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGKILL"])
def test_a_crash_names_the_runtime_and_the_next_file_loads(name: str) -> None:
    with Children() as children:
        session = children.load(XNNPACK, FILES["tflite"], name="a.tflite", hint="h")
        kill(session, name)
        words = rf"a\.tflite: LiteRT XNNPACK died \({name}\)"
        with pytest.raises(RuntimeDiedError, match=words) as caught:
            session.run(IMAGES)
        died = caught.value
        assert (died.runtime, died.death, died.detail) == (XNNPACK.title, "signal", name)
        assert (died.loading, died.hint) == (False, "h")
        assert died.image is None, "no image of the batch is to blame"
        with pytest.raises(RuntimeDiedError, match=name):
            session.run(IMAGES)
        assert children.load(XNNPACK, FILES["tflite"]).run(IMAGES)


def test_a_crash_does_not_affect_sessions_of_other_runtimes() -> None:
    """A file that is run once, such as a cut-out layer, has a process of its own."""
    with Children() as children:
        sessions = [children.load(runtime, FILES["tflite"]) for runtime in (REFERENCE, ORACLE)]
        batch = np.zeros((1, 13, 10, 3), np.int8)
        children.once(REFERENCE, FILES["tflite"], [batch])
        pids = [process._process.pid for process in children._processes.values()]
        assert len(set(pids)) == 3
        kill(sessions[0])
        with pytest.raises(RuntimeDiedError, match="LiteRT reference"):
            sessions[0].run(IMAGES)
        assert sessions[1].run(IMAGES)
        assert children.once(REFERENCE, FILES["tflite"], [batch])


def test_the_image_that_crashes_a_runtime_is_named() -> None:
    """LiteRT's reference softmax aborts if a thousand classes have equal logits."""
    model = tflite.write(graphs.softmax(1000, np.float32(0.05), 0))
    logits = np.full((9, 1000), -128, np.int8)
    logits[:, 0] = 127
    logits[5] = 0
    with Children() as children:
        session = children.load(REFERENCE, model)
        assert session.run(logits[:5])
        with pytest.raises(RuntimeDiedError) as caught:
            session.run(logits)
        assert (caught.value.death, caught.value.image) == ("signal", 5)
        with pytest.raises(RuntimeDiedError) as caught:
            children.once(REFERENCE, model, [logits[5:6]])
        assert caught.value.image == 0
        assert children.load(XNNPACK, model).run(logits)


def test_a_file_that_takes_too_long_is_stopped_and_the_next_file_loads() -> None:
    with Children(load_seconds=0.001) as children:
        with pytest.raises(RuntimeDiedError, match=r"a\.tflite: LiteRT XNNPACK took") as caught:
            children.load(XNNPACK, FILES["tflite"], name="a.tflite")
        assert (caught.value.death, caught.value.loading) == ("time", True)
        children._load_seconds = 60
        assert children.load(XNNPACK, FILES["tflite"]).run(IMAGES)


def test_a_bug_in_the_child_is_not_reported_as_a_damaged_file() -> None:
    with Children() as children:
        session = children.load(XNNPACK, FILES["tflite"])
        session._number = 99
        with pytest.raises(RuntimeError, match="KeyError: 99"):
            session.run(IMAGES)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space")
def test_a_file_that_needs_too_much_memory_is_refused() -> None:
    file = TfliteFile(FILES["tflite"])
    for tensor in file.graph.tensors:
        if tensor.shape is not None and len(tensor.shape) == 4 and tensor.shape[0] == 1:
            tensor.shape = [1, 60_000, 60_000, tensor.shape[3]]
    runtime = table.named("litert-builtin")
    with Children() as children:
        with pytest.raises((CorruptFileError, RuntimeDiedError)):
            children.load(runtime, file.bytes()).run(np.zeros((1, 60_000, 60_000, 3), np.int8))
        assert children.load(runtime, FILES["tflite"]).run(IMAGES)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space")
def test_too_much_memory_counts_as_a_crash_though_the_process_survives() -> None:
    """The runtime here is in the tests and found by its module, without a row in the table."""
    hungry = dataclasses.replace(XNNPACK, name="hungry", module="hungry_runtime", title="Hungry")
    with Children() as children:
        with pytest.raises(
            RuntimeDiedError, match="Hungry took more memory than 4,294,"
        ) as caught:
            children.load(hungry, b"")
        assert (caught.value.death, caught.value.loading) == ("memory", True)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks")
def test_the_death_of_the_process_that_starts_children_is_a_runtimes_death() -> None:
    with Children() as children:
        session = children.load(XNNPACK, FILES["tflite"])
        os.kill(fork_server._server()._process.pid, signal.SIGKILL)
        kill(session)
        with pytest.raises(RuntimeDiedError, match=r"died \(with the process that starts it\)"):
            session.run(IMAGES)
        assert children.load(XNNPACK, FILES["tflite"]).run(IMAGES)
