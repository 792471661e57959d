"""MACs, parameters, int8 bytes and peak memory are exact."""

import json
from collections.abc import Callable

import pytest

from mobiledeploy.models import registry
from mobiledeploy.network.cost import cost, factorise, live_tensors
from mobiledeploy.ops.architecture import INPUT, Architecture, Layer
from mobiledeploy.spec.config import ALPHAS, Arch

SIZES = {"v1": (224, 192, 160, 128), "v2": (224, 192, 160, 128, 96)}


def test_parameters_and_macs_of_every_published_network(
    golden: Callable[[str, str], None],
) -> None:
    rows = {}
    for arch in registry.NAMES:
        for alpha in ALPHAS[arch]:
            for size in SIZES[arch]:
                counted = cost(
                    registry.architecture(arch, alpha=alpha, image_size=size, classes=1000)
                )
                rows[counted.name] = {"parameters": counted.parameters, "macs": counted.macs}
    lines = ",\n".join(f'  "{name}": {json.dumps(row)}' for name, row in rows.items())
    golden("architectures.json", f"{{\n{lines}\n}}\n")


@pytest.mark.parametrize(
    ("arch", "alpha", "parameters", "millions"),
    [
        ("v1", 1.0, 4_253_864, 568.74),
        ("v1", 0.25, 475_544, 41.03),
        ("v2", 1.0, 3_538_984, 300.77),
        ("v2", 0.35, 1_691_208, 59.29),
        ("v2", 1.4, 6_156_712, 582.20),
    ],
)
def test_totals_are_those_of_keras_applications(
    arch: Arch, alpha: float, parameters: int, millions: float
) -> None:
    counted = cost(registry.architecture(arch, alpha=alpha, image_size=224, classes=1000))
    assert counted.parameters == parameters
    assert round(counted.macs / 1e6, 2) == millions


def test_the_factorisation_of_the_textbook_example() -> None:
    example = factorise(image=(6, 6, 3), kernel=3, filters=5)
    assert (example.standard, example.depthwise, example.pointwise) == (2160, 432, 240)
    assert example.separable == 672
    assert example.ratio == pytest.approx(1 / 5 + 1 / 9)
    assert factorise(image=(6, 6, 3), kernel=3, filters=5, padded=True).standard == 4860


def test_a_depthwise_layer_is_compared_with_the_pointwise_one_after_it() -> None:
    counted = cost(registry.architecture("v1", alpha=1.0, image_size=224, classes=10))
    layers = {layer.name: layer for layer in counted.layers}
    split = layers["conv_dw_1"].factorisation
    assert split is not None
    assert split.separable == layers["conv_dw_1"].macs + layers["conv_pw_1"].macs
    assert split.standard == 9 * 32 * 64 * 112 * 112
    stem = layers["conv1"].factorisation
    assert stem is not None
    assert stem.standard == layers["conv1"].macs
    assert layers["conv_pw_1"].factorisation is None
    assert counted.standard_macs - counted.macs == sum(
        layer.factorisation.standard - layer.factorisation.separable
        for layer in counted.layers
        if layer.op == "depthwise" and layer.factorisation
    )


def test_int8_bytes_are_kernels_and_32_bit_biases() -> None:
    counted = cost(registry.architecture("v2", alpha=0.35, image_size=96, classes=10))
    layers = {layer.name: layer for layer in counted.layers}
    assert layers["Conv1"].int8_bytes == 3 * 3 * 3 * 16 + 4 * 16
    assert layers["logits"].int8_bytes == 1280 * 10 + 4 * 10
    assert layers["block_2_add"].int8_bytes == 0
    assert counted.int8_bytes == sum(layer.int8_bytes for layer in counted.layers)


def test_a_residual_input_stays_in_memory_through_its_block() -> None:
    v2 = registry.architecture("v2", alpha=1.0, image_size=224, classes=10)
    alive = live_tensors(v2)
    assert alive["block_2_expand"] == ("block_1_project", "block_2_expand")
    assert alive["block_2_depthwise"] == (
        "block_1_project", "block_2_expand", "block_2_depthwise",
    )  # fmt: skip
    assert alive["block_2_add"] == ("block_1_project", "block_2_project", "block_2_add")
    assert alive["block_3_expand"] == ("block_2_add", "block_3_expand")
    assert alive["Conv1"] == (INPUT, "Conv1")


def test_peak_memory_of_v2_with_and_without_narrow_projections() -> None:
    counted = cost(registry.architecture("v2", alpha=1.0, image_size=224, classes=1000))
    assert counted.peak_tensors == ("block_1_expand", "block_1_depthwise")
    assert counted.peak_layer == "block_1_depthwise"
    assert counted.peak_bytes == 112 * 112 * 96 + 56 * 56 * 96
    saved = counted.projection
    assert saved is not None
    assert saved.joint_bytes == 112 * 112 * 16
    assert saved.expanded_joint_bytes == 112 * 112 * 96
    # The expansion would read a tensor as wide as the one it writes.
    assert saved.expanded_peak_bytes == 2 * 112 * 112 * 96


def test_v1_has_no_projection() -> None:
    assert (
        cost(registry.architecture("v1", alpha=1.0, image_size=224, classes=10)).projection is None
    )


def test_a_linear_convolution_at_the_end_is_not_a_projection() -> None:
    layer = Layer(name="only", op="conv", inputs=(INPUT,), in_channels=3, out_channels=4)
    alone = Architecture(name="alone", input_shape=(8, 8, 3), layers=(layer,))
    counted = cost(alone)
    assert counted.projection is None
    assert counted.peak_bytes == 8 * 8 * (3 + 4)
