"""Codes that an `.onnx` only looks up or multiplies have no scale there, and are compared."""

import dataclasses
import functools
from pathlib import Path

import comparing
import numpy as np
import product_networks
import pytest
from known import known
from product_networks import MIDDLES
from unit.verify.proofs import proofs

from mobiledeploy.compare.judge import judge
from mobiledeploy.ops import mul
from mobiledeploy.reading import Reading, StoredLayer
from mobiledeploy.spec.config import Io
from mobiledeploy.verify import pair
from mobiledeploy.verify.outputs.int8_files import Options

SEEDS = range(4)
"""Of hard swishes only some need a table, by their ranges."""


@functools.cache
def written(name: str, seed: int) -> tuple[bytes, bytes]:
    """Both files of a network with the middle of that name."""
    return product_networks.written(product_networks.architecture(MIDDLES[name]), seed=seed)


def layer(file: Reading, name: str) -> StoredLayer:
    return next(one for one in file.layers if one.name == name)


@pytest.fixture(scope="module")
def swished() -> tuple[bytes, bytes]:
    """The files of a table that only a product reads."""
    every = (written("a hard swish times its input", seed) for seed in SEEDS)
    return next(
        files for files in every if product_networks.ProductNodes(files[1]).has_table("swished")
    )


def test_a_scale_that_no_node_states_stays_unstated(swished: tuple[bytes, bytes]) -> None:
    first, second = product_networks.readings(*swished)
    table, product = layer(second, "swished"), layer(second, "product")
    assert (table.kind, table.output.scale, table.output.zero_point) == ("table", None, None)
    assert table.output.unstated
    assert table.output.holds_codes
    assert [read.scale for read in product.reads] == [None, product.reads[1].scale]
    assert product.multiplier == mul.multiplier_of(layer(first, "product"))
    assert product.output == dataclasses.replace(
        layer(first, "product").output, dtype="uint8", axes="NCHW"
    )


@pytest.mark.parametrize("name", MIDDLES)
def test_our_own_files_are_the_same_and_proven(name: str) -> None:
    tables = 0
    for seed in SEEDS:
        files = written(name, seed)
        first, second = product_networks.readings(*files)
        tables += sum(one.kind == "table" for one in second.layers)
        for one, other in ((first, second), (second, first), (second, second)):
            report = comparing.compare(one, other)
            assert report.same, report.cause
        by_layer = proofs(*files)
        assert {proof.status for proof in by_layer.values()} == {"proven"}, by_layer
    assert tables or not any(op == "hard_swish" for op, *_ in MIDDLES[name].values())


@pytest.mark.parametrize("name", MIDDLES)
def test_a_changed_number_is_found_in_its_layer(name: str) -> None:
    for seed in SEEDS[:2]:
        files = written(name, seed)
        for fault, place, changed in product_networks.faults(files[1], MIDDLES[name]):
            report = comparing.compare(*product_networks.readings(files[0], changed))
            assert known(report.first).layer == place, (fault, place, report.cause)
            assert proofs(files[0], changed)[place].status == "not proven", (fault, place)


def test_a_wrong_multiplier_is_told_by_its_numbers(swished: tuple[bytes, bytes]) -> None:
    nodes = product_networks.ProductNodes(swished[1])
    nodes.set_multiplier("product", 0.5)
    first, second = product_networks.readings(swished[0], nodes.bytes())
    difference = known(comparing.compare(first, second).first)
    right = known(mul.multiplier_of(layer(first, "product")))
    assert difference.field == "parameter"
    assert (difference.expected, difference.received) == (
        repr(float(right)),
        repr(float(right / 2)),
    )
    assert known(difference.lsb) > 40


@pytest.mark.parametrize("factor", [0.0, -1.0, np.nan, np.inf])
def test_a_multiplier_that_is_no_scale_is_not_compared(
    swished: tuple[bytes, bytes], factor: float
) -> None:
    nodes = product_networks.ProductNodes(swished[1])
    nodes.set_multiplier("product", factor)
    first, second = product_networks.readings(swished[0], nodes.bytes())
    report = comparing.compare(first, second)
    assert known(report.first).layer == "product"
    assert not known(judge(first, second).layers[2].verdict).equal


def test_a_layer_that_computes_by_an_unstated_scale_is_not_called_the_same(
    swished: tuple[bytes, bytes],
) -> None:
    first, second = product_networks.readings(*swished)
    product = layer(second, "product")
    lost = dataclasses.replace(product, multiplier=None)
    layers = tuple(lost if one is product else one for one in second.layers)
    report = comparing.compare(first, dataclasses.replace(second, layers=layers))
    assert not report.same
    assert (known(report.first).layer, known(report.first).field) == ("product", "not comparable")


def test_a_tensor_in_floats_is_still_told_from_codes(swished: tuple[bytes, bytes]) -> None:
    first, second = product_networks.readings(*swished)
    stem = layer(second, "stem")
    floats = dataclasses.replace(stem.output, dtype="float32", scale=None, zero_point=None)
    layers = tuple(
        dataclasses.replace(one, output=floats) if one is stem else one for one in second.layers
    )
    report = comparing.compare(first, dataclasses.replace(second, layers=layers))
    assert (known(report.first).layer, known(report.first).received) == ("stem", "floats")


@pytest.mark.parametrize(
    ("io", "middle", "ends_in"),
    [
        ("int8", "nothing states a scale in the middle", "dense"),
        # Even the logits' scale is stated nowhere.
        ("uint8", "a hard swish times its input", "product"),
    ],
)
def test_files_with_unstated_scales_hold_at_the_full_level(
    tmp_path: Path, io: Io, middle: str, ends_in: str
) -> None:
    network = product_networks.architecture(MIDDLES[middle], ends_in=ends_in)
    files = product_networks.written(network, io=io)
    paths = [tmp_path / name for name in ("a.tflite", "b.onnx")]
    for path, data in zip(paths, files, strict=True):
        path.write_bytes(data)
    if io == "uint8":
        paths.reverse()
    options = Options(level="full", only_main=True, layers=True)
    report = pair.verify(paths[0], paths[1], samples=4, options=options)
    assert report.holds, report.failures
    assert known(report.structure).same
    assert known(report.certificate).holds
    assert len(report.layers) == len(network.layers)
    assert {(row.max_lsb, row.alone_max_lsb) for row in report.layers} == {(0, 0)}
