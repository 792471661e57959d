"""A whole model that is none of our networks is quantised with its own graph, or refused."""

import dataclasses
import importlib
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from handmade_mobilenet import Row, rows, write_archive, write_h5, write_new
from PIL import Image
from unit.cli.conftest import check

from mobiledeploy.base import child_process
from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.base.progress import Event
from mobiledeploy.models import registry
from mobiledeploy.network import weight_matching
from mobiledeploy.pipeline import build as pipeline
from mobiledeploy.pipeline import preflight
from mobiledeploy.spec import defaults, manifest
from mobiledeploy.spec.config import BuildConfig, ImportConfig

SIZE = 32
CLASSES = ("blue", "green", "red")
STRIDE_1 = registry.architecture("v1", alpha=0.25, image_size=SIZE, classes=3, stem_stride=1)
"""What `build` makes of small images."""
STRIDE_2 = registry.architecture("v1", alpha=0.25, image_size=SIZE, classes=3, stem_stride=2)
RESCALING = Row("Rescaling", "scaled", {}, {"scale": 1 / 127.5, "offset": -1.0})
RANDOM = np.random.default_rng(0)


def weights(*shape: int) -> np.ndarray:
    return RANDOM.normal(0, shape[0] ** -0.5, shape).astype(np.float32)


def dense(name: str, inside: int, units: int, activation: str = "linear") -> Row:
    arrays = {"kernel": weights(inside, units), "bias": np.zeros(units, np.float32)}
    return Row("Dense", name, arrays, {"units": units, "activation": activation})


POOL = Row("GlobalAveragePooling2D", "pooled", {}, {})
LAST = 256
"""Channels of the last convolution."""
HEADS = {
    "hidden": [POOL, dense("hidden", LAST, 8, "relu"), dense("last", 8, 3, "softmax")],
    "maximum": [Row("GlobalMaxPooling2D", "highest", {}, {}), dense("last", LAST, 3)],
    "several labels": [POOL, dense("last", LAST, 3, "sigmoid")],
}
"""Heads with three outputs that compute something else than ours."""


@pytest.fixture(autouse=True)
def no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read files in this process, which is faster."""

    def call(module: str, function: str, argument: str) -> Any:
        return getattr(importlib.import_module(module), function)(argument)

    monkeypatch.setattr(child_process, "call", call)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    random = np.random.default_rng(1)
    for channel, name in enumerate(reversed(CLASSES)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(8):
            pixels = random.integers(0, 150, (SIZE, SIZE, 3))
            pixels[..., channel] += 100
            path = tmp_path / "photos" / name / f"{number}.png"
            Image.fromarray(pixels.astype(np.uint8)).save(path)
    return tmp_path / "photos"


def config(path: Path, data: Any = "digits", **asked: Any) -> BuildConfig:
    given = {"arch": "v1", "alpha": 0.25, "image_size": SIZE, **asked}
    return defaults.decide(data=data, weights=path, **given)


def difference(path: Path, *, classes: int = 3, **asked: Any) -> str:
    """Return why a model's own graph is taken."""
    built = config(path, **asked)
    start = preflight.starting_weights(built, progress=lambda _: None)
    return preflight.difference(built, start, classes=classes)


def test_a_network_of_another_stride_gives_its_own_answers(tmp_path: Path, photos: Path) -> None:
    path = write_archive(tmp_path / "theirs.keras", rows(STRIDE_2, random=True, front=[RESCALING]))
    events: list[Event] = []
    out = tmp_path / "build"
    report = pipeline.build(
        config(path, photos, epochs=0, qat_steps=0), out, progress=events.append
    )
    assert report.holds
    assert report.instead_of is not None
    assert report.instead_of.network == "mobilenet_v1_0.25_32"
    assert "`conv1`: expected strides (1, 1), received (2, 2)" in report.instead_of.differs
    said = [event.message for event in events if "its own graph" in event.message]
    assert said == [
        f"{report.instead_of.differs}; its own graph is quantised instead, without training"
    ]
    stored = json.loads((out / "report.json").read_text())
    check(stored, "build")
    assert stored["instead_of"] == dataclasses.asdict(report.instead_of)
    made = manifest.read(out).config
    assert isinstance(made, ImportConfig)
    assert made.model == "theirs.keras"
    assert not (out / "train").exists()
    before = (out / "model.tflite").read_bytes(), (out / "model.onnx").read_bytes()
    again = pipeline.build(config(path, photos, epochs=0, qat_steps=0), out, start="export")
    assert [time.stage for time in again.times if not time.seconds] == ["quantise"]
    assert before == ((out / "model.tflite").read_bytes(), (out / "model.onnx").read_bytes())


def test_what_only_quantize_has_an_option_for_is_said_to_be_its(
    tmp_path: Path, photos: Path
) -> None:
    path = write_archive(tmp_path / "theirs.keras", rows(STRIDE_2, random=True))
    with pytest.raises(RequestError, match="does not say how pixels become its input") as caught:
        pipeline.build(config(path, photos, epochs=0, qat_steps=0), tmp_path / "build")
    said = str(caught.value.hint)
    assert said.endswith("; `mobiledeploy quantize` has the options that `build` lacks")


def test_the_table_itself_is_built_as_such(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "ours.h5", rows(STRIDE_1, random=True))
    assert difference(path) == ""
    assert difference(path, classes=5) == ""  # with a new head


