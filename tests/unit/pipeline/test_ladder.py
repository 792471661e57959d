"""Techniques of quantisation are kept where they help, and finished ones are not made again."""

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import accuracy_networks
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobiledeploy.accuracy import weight_rounding
from mobiledeploy.accuracy.agreement import EXACT, Agreement, compare
from mobiledeploy.base import codec
from mobiledeploy.base.errors import ConversionError
from mobiledeploy.base.progress import Event
from mobiledeploy.integer.graph import digest
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.network.float_graph import INPUT, FloatGraph, FloatNode
from mobiledeploy.network.network import Network
from mobiledeploy.network.simplify.to_network import to_network
from mobiledeploy.ops.ranges import Ranges
from mobiledeploy.pipeline import distillation, ladder
from mobiledeploy.pipeline.calibrate import calibrate
from mobiledeploy.pipeline.distillation import Distillation
from mobiledeploy.pipeline.float_logits import float_logits
from mobiledeploy.pipeline.int8_logits import logits_runner
from mobiledeploy.pipeline.ladder import (
    ENOUGH,
    Judgement,
    Quantised,
    climb,
    gain_of,
    why_left_out,
)
from mobiledeploy.spec.results import Gain, NotTried, WhyLeftOut, WhyNotTried
from mobiledeploy.training import tensorflow_graph


def coarse(graph: FloatGraph) -> FloatGraph:
    """Return a graph whose kernels' scales are ten times as large, for one weight a channel."""
    nodes = []
    for node in graph.nodes:
        arrays = dict(node.arrays)
        if "kernel" in arrays:
            kernel = arrays["kernel"].copy()
            kernel.reshape(-1, kernel.shape[-1])[0] *= 10
            arrays["kernel"] = kernel
        nodes.append(dataclasses.replace(node, arrays=arrays))
    return dataclasses.replace(graph, nodes=tuple(nodes))


GRAPH = coarse(accuracy_networks.residual_graph(channels=16))
NETWORK = to_network(GRAPH, accuracy_networks.SCALING)
RANDOM = np.random.default_rng(5)
PIXELS = np.array(
    RANDOM.integers(40, 160, (64, 1, 1, 3)) + RANDOM.integers(0, 90, (64, 9, 8, 3)), np.uint8
)


class Training(Distillation):
    """A distillation that makes the last biases worse."""

    def obstacle(self, network: Network) -> WhyNotTried | None:
        return None

    def train(self, network: Network, ranges: Ranges, teacher: Network, pixels: Any) -> Network:
        assert teacher is NETWORK
        assert network is not teacher
        bias = network.weights["logits"].bias
        bias = bias + np.linspace(0, self.seed, len(bias), dtype=np.float32)
        last = dataclasses.replace(network.weights["logits"], bias=bias)
        return dataclasses.replace(network, weights={**network.weights, "logits": last})


def training(seed: int, **more: Any) -> Distillation:
    return Training(seed=seed, threads=1, folder=Path(), progress=lambda _: None, **more)


