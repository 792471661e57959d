"""Variables are found by the names of layers and of the models around them."""

import numpy as np
import pytest

from mobiledeploy.network.keras_config import ConfigLayer
from mobiledeploy.network.keras_variables import KerasFile

PATHS = (
    "yamnet\nlayer1/conv/kernel:0",
    "yamnet\nlayer1/conv/bn/beta:0",
    "yamnet\nconv/kernel:0",
    "yamnet\ntail/layer2/conv/kernel:0",
)


@pytest.mark.parametrize(
    ("parents", "name", "path"),
    [
        (("yamnet",), "layer1/conv", 0),
        (("yamnet", "model"), "layer1/conv", 0),
        (("yamnet",), "layer1/conv/bn", 1),
        (("yamnet",), "conv", 2),
        (("yamnet", "tail"), "layer2/conv", 3),
    ],
)
def test_names_of_layers_may_have_slashes(parents: tuple[str, ...], name: str, path: int) -> None:
    file = KerasFile(
        origin="a.h5", config="", version="2.8.0", layout="layer", names={},
        arrays={key: np.full(1, number) for number, key in enumerate(PATHS)},
    )  # fmt: skip
    layer = ConfigLayer(path="", name=name, class_name="Conv2D", settings={}, parents=parents)
    (variable,) = file.variables(layer)
    assert variable.array == path
