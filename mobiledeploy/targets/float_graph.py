"""A float `Network` as one TensorFlow function: where both float exporters start."""

from typing import Any, assert_never

from mobiledeploy.base.errors import RequestError
from mobiledeploy.network.network import Network
from mobiledeploy.ops.architecture import INPUT
from mobiledeploy.spec.config import Head
from mobiledeploy.training import tensorflow_graph, tensorflow_setup


def output_of(network: Network, head: Head) -> str:
    """Return the name of the layer at which a file with this head ends.

    Raises:
        RequestError: A softmax is asked for and the network has none.
    """
    architecture = network.architecture
    match head:
        case "logits":
            return architecture.logits.name
        case "softmax":
            if architecture.output.op != "softmax":
                raise RequestError(
                    f"expected {architecture.name} to end in a softmax, received one that ends in "
                    "logits",
                    hint="ask for `--head logits`",
                )
            return architecture.output.name
        case _:
            assert_never(head)


def function_of(network: Network, *, until: str, batch: int | None) -> Any:
    """Return a `tf.function` from float32 images to a layer's output; the weights are constants.

    Args:
        network: What it computes.
        until: The layer's name.
        batch: Images at a time, None for any number.
    """
    tf = tensorflow_setup.tensorflow()
    architecture, apply = network.architecture, tensorflow_graph.constant_layers(network)
    return tensorflow_graph.traced(
        lambda images: tensorflow_graph.forward(architecture, images, apply, until=until),
        tf.TensorSpec((batch, *architecture.input_shape), tf.float32, name=INPUT),
    )
