"""Weights of a Keras model are given to the right layers, or refused."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

from mobiledeploy.base.errors import RequestError
from mobiledeploy.models import registry
from mobiledeploy.network.fold import BatchNorm
from mobiledeploy.network.keras_weights import KerasBatchNorm, KerasKernel, KerasWeights
from mobiledeploy.network.weight_matching import match_weights, recognise
from mobiledeploy.ops.architecture import Architecture
from mobiledeploy.spec.config import SCALINGS

V1 = registry.architecture("v1", alpha=0.25, image_size=32, classes=3)
V2 = registry.architecture("v2", alpha=0.35, image_size=32, classes=3)


def stored(
    architecture: Architecture,
    *,
    rename: Callable[[str], str] = str,
    norm: str = "{}_BN",
    **rest: Any,
) -> KerasWeights:
    """Return the weights of a model; the values of each layer are unique."""
    kernels, norms = [], []
    for index, layer in enumerate(architecture.layers):
        if not layer.has_weights:
            continue
        full = np.full(layer.out_channels, index, np.float32)
        kernels.append(
            KerasKernel(
                name=rename(layer.name),
                kind=layer.op,  # type: ignore[arg-type]
                kernel=np.full(layer.kernel_shape, index, np.float32),
                bias=full if layer.op == "dense" else None,
            )
        )
        if layer.op != "dense":
            norms.append(
                KerasBatchNorm(
                    name=norm.format(rename(layer.name)),
                    batch_norm=BatchNorm(
                        gamma=full, beta=full, mean=full, variance=full, epsilon=1e-3
                    ),
                )
            )
    return KerasWeights(origin="theirs.h5", kernels=tuple(kernels), norms=tuple(norms), **rest)


def shuffled(items: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(np.random.default_rng(0).permutation(np.array([*items], object)))


def assert_each_in_its_place(matched: Any, architecture: Architecture) -> None:
    for index, layer in enumerate(architecture.layers):
        if layer.has_weights:
            variables = matched.variables[layer.name]
            assert variables.kernel.shape == layer.kernel_shape
            assert (variables.kernel == index).all()
            if layer.op != "dense":
                assert (variables.batch_norm.gamma == index).all()


@pytest.mark.parametrize("architecture", [V1, V2])
@pytest.mark.parametrize("norm", ["{}_BN", "{}_bn", "bn_{}"])
def test_weights_with_our_layer_names_are_matched_by_name(
    architecture: Architecture, norm: str
) -> None:
    model = stored(architecture, norm=norm)
    mixed = dataclasses.replace(
        model, kernels=shuffled(model.kernels), norms=shuffled(model.norms)
    )
    matched = match_weights(mixed, architecture)
    assert matched.head
    assert_each_in_its_place(matched, architecture)


@pytest.mark.parametrize("architecture", [V1, V2])
def test_weights_with_other_names_are_matched_in_running_order(architecture: Architecture) -> None:
    model = stored(architecture, rename="my_{}".format)
    # Files group the layers by class: only the order within a class is known.
    by_kind = sorted(model.kernels, key=lambda kernel: kernel.kind)
    matched = match_weights(dataclasses.replace(model, kernels=tuple(by_kind)), architecture)
    assert matched.head
    assert_each_in_its_place(matched, architecture)


def test_a_model_without_batch_norm_keeps_its_biases() -> None:
    model = stored(V1)
    biased = [
        dataclasses.replace(kernel, bias=np.ones(V1.layers[i].out_channels, np.float32))
        for i, kernel in enumerate(model.kernels[:-1])
    ]
    matched = match_weights(
        dataclasses.replace(model, kernels=(*biased, model.kernels[-1]), norms=()), V1
    )
    assert matched.variables["conv_dw_1"].batch_norm is None
    assert matched.variables["conv_dw_1"].bias is not None


def test_a_pointwise_convolution_can_be_the_head() -> None:
    model = stored(V1)
    dense = model.kernels[-1]
    conv = dataclasses.replace(
        dense, name="conv_preds", kind="conv", kernel=dense.kernel[np.newaxis, np.newaxis]
    )
    for rename in (str, "my_{}".format):
        foreign = stored(V1, rename=rename)
        matched = match_weights(
            dataclasses.replace(foreign, kernels=(*foreign.kernels[:-1], conv)), V1
        )
        assert matched.head
        assert_each_in_its_place(matched, V1)


def test_with_another_number_of_classes_the_trunk_is_kept_and_the_note_says_so() -> None:
    more = registry.architecture("v2", alpha=0.35, image_size=32, classes=7)
    matched = match_weights(stored(V2), more)
    assert not matched.head
    assert "logits" not in matched.variables
    assert "Conv_1" in matched.variables
    assert "(1280, 3)" in matched.note
    assert "(1280, 7)" in matched.note
    assert "head is new" in matched.note


def test_without_a_head_of_one_layer_the_head_is_new() -> None:
    model = stored(V2)
    trunk = dataclasses.replace(model, kernels=model.kernels[:-1])
    assert not match_weights(trunk, V2).head
    hidden = KerasKernel(
        name="hidden",
        kind="dense",
        kernel=np.ones((1280, 1280), np.float32),
        bias=None,
    )
    deep = dataclasses.replace(model, kernels=(*model.kernels[:-1], hidden, model.kernels[-1]))
    assert "several layers" in match_weights(deep, V2).note
    normed = dataclasses.replace(
        stored(V2, rename="my_{}".format), norms=(*model.norms, model.norms[0])
    )
    assert "several layers" in match_weights(normed, V2).note


def test_the_note_says_what_could_not_be_checked_without_a_graph() -> None:
    matched = match_weights(stored(V2), V2)
    assert matched.head
    assert "strides, padding, activations and pooling could not be checked" in matched.note
    assert "how it took pixels: it is given -1..1" in matched.note
    known = match_weights(stored(V2, input_range="-1..1"), V2)
    assert "pixels" not in known.note


def test_take_head_false_gives_no_head() -> None:
    assert not match_weights(stored(V2), V2, take_head=False).head


def test_another_input_range_is_refused_with_the_option_that_sets_it() -> None:
    theirs = stored(V2, input_range="0..1")
    with pytest.raises(
        RequestError, match=r"has the input range 0\.\.1, this .* have -1\.\.1"
    ) as refused:
        match_weights(theirs, V2)
    assert refused.value.hint == "build with `--input-range 0..1`"
    matched = match_weights(theirs, dataclasses.replace(V2, scaling=SCALINGS["0..1"]))
    assert matched.head


@pytest.mark.parametrize("rename", [str, "my_{}".format])
def test_an_error_names_the_layer_both_shapes_and_the_network_of_the_weights(
    rename: Callable[[str], str],
) -> None:
    wider = registry.architecture("v2", alpha=0.75, image_size=32, classes=3)
    with pytest.raises(RequestError) as caught:
        match_weights(stored(wider, rename=rename), V2)
    message = str(caught.value)
    assert "Conv1" in message
    assert "(3, 3, 3, 16)" in message
    assert "(3, 3, 3, 24)" in message
    assert caught.value.hint == "the weights are those of `--arch v2 --alpha 0.75`"


def test_another_architecture_is_refused() -> None:
    with pytest.raises(RequestError, match=r"`Conv1`.*\(3, 3, 3, 16\).*\(3, 3, 3, 8\)") as caught:
        match_weights(stored(V1), V2)
    assert caught.value.hint == "the weights are those of `--arch v1 --alpha 0.25`"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: {"kernels": m.kernels[:10]}, "`.*` expects a kernel .* received no more"),
        (lambda m: {"norms": m.norms[:-1]}, "batch normalisation after each of 52"),
        (
            lambda m: {"kernels": (*m.kernels, dataclasses.replace(m.kernels[0], name="extra"))},
            "no layer for `extra`",
        ),
    ],
)
def test_missing_and_surplus_weights_are_refused(
    change: Callable[[KerasWeights], dict[str, Any]], message: str
) -> None:
    model = stored(V2, rename="my_{}".format)
    with pytest.raises(RequestError, match=message) as caught:
        match_weights(dataclasses.replace(model, **change(model)), V2)
    assert caught.value.hint == "expected the weights of a MobileNet V1 or V2 with standard layers"


@pytest.mark.parametrize(("arch", "alpha"), [("v1", 0.5), ("v2", 0.5), ("v2", 1.4)])
def test_a_model_is_recognised_by_its_shapes(arch: Any, alpha: float) -> None:
    theirs = registry.architecture(arch, alpha=alpha, image_size=96, classes=5)
    matched = recognise(stored(theirs, rename="my_{}".format))
    assert matched is not None
    assert (matched.arch, matched.alpha) == (arch, alpha)


def test_another_network_is_not_recognised() -> None:
    assert recognise(KerasWeights(origin="empty", kernels=(), norms=())) is None
