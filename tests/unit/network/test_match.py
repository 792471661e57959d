"""Foreign weights go to the layers they belong to, or nowhere."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

from mobiledeploy.base.errors import RequestError
from mobiledeploy.models import registry
from mobiledeploy.network.fold import BatchNorm
from mobiledeploy.network.match import match, recognise
from mobiledeploy.network.stored import Stored, StoredKernel, StoredNorm
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
) -> Stored:
    """Return a foreign model whose every value says which layer it belongs to."""
    kernels, norms = [], []
    for index, layer in enumerate(architecture.layers):
        if not layer.has_weights:
            continue
        full = np.full(layer.out_channels, index, np.float32)
        kernels.append(
            StoredKernel(
                name=rename(layer.name),
                path=rename(layer.name),
                kind=layer.op,  # type: ignore[arg-type]
                kernel=np.full(layer.kernel_shape, index, np.float32),
                bias=full if layer.op == "dense" else None,
            )
        )
        if layer.op != "dense":
            norms.append(
                StoredNorm(
                    name=norm.format(rename(layer.name)),
                    path=norm.format(rename(layer.name)),
                    batch_norm=BatchNorm(
                        gamma=full, beta=full, mean=full, variance=full, epsilon=1e-3
                    ),
                )
            )
    return Stored(origin="theirs.h5", kernels=tuple(kernels), norms=tuple(norms), **rest)


def shuffled(items: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(np.random.default_rng(0).permutation(np.array([*items], object)))


def assert_each_in_its_place(found: Any, architecture: Architecture) -> None:
    for index, layer in enumerate(architecture.layers):
        if layer.has_weights:
            variables = found.variables[layer.name]
            assert variables.kernel.shape == layer.kernel_shape
            assert (variables.kernel == index).all()
            if layer.op != "dense":
                assert (variables.batch_norm.gamma == index).all()


@pytest.mark.parametrize("architecture", [V1, V2])
@pytest.mark.parametrize("norm", ["{}_BN", "{}_bn", "bn_{}"])
def test_names_decide_where_they_are_ours(architecture: Architecture, norm: str) -> None:
    model = stored(architecture, norm=norm)
    mixed = dataclasses.replace(
        model, kernels=shuffled(model.kernels), norms=shuffled(model.norms)
    )
    found = match(mixed, architecture)
    assert found.head
    assert_each_in_its_place(found, architecture)


@pytest.mark.parametrize("architecture", [V1, V2])
def test_order_decides_where_names_are_foreign(architecture: Architecture) -> None:
    model = stored(architecture, rename="my_{}".format)
    # Files group the layers by class: only the order within a class is known.
    by_kind = sorted(model.kernels, key=lambda kernel: kernel.kind)
    found = match(dataclasses.replace(model, kernels=tuple(by_kind)), architecture)
    assert found.head
    assert_each_in_its_place(found, architecture)


def test_a_model_without_batch_norm_is_taken_with_its_biases() -> None:
    model = stored(V1)
    biased = [
        dataclasses.replace(kernel, bias=np.ones(V1.layers[i].out_channels, np.float32))
        for i, kernel in enumerate(model.kernels[:-1])
    ]
    found = match(dataclasses.replace(model, kernels=(*biased, model.kernels[-1]), norms=()), V1)
    assert found.variables["conv_dw_1"].batch_norm is None
    assert found.variables["conv_dw_1"].bias is not None


def test_a_pointwise_convolution_can_be_the_head() -> None:
    model = stored(V1)
    dense = model.kernels[-1]
    conv = dataclasses.replace(
        dense, name="conv_preds", kind="conv", kernel=dense.kernel[np.newaxis, np.newaxis]
    )
    for rename in (str, "my_{}".format):
        foreign = stored(V1, rename=rename)
        found = match(dataclasses.replace(foreign, kernels=(*foreign.kernels[:-1], conv)), V1)
        assert found.head
        assert_each_in_its_place(found, V1)


def test_another_number_of_classes_keeps_the_trunk_and_says_so() -> None:
    more = registry.architecture("v2", alpha=0.35, image_size=32, classes=7)
    found = match(stored(V2), more)
    assert not found.head
    assert "logits" not in found.variables
    assert "Conv_1" in found.variables
    assert "(1280, 3)" in found.note
    assert "(1280, 7)" in found.note
    assert "head is new" in found.note


def test_a_trunk_alone_and_a_head_of_several_layers_need_a_new_head() -> None:
    model = stored(V2)
    trunk = dataclasses.replace(model, kernels=model.kernels[:-1])
    assert not match(trunk, V2).head
    hidden = StoredKernel(
        name="hidden",
        path="hidden",
        kind="dense",
        kernel=np.ones((1280, 1280), np.float32),
        bias=None,
    )
    deep = dataclasses.replace(model, kernels=(*model.kernels[:-1], hidden, model.kernels[-1]))
    assert "several layers" in match(deep, V2).note
    normed = dataclasses.replace(
        stored(V2, rename="my_{}".format), norms=(*model.norms, model.norms[0])
    )
    assert "several layers" in match(normed, V2).note


def test_weights_alone_are_taken_with_a_note_of_what_could_not_be_checked() -> None:
    found = match(stored(V2), V2)
    assert found.head
    assert "strides, padding, activations and pooling could not be checked" in found.note
    assert "how it took pixels: it is given -1..1" in found.note
    known = match(stored(V2, input_range="-1..1"), V2)
    assert "pixels" not in known.note


def test_a_head_that_is_not_to_be_taken_is_not_looked_at() -> None:
    assert not match(stored(V2), V2, take_head=False).head


def test_a_model_that_takes_pixels_otherwise_is_refused_with_the_way_out() -> None:
    theirs = stored(V2, input_range="0..1")
    with pytest.raises(
        RequestError, match=r"takes pixels as 0\.\.1, this .* as -1\.\.1"
    ) as refused:
        match(theirs, V2)
    assert refused.value.hint == "build with `--input-range 0..1`"
    found = match(theirs, dataclasses.replace(V2, scaling=SCALINGS["0..1"]))
    assert found.head


@pytest.mark.parametrize("rename", [str, "my_{}".format])
def test_other_weights_are_refused_with_the_layer_both_shapes_and_what_they_are(
    rename: Callable[[str], str],
) -> None:
    wider = registry.architecture("v2", alpha=0.75, image_size=32, classes=3)
    with pytest.raises(RequestError) as caught:
        match(stored(wider, rename=rename), V2)
    message = str(caught.value)
    assert "Conv1" in message
    assert "(3, 3, 3, 16)" in message
    assert "(3, 3, 3, 24)" in message
    assert caught.value.hint == "the weights are those of `--arch v2 --alpha 0.75`"


def test_another_architecture_is_refused() -> None:
    with pytest.raises(RequestError, match=r"`Conv1`.*\(3, 3, 3, 16\).*\(3, 3, 3, 8\)") as caught:
        match(stored(V1), V2)
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
def test_too_much_and_too_little_is_refused(
    change: Callable[[Stored], dict[str, Any]], message: str
) -> None:
    model = stored(V2, rename="my_{}".format)
    with pytest.raises(RequestError, match=message) as caught:
        match(dataclasses.replace(model, **change(model)), V2)
    assert caught.value.hint == "expected the weights of a MobileNet V1 or V2 with standard layers"


@pytest.mark.parametrize(("arch", "alpha"), [("v1", 0.5), ("v2", 0.5), ("v2", 1.4)])
def test_a_model_is_recognised_by_its_shapes(arch: Any, alpha: float) -> None:
    theirs = registry.architecture(arch, alpha=alpha, image_size=96, classes=5)
    found = recognise(stored(theirs, rename="my_{}".format))
    assert found is not None
    assert (found.arch, found.alpha) == (arch, alpha)


def test_what_is_no_mobilenet_is_not_recognised() -> None:
    assert recognise(Stored(origin="empty", kernels=(), norms=())) is None
