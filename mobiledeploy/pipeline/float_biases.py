"""Give an `.onnx` with float biases the integers that ONNX Runtime makes of them.

Tools that train with fake quantisation leave biases in float32. ONNX Runtime quantises them as it
loads the file, by the scale of the input times that of the weights, to run its integer kernels.

Source: onnxruntime/core/optimizer/qdq_transformer/weight_bias_quantization.cc.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.formats import model_file
from mobiledeploy.formats.model_file import ModelFile

_WITH_BIAS: Final = frozenset({"Conv", "Gemm"})
_DEQUANTISE: Final = "DequantizeLinear"


def with_integer_biases(file: ModelFile) -> tuple[ModelFile, frozenset[str]]:
    """Return a copy of an `.onnx` with integer biases, and the outputs of the nodes that got them.

    Args:
        file: Any model file; a `.tflite` is returned as it is.
    """
    if file.format != "onnx":
        return file, frozenset()
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load_model_from_string(file.data)
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    writers = {name: node for node in graph.node for name in node.output}

    def values(name: str) -> npt.NDArray[Any] | None:
        tensor = constants.get(name)
        return None if tensor is None else numpy_helper.to_array(tensor)

    nodes, changed = [], set[str]()
    for node in graph.node:
        pairs = [writers.get(name) for name in node.input[:2]]
        scales = [
            values(pair.input[1])
            for pair in pairs
            if pair is not None and pair.op_type == _DEQUANTISE and pair.input[1:]
        ]
        bias = values(node.input[2]) if node.op_type in _WITH_BIAS and node.input[2:] else None
        if bias is not None and bias.dtype == np.float32 and len(scales) == len(pairs) == 2:
            step = _step(scales)
            if step is not None and step.size in {1, bias.size}:
                name = f"{node.output[0]}/integer bias"
                codes = np.clip(np.rint(bias / step), -(2.0**31), 2.0**31 - 1).astype(np.int32)
                for suffix, array in (("codes", codes), ("step", step)):
                    tensor = numpy_helper.from_array(array, f"{name}/{suffix}")
                    graph.initializer.append(tensor)
                inputs = [f"{name}/codes", f"{name}/step"]
                nodes.append(helper.make_node(_DEQUANTISE, inputs, [name], axis=0))
                node.input[2] = name
                changed.add(node.output[0])
        nodes.append(node)
    if not changed:
        return file, frozenset()
    del graph.node[:]
    graph.node.extend(nodes)
    return model_file.of_bytes(file.name, model.SerializeToString()), frozenset(changed)


def _step(scales: list[npt.NDArray[Any] | None]) -> npt.NDArray[np.float32] | None:
    """Return the scale of a bias: of rank 0, or one for each channel."""
    source, kernel = scales
    if source is None or kernel is None or source.size != 1:
        return None
    product: npt.NDArray[np.float32] = source.ravel()[0] * kernel.ravel()
    if not (product > 0).all():
        return None
    return product if product.size > 1 else product.reshape(())
