"""What a Keras model's configuration says of its input."""

import json
from typing import Any

import pytest

from mobiledeploy.network import stored_bytes
from mobiledeploy.network.keras_config import KerasConfig, parse
from mobiledeploy.network.stored import Stored


def config(*rescalings: dict[str, Any]) -> KerasConfig:
    layers = [{"class_name": "InputLayer", "config": {"name": "image"}}] + [
        {"class_name": "Rescaling", "config": {"name": f"scaled_{index}", **settings}}
        for index, settings in enumerate(rescalings)
    ]
    text = json.dumps({"class_name": "Functional", "config": {"layers": layers}})
    return parse(text, "theirs.keras")


@pytest.mark.parametrize(
    ("scale", "offset", "expected"),
    [
        (1 / 255, 0.0, "0..1"),
        (1 / 127.5, -1, "-1..1"),
        (1 / 128, -1.0, "-1..1"),
        (1, 0, "0..255"),
        (1 / 127.5, 0.0, None),
        (float("nan"), 0.0, None),
        ([0.1, 0.2, 0.3], 0.0, None),
        (None, 0.0, None),
    ],
)
def test_a_rescaling_layer_says_what_the_network_takes_for_pixels(
    scale: object, offset: object, expected: str | None
) -> None:
    found = config({"scale": scale, "offset": offset})
    assert found.input_range == expected
    assert found.others == (() if expected else ("Rescaling",))


def test_nothing_is_concluded_from_no_rescaling_or_from_two() -> None:
    assert config().input_range is None
    twice = config({"scale": 0.5}, {"scale": 2 / 255})
    assert twice.input_range is None
    assert twice.others == ("Rescaling",)


@pytest.mark.parametrize("said", [None, "0..1"])
def test_what_was_found_arrives_from_the_process_that_read_the_file(said: Any) -> None:
    stored = Stored(origin="theirs.keras", kernels=(), norms=(), input_range=said)
    assert stored_bytes.load(stored_bytes.dump(stored)).input_range == said
