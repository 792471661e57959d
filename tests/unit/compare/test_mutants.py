"""Deliberate faults are found and named; `benchmarks/mutants.py` makes them in every layer."""

import functools

import comparing
import graphs
import pytest
from mutants.faults import FAULTS
from mutants.instrument import Instrument, mutant
from onnx import load_from_string

from mobiledeploy import reading
from mobiledeploy.formats.onnx import parse as parse_onnx
from mobiledeploy.formats.tflite import parse
from mobiledeploy.integer.certify import certify
from mobiledeploy.targets import onnx, tflite

CHANGES_NOTHING = {"ADD operands swapped", "weights and zero points -1"}
"""Of the second, in an .onnx only: there the weights are the same numbers on another grid."""
ONLY = {
    "pixels moved": "tflite",
    "ADD operand turned": "onnx",
    "operator under a false name": "onnx",
}


@functools.cache
def sound() -> tuple[dict[str, bytes], Instrument]:
    """A small network with a residual, ReLUs that the grid does not imply, and its two files."""
    graph = graphs.assorted_graph()
    files = {"tflite": tflite.write(graph), "onnx": onnx.write(graph, certify(graph))}
    return files, Instrument(files["tflite"], files["onnx"])


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (fault, kind)
        for fault in FAULTS
        for kind in ("tflite", "onnx")
        if ONLY.get(fault, kind) == kind
    ],
)
def test_a_fault_is_seen_in_every_layer_and_the_layer_is_named(fault: str, kind: str) -> None:
    files, instrument = sound()
    layers = len(graphs.assorted_graph().nodes)
    mutants = [mutant(fault, kind, files[kind], layer) for layer in range(layers)]
    made = [one for one in mutants if one is not None]
    assert made
    for one in made:
        answer = instrument.ask(one)
        if fault == "weights cut off":
            assert answer.kind == "damaged"
            continue
        if fault == "ADD operand turned":
            # The Transpose is a layer, which the other file does not have.
            assert (answer.kind, answer.named) == ("changed", ("turned~",))
            continue
        if answer.kind == "same":
            # The stem's grid implies its ReLU6.
            assert (fault, one.layer) == ("activation dropped", 0)
            continue
        assert instrument.is_right(one, answer), (one.layer, answer)
        if answer.kind == "equivalent":
            assert fault in CHANGES_NOTHING or fault in {"scale 1 ulp", "bias +1"}
            assert (fault, kind) != ("weights and zero points -1", "tflite")
        else:
            assert answer.kind == "changed"


def test_a_fault_of_the_stem_over_four_pixels_is_seen() -> None:
    graph = graphs.mobilenet("v1", alpha=0.25, image_size=32, stem_stride=2)
    files = tflite.write(graph), onnx.write(graph, certify(graph))
    instrument = Instrument(*files)
    made = [mutant(fault, "onnx", files[1], 0) for fault in FAULTS]
    kinds = {
        one.fault: (instrument.ask(one).kind, instrument.is_right(one, instrument.ask(one)))
        for one in made
        if one is not None
    }
    assert len(kinds) >= 15
    assert {kind for fault, kind in kinds.items() if fault != "weights cut off"} == {
        ("changed", True)
    }


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("strides", "a window moves by other steps"),
        ("dilations", "a window is spread otherwise"),
        ("padding moved", "the padding was moved"),
    ],
)
@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_a_moved_window_is_recognised(fault: str, words: str, kind: str) -> None:
    files, instrument = sound()
    said = [
        instrument.ask(one).said
        for layer in range(len(graphs.assorted_graph().nodes))
        if (one := mutant(fault, kind, files[kind], layer)) is not None
    ]
    assert said
    assert all(text.startswith(words) for text in said), said


def test_an_image_layout_that_is_not_understood_is_not_another_network() -> None:
    files, _ = sound()
    model = load_from_string(files["onnx"])
    (turned,) = [node for node in model.graph.node if node.op_type == "Transpose"][:1]
    turned.attribute[0].ints[:] = [0, 1, 2, 3]
    spoilt = reading.read_onnx(parse_onnx(model.SerializeToString()))
    cause = comparing.compare(reading.read_tflite(parse(files["tflite"])), spoilt).cause
    assert "axes NHWC is not understood in this form" in cause
    assert "different networks" not in cause


@pytest.mark.parametrize("fault", ["scale x1.01", "scale x1.5", "zero point +1"])
def test_a_grid_that_no_longer_ends_where_the_activation_does_is_not_another_activation(
    fault: str,
) -> None:
    graph = graphs.mobilenet("v1", alpha=0.25, image_size=32)
    files = tflite.write(graph), onnx.write(graph, certify(graph))
    instrument = Instrument(*files)
    for layer in range(6):
        made = mutant(fault, "tflite", files[0], layer)
        assert made is not None
        assert instrument.ask(made).said.startswith(f"the {fault[:5]}"), instrument.ask(made).said