@pytest.mark.parametrize("head", HEADS)
def test_a_head_with_as_many_outputs_is_kept_and_another_one_replaced(
    tmp_path: Path, head: str
) -> None:
    path = write_h5(tmp_path / "theirs.h5", rows(STRIDE_1, random=True, head=HEADS[head]))
    assert "after the last convolution, expected" in difference(path)
    assert difference(path, classes=4) == ""


def test_one_sigmoid_decides_between_two_classes(tmp_path: Path) -> None:
    head = [POOL, dense("last", LAST, 1, "sigmoid")]
    path = write_h5(tmp_path / "theirs.h5", rows(STRIDE_1, random=True, head=head))
    assert "received" in difference(path, classes=2)
    assert difference(path, classes=3) == ""


def test_a_head_that_is_not_supported_is_no_reason_for_a_new_one(tmp_path: Path) -> None:
    """How many outputs it has is not known."""
    head = [POOL, Row("Lambda", "code", {}, {}), dense("last", LAST, 7)]
    path = write_h5(tmp_path / "theirs.h5", rows(STRIDE_1, random=True, head=head))
    assert "`code` (Lambda)" in difference(path)


def test_another_input_range_needs_the_option_if_the_head_is_new(tmp_path: Path) -> None:
    scaled = Row("Rescaling", "scaled", {}, {"scale": 1 / 255})
    path = write_h5(tmp_path / "theirs.h5", rows(STRIDE_1, random=True, front=[scaled]))
    assert "has the input range 0..1" in difference(path)
    assert difference(path, input_range="0..1") == ""
    with pytest.raises(RequestError) as caught:
        difference(path, classes=4)
    assert caught.value.hint == "build with `--input-range 0..1`"
    assert difference(path, classes=4, input_range="0..1") == ""


def test_another_of_our_tables_is_refused_with_its_options(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "ours.h5", rows(STRIDE_1, random=True))
    with pytest.raises(RequestError, match="`Conv1`: expected a kernel") as caught:
        difference(path, arch="v2", alpha=0.35)
    assert caught.value.hint == "the weights are those of `--arch v1 --alpha 0.25`"


def test_a_model_of_other_classes_is_refused(tmp_path: Path, photos: Path) -> None:
    other = registry.architecture("v1", alpha=0.25, image_size=SIZE, classes=5, stem_stride=2)
    path = write_archive(tmp_path / "theirs.keras", rows(other, random=True))
    with pytest.raises(RequestError, match=r"photos of the 5 classes of .*, received 3"):
        pipeline.build(config(path, photos), tmp_path / "build")
    assert not (tmp_path / "build").exists()


def test_layers_that_are_not_supported_are_refused_by_name(tmp_path: Path, photos: Path) -> None:
    front = [Row("Lambda", "code", {}, {})]
    path = write_archive(tmp_path / "theirs.keras", rows(STRIDE_2, random=True, front=front))
    with pytest.raises(ConversionError, match=r"`code` \(Lambda\): it is Python code"):
        pipeline.build(config(path, photos), tmp_path / "build")


@pytest.mark.parametrize(
    ("asked", "start", "said"),
    [
        (
            {
                "epochs": 3, "batch_size": 8, "learning_rate": 0.5, "seed": 7, "image_size": 64,
                "input_range": "0..255", "head": "logits", "int8": False,
            },
            None,
            (
                "`--epochs 3` (it is not trained)",
                "`--batch-size 8` (it is not trained)",
                "`--learning-rate 0.5` (it is not trained)",
                "`--seed 7` (it is not trained without `--qat-steps`)",
                "`--image-size 64` (it takes an input of 32 x 32)",
                "`--input-range 0..255` (its layers say another one)",
                "`--head logits` (it ends in scores)",
                "`--float` (it is quantised)",
            ),
        ),
        (
            {"alpha": 0.5, "qat_engine": "tfmot"},
            "train",
            (
                "`--alpha 0.5` (its kernels are not those of this network)",
                "`--qat-engine tfmot` (its engine is `folded`)",
                "`--from train` (there are the stages quantise, export, verify)",
            ),
        ),
    ],
)  # fmt: skip
def test_options_that_contradict_the_file_are_refused(
    tmp_path: Path, photos: Path, asked: dict[str, Any], start: str | None, said: tuple[str, ...]
) -> None:
    path = write_archive(tmp_path / "theirs.keras", rows(STRIDE_2, random=True, front=[RESCALING]))
    with pytest.raises(RequestError) as caught:
        pipeline.build(config(path, photos, **asked), tmp_path / "build", start=start)
    for option in said:
        assert option in str(caught.value)
    assert str(caught.value).count("`--") - str(caught.value).count("without `--") == len(said)
    assert str(caught.value.hint).startswith("leave out `--")


def test_a_network_of_numbers_is_refused(tmp_path: Path, photos: Path) -> None:
    image = Row("InputLayer", "numbers", {}, {"batch_shape": [None, 10]})
    path = write_archive(tmp_path / "theirs.keras", [image, dense("last", 10, 3, "softmax")])
    built = defaults.decide(data=photos, weights=path)
    with pytest.raises(RequestError, match="expected a network of images"):
        pipeline.build(built, tmp_path / "build")


def test_weights_alone_stay_for_our_tables(tmp_path: Path) -> None:
    path = tmp_path / "only.weights.h5"
    with h5py.File(path, "w") as file:
        write_new(file, rows(STRIDE_2, random=True))
    assert difference(path) == ""
    stored = weight_matching.read(path)
    assert "could not be checked" in weight_matching.match_weights(stored, STRIDE_1).note
