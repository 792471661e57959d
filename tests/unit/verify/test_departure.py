"""Why a runtime departs from its file's integers: rounding, or sums that saturate on this CPU."""

import dataclasses

import graphs
import numpy as np
import pytest

from mobiledeploy import reading
from mobiledeploy.formats.onnx import parse as parse_onnx
from mobiledeploy.integer.certify import certify
from mobiledeploy.reading import Reading
from mobiledeploy.targets import onnx
from mobiledeploy.verify import departure


def narrowed(file: Reading) -> Reading:
    """The file with weights of seven bits."""
    layers = [
        layer
        if layer.weights is None
        else dataclasses.replace(
            layer,
            weights=dataclasses.replace(layer.weights, kernel=layer.weights.kernel // np.int8(2)),
        )
        for layer in file.layers
    ]
    return dataclasses.replace(file, layers=tuple(layers))


def test_what_an_app_must_tell_its_runtime_is_noted_where_sums_can_saturate() -> None:
    graph = graphs.assorted_graph()
    ours = reading.read_onnx(parse_onnx(onnx.write(graph, certify(graph))))
    plain = ["LiteRT 2.3.0 (XNNPACK)", "ONNX Runtime 1.32.0 (optimised)"]
    option = ["ONNX Runtime 1.32.0 (optimised, session.x64quantprecision=1)"]
    assert departure.told(plain, [ours]) == []
    assert departure.told(option, [narrowed(ours)]) == []
    (note,) = departure.told([*plain, *option], [ours])
    assert "an app that does not tell it may get other answers here" in note


@pytest.mark.parametrize(
    ("blamed", "saturates", "precise", "error", "words"),
    [
        ("ORT optimised", False, False, 40, "it rounds otherwise"),
        ("ORT optimised", True, False, 1, "may saturate"),
        ("ORT optimised", True, True, 1, "it rounds otherwise"),
        ("ORT optimised", True, True, 40, "do not heed it"),
        ("LiteRT XNNPACK", True, False, 40, "it rounds otherwise"),
    ],
)
def test_saturation_is_blamed_only_where_it_can_be(
    blamed: str,
    saturates: bool,
    precise: bool,
    error: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(departure, "this_cpu_saturates", lambda: saturates)
    assert words in departure.words(blamed, error, precise=precise)
