"""`explain` names the layer that was spoilt, the images that changed, and only measured help."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import accuracy_networks
import numpy as np
import pytest
from typer.testing import CliRunner
from unit.cli.conftest import check

from mobiledeploy.accuracy.agreement import EXACT, compare
from mobiledeploy.base import codec
from mobiledeploy.base.errors import ConversionError, CorruptFileError, RequestError
from mobiledeploy.cli.explain import summary
from mobiledeploy.cli.main import app
from mobiledeploy.data import evaluation
from mobiledeploy.network.float_graph import FloatNode
from mobiledeploy.network.network import Network, load_network, save_network
from mobiledeploy.pipeline import explain as explaining
from mobiledeploy.pipeline import ladder
from mobiledeploy.pipeline.distillation import Distillation
from mobiledeploy.pipeline.explain import Explanation, _answer, _same, _trial_of_logits, explain
from mobiledeploy.pipeline.float_logits import float_logits
from mobiledeploy.pipeline.ladder import why_left_out
from mobiledeploy.pipeline.quantize import quantize
from mobiledeploy.spec.channel_scaling import SCALINGS
from mobiledeploy.spec.results import WhyNotTried
from mobiledeploy.targets import float_tflite

NAMES = tuple("abcdefghij")


def model(folder: Path) -> Path:
    """Write a network with a spoilt layer, and scores so close that some are equal in int8."""
    graph = accuracy_networks.spoilt(accuracy_networks.residual_graph(shape=(16, 16, 3)))
    logits = graph.nodes[-1]
    small = {name: array * np.float32(0.02) for name, array in logits.arrays.items()}
    logits = dataclasses.replace(logits, arrays=small)
    scores = FloatNode(name="scores", op="softmax", inputs=("logits",))
    graph = dataclasses.replace(graph, nodes=(*graph.nodes[:-1], logits, scores), output="scores")
    path = folder / "model.tflite"
    path.write_bytes(float_tflite.write(graph))
    return path


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build of that network, by plain ranges."""
    folder = tmp_path_factory.mktemp("spoilt")
    path, out = model(folder), folder / "build"
    quantize(path, out, scaling=SCALINGS["-1..1"], labels=NAMES, effort="quick", threads=2)
    return out


