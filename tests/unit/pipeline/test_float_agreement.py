"""How often int8 answers as the float network does: told, and warned of where it is too seldom."""

from pathlib import Path

import grey_levels
import numpy as np
import pytest

from mobiledeploy.pipeline import float_agreement
from mobiledeploy.pipeline.quantize import quantize
from mobiledeploy.spec.channel_scaling import SCALINGS
from mobiledeploy.spec.config import Task
from mobiledeploy.spec.results import Accuracy, FloatAgreement
from mobiledeploy.verify.outputs.accuracy import wilson


@pytest.mark.parametrize(("images", "synthetic"), [("photos", False), ("random", True)])
def test_quantize_counts_the_images_that_decided_nothing(
    images: str, synthetic: bool, tmp_path: Path
) -> None:
    names = ("a", "b", "c", "d")
    scaling = SCALINGS["0..1"]
    model = grey_levels.classifier(tmp_path / "model.onnx", scaling, len(names))
    photos = "random" if synthetic else grey_levels.photos(tmp_path / images, names)
    told = quantize(model, tmp_path / "build", data=photos, scaling=scaling).float_agreement
    assert told is not None
    assert (told.of, told.synthetic) == ("class", synthetic)
    assert told.interval == wilson(told.same.correct, told.same.total)
    if not synthetic:
        assert told.same == Accuracy(correct=8, total=8)


@pytest.mark.parametrize(
    ("correct", "total", "warned"),
    [(70, 100, True), (85, 100, False), (3, 10, True), (8, 10, False), (100, 100, False)],
)
def test_a_warning_names_what_helps_where_it_is_plainly_too_seldom(
    correct: int, total: int, warned: bool
) -> None:
    agreement = FloatAgreement(
        of="class",
        same=Accuracy(correct=correct, total=total),
        interval=wilson(correct, total),
        synthetic=False,
    )
    said = float_agreement.words(agreement, ["more photos", "`--qat`"])
    assert len(said) == warned
    assert all(f"on {correct} of {total} images" in each for each in said)
    assert all(each.endswith("more photos, or `--qat`") for each in said)


@pytest.mark.parametrize(
    ("logits", "labels", "task", "warned"),
    [
        ([[3, 1]] * 12, None, "classification", True),
        ([[3, 1]] * 12, [0, 1] * 6, "classification", True),
        ([[3, 1]] * 12, [0] * 12, "classification", False),  # photos of one class
        ([[3, 1]] * 9, None, "classification", False),  # few
        ([[3, 1]] * 11 + [[1, 3]], None, "classification", False),
        ([[-3]] * 12, None, "binary", True),
        ([[-3]] * 11 + [[1]], None, "binary", False),
        ([[-3]] * 12, None, "regression", False),
        ([[3, 1]] * 12, None, "multi-label", False),
    ],
)
def test_one_class_for_all_images_is_said(
    logits: list[list[float]], labels: list[int] | None, task: Task, warned: bool
) -> None:
    said = float_agreement.one_class(
        np.array(logits, np.float32),
        None if labels is None else np.array(labels),
        task,
        ("cat", "dog"),
    )
    assert len(said) == warned
    assert all(f"gives the class `cat` for all {len(logits)} images" in each for each in said)
