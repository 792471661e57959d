"""What float training returns."""

import dataclasses
from typing import TYPE_CHECKING

from mobiledeploy.models import keras_builder
from mobiledeploy.network import keras_model
from mobiledeploy.network.fold import Variables
from mobiledeploy.network.network import Network
from mobiledeploy.training import session

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


def from_network(network: Network, *, note: str) -> TrainedNetwork:
    """Return a network that was trained without batch norm, with a Keras model made from it.

    The Keras model's batch normalisations add the biases and are otherwise the identity.

    Args:
        network: Trained.
        note: See `TrainedNetwork`.
    """
    session.keras()
    architecture = network.architecture
    model = keras_builder.build(architecture)
    variables = {
        name: Variables(kernel=weights.kernel, bias=weights.bias)
        for name, weights in network.weights.items()
    }
    keras_model.assign(architecture, model, variables)
    return TrainedNetwork(network=network, keras_model=model, note=note)