def run(*words: str | Path) -> str:
    done = CliRunner().invoke(app, ["explain", *map(str, words)], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_the_spoilt_layer_comes_first_and_the_changed_answers_are_those_of_the_files(
    build: Path,
) -> None:
    document = json.loads(run(build, "--json", "-q"))
    check(document, "explain")
    layers = document["layers"]
    assert layers[0]["name"] == "projection"
    assert layers[0]["share"] > 0.9
    assert [layer["share"] for layer in layers] == sorted(
        (layer["share"] for layer in layers), reverse=True
    )
    assert document["images"] == 256
    assert document["same"] + len(document["changed"]) == 256
    assert document["changed"]
    for each in document["changed"]:
        assert each["floats"]["classes"] != each["int8"]["classes"]
    report = json.loads((build / "report.json").read_text())
    trial = document["trials"][0]
    assert (trial["what"], trial["images"]) == ("logits", 256)
    agreement = report["float_agreement"]
    assert agreement["by_scores"]["correct"] == trial["before"]
    assert agreement["same"]["correct"] == trial["after"]
    assert trial["before"] < trial["after"]


def test_the_tables_show_the_worst_layers_and_say_nothing_that_was_not_measured(
    build: Path,
) -> None:
    text = run(build, "--top", "2", "-q")
    assert text.splitlines()[4].startswith("projection ")
    assert "`--top 7`" in text
    assert "calibrate, others judge" not in text
    assert "`--try` measures" in text


def test_photos_that_calibrate_are_not_those_that_judge(build: Path, tmp_path: Path) -> None:
    from PIL import Image

    held = evaluation.read(build / "evaluation.npz")
    answers = held.float_logits.argmax(axis=1)
    for number, answer in enumerate(answers[:30]):
        folder = tmp_path / NAMES[answer]
        folder.mkdir(exist_ok=True)
        image = held.pixels[number] if number < 10 else 255 - held.pixels[number]
        Image.fromarray(image).save(folder / f"{number}.png")
    explanation = explain(build, data=str(tmp_path), attempts=True, threads=2)
    photos, effort = (each for each in explanation.trials if each.what != "logits")
    assert (photos.calibrated, photos.images) == (20, 256)
    assert explanation.untried is None
    assert effort.helps
    assert effort.sqnr_after is not None
    assert effort.sqnr_before is not None
    assert effort.sqnr_after > effort.sqnr_before + 3
    assert effort.gain is not None
    assert effort.gain.sqnr == effort.sqnr_after - effort.sqnr_before
    assert {each.name for each in effort.not_tried} == {"weight rounding", "distillation"}
    assert {each.why for each in effort.not_tried} == {"good enough"}
    assert explanation.crop is not None
    assert explanation.crop.right.total == 30
    # The images are square, so that both crops see the same.
    assert explanation.crop.right == explanation.crop.right_other


@pytest.mark.parametrize(("before", "helps"), [(40, False), (39, False), (35, False), (34, True)])
def test_an_answer_more_may_be_chance(before: int, helps: bool) -> None:
    by_logits = np.ones(40, np.bool_)
    trial = _trial_of_logits(np.arange(40) < before, by_logits)
    assert (trial.before, trial.after, trial.helps) == (before, 40, helps)
    explanation = Explanation(
        network="n", task="classification", images=40, same=40, sqnr=20.0, judges=16, traced=8,
        layers=(), changed=(), trials=(trial,), untried=None, crop=None,
    )  # fmt: skip
    said = summary(explanation, 10)
    assert ("what helps: `--head logits`" in said) is helps
    assert ("which may be chance (p = 1)" in said) is (before == 39)


def test_what_a_trial_gave_and_left_out_is_said(
    build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    class Training(Distillation):
        def obstacle(self, network: Network) -> WhyNotTried | None:
            return obstacle

        def train(self, network: Network, ranges: Any, teacher: Network, pixels: Any) -> Network:
            trained.append(len(pixels))
            return network

    monkeypatch.setattr(explaining, "Distillation", Training)
    monkeypatch.setattr(ladder, "ENOUGH", dataclasses.replace(ladder.ENOUGH, sqnr=EXACT))
    obstacle: WhyNotTried | None = "no TensorFlow"
    trained = list[int]()
    held = evaluation.read(build / "evaluation.npz")
    for number, image in enumerate(held.pixels[:48]):
        Image.fromarray(np.ascontiguousarray(image[::-1])).save(tmp_path / f"{number}.png")
    explanation = explain(build, data=tmp_path, attempts=True, threads=2)
    assert not trained
    check(json.loads(codec.to_json(explanation)), "explain")
    assert "without distillation (training needs TensorFlow" in one_line(summary(explanation, 1))
    obstacle = None
    explanation = explain(build, data=tmp_path, attempts=True, threads=2)
    assert trained == [36]  # those that do not judge inside the ladder
    check(json.loads(codec.to_json(explanation)), "explain")
    trials = {trial.what: trial for trial in explanation.trials}
    assert not trials["effort"].not_tried
    for trial in (trials["photos"], trials["effort"]):
        assert trial.gain is not None
        assert trial.why_not == why_left_out(trial.gain)
        assert trial.helps == (trial.why_not is None)
    assert trials["effort"].helps
    # Ranges of other images of the same kind change what a few images see by chance.
    assert not trials["photos"].helps
    assert "not plainly help: other calibration images (48 calibrate" in one_line(
        summary(explanation, 1)
    )


def test_images_with_which_there_is_no_int8_form_are_said(
    build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    def climb(*_: Any, **__: Any) -> None:
        raise ConversionError("no scale")

    for number, image in enumerate(evaluation.read(build / "evaluation.npz").pixels[:9]):
        Image.fromarray(np.ascontiguousarray(image[::-1])).save(tmp_path / f"{number}.png")
    monkeypatch.setattr(ladder, "climb", climb)
    explanation = explain(build, data=tmp_path, attempts=True)
    assert explanation.untried == "no exact form"
    assert [trial.what for trial in explanation.trials] == ["logits"]
    assert "the network has no int8 form" in one_line(summary(explanation, 1))


def one_line(text: str) -> str:
    return " ".join(text.split())


def test_rescaled_channels_and_corrected_biases_are_compared_with_the_same_function(
    tmp_path: Path,
) -> None:
    out = tmp_path / "build"
    report = quantize(
        model(tmp_path), out, scaling=SCALINGS["-1..1"], effort="default", calibration_images=32
    )
    kept = {rung.name for rung in report.rungs if rung.kept}
    assert kept >= {"bias correction", "equalisation"}
    explanation = explain(out, samples=32)
    held = evaluation.read(out / "evaluation.npz")
    network = load_network(out / "quantise" / "network.npz")
    again = float_logits(network, held.pixels[:8], threads=1)
    assert compare(held.float_logits[:8], again).sqnr > 80
    # Equalisation made the huge weights as large as the others.
    assert explanation.layers[0].share < 0.9
    assert explain(out, samples=16, attempts=True).untried == "synthetic images"
    assert all(layer.sqnr is None or layer.sqnr > 20 for layer in explanation.layers)


@pytest.mark.parametrize(
    ("task", "floats", "others", "same"),
    [
        ("classification", [[1, 2]], [[2, 1]], [False]),
        ("binary", [[1], [-1]], [[2], [1]], [True, False]),
        ("multi-label", [[1, -1], [1, 1]], [[2, -3], [1, -1]], [True, False]),
        ("regression", [[1]], [[2]], None),
    ],
)
def test_an_answer_is_what_the_task_makes_of_logits(
    task: Any, floats: list[list[int]], others: list[list[int]], same: list[bool] | None
) -> None:
    found = _same(task, np.array(floats, np.float32), np.array(others, np.float32))
    assert (None if found is None else found.tolist()) == same


def test_a_margin_is_that_of_what_changed() -> None:
    differ = np.array([False, True])
    logits = np.array([3.0, -0.5])
    assert _answer("classification", logits, differ, ("a", "b")).margin == 3.5
    answer = _answer("multi-label", logits, differ, ("a", "b"))
    assert (answer.classes, answer.margin) == (("a",), 0.5)


def test_a_float_network_of_another_build_is_refused(build: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(build, tmp_path / "copy"))
    path = copy / "quantise" / "network.npz"
    network = load_network(path)
    weights = dict(network.weights)
    other = weights["logits"]
    weights["logits"] = dataclasses.replace(other, kernel=other.kernel[:, ::-1].copy())
    save_network(path, dataclasses.replace(network, weights=weights))
    with pytest.raises(CorruptFileError, match="is not the float network of this build"):
        explain(copy)
    path.unlink()
    with pytest.raises(CorruptFileError, match="lacks the float network"):
        explain(copy)


def test_photos_that_are_all_held_back_cannot_calibrate(build: Path, tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "a").mkdir()
    for number, image in enumerate(evaluation.read(build / "evaluation.npz").pixels[:9]):
        Image.fromarray(image).save(tmp_path / "a" / f"{number}.png")
    with pytest.raises(RequestError, match="that are not held back, received 0"):
        explain(build, data=tmp_path, attempts=True)


def test_what_is_no_build_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError):
        explain(tmp_path / "none")
    with pytest.raises(CorruptFileError, match="no finished build"):
        explain(tmp_path)
