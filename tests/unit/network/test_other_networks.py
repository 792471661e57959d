"""Keras's own models are ours where they compute the same; otherwise what differs is named."""

import dataclasses
from functools import cache
from types import ModuleType
from typing import Any, Final

import pytest

from mobiledeploy.models import registry
from mobiledeploy.network.importers import keras as importer
from mobiledeploy.network.table_matching import OtherNetworkError, TableMatch, match_table
from mobiledeploy.ops.architecture import Architecture
from mobiledeploy.spec.config import Arch, InputRange

pytestmark = pytest.mark.tensorflow

SIZE, CLASSES = 32, 5
ALPHA: Final[dict[Arch, float]] = {"v1": 0.25, "v2": 0.35}


@pytest.fixture(scope="module", params=["keras", pytest.param("tf_keras", marks=pytest.mark.slow)])
def library(request: pytest.FixtureRequest) -> ModuleType:
    module: ModuleType = pytest.importorskip(request.param)
    return module


def ours(arch: Arch = "v2", *, size: int = SIZE, stem_stride: int = 2) -> Architecture:
    return registry.architecture(
        arch, alpha=ALPHA[arch], image_size=size, classes=CLASSES, stem_stride=stem_stride
    )


@cache
def theirs(library: ModuleType, arch: Arch = "v2", *, size: int = SIZE, **options: Any) -> Any:
    """Return a model of Keras applications, which no test changes: building one takes seconds."""
    applications = {
        "v1": library.applications.MobileNet, "v2": library.applications.MobileNetV2,
    }  # fmt: skip
    common = {"input_shape": (size, size, 3), "weights": None, "classes": CLASSES}
    return applications[arch](alpha=ALPHA[arch], **{**common, **options})


def mean_and_dense(layers: Any, features: Any, **options: Any) -> Any:
    pooled = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(features))
    return layers.Dense(CLASSES, **options)(pooled)


def matched(architecture: Architecture, model: Any) -> TableMatch:
    return match_table(importer.read_model(model).graph, architecture)


LAST = "block_2_add"


def our_first_blocks() -> Architecture:
    """Return V2 with three of its blocks: as many kinds of layers as in all seventeen."""
    whole = ours()
    end = next(i for i, layer in enumerate(whole.layers) if layer.name == LAST) + 1
    pool, logits, softmax = whole.layers[-3:]
    channels = whole.layers[end - 1].out_channels
    head = (
        dataclasses.replace(pool, inputs=(LAST,), in_channels=channels, out_channels=channels),
        dataclasses.replace(logits, in_channels=channels),
        softmax,
    )
    return dataclasses.replace(whole, layers=(*whole.layers[:end], *head))


@cache
def their_first_blocks(library: ModuleType) -> Any:
    trunk = theirs(library, include_top=False)
    return library.Model(trunk.input, trunk.get_layer(LAST).output)


def wrapped(library: ModuleType, trunk: Any, front: Any = None, head: Any = mean_and_dense) -> Any:
    """Return a model with the trunk as a nested model, as in Keras's tutorials."""
    layers = library.layers
    image = layers.Input((SIZE, SIZE, 3))
    return library.Model(image, head(layers, trunk(front(library, image) if front else image)))


@pytest.mark.parametrize("size", [72, 100, 150])
def test_v1_with_the_padding_of_keras_differs_at_odd_sizes(library: ModuleType, size: int) -> None:
    """Keras pads V1 by the same zeros at all sizes, V2 as our architecture does."""
    matched(ours("v2", size=size), theirs(library, "v2", size=size))
    with pytest.raises(OtherNetworkError, match=r"`conv_dw_\d`: expected zeros above"):
        matched(ours("v1", size=size), theirs(library, "v1", size=size))


@pytest.mark.parametrize("arch", registry.NAMES)
def test_a_stem_of_another_stride_differs(library: ModuleType, arch: Arch) -> None:
    with pytest.raises(OtherNetworkError, match=r"expected strides \(1, 1\), received \(2, 2\)"):
        matched(ours(arch, stem_stride=1), theirs(library, arch))


