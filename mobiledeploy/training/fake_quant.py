"""Fake quantisation: float tensors rounded to the int8 grids of the file to come.

The grids are TFLite's: kernels symmetric in -127..127 with one scale an output channel (one in
all for the dense layer), activations in 256 steps over their range. Gradients pass straight
through inside a range and stop outside it.
"""

from typing import Final

from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.ranges import Ranges
from mobiledeploy.training import session
from mobiledeploy.training.folded import Pairs
from mobiledeploy.training.graph import Apply, Observe, Tensor, convolve_to_train

SMALLEST: Final = 1e-8
"""Range of a channel whose weights are all 0: a scale must be positive."""


def kernel(layer: Layer, values: Tensor) -> Tensor:
    """Return a kernel rounded to its int8 grid, same shape.

    Args:
        layer: Whose kernel it is.
        values: float32, in Keras's order.

    Raises:
        ValueError: The layer has no kernel.
    """
    tf = session.tensorflow()
    match layer.op:
        case "dense":
            bound = _bound(values, None)
            return tf.quantization.fake_quant_with_min_max_vars(
                values, -bound, bound, narrow_range=True
            )
        case "depthwise":
            # The operation has its channels last; such a kernel is (height, width, channels, 1).
            return tf.transpose(_per_channel(tf.transpose(values, (0, 1, 3, 2))), (0, 1, 3, 2))
        case "conv":
            return _per_channel(values)
        case op:
            raise ValueError(f"`{layer.name}`: expected a layer with a kernel, received {op}")


def _per_channel(values: Tensor) -> Tensor:
    tf = session.tensorflow()
    bound = _bound(values, (0, 1, 2))
    return tf.quantization.fake_quant_with_min_max_vars_per_channel(
        values, -bound, bound, narrow_range=True
    )


def _bound(values: Tensor, axes: tuple[int, ...] | None) -> Tensor:
    tf = session.tensorflow()
    return tf.stop_gradient(tf.maximum(tf.reduce_max(tf.abs(values), axes), SMALLEST))


def layers(weights: Pairs) -> Apply:
    """Return what layers compute with kernels rounded to int8 grids; biases stay float.

    Args:
        weights: Kernel and bias by layer name.
    """
    tf = session.tensorflow()

    def apply(layer: Layer, source: Tensor) -> Tensor:
        values, bias = weights[layer.name]
        return tf.nn.bias_add(convolve_to_train(layer, source, kernel(layer, values)), bias)

    return apply


def activations(ranges: Ranges) -> Observe:
    """Return the rounding of every activation to its int8 grid.

    Args:
        ranges: The lowest and highest value of each tensor.
    """
    tf = session.tensorflow()

    def observe(name: str, tensor: Tensor) -> Tensor:
        low, high = ranges[name]
        return tf.quantization.fake_quant_with_min_max_args(tensor, low, high)

    return observe
