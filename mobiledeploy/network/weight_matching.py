"""Decide which weights of a Keras file belong to which layer of an architecture.

A whole model is compared layer by layer with the table that it should be. A file of weights alone
is matched by the layers' names, or in running order, and by shapes.
"""

import dataclasses
from collections.abc import Mapping
from typing import Final, TypeAlias

from mobiledeploy.base.errors import RequestError
from mobiledeploy.base.files import Name
from mobiledeploy.models import registry
from mobiledeploy.network import keras_file
from mobiledeploy.network.fold import Variables
from mobiledeploy.network.importers import keras as keras_importer
from mobiledeploy.network.importers.imported import Imported
from mobiledeploy.network.keras_variables import KerasFile
from mobiledeploy.network.keras_weights import KerasWeights
from mobiledeploy.network.table_matching import (
    OtherNetworkError,
    TableMatch,
    activation_of,
    kernel_shapes,
    match_table,
)
from mobiledeploy.network.weights_alone import TAKEN, convolutions_of, head_of, trunk_of
from mobiledeploy.ops.architecture import Activation, Architecture
from mobiledeploy.spec.config import ALPHAS, SCALINGS, Arch, BuildConfig

HINT: Final = (
    "`mobiledeploy quantize` takes the model with its own layers; its weights alone "
    "(save_weights, `.weights.h5`) are taken unchecked"
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WholeModel:
    """A whole Keras model.

    Attributes:
        file: Its file.
        imports: What was imported of it so far, by the image size.
    """

    file: KerasFile
    imports: dict[tuple[int, int], Imported] = dataclasses.field(default_factory=dict)

    @property
    def origin(self) -> str:
        """The file's name, for messages."""
        return self.file.origin

    def at(self, image_size: tuple[int, int]) -> Imported:
        """Return the network for images of a height and width, whatever its own is.

        Raises:
            MobileDeployError: See `importers.keras.of_file`.
        """
        if image_size not in self.imports:
            self.imports[image_size] = keras_importer.of_file(
                self.file, image_size=image_size, resized=True
            )
        return self.imports[image_size]


Stored: TypeAlias = KerasWeights | WholeModel
"""What a Keras file holds."""


def read(path: Name) -> Stored:
    """Read a Keras file.

    Raises:
        RequestError: There is no such file, or the path is a folder.
        CorruptFileError: The file is damaged, or not a Keras file.
        MissingDependencyError: h5py is not installed.
    """
    stored = keras_file.read(path)
    return WholeModel(file=stored) if isinstance(stored, KerasFile) else stored


def load(path: Name, architecture: Architecture) -> "MatchedWeights":
    """Read the weights of `architecture` from a Keras file.

    Raises:
        CorruptFileError: The file is damaged or not a Keras file.
        RequestError: The weights are those of another network; names the layer and both shapes.
        MissingDependencyError: h5py is not installed.
    """
    return match_weights(read(path), architecture)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MatchedWeights:
    """Weights for an architecture.

    Attributes:
        variables: By layer name: the whole trunk, and the dense layer if `head`.
        head: Whether the model's head fits; otherwise a new one has to be trained.
        note: Which weights were taken and what differs, in sentences.
    """

    variables: Mapping[str, Variables]
    head: bool
    note: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """An architecture whose kernels have the shapes of a model's weights.

    Attributes:
        arch: The architecture's name.
        alpha: The width multiplier.
    """

    arch: Arch
    alpha: float


def architecture_for(config: BuildConfig, stored: Stored | None, *, classes: int) -> Architecture:
    """Return the architecture that a build asks for, with the activation that its weights need.

    Args:
        config: The build's configuration.
        stored: What it starts from; None for nothing.
        classes: Length of the output.
    """
    model = config.model
    size = model.image_size
    activation: Activation = "relu6"
    if isinstance(stored, WholeModel):
        activation = activation_of(stored.at((size, size)).graph)
    return registry.architecture(
        model.arch,
        alpha=model.alpha,
        image_size=size,
        classes=classes,
        stem_stride=model.stem_stride,
        activation=activation,
        scaling=config.preprocessing.scaling,
    )


def match_weights(
    stored: Stored, architecture: Architecture, *, take_head: bool = True
) -> MatchedWeights:
    """Return the weights of every layer of an architecture.

    A whole model must compute the same as the architecture, layer by layer; it may lack the
    scaling of the pixels. Of a file with weights only, all shapes are checked, and the note says
    what could not be. Such weights are matched by name if all layer names are those of the
    architecture, which are those of Keras applications; otherwise in running order.

    Args:
        stored: The weights, or the model.
        architecture: The architecture; only the number of classes may differ.
        take_head: Whether to use the model's head where it fits.

    Raises:
        OtherNetworkError: A whole model computes something else: names the first layer that
            differs, what is expected and what is received; or its input range or a head with as
            many outputs differs.
        RequestError: Weights alone are of another network or another input range.
    """
    if isinstance(stored, WholeModel):
        return _match_model(stored, architecture, take_head=take_head)
    try:
        trunk, rest = trunk_of(stored, architecture)
    except RequestError as error:
        raise RequestError(
            f"{stored.origin} does not fit {architecture.name}: {error}", hint=_hint(stored)
        ) from error
    if stored.input_range is not None and SCALINGS[stored.input_range] != architecture.scaling:
        raise RequestError(
            _other_range(stored.origin, stored.input_range, architecture),
            hint=f"build with `--input-range {stored.input_range}`",
        )
    taken = sum(variables.batch_norm is not None for variables in trunk.values())
    head, note = head_of(
        rest if take_head else [], architecture, spare_norms=len(stored.norms) > taken
    )
    said = [f"{stored.origin}: {note}.", _UNCHECKED]
    if stored.input_range is None:
        said.append(_range_not_said(architecture))
    return MatchedWeights(variables={**trunk, **head}, head=bool(head), note=" ".join(said))


def _match_model(
    model: WholeModel, architecture: Architecture, *, take_head: bool
) -> MatchedWeights:
    height, width, _ = architecture.input_shape
    imported = model.at((height, width))
    try:
        match = match_table(imported.graph, architecture)
    except OtherNetworkError as error:
        raise OtherNetworkError(
            f"{model.origin} does not fit {architecture.name}: {error}",
            hint=error.hint or (HINT if _has_kernels_of(model, architecture) else _hint(model)),
        ) from error
    if take_head:
        _check_model_range(model, match, architecture)
    head, note = (
        _model_head(model, match, imported.classes, architecture)
        if take_head
        else ({}, "the trunk was taken")
    )
    said = [f"{model.origin}: {note}."]
    own = image_size_of(model)
    if own not in (None, (height, width)):
        theirs, ours = (" x ".join(map(str, side)) for side in (own, (height, width)))
        said.append(f"It took images of {theirs} pixels where this network takes {ours}.")
    if match.scaling is None:
        said.append(_range_not_said(architecture))
    return MatchedWeights(variables={**match.trunk, **head}, head=bool(head), note=" ".join(said))


def _check_model_range(model: WholeModel, match: TableMatch, architecture: Architecture) -> None:
    """Check that the network's input range is the model's, as far as that is known."""
    if match.scaling is None:
        return
    theirs = match.scaling.input_range
    if theirs is None:
        raise OtherNetworkError(
            f"{model.origin} computes {match.scaling} from a pixel, which is none of the "
            f"supported input ranges ({', '.join(SCALINGS)})",
            hint=HINT,
        )
    if SCALINGS[theirs] != architecture.scaling:
        message = _other_range(model.origin, theirs, architecture)
        hint = f"build with `--input-range {theirs}`"
        raise OtherNetworkError(message, hint=hint)


def _other_range(origin: str, theirs: str, architecture: Architecture) -> str:
    return (
        f"{origin} has the input range {theirs}, this network would have {_in_words(architecture)}"
    )


def _range_not_said(architecture: Architecture) -> str:
    return (
        f"It does not say how it took pixels: it is given {_in_words(architecture)} "
        "(`--input-range`)."
    )


def _model_head(
    model: WholeModel, match: TableMatch, classes: int, architecture: Architecture
) -> tuple[dict[str, Variables], str]:
    """Return the dense layer's variables, or nothing, with a note that says which.

    Raises:
        OtherNetworkError: The head has as many outputs, but computes something else.
    """
    layer = architecture.logits
    differs = match.head_differs or ("" if match.head else "no dense layer")
    if match.headless:
        return {}, "the trunk was taken; it has no head, so the head is new"
    if differs and has_outputs(classes, layer.out_channels):
        raise OtherNetworkError(
            f"{model.origin} does not fit {architecture.name}: after the last convolution, "
            f"expected a mean over the image, a dense layer, and a softmax or nothing; received "
            f"{differs}",
            hint=HINT,
        )
    if differs or match.head is None:
        return {}, (
            f"the trunk was taken; its head has {classes} outputs, {layer.out_channels} are "
            f"needed, so the head is new: a mean over the image and a dense layer, where the file "
            f"has {differs}"
        )
    shape = match.head.kernel.shape
    if shape != layer.kernel_shape:
        return {}, (
            f"the trunk was taken; its head `{match.head_name}` has shape {shape}, "
            f"{layer.kernel_shape} is needed, so the head is new"
        )
    return {layer.name: match.head}, TAKEN


def has_outputs(outputs: int, classes: int) -> bool:
    """Whether so many outputs can be scores of so many classes.

    One decides between two. 0 stands for an unknown number, which can be any.
    """
    return outputs in {0, classes} or (outputs == 1 and classes == 2)


_UNCHECKED: Final = (
    "It holds weights alone: whether it had this network's strides, padding, activations and "
    "pooling could not be checked."
)


def _hint(stored: Stored) -> str:
    recognised = recognise(stored)
    if recognised is not None:
        return f"the weights are those of `--arch {recognised.arch} --alpha {recognised.alpha}`"
    if isinstance(stored, WholeModel):
        return HINT
    return "expected the weights of a MobileNet V1 or V2 with standard layers"


def recognise(stored: Stored) -> Recognised | None:
    """Return the architecture and width whose kernels have the shapes of the weights, or None."""
    for arch in registry.NAMES:
        for alpha in ALPHAS[arch]:
            architecture = registry.architecture(arch, alpha=alpha, image_size=224, classes=2)
            if _has_kernels_of(stored, architecture):
                return Recognised(arch=arch, alpha=alpha)
    return None


def image_size_of(model: WholeModel) -> tuple[int, int] | None:
    """Return the height and width of a model's own images; None where they are not fixed."""
    return keras_importer.image_size_of(model.file)


def _has_kernels_of(stored: Stored, architecture: Architecture) -> bool:
    if isinstance(stored, WholeModel):
        height, width, _ = architecture.input_shape
        expected = [layer.kernel_shape for layer in convolutions_of(architecture)]
        return kernel_shapes(stored.at((height, width)).graph)[: len(expected)] == expected
    try:
        trunk_of(stored, architecture)
    except RequestError:
        return False
    return True


def _in_words(architecture: Architecture) -> str:
    named = {scaling: name for name, scaling in SCALINGS.items()}
    mean, std = architecture.scaling
    return named.get((mean, std), f"(pixel - {mean:g}) / {std:g}")
