"""Files quantised separately: whether they hold one network, and how the quantisations differ."""

import dataclasses
from collections.abc import Callable

import comparing
import graphs
import numpy as np
import pytest
from known import known

from mobiledeploy import reading
from mobiledeploy.compare import same_network
from mobiledeploy.compare.align import Alignment
from mobiledeploy.formats.onnx import parse as parse_onnx
from mobiledeploy.formats.tflite import parse
from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.network.network import Network
from mobiledeploy.reading import Reading
from mobiledeploy.targets import onnx, tflite

NETWORK, RANGES = graphs.random_network(graphs.assorted())
WEIGHTED = len(NETWORK.weights)
OURS = reading.read_tflite(parse(tflite.write(quantise(NETWORK, RANGES))))


def quantised_apart(network: Network = NETWORK) -> Reading:
    """The network with ranges a fifth wider, as another tool may measure them."""
    wider = {name: (low * 1.2, high * 1.2) for name, (low, high) in RANGES.items()}
    graph = quantise(network, wider)
    return reading.read_onnx(parse_onnx(onnx.write(graph, certify(graph))))


def changed(change: Callable[[str, np.ndarray], np.ndarray]) -> Network:
    """The network with its kernels changed."""
    weights = {
        name: dataclasses.replace(one, kernel=change(name, one.kernel).astype(np.float32))
        for name, one in NETWORK.weights.items()
    }
    return dataclasses.replace(NETWORK, weights=weights)


def cause(theirs: Reading) -> str:
    return comparing.compare(OURS, theirs).cause


def test_other_ranges_of_the_same_weights_are_reported_with_their_size() -> None:
    said = cause(quantised_apart())
    assert "the files were quantised separately" in said
    assert f"they hold the same network: the weights of all {WEIGHTED} layers" in said
    assert "differs most and is 1.2 times the first file's" in said


def test_other_weights_are_not_called_another_calibration() -> None:
    strangers = graphs.random_network(graphs.assorted(), seed=1)[0]
    said = cause(quantised_apart(strangers))
    assert f"the weights of {WEIGHTED} of {WEIGHTED} layers have nothing in common" in said
    assert said.startswith("the files do not hold the same network: ")
    assert "another scale" not in said


def test_other_networks_are_not_called_another_calibration() -> None:
    pair = [
        reading.read_tflite(
            parse(tflite.write(graphs.mobilenet("v2", alpha=alpha, image_size=32)))
        )
        for alpha in (0.35, 0.5)
    ]
    said = comparing.compare(*pair).cause
    assert said.startswith("the files hold different networks")
    assert "kernels have another shape" in said


def test_a_layer_is_not_blamed_for_the_grid_of_what_it_reads() -> None:
    mean = next(layer for layer in OURS.layers if layer.kind == "mean")
    moved = dataclasses.replace(
        mean, output=dataclasses.replace(mean.output, zero_point=known(mean.output.zero_point) + 1)
    )
    layers = tuple(moved if layer is mean else layer for layer in OURS.layers)
    theirs = dataclasses.replace(
        OURS,
        layers=tuple(
            dataclasses.replace(
                layer,
                reads=tuple(
                    dataclasses.replace(read, zero_point=moved.output.zero_point)
                    if read.source == layers.index(moved)
                    else read
                    for read in layer.reads
                ),
            )
            for layer in layers
        ),
    )
    report = comparing.compare(OURS, theirs)
    harmful = [difference for difference in report.differences if not difference.equivalent]
    assert [(difference.layer, difference.field) for difference in harmful] == [
        (mean.name, "zero point")
    ]


def test_empty_kernels_are_compared_without_an_error() -> None:
    def emptied(layer: reading.StoredLayer) -> reading.StoredLayer:
        if layer.weights is None or layer.kind == "depthwise":
            return layer
        weights = dataclasses.replace(
            layer.weights,
            kernel=layer.weights.kernel[..., :0],
            kernel_scale=layer.weights.kernel_scale * np.float32(1.5),
        )
        output = dataclasses.replace(
            layer.output, scale=known(layer.output.scale) * np.float32(1.5)
        )
        return dataclasses.replace(layer, weights=weights, output=output)

    theirs = dataclasses.replace(OURS, layers=tuple(map(emptied, OURS.layers)))
    same = Alignment(pairs=(), matched={index: index for index in range(len(OURS.layers))})
    for pair in ((OURS, theirs), (theirs, OURS), (theirs, theirs)):
        origin = same_network.origins(*pair, same)
        assert same_network.clauses(origin)


def test_a_layer_before_the_first_one_is_not_called_the_input() -> None:
    scale, zero = OURS.input.scale, OURS.input.zero_point
    read = reading.LayerInput(source=reading.INPUT, scale=scale, zero_point=zero)
    scaled = dataclasses.replace(
        OURS.layers[0], kind="unknown", op="MUL", name="scaled", reads=(read,), weights=None,
        output=OURS.input,
    )  # fmt: skip
    rest = [
        dataclasses.replace(
            layer,
            reads=tuple(dataclasses.replace(read, source=read.source + 1) for read in layer.reads),
        )
        for layer in OURS.layers
    ]
    theirs = dataclasses.replace(OURS, layers=(scaled, *rest), output_of=OURS.output_of + 1)
    report = comparing.compare(OURS, theirs)
    first = known(report.first)
    assert (first.name, first.number) == ("scaled", 1)
    assert "in layer 1 `scaled`" in report.cause