@pytest.fixture(scope="module", autouse=True)
def nothing_is_enough() -> Iterator[None]:
    """Try every technique, however small the noise is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ladder, "ENOUGH", dataclasses.replace(ENOUGH, sqnr=EXACT))
        yield


@pytest.fixture(scope="module")
def best(nothing_is_enough: None) -> Quantised:
    return climb(NETWORK, PIXELS, "best", distillation=training(1), threads=2)


def test_each_rung_that_is_kept_is_better_than_those_before(best: Quantised) -> None:
    assert [rung.name for rung in best.rungs] == ["extremes", *ladder.TECHNIQUES]
    noise = [rung.sqnr for rung in best.rungs if rung.kept]
    assert len(noise) >= 2
    assert all(after >= before + ladder.GAIN for before, after in itertools.pairwise(noise))
    assert all(
        (rung.left_out is None) == rung.kept
        and rung.gain is not None
        and rung.left_out == why_left_out(rung.gain)
        for rung in best.rungs[1:]
    )
    assert best.rungs[0].gain is None
    left_out = [rung for rung in best.rungs if not rung.kept]
    assert left_out[-1].name == "distillation"
    assert {rung.images for rung in best.rungs} == {16}


def test_images_that_judge_decide_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ladder, "ENOUGH", Agreement(images=1, same=0, sqnr=-EXACT))
    others = PIXELS.copy()
    others[::4] = 255 - others[::4]
    first, second = (climb(NETWORK, pixels, "default") for pixels in (PIXELS, others))
    assert digest(first.integers) == digest(second.integers)
    assert first.rungs[0].sqnr != second.rungs[0].sqnr


def test_quick_is_plain_quantisation() -> None:
    quick = climb(NETWORK, PIXELS, "quick")
    assert (quick.rungs, quick.not_tried) == ((), ())
    assert quick.network is NETWORK


def test_a_run_that_was_killed_goes_on_with_the_rung_that_was_not_finished(
    best: Quantised, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(folder: Path) -> tuple[Quantised, list[str]]:
        events = list[Event]()
        made = climb(
            NETWORK, PIXELS, "best", distillation=training(1), folder=folder, threads=2,
            progress=events.append,
        )  # fmt: skip
        return made, list(dict.fromkeys(event.message for event in events))

    real = weight_rounding.round_weights

    def killed(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(ladder, "round_weights", killed)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "rungs")
    monkeypatch.setattr(ladder, "round_weights", real)
    resumed, events = run(tmp_path / "rungs")
    done = [event for event in events if event.endswith(": done before")]
    assert done == [f"{name}: done before" for name in ("extremes", *ladder.TECHNIQUES[:3])]
    assert "measuring inputs" in events
    assert "measuring ranges" not in events
    assert digest(resumed.integers) == digest(best.integers)
    assert [(rung.name, rung.kept, rung.sqnr) for rung in resumed.rungs] == [
        (rung.name, rung.kept, rung.sqnr) for rung in best.rungs
    ]
    monkeypatch.setattr(ladder, "round_weights", killed)
    again, events = run(tmp_path / "rungs")
    assert not any("measuring" in event for event in events)
    assert digest(again.integers) == digest(best.integers)
    (tmp_path / "rungs/rung0.npz").write_bytes(b"damaged")
    monkeypatch.setattr(ladder, "calibrate", killed)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "rungs")


def test_a_network_that_answers_as_the_float_one_is_good_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ladder, "ENOUGH", Agreement(images=4, same=2, sqnr=1.0))
    enough = climb(NETWORK, PIXELS, "default")
    assert [rung.name for rung in enough.rungs] == ["extremes"]
    assert enough.not_tried == tuple(
        NotTried(name=name, why="good enough") for name in ladder.TECHNIQUES[:4]
    )
    assert ENOUGH.same / ENOUGH.images == 0.995


def test_what_hinders_training_is_said() -> None:
    def why(pixels: Any, trained: Distillation | None) -> Any:
        (not_tried,) = climb(NETWORK, pixels, "best", distillation=trained).not_tried
        assert not_tried.name == "distillation"
        return not_tried.why

    assert why(PIXELS, None) == "synthetic images"
    assert why(PIXELS[:31], training(1)) == "few images"


def test_a_technique_without_an_exact_form_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    real = ladder._Maker.make

    def make(self: Any, techniques: tuple[str, ...], best: Any) -> Quantised:
        if "equalisation" in techniques:
            raise ConversionError("no scale")
        return real(self, techniques, best)  # type: ignore[arg-type]

    monkeypatch.setattr(ladder._Maker, "make", make)
    made = climb(NETWORK, PIXELS, "default", threads=2)
    assert made.not_tried == (NotTried(name="equalisation", why="no exact form"),)
    assert [rung.name for rung in made.rungs] == [
        "extremes", "bias correction", "ranges by error", "weight rounding",
    ]  # fmt: skip


def real_distillation(folder: Path) -> Distillation:
    return Distillation(seed=0, threads=2, folder=folder / "new", progress=lambda _: None)


def test_without_tensorflow_or_with_other_layers_nothing_is_trained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    training = real_distillation(tmp_path)
    assert training.obstacle(NETWORK) is None
    monkeypatch.setattr(tensorflow_graph, "TENSORFLOW_OPERATORS", {"conv": None})
    assert training.obstacle(NETWORK) == "not trainable"
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert training.obstacle(NETWORK) == "no TensorFlow"


@pytest.mark.slow
@pytest.mark.tensorflow
def test_distillation_goes_on_from_what_was_kept_towards_the_float_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(distillation, "STEPS", 30)
    monkeypatch.setattr(distillation, "LEARNING_RATE", 1e-3)
    off = {name: dataclasses.replace(each, bias=each.bias + np.float32(0.05))
           for name, each in NETWORK.weights.items()}  # fmt: skip
    start = dataclasses.replace(NETWORK, weights=off)
    ranges = calibrate(NETWORK, PIXELS)
    trained = real_distillation(tmp_path).train(start, ranges, NETWORK, PIXELS)
    expected = float_logits(NETWORK, PIXELS, threads=2)
    before, after = (
        compare(expected, logits_runner(quantise(network, ranges), threads=2)(PIXELS))
        for network in (start, trained)
    )
    assert after.sqnr > before.sqnr + 3


@pytest.mark.parametrize("count", [1, 7])
def test_too_few_images_judge_nothing(count: int) -> None:
    few = climb(NETWORK, PIXELS[:count], "default", threads=2)
    assert few.rungs == ()
    assert {each.why for each in few.not_tried} == {"few images"}
    assert len(few.not_tried) == ladder.LAST["default"]


@pytest.mark.parametrize("count", [8, 31])
def test_few_images_judge_by_halves_and_then_all_decide(count: int) -> None:
    few = climb(NETWORK, PIXELS[:count], "default", threads=2)
    assert {rung.images for rung in few.rungs} == {-(-count // 2)}
    kept = tuple(rung.name for rung in few.rungs[1:] if rung.kept)
    whole = ladder._Maker(
        NETWORK, PIXELS[:count], None, few=True, threads=1, progress=lambda _: None
    )
    assert digest(few.integers) == digest(whole.make(kept, None).integers)  # type: ignore[arg-type]


def rarely_alive(seed: int = 0) -> Network:
    """Return a network with a layer that is dead on dark images, and whose sums are large."""
    random, inputs = np.random.default_rng(seed), 32 * 32 * 3
    kernel = random.normal(100 / inputs, 10 / inputs, (inputs, 4)).astype(np.float32)
    hidden = {"kernel": kernel, "bias": np.full(4, -50, np.float32)}
    logits = {
        "kernel": random.standard_normal((4, 3)).astype(np.float32),
        "bias": random.standard_normal(3).astype(np.float32),
    }
    graph = FloatGraph(
        name="rare", input_shape=(32, 32, 3), output="logits",
        nodes=(
            FloatNode(
                name="flat", op="reshape", inputs=(INPUT,), attributes={"shape": (inputs,)}
            ),
            FloatNode(
                name="hidden", op="dense", inputs=("flat",), arrays=hidden, activation="relu"
            ),
            FloatNode(name="logits", op="dense", inputs=("hidden",), arrays=logits),
        ),
    )  # fmt: skip
    return to_network(graph, accuracy_networks.SCALING)


@pytest.mark.parametrize("count", [8, 20, 31, 32, 48])
@pytest.mark.parametrize("bright", [0, 1, 2])
def test_what_all_images_calibrate_is_quantised_whichever_of_them_judge(
    count: int, bright: int
) -> None:
    """Image 0 judges; 1 and 2 decide, or one of them judges its half."""
    network = rarely_alive()
    pixels = np.random.default_rng(count).integers(0, 60, (count, 32, 32, 3)).astype(np.uint8)
    pixels[bright] = 255 - pixels[bright]
    quick = climb(network, pixels, "quick", threads=2)
    made = climb(network, pixels, "default", threads=2)
    judges = bright % (4 if count >= 32 else 2) == 0
    assert ({each.why for each in made.not_tried} == {"every image calibrates"}) == judges
    assert (made.rungs == ()) == judges
    if judges:
        assert digest(made.integers) == digest(quick.integers)
        assert len(made.not_tried) == ladder.LAST["default"]
    with pytest.raises(ConversionError, match="expected sums below"):
        climb(network, np.delete(pixels, bright, axis=0), "default", threads=2)


@given(
    seed=st.integers(0, 99),
    count=st.integers(8, 40),
    bright=st.sets(st.integers(0, 39), max_size=6),
    half=st.sets(st.integers(0, 39), max_size=6),
)
@settings(max_examples=12, deadline=None)
def test_a_network_that_can_be_quantised_is_with_any_effort(
    seed: int, count: int, bright: set[int], half: set[int]
) -> None:
    network = rarely_alive(seed)
    pixels = np.random.default_rng(seed).integers(0, 60, (count, 32, 32, 3)).astype(np.uint8)
    for row in bright & set(range(count)):
        pixels[row] = 255 - pixels[row]
    for row in half & set(range(count)):
        pixels[row] += 70
    try:
        climb(network, pixels, "quick")
    except ConversionError:
        with pytest.raises(ConversionError):
            climb(network, pixels, "default")
        return
    climb(network, pixels, "default")


def test_what_one_half_made_stays_if_all_have_no_exact_form(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = ladder._Maker.make
    half = climb(NETWORK, PIXELS[:9], "default", threads=2)

    def make(self: Any, techniques: Any, best: Any) -> Quantised:
        if len(self._pixels) == 9:
            raise ConversionError("no scale")
        last.append(real(self, techniques, best))
        return last[-1]

    last = list[Quantised]()
    monkeypatch.setattr(ladder._Maker, "make", make)
    made = climb(NETWORK, PIXELS[:9], "default", threads=2)
    kept = [quantised for quantised, rung in zip(last, made.rungs, strict=True) if rung.kept]
    assert digest(made.integers) == digest(kept[-1].integers) != digest(half.integers)


def test_an_image_that_judges_and_gives_nan_is_refused_by_its_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def logits(network: Network, pixels: Any, *, threads: int) -> Any:
        made = float_logits(network, pixels, threads=threads)
        made[3] = np.nan
        return made

    monkeypatch.setattr(ladder, "float_logits", logits)
    with pytest.raises(ConversionError, match="NaN or infinite for calibration image 12"):
        climb(NETWORK, PIXELS, "default", threads=2)


@pytest.mark.parametrize("task", ["regression", "multi-label", "binary"])
@pytest.mark.parametrize("outputs", [1, 2])
def test_outputs_of_every_kind_are_judged(task: Any, outputs: int) -> None:
    if (task == "binary") != (outputs == 1) and task != "regression":
        return
    graph = GRAPH
    last = graph.nodes[-1]
    cut = {name: array[..., :outputs] for name, array in last.arrays.items()}
    graph = dataclasses.replace(
        graph, nodes=(*graph.nodes[:-1], dataclasses.replace(last, arrays=cut))
    )
    network = to_network(graph, accuracy_networks.SCALING)
    made = climb(network, PIXELS, "default", task=task)
    assert len({rung.sqnr for rung in made.rungs}) == 5
    assert all((rung.same is None) == (task == "regression") for rung in made.rungs)


@pytest.mark.parametrize(
    ("sqnr", "same", "why"),
    [
        (20.1, 60, None), (20.09, 60, "little gain"), (25.0, 59, None),
        (25.0, 58, "answers lost"), (float("nan"), 60, "little gain"),
        (-EXACT, 60, "little gain"), (19.0, 64, "little gain"),
    ],
)  # fmt: skip
def test_less_noise_counts_and_one_answer_may_be_chance(
    sqnr: float, same: int, why: WhyLeftOut | None
) -> None:
    before = judged(20.0, 60, np.ones(64))
    gain = gain_of(judged(sqnr, same, np.full(64, 0.5)), before)
    assert why_left_out(gain) == why
    assert gain.lost == 60 - same
    assert gain.mean == pytest.approx(10 * np.log10(2))


@pytest.mark.parametrize(
    ("noise", "why"),
    [
        ([2.0] * 60 + [1e-9] * 4, "chance"), ([0.5] * 64, None),
        ([0.9, 1.1] * 32, "chance"), ([0.5, 1.1] * 32, None), ([float("nan")] * 64, "chance"),
    ],
)  # fmt: skip
def test_few_images_with_much_noise_decide_nothing(
    noise: list[float], why: WhyLeftOut | None
) -> None:
    before = judged(20.0, 60, np.ones(64))
    gain = gain_of(judged(25.0, 60, np.array(noise)), before)
    assert why_left_out(gain) == why
    codec.from_json(Gain, codec.to_json(gain), where="a file")  # takes no NaN


def test_one_image_proves_nothing() -> None:
    gain = gain_of(judged(30.0, 1, np.zeros(1)), judged(20.0, 1, np.ones(1)))
    assert why_left_out(gain) == "chance"


def judged(sqnr: float, same: int, noise: Any) -> Judgement:
    return Judgement(agreement=Agreement(images=64, same=same, sqnr=sqnr), noise=noise)
