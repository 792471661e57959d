"""What holds for every width, size and stride."""

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mobiledeploy.models import registry
from mobiledeploy.models.blocks import make_divisible
from mobiledeploy.network.cost import cost, factorise, live_tensors
from mobiledeploy.ops.architecture import Architecture
from mobiledeploy.spec.config import ALPHAS, Arch

ARCHS = st.sampled_from(registry.NAMES)
SIZES = st.integers(16, 256)
CHANNELS = st.floats(0.5, 4096)


@st.composite
def architectures(draw: st.DrawFn) -> Architecture:
    arch = draw(ARCHS)
    return registry.architecture(
        arch,
        alpha=draw(st.sampled_from(ALPHAS[arch])),
        image_size=draw(SIZES),
        classes=draw(st.integers(2, 2000)),
        head=draw(st.sampled_from(("softmax", "logits"))),
        stem_stride=draw(st.sampled_from((1, 2))),
    )


@given(CHANNELS, st.sampled_from((4, 8, 16)))
def test_divisible_channels_are_divisible_and_near(channels: float, divisor: int) -> None:
    rounded = make_divisible(channels, divisor)
    assert rounded % divisor == 0
    assert rounded >= max(divisor, 0.9 * channels)
    assert rounded < channels + 1.5 * divisor


@given(CHANNELS, CHANNELS)
def test_divisible_channels_keep_their_order(one: float, other: float) -> None:
    assert make_divisible(min(one, other)) <= make_divisible(max(one, other))


@given(ARCHS, SIZES)
def test_a_wider_network_costs_more(arch: Arch, image_size: int) -> None:
    costs = [
        cost(registry.architecture(arch, alpha=alpha, image_size=image_size, classes=10))
        for alpha in sorted(ALPHAS[arch])
    ]
    for narrow, wide in pairwise(costs):
        assert narrow.macs < wide.macs
        assert narrow.parameters < wide.parameters
        assert narrow.int8_bytes < wide.int8_bytes
        assert narrow.peak_bytes <= wide.peak_bytes


@given(architectures())
def test_peak_memory_holds_every_layer_and_no_more_than_everything(arch: Architecture) -> None:
    sizes = {name: math.prod(shape) for name, shape in arch.shapes().items()}
    counted = cost(arch)
    for layer in arch.layers:
        assert counted.peak_bytes >= sizes[layer.name] + sum(sizes[name] for name in layer.inputs)
    assert counted.peak_bytes <= sum(sizes.values())
    assert counted.peak_bytes == sum(sizes[name] for name in counted.peak_tensors)


@given(architectures())
def test_a_tensor_lives_from_its_layer_to_its_last_reader_and_nowhere_else(
    arch: Architecture,
) -> None:
    alive = live_tensors(arch)
    order = [layer.name for layer in arch.layers]
    for index, made in enumerate(arch.layers):
        readers = [i for i, layer in enumerate(arch.layers) if made.name in layer.inputs]
        expected = order[index : max([index, *readers]) + 1]
        assert [name for name in order if made.name in alive[name]] == expected


@given(architectures())
def test_projections_never_cost_memory(arch: Architecture) -> None:
    counted = cost(arch)
    if counted.projection:
        assert counted.projection.joint_bytes < counted.projection.expanded_joint_bytes
        assert counted.peak_bytes <= counted.projection.expanded_peak_bytes


@given(
    st.integers(1, 64), st.integers(1, 64), st.integers(1, 512),
    st.sampled_from((1, 3, 5, 7)), st.integers(1, 512),
)  # fmt: skip
def test_the_ratio_is_one_over_filters_plus_one_over_the_window(
    height: int, width: int, channels: int, kernel: int, filters: int
) -> None:
    counted = factorise(
        image=(height, width, channels), kernel=kernel, filters=filters, padded=True
    )
    # In integers: separable / standard == (filters + k^2) / (filters * k^2).
    assert counted.separable * filters * kernel**2 == counted.standard * (filters + kernel**2)
    assert math.isclose(counted.ratio, 1 / filters + 1 / kernel**2)
