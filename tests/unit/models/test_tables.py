"""The architectures have the layers of the papers' tables."""

import pytest

from mobiledeploy.base.errors import RequestError
from mobiledeploy.models import mobilenet_v1, mobilenet_v2, registry
from mobiledeploy.ops.architecture import Architecture
from mobiledeploy.spec.config import ALPHAS, Arch


def ops(architecture: Architecture) -> list[str]:
    return [layer.op for layer in architecture.layers]


def test_registry_and_widths_name_the_same_architectures() -> None:
    assert tuple(ALPHAS) == registry.NAMES


def test_v1_is_a_stem_and_13_depthwise_separable_blocks() -> None:
    v1 = mobilenet_v1.architecture()
    assert ops(v1) == ["conv", *["depthwise", "conv"] * 13, "mean", "dense", "softmax"]
    assert {layer.activation for layer in v1.layers[:27]} == {"relu6"}
    assert v1.shapes()["conv_pw_13"] == (7, 7, 1024)


def test_v2_is_a_stem_and_17_bottlenecks_of_which_10_have_a_residual() -> None:
    v2 = mobilenet_v2.architecture()
    assert (ops(v2).count("conv"), ops(v2).count("depthwise"), ops(v2).count("add")) == (
        35,
        17,
        10,
    )
    assert v2.shapes()["Conv_1"] == (7, 7, 1280)
    first = [layer.name for layer in v2.layers[:4]]
    assert first == ["Conv1", "expanded_conv_depthwise", "expanded_conv_project", "block_1_expand"]


def test_projections_are_linear_and_everything_else_in_v2_is_relu6() -> None:
    for layer in mobilenet_v2.architecture().layers:
        if layer.op in {"conv", "depthwise"}:
            linear = layer.name.endswith("_project")
            assert layer.activation == ("none" if linear else "relu6")


def test_a_residual_joins_the_block_input_and_its_projection() -> None:
    layers = {layer.name: layer for layer in mobilenet_v2.architecture().layers}
    assert layers["block_2_add"].inputs == ("block_1_project", "block_2_project")
    assert layers["block_5_add"].inputs == ("block_4_add", "block_5_project")
    assert "block_1_add" not in layers
    assert "block_10_add" not in layers


@pytest.mark.parametrize(
    ("alpha", "stem", "second", "last"),
    [(0.35, 16, 8, 1280), (0.75, 24, 24, 1280), (1.3, 40, 32, 1664), (1.4, 48, 32, 1792)],
)
def test_v2_channels_are_multiples_of_8_and_only_alpha_above_1_widens_the_last(
    alpha: float, stem: int, second: int, last: int
) -> None:
    layers = {layer.name: layer for layer in mobilenet_v2.architecture(alpha=alpha).layers}
    assert layers["Conv1"].out_channels == stem
    assert layers["block_1_project"].out_channels == second
    assert layers["Conv_1"].out_channels == last


def test_head_and_stem_stride_are_those_requested() -> None:
    plain = registry.architecture("v2", alpha=0.35, image_size=32, classes=10)
    small = registry.architecture(
        "v2", alpha=0.35, image_size=32, classes=10, head="logits", stem_stride=1
    )
    assert (plain.name, plain.output.op, plain.logits.name) == (
        "mobilenet_v2_0.35_32", "softmax", "logits",
    )  # fmt: skip
    assert (small.output.name, small.classes) == ("logits", 10)
    assert plain.shapes()["Conv1"] == (16, 16, 16)
    assert small.shapes()["Conv1"] == (32, 32, 16)


@pytest.mark.parametrize(
    ("arch", "alpha", "image_size", "classes", "names"),
    [
        ("v3", 1.0, 224, 10, "v1, v2"),
        ("v1", 0.35, 224, 10, "0.25, 0.5, 0.75, 1.0"),
        ("v2", 1.0, 8, 10, "16..1024"),
        ("v2", 1.0, 224, 1, "at least 2"),
    ],
)
def test_an_error_names_the_supported_values(
    arch: Arch, alpha: float, image_size: int, classes: int, names: str
) -> None:
    with pytest.raises(RequestError, match=names):
        registry.architecture(arch, alpha=alpha, image_size=image_size, classes=classes)