FRONTS: Final[dict[str, tuple[Any, InputRange | None]]] = {
    "augmented": (lambda k, t: k.layers.RandomRotation(0.1)(k.layers.RandomFlip()(t)), None),
    "preprocess_input": (lambda k, t: k.applications.mobilenet_v2.preprocess_input(t), "-1..1"),
    "lists": (lambda k, t: k.layers.Rescaling([1 / 127.5] * 3, offset=[-1.0] * 3)(t), "-1..1"),
    "two": (lambda k, t: k.layers.Rescaling(2.0, -1.0)(k.layers.Rescaling(1 / 255)(t)), "-1..1"),
    "mean": (lambda k, t: k.layers.Normalization(mean=127.5, variance=127.5**2)(t), "-1..1"),
    "0..1": (lambda k, t: k.layers.Rescaling(1 / 255)(t), "0..1"),
    "operator": (lambda k, t: t / 255.0, "0..1"),
    "half": (lambda k, t: k.layers.Rescaling(1 / 255, offset=-0.5)(t), None),
    "no offset": (lambda k, t: k.layers.Rescaling(1 / 127.5)(t), None),
    "std": (lambda k, t: k.layers.Normalization(mean=[9.0] * 3, variance=[4.0] * 3)(t), None),
}
"""Layers before the trunk, and the input range that they make; None for none of ours."""


@pytest.mark.parametrize("name", FRONTS)
def test_the_pixel_scaling_is_read(library: ModuleType, name: str) -> None:
    front, expected = FRONTS[name]
    match = matched(our_first_blocks(), wrapped(library, their_first_blocks(library), front))
    assert (match.scaling is None) == (name == "augmented")
    if match.scaling is not None:
        assert match.scaling.input_range == expected


@pytest.mark.parametrize(
    ("front", "said"),
    [
        (lambda k, t: k.layers.Lambda(lambda x: x / 255)(t), "(Lambda)"),
        (lambda k, t: k.layers.LayerNormalization()(t), "(LayerNormalization)"),
    ],
)
def test_a_layer_before_the_trunk_differs(library: ModuleType, front: Any, said: str) -> None:
    with pytest.raises(OtherNetworkError) as caught:
        matched(our_first_blocks(), wrapped(library, their_first_blocks(library), front))
    assert said in str(caught.value)


HEADS: Final[dict[str, tuple[Any, str]]] = {
    "softmax": (lambda la, t: mean_and_dense(la, t, activation="softmax"), ""),
    "layer": (lambda la, t: la.Softmax()(mean_and_dense(la, t)), ""),
    "one pixel": (lambda la, t: la.Dense(CLASSES)(la.Flatten()(t)), ""),
    "sigmoid": (lambda la, t: mean_and_dense(la, t, activation="sigmoid"), "dense"),
    "twice": (lambda la, t: la.Softmax()(mean_and_dense(la, t, activation="softmax")), "Softmax"),
    "maximum of one pixel": (lambda la, t: la.Dense(CLASSES)(la.GlobalMaxPooling2D()(t)), ""),
    "hidden": (lambda la, t: mean_and_dense(la, la.Conv2D(9, 1)(t)), "dense"),
    "between": (lambda la, t: mean_and_dense(la, la.LeakyReLU()(t)), "(LeakyReLU)"),
}


@pytest.mark.parametrize("name", HEADS)
def test_a_head_that_computes_something_else_is_named(library: ModuleType, name: str) -> None:
    head, said = HEADS[name]
    match = matched(ours(), wrapped(library, theirs(library, include_top=False), head=head))
    assert said in match.head_differs
    assert bool(said) == bool(match.head_differs)


def test_a_layer_that_differs_is_named(library: ModuleType) -> None:
    trunk = their_first_blocks(library)
    model = library.Model(trunk.input, mean_and_dense(library.layers, trunk.output))

    def clone(name: str, **settings: Any) -> Any:
        def copy(layer: Any) -> Any:
            more = settings if layer.name == name else {}
            return type(layer).from_config({**layer.get_config(), **more})

        return library.models.clone_model(model, clone_function=copy)

    assert matched(our_first_blocks(), clone("nothing")).head_differs == ""
    for name, settings, said in (
        ("block_1_expand_relu", {"max_value": None}, "received relu after"),
        ("block_1_expand_relu", {"negative_slope": 0.1}, "received none after"),
        ("block_2_depthwise", {"dilation_rate": (2, 2)}, "dilation"),
        ("block_1_expand", {"strides": (2, 2)}, "strides"),
    ):
        with pytest.raises(OtherNetworkError, match=said):
            matched(our_first_blocks(), clone(name, **settings))
