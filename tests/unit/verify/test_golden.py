"""Golden vectors are chosen held-back images, and one that is always coloured."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobiledeploy.base.errors import CorruptFileError, ParityError
from mobiledeploy.data.evaluation import Evaluation
from mobiledeploy.verify.outputs import golden, image_sets
from mobiledeploy.verify.outputs.parity import Answers, Outputs

IMAGES, SIDE, CLASSES = 40, 16, 4
EVERY = IMAGES + 29


def of_grey_images() -> Evaluation:
    grey = np.arange(IMAGES, dtype=np.uint8)[:, None, None, None]
    return Evaluation(
        pixels=np.tile(grey, (1, SIDE, SIDE, 3)),
        labels=np.zeros(IMAGES, np.int64),
        names=tuple(f"image {number}" for number in range(IMAGES)),
        float_logits=np.zeros((IMAGES, CLASSES), np.float32),
    )


def told(logits: Outputs, scores: Outputs | None) -> tuple[Answers, Answers]:
    """Divide rows, one per image, between the two sets."""
    one, two = (
        Answers(logits=logits[some], scores=None if scores is None else scores[some])
        for some in (slice(IMAGES), slice(IMAGES, None))
    )
    return one, two


def numbered(dtype: type) -> Outputs:
    """Return rows of which no two are equal."""
    return np.arange(EVERY * CLASSES).reshape(EVERY, CLASSES)[:, ::-1].astype(dtype) % 127


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_the_last_golden_vector_is_coloured_with_outputs_of_the_same_runtime(
    dtype: type, tmp_path: Path
) -> None:
    logits = numbered(dtype)
    scores = None if dtype is np.float32 else logits - np.int16(100)
    answers = told(logits, scores)
    path = tmp_path / "golden.npz"
    path.write_bytes(golden.to_bytes(of_grey_images(), answers))
    pixels, names, stored = golden.read(path)
    assert names[-1] == "uniform noise 0"
    assert len(names) == golden.HELD_BACK + 1
    assert (np.ptp(pixels[-1], axis=-1) > 0).mean() > 0.99
    for row, name in enumerate(names[:-1]):
        number = int(name.removeprefix("image "))
        assert (pixels[row] == number).all()
        assert np.array_equal(stored.logits[row], logits[number])
    extremes = image_sets.own(of_grey_images())[1]
    place = IMAGES + extremes.names.index(names[-1])
    assert np.array_equal(pixels[-1], extremes.pixels(place - IMAGES, place - IMAGES + 1)[0])
    assert np.array_equal(stored.logits[-1], logits[place])
    assert stored.scores is not None
    assert np.array_equal(stored.scores[-1], (logits if scores is None else scores)[place])


@pytest.mark.parametrize(
    ("dtype", "varies", "hint"),
    [
        (np.int16, False, "--input-range"),
        (np.int16, True, "--qat"),
        (np.float32, True, "--input-range"),
    ],
)
def test_logits_that_do_not_vary_are_laid_on_the_network_or_on_the_rounding(
    dtype: type, varies: bool, hint: str
) -> None:
    logits = numbered(dtype)
    logits[:IMAGES] = 3
    real = numbered(np.float32)[:IMAGES] if varies else np.zeros((IMAGES, CLASSES), np.float32)
    images = dataclasses.replace(of_grey_images(), float_logits=real)
    with pytest.raises(ParityError, match="the same logits for every image") as caught:
        golden.to_bytes(images, told(logits, None))
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    "change",
    [
        {"pixels": np.zeros((2, 8, 8, 3), np.float32)},
        {"pixels": np.zeros(2, np.uint8)},
        {"pixels": np.array(1, np.uint8)},
        {"names": np.array("a")},
        {"logits": np.zeros((2, 3), np.int64)},
        {"logits": np.zeros((2, 3), np.float32)},
        {"scores": np.zeros((2, 4), np.int8)},
        {"scores": np.array(["a", "b"])},
        {"logits": np.zeros((2, 0), np.int8), "scores": np.zeros((2, 0), np.int8)},
    ],
)
def test_vectors_that_do_not_fit_together_are_refused(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    sound: dict[str, Any] = {
        "pixels": np.zeros((2, 8, 8, 3), np.uint8),
        "names": np.array(["a", "b"]),
        "logits": np.zeros((2, 3), np.int8),
        "scores": np.zeros((2, 3), np.int8),
    }
    path = tmp_path / "golden.npz"
    np.savez(path, **sound)
    golden.read(path)
    np.savez(path, **{**sound, **change})
    with pytest.raises(CorruptFileError, match=r"golden\.npz: expected uint8 images, a name"):
        golden.read(path)
