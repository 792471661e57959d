"""A choice that is not possible is refused with the option and the choices in the hint."""

from typing import Any

import pytest

from mobiledeploy.base.errors import RequestError
from mobiledeploy.spec import defaults


@pytest.mark.parametrize(
    ("choice", "hint"),
    [
        ({"arch": "v3"}, "choose with `--arch`: v1, v2"),
        ({"alpha": 0.3}, "choose with `--alpha`: 0.35, 0.5, 0.75, 1.0, 1.3, 1.4"),
        ({"image_size": 8}, "`--image-size`"),
        ({"crop": "left"}, "choose with `--crop`: center, stretch"),
        ({"input_range": "0..2"}, "choose with `--input-range`: -1..1, 0..1, 0..255"),
        ({"epochs": 0}, "`--epochs`"),
        ({"epochs": 0, "weights": "imagenet", "batch_size": 8}, "`--batch-size`"),
        ({"learning_rate": float("nan")}, "`--learning-rate`"),
        ({"qat_engine": "none"}, "choose with `--qat-engine`: folded, tfmot"),
        ({"qat_steps": -1}, "`--qat-steps`"),
        ({"qat_steps": 0, "qat_engine": "folded"}, "leave out"),
        ({"int8": False, "io": "int8"}, "`--io`"),
        ({"int8": False, "qat_steps": 1}, "`--float`"),
        ({"int8": False, "effort": "best"}, "`--float`"),
        ({"int8": False, "calibration_images": 9}, "`--float`"),
        ({"int8": False, "calibrate": "photos"}, "`--float`"),
        ({"calibration_images": 0}, "`--calibration-images`"),
        ({"weights_per": "row"}, "choose with `--weights-per`: channel, tensor"),
        ({"weights_per": "tensor", "qat_engine": "tfmot"}, "leave out `--qat-engine`"),
        ({"effort": "most"}, "choose with `--effort`: quick, default, best"),
        ({"io": "int16"}, "choose with `--io`: int8, uint8, float32"),
        ({"head": "argmax"}, "choose with `--head`: softmax, logits"),
        ({"seed": -1}, "`--seed`"),
        ({"threads": 0}, "`--threads`"),
        ({"weights": "imagenet", "input_range": "0..1"}, "leave out `--input-range`"),
    ],
)
def test_a_refused_choice_has_a_hint(choice: dict[str, Any], hint: str) -> None:
    with pytest.raises(RequestError) as caught:
        defaults.decide(**choice)
    assert hint in str(caught.value.hint)


@pytest.mark.parametrize("data", ["digits", "photos"])
def test_weights_with_one_scale_a_layer_are_trained_longer_unless_asked_otherwise(
    data: str,
) -> None:
    usual = defaults.decide(data=data)
    tensor = defaults.decide(data=data, weights_per="tensor")
    short = defaults.decide(data=data, weights_per="tensor", qat_steps=5)
    assert usual.quantise.steps < tensor.quantise.steps
    assert short.quantise.steps == 5
    assert "qat_steps" not in defaults.asked(tensor)
    assert "qat_steps" in defaults.asked(short)
