"""tensorflow-model-optimization's quantisers, with its two defects for MobileNets handled.

Out of the box it gives a depthwise kernel one scale in all, because it reduces (height, width,
channels, 1) over all but the last axis; and its activation ranges start at -6..6 and move by a
thousandth a step, so that a short training ends before they have settled.
"""

import os
import warnings
from typing import Any

from mobiledeploy.base.errors import MissingDependencyError
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.training import session


def module() -> Any:
    """Return `tensorflow_model_optimization.quantization.keras`.

    Raises:
        MissingDependencyError: It is not installed.
    """
    session.tensorflow()
    before = os.environ.get("TF_USE_LEGACY_KERAS")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # it still asks for distutils
            import tensorflow_model_optimization as tfmot
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"the QAT engine `tfmot` needs `{error.name}`, which is not installed",
            hint="python -m pip install 'mobiledeploy[build]', or use `--qat-engine folded`",
        ) from error
    finally:
        # Importing it decides for all child processes which Keras TensorFlow shows.
        if before is None:
            os.environ.pop("TF_USE_LEGACY_KERAS", None)
        else:
            os.environ["TF_USE_LEGACY_KERAS"] = before
    return tfmot.quantization.keras


def kernel_quantizer(layer: Layer) -> Any:
    """Return a quantiser for a kernel: symmetric, narrow, its range that of the last step.

    One range an output channel for convolutions, one in all for the dense layer.
    """
    base: Any = module().quantizers.LastValueQuantizer

    class KernelQuantizer(base):  # type: ignore[misc]
        def build(self, tensor_shape: Any, name: str, layer: Any) -> Any:
            return super().build([tensor_shape[axis] for axis in order], name, layer)

        def __call__(self, inputs: Any, training: Any, weights: Any, **kwargs: Any) -> Any:
            tf = session.tensorflow()
            values = tf.transpose(inputs, order)
            return tf.transpose(super().__call__(values, training, weights, **kwargs), order)

    # Exchanging the last two axes is its own inverse, and puts a depthwise kernel's channels last.
    order = {"conv": (0, 1, 2, 3), "depthwise": (0, 1, 3, 2), "dense": (0, 1)}[layer.op]
    return KernelQuantizer(
        num_bits=8, per_axis=layer.op != "dense", symmetric=True, narrow_range=True
    )


def activation_quantizer(low: float, high: float) -> Any:
    """Return a quantiser for activations: a moving average that starts at a calibrated range.

    Args:
        low: Lowest value at the start.
        high: Highest value at the start.
    """
    base: Any = module().quantizers.MovingAverageQuantizer

    class ActivationQuantizer(base):  # type: ignore[misc]
        def build(self, tensor_shape: Any, name: str, layer: Any) -> Any:
            self.range = super().build(tensor_shape, name, layer)
            self.range["min_var"].assign(low)
            self.range["max_var"].assign(high)
            return self.range

    return ActivationQuantizer(num_bits=8, per_axis=False, symmetric=False, narrow_range=False)


def config(kernel: Any | None, output: Any) -> Any:
    """Return which of a layer's tensors are quantised, and by what.

    Args:
        kernel: Quantiser of the kernel, None for layers without.
        output: Quantiser of the output.
    """
    base: Any = module().QuantizeConfig

    class Config(base):  # type: ignore[misc]
        variable: Any = None

        def get_weights_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:
            if kernel is None:
                return []
            # While the wrapper runs, the layer's own attribute holds the rounded kernel.
            self.variable = getattr(layer, _attribute(layer))
            return [(self.variable, kernel)]

        def set_quantize_weights(self, layer: Any, quantize_weights: list[Any]) -> None:
            if quantize_weights:
                setattr(layer, _attribute(layer), quantize_weights[0])

        def get_activations_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:
            del layer
            return []

        def set_quantize_activations(self, layer: Any, quantize_activations: list[Any]) -> None:
            del layer, quantize_activations

        def get_output_quantizers(self, layer: Any) -> list[Any]:
            del layer
            return [output]

        def get_config(self) -> dict[str, Any]:
            return {}

    return Config()


def _attribute(layer: Any) -> str:
    return "depthwise_kernel" if hasattr(layer, "depthwise_kernel") else "kernel"
