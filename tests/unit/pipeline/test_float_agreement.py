"""How often int8 answers as the float network does: told, and warned of where it is too seldom."""

from pathlib import Path

import grey_levels
import pytest

from mobiledeploy.pipeline import float_agreement
from mobiledeploy.pipeline.quantize import quantize
from mobiledeploy.spec.channel_scaling import SCALINGS
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