def test_an_input_a_step_off_is_not_called_another_normalisation() -> None:
    image = dataclasses.replace(OURS.input, zero_point=known(OURS.input.zero_point) - 1)
    said = comparing.compare(OURS, dataclasses.replace(OURS, input=image)).cause
    assert said.startswith("the image is put on a grid whose steps lie otherwise")


def test_activations_as_separate_layers_are_not_another_network() -> None:
    def unclamped(layer: reading.StoredLayer) -> list[reading.StoredLayer]:
        if layer.weights is None:
            return [layer]
        wide = dataclasses.replace(layer.output, scale=known(layer.output.scale) * np.float32(2))
        read = reading.LayerInput(source=0, scale=wide.scale, zero_point=wide.zero_point)
        clamp = dataclasses.replace(
            layer, kind="clamp", op="Clip", weights=None, reads=(read,), name=f"{layer.name}/clip"
        )
        return [dataclasses.replace(layer, output=wide), clamp]

    pieces = [unclamped(layer) for layer in OURS.layers]
    ends = np.cumsum([len(piece) for piece in pieces]) - 1
    layers = []
    for piece in pieces:
        first = piece[0]
        sources = [read.source for read in first.reads]
        layers.append(
            dataclasses.replace(
                first,
                reads=tuple(
                    dataclasses.replace(read, source=source if source < 0 else int(ends[source]))
                    for read, source in zip(first.reads, sources, strict=True)
                ),
            )
        )
        layers += [
            dataclasses.replace(
                clamp, reads=(dataclasses.replace(clamp.reads[0], source=len(layers) - 1),)
            )
            for clamp in piece[1:]
        ]
    theirs = dataclasses.replace(OURS, layers=tuple(layers), output_of=int(ends[OURS.output_of]))
    said = comparing.compare(OURS, theirs).cause
    assert said.startswith("the files were quantised separately")
    assert f"in the second file only, these are layers of their own: {WEIGHTED} Clip" in said


def test_weights_that_were_trained_further_are_close_but_not_the_same() -> None:
    random = np.random.default_rng(0)
    further = changed(lambda _, kernel: kernel * (1 + 0.05 * random.standard_normal(kernel.shape)))
    said = cause(quantised_apart(further))
    assert "are close, but no roundings of the same numbers" in said
    assert "trained further" in said


def test_a_factor_of_each_channel_is_batch_norm_folded_differently() -> None:
    def rescaled(name: str, kernel: np.ndarray) -> np.ndarray:
        return kernel * np.linspace(0.5, 3, kernel.shape[-1]) if name == "narrow" else kernel

    said = cause(quantised_apart(changed(rescaled)))
    assert f"1 of {WEIGHTED} layers are the same but for a factor of each channel" in said
    assert "`narrow`" in said


@pytest.mark.parametrize(
    ("layer", "axis", "words"),
    [
        ("stem", 2, "the image's colours are taken in another order (RGB/BGR)"),
        ("logits", -1, "the classes are in another order"),
    ],
)
def test_colours_and_classes_in_another_order_are_seen_through_other_grids(
    layer: str, axis: int, words: str
) -> None:
    def turned(name: str, kernel: np.ndarray) -> np.ndarray:
        return np.flip(kernel, axis) if name == layer else kernel

    said = cause(quantised_apart(changed(turned)))
    assert words in said
    assert "they hold the same network" in said


def test_weights_of_seven_bits_are_recognised() -> None:
    def halved(layer: reading.StoredLayer) -> reading.StoredLayer:
        if layer.weights is None:
            return layer
        weights = dataclasses.replace(
            layer.weights,
            kernel=np.rint(layer.weights.kernel / 127 * 64).astype(np.int8),
            kernel_scale=layer.weights.kernel_scale * np.float32(127 / 64),
        )
        return dataclasses.replace(layer, weights=weights)

    theirs = dataclasses.replace(OURS, layers=tuple(map(halved, OURS.layers)))
    said = comparing.compare(OURS, theirs).cause
    assert "the weights were quantised otherwise, the activations alike" in said
    assert "the second file's weights take 7 of their 8 bits" in said
    assert "same network" in said


def test_rounding_errors_of_scales_are_not_another_calibration() -> None:
    def nudged(layer: reading.StoredLayer) -> reading.StoredLayer:
        scale = np.nextafter(known(layer.output.scale), np.float32(1))
        return dataclasses.replace(layer, output=dataclasses.replace(layer.output, scale=scale))

    theirs = dataclasses.replace(OURS, layers=tuple(map(nudged, OURS.layers)))
    assert "quantised separately" not in comparing.compare(OURS, theirs).cause
    image = dataclasses.replace(theirs.input, scale=np.float32(1 / 255), zero_point=-128)
    said = comparing.compare(OURS, dataclasses.replace(theirs, input=image)).cause
    assert said.startswith("the image is normalised otherwise")
