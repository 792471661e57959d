"""A crash of a runtime is a row of the report; only runtimes that have to agree fail it."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import graphs
import numpy as np
import pytest
from known import image_shape

from mobiledeploy.base import codec
from mobiledeploy.base.errors import (
    CorruptFileError,
    MobileDeployError,
    ParityError,
    RuntimeDiedError,
)
from mobiledeploy.data.dataset import Pixels
from mobiledeploy.formats import model_file
from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.ops.dense import Dense
from mobiledeploy.ops.mean import Mean
from mobiledeploy.ops.tensors import QTensor
from mobiledeploy.ops.weights import QWeights
from mobiledeploy.runtimes import Array, FileLayer, Runtime, Session, TensorInfo, table
from mobiledeploy.targets import onnx, tflite
from mobiledeploy.verify import int8_pair, pair, report
from mobiledeploy.verify.outputs import image_sets
from mobiledeploy.verify.outputs.image_sets import ImageSet
from mobiledeploy.verify.outputs.int8_files import Options
from mobiledeploy.verify.outputs.opened_file import HERE, OpenFile, open_file
from mobiledeploy.verify.report import Participant, RuntimeFailure, VerifyReport

GRAPH = graphs.assorted_graph()
SHAPE = GRAPH.input.shape
PRIMARIES = [table.primary("tflite"), table.primary("onnx")]
EXACT = [r for r in table.RUNTIMES if r.exact and not r.primary]
OTHERS = [r for r in table.RUNTIMES if not r.exact]


def names(runtime: Runtime) -> str:
    return runtime.name


class Deadly:
    """A session that crashes on one image, anywhere in a batch."""

    def __init__(self, session: Session, runtime: Runtime, deadly: Pixels, name: str) -> None:
        self.runtime, self.options = session.runtime, session.options
        self.inputs, self.outputs = session.inputs, session.outputs
        self._session, self._of, self._deadly, self._name = session, runtime, deadly, name
        self._dead = False

    @property
    def input(self) -> TensorInfo:
        return self.inputs[0]

    @property
    def output_names(self) -> tuple[str, ...]:
        return tuple(output.name for output in self.outputs)

    def run(self, *batches: Array) -> tuple[Array, ...]:
        (batch,) = batches
        codes = (batch.astype(int) + 128).astype(np.uint8)
        hits = np.flatnonzero((codes == self._deadly).reshape(len(batch), -1).all(axis=1))
        if self._dead or len(hits):
            image = None if self._dead else int(hits[0])
            self._dead = True
            raise died(self._of, self._name, image=image)
        return self._session.run(batch)


def died(
    runtime: Runtime, file: str, *, image: int | None = None, loading: bool = False
) -> RuntimeDiedError:
    return RuntimeDiedError(
        file=file, runtime=runtime.title, death="signal", detail="SIGABRT", image=image,
        loading=loading, hint="what our own checks found",
    )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Place:
    """This process, in which one runtime fails: while it loads, or on an image."""

    failing: Runtime
    error: MobileDeployError | None = None
    deadly: Pixels | None = None

    def load(
        self, runtime: Runtime, model: bytes, *, threads: int = 1, inner_threads: int = 1,
        name: str = "the file", hint: str | None = None,
    ) -> Session:  # fmt: skip
        session = HERE.load(runtime, model, threads=threads)
        if runtime is not self.failing:
            return session
        if self.error is not None:
            raise self.error
        assert self.deadly is not None
        return Deadly(session, runtime, self.deadly, name)

    def tapped(
        self, runtime: Runtime, model: bytes, tensors: Sequence[str], *, name: str = "",
        hint: str | None = None,
    ) -> bytes:  # fmt: skip
        return HERE.tapped(runtime, model, tensors)

    def once(
        self, runtime: Runtime, model: bytes, batches: Sequence[Array], *, name: str = "the file"
    ) -> tuple[Array, ...]:
        return HERE.once(runtime, model, batches)

    def kernel_reasons(
        self, runtime: Runtime, model: bytes, layers: Sequence[FileLayer], *, name: str = ""
    ) -> list[tuple[str, ...]]:
        return HERE.kernel_reasons(runtime, model, layers)


def two_files(place: Place) -> tuple[OpenFile, OpenFile]:
    return (
        open_file(model_file.of_bytes("a.tflite", tflite.write(GRAPH)), place),
        open_file(model_file.of_bytes("b.onnx", onnx.write(GRAPH, certify(GRAPH))), place),
    )


def sets() -> tuple[ImageSet, ImageSet]:
    return image_sets.natural(image_shape(SHAPE), images=20), image_sets.synthetic_extremes(
        image_shape(SHAPE)
    )


def proof(place: Place) -> VerifyReport:
    return int8_pair.prove(two_files(place), sets(), Options(threads=2))[0]


def row(report: VerifyReport, runtime: Runtime) -> Participant:
    return next(row for row in report.participants if row.name == runtime.title)


def deadly_image(number: int = 3) -> Pixels:
    pixels: Pixels = sets()[1].pixels(number, number + 1)[0]
    return pixels


@pytest.mark.parametrize("runtime", OTHERS, ids=names)
def test_a_runtime_that_may_differ_crashes_and_the_verdict_holds(runtime: Runtime) -> None:
    report = proof(Place(runtime, deadly=deadly_image()))
    assert report.holds
    participant = row(report, runtime)
    assert participant.failure == RuntimeFailure(
        kind="signal", detail="SIGABRT", inputs="synthetic extremes", images=29, number=4,
        image=sets()[1].names[3],
    )  # fmt: skip
    assert participant.images == 20, "what it answered before counts"
    assert [row.name for row in report.participants if row.failure] == [runtime.title]
    note = f"{runtime.title} died (SIGABRT) on image 4 of 29 synthetic extremes, `"
    assert any(warning.startswith(note) for warning in report.warnings)
    assert all("damaged" not in said for said in (*report.warnings, *report.failures))


@pytest.mark.parametrize("runtime", OTHERS, ids=names)
def test_a_runtime_that_may_differ_may_crash_while_it_loads_a_file(runtime: Runtime) -> None:
    report = proof(Place(runtime, error=died(runtime, "a file", loading=True)))
    assert report.holds
    participant = row(report, runtime)
    assert participant.failure == RuntimeFailure(kind="signal", detail="SIGABRT")
    assert participant.failure.words == "died (SIGABRT) while it loaded the file"
    assert (participant.images, participant.runtime) == (0, runtime.title)
    assert not [pair for pair in report.matrix if runtime.title in {pair.first, pair.second}]


@pytest.mark.parametrize("runtime", OTHERS, ids=names)
def test_a_runtime_that_may_differ_may_refuse_a_file(runtime: Runtime) -> None:
    report = proof(Place(runtime, error=CorruptFileError("it has no kernel")))
    assert report.holds
    assert row(report, runtime).failure == RuntimeFailure(
        kind="refusal", detail="it has no kernel"
    )
    assert (
        f"{runtime.title} refused the file (it has no kernel); it decides nothing"
        in report.warnings
    )


@pytest.mark.parametrize("runtime", EXACT, ids=names)
def test_a_crash_of_a_runtime_that_has_to_agree_fails_the_verification(runtime: Runtime) -> None:
    report = proof(Place(runtime, deadly=deadly_image()))
    assert not report.holds
    (failure,) = report.failures
    assert failure.startswith(f"{runtime.title} died (SIGABRT) on image 4 of 29 synthetic")
    assert "damaged" not in failure
    assert row(report, runtime).failure is not None
    # The other runtimes' rows are complete.
    assert {row.images for row in report.participants if row.failure is None} == {49}


@pytest.mark.parametrize("runtime", PRIMARIES, ids=names)
def test_a_crash_of_the_runtime_that_apps_use_is_an_error_that_names_file_and_image(
    runtime: Runtime,
) -> None:
    with pytest.raises(RuntimeDiedError) as caught:
        proof(Place(runtime, deadly=deadly_image()))
    file = "a.tflite" if runtime.format == "tflite" else "b.onnx"
    name = sets()[1].names[3]
    assert str(caught.value) == (
        f"{file}: {runtime.title} died (SIGABRT) on image 4 of 29 synthetic extremes, `{name}`"
    )
    assert caught.value.hint == "what our own checks found"
    assert (caught.value.exit_status, ParityError.exit_status) == (5, 5)


def flat(classes: int) -> IntegerGraph:
    """A network whose classes have nearly equal logits for every image."""
    scale = np.float32(1 / 128)
    image = QTensor(name="image", shape=(4, 4, 3), scale=scale, zero_point=0)
    pooled = QTensor(name="mean", shape=(3,), scale=scale, zero_point=0)
    kernel_scale = np.full(classes, 1e-3, np.float32)
    rng = np.random.default_rng(0)
    weights = QWeights(
        kernel=rng.integers(-127, 128, (classes, 3)).astype(np.int8),
        kernel_scale=kernel_scale,
        bias=np.zeros(classes, np.int32),
        bias_scale=kernel_scale * pooled.scale,
    )
    logits = QTensor(name="logits", shape=(classes,), scale=np.float32(0.01), zero_point=0)
    dense = Dense(input=pooled.name, output=logits, weights=weights)
    (softmax,) = graphs.softmax(classes, logits.scale, 0).nodes
    nodes = Mean(input="image", output=pooled), dense, softmax
    return IntegerGraph(name="flat", input=image, nodes=nodes)


def test_a_network_of_a_thousand_flat_classes_is_proven(tmp_path: Path) -> None:
    """LiteRT's reference softmax aborts where exponentials add up to 512."""
    graph = flat(1000)
    paths = tmp_path / "a.tflite", tmp_path / "b.onnx"
    paths[0].write_bytes(tflite.write(graph))
    paths[1].write_bytes(onnx.write(graph, certify(graph)))
    report = pair.verify(*paths, samples=4, options=Options(threads=2))
    assert report.holds
    failed = {row.name: row.failure for row in report.participants if row.failure}
    (failure,) = failed.values()
    assert list(failed) == ["LiteRT reference"]
    assert (failure.kind, failure.detail, failure.number) == ("signal", "SIGABRT", 1)
    assert failure.inputs == report.inputs[0].name


@pytest.mark.parametrize("kind", ["signal", "time", "memory", "nonsense"])
def test_facts_survive_json(kind: report.FailureKind) -> None:
    failure = RuntimeFailure(kind=kind, detail="d", inputs="photos", images=7)
    assert failure.words.endswith("on 7 photos")
    participant = Participant(
        name="n", file="f", runtime="r", images=0, exact=False, failure=failure
    )
    text = codec.to_json(participant)
    assert codec.from_json(Participant, text, where="a row") == participant
    plain = dataclasses.replace(participant, failure=None)
    assert "failure" not in json.loads(codec.to_json(plain))
    assert codec.from_json(Participant, codec.to_json(plain), where="a row") == plain
