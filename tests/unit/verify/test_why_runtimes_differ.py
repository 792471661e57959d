"""Why a runtime differs from its file's integers: rounding, or sums that saturate on this CPU."""

import dataclasses

import graphs
import numpy as np
import pytest

from mobiledeploy import reading
from mobiledeploy.formats.onnx import parse as parse_onnx
from mobiledeploy.integer.certify import certify
from mobiledeploy.reading import Reading
from mobiledeploy.runtimes import Runtime, never, ort, ort_optimised, saturation, table
from mobiledeploy.targets import onnx
from mobiledeploy.verify.outputs import why_runtimes_differ


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


def test_an_option_that_apps_must_set_is_noted_where_sums_can_saturate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(saturation, "this_cpu_saturates", lambda: False)
    graph = graphs.assorted_graph()
    ours = reading.read_onnx(parse_onnx(onnx.write(graph, certify(graph))))
    data = onnx.write(graph, certify(graph))
    runtime = ort_optimised.RUNTIME
    plain = [(runtime, ort.load(data))]
    monkeypatch.setattr(saturation, "this_cpu_saturates", lambda: True)
    option = [(runtime, ort.load(data))]
    assert why_runtimes_differ.told(plain, [ours]) == []
    assert why_runtimes_differ.told(option, [narrowed(ours)]) == []
    (note,) = why_runtimes_differ.told([*plain, *option], [ours])
    assert "an app that does not tell it may get other answers here" in note


@pytest.mark.parametrize(
    ("saturates", "precise", "error", "words"),
    [
        (False, False, 40, "it rounds otherwise"),
        (True, False, 1, "may saturate"),
        (True, True, 1, "it rounds otherwise"),
        (True, True, 40, "do not heed it"),
    ],
)
def test_saturation_is_blamed_only_where_it_can_be(
    saturates: bool, precise: bool, error: int, words: str
) -> None:
    runtime = dataclasses.replace(ort_optimised.RUNTIME, saturates=lambda: saturates)
    options = (saturation.OPTION,) if precise else ()
    assert words in why_runtimes_differ.words(runtime, error, options=options)


@pytest.mark.parametrize("runtime", table.RUNTIMES)
def test_a_runtime_that_can_saturate_has_an_option_against_it(runtime: Runtime) -> None:
    assert bool(runtime.saturation_option) == (runtime.saturates is not never)
