"""The layers of a `.tflite`: operators and tensors carry everything already."""

import math
from typing import Final

from mobiledeploy.formats.model import Activation, Model, Operator
from mobiledeploy.lint.layer import Coded, Kind, Layer
from mobiledeploy.lint.links import Links

BOUNDS: Final[dict[Activation, tuple[float, float]]] = {
    "relu": (0.0, math.inf),
    "relu6": (0.0, 6.0),
    "relu_n1_to_1": (-1.0, 1.0),
}

_KINDS: Final[dict[str, Kind]] = {
    "ADD": "add",
    "AVERAGE_POOL_2D": "same",
    "CONV_2D": "conv",
    "DEPTHWISE_CONV_2D": "depthwise",
    "FULLY_CONNECTED": "dense",
    "MAX_POOL_2D": "same",
    "MEAN": "mean",
    "PAD": "same",
    "RESHAPE": "same",
    "RESIZE_NEAREST_NEIGHBOR": "same",
    "SOFTMAX": "softmax",
    "SQUEEZE": "same",
    "TRANSPOSE": "same",
}
_DEPTHWISE_AXIS: Final = 3


def find(model: Model, links: Links) -> tuple[Layer, ...]:
    """Return the layers of the main graph."""
    del links  # The tensors say it all.
    found = (_layer(model, operator) for operator in model.operators)
    return tuple(layer for layer in found if layer is not None)


def _layer(model: Model, operator: Operator) -> Layer | None:
    kind = _KINDS.get(operator.kind)
    output = _coded(model, operator.output(0))
    if kind is None or operator.domain or output is None:
        return None
    weighted = kind in {"conv", "depthwise", "dense"}
    places = (0, 1) if kind == "add" else (0,)
    sources = tuple(
        coded for coded in (_coded(model, operator.input(place)) for place in places) if coded
    )
    kernel = _coded(model, operator.input(1)) if weighted else None
    return Layer(
        kind=kind,
        operator=operator,
        where=model.named(operator),
        sources=sources,
        output=output,
        kernel=kernel if kernel is not None and kernel.tensor.constant else None,
        channel_axis=_DEPTHWISE_AXIS if kind == "depthwise" else 0,
        bias=_coded(model, operator.input(2)) if weighted else None,
        bounds=BOUNDS.get(operator.activation),
    )


def _coded(model: Model, index: int) -> Coded | None:
    tensor = model.tensor(index)
    return None if tensor is None else Coded(tensor=tensor, grid=tensor.grid)
