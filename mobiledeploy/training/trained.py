"""What float training returns."""

import dataclasses
from typing import TYPE_CHECKING

from mobiledeploy.network.network import Network

if TYPE_CHECKING:
    import keras


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainedNetwork:
    """A trained float network, in both forms.

    Attributes:
        network: Batch norm folded: what is quantised and exported.
        keras_model: The same function as a Keras model, to save and to train on elsewhere.
        note: What was taken from weights and what is new, in a sentence; may be empty.
    """

    network: Network
    keras_model: "keras.Model"
    note: str
