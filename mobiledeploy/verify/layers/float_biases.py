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
_MOVES: Final = frozenset({"Flatten", "Reshape", "Squeeze"})
"""Nodes that keep real values, behind which ONNX Runtime fuses nothing."""


def with_integer_biases(
    file: ModelFile, *, also_close: bool = True
) -> tuple[ModelFile, frozenset[str], frozenset[str]]:
    """Return a copy of an `.onnx` with integer biases, and the outputs of the nodes that got them.

    Args:
        file: Any model file; a `.tflite` is returned as it is.
        also_close: Whether a bias gets integers that ONNX Runtime adds in float32.

    Returns:
        The copy, the file itself if it has no such biases; the outputs of nodes that ONNX Runtime
        gives the same integers; and those of nodes that it computes in float32, because another
        node stands between them and DequantizeLinear: the integers are only close.
    """
    if file.format != "onnx":
        return file, frozenset(), frozenset()
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load_model_from_string(file.data)
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            given = (each.t for each in node.attribute if each.name == "value")
            constants.update((node.output[0], tensor) for tensor in given)
    writers = {name: node for node in graph.node for name in node.output}

    def values(name: str) -> npt.NDArray[Any] | None:
        tensor = constants.get(name)
        return None if tensor is None else numpy_helper.to_array(tensor)

    nodes, changed, close = [], set[str](), set[str]()
    for node in graph.node:
        pairs = [writers.get(name) for name in node.input[:2]]
        moved = bool(pairs) and pairs[0] is not None and pairs[0].op_type in _MOVES
        while pairs and pairs[0] is not None and pairs[0].op_type in _MOVES:
            pairs[0] = writers.get(pairs[0].input[0])
        scales = [
            values(pair.input[1])
            for pair in pairs
            if pair is not None and pair.op_type == _DEQUANTISE and pair.input[1:]
        ]
        bias = values(node.input[2]) if node.op_type in _WITH_BIAS and node.input[2:] else None
        if bias is not None and bias.dtype == np.float32 and len(scales) == len(pairs) == 2:
            step = _step(scales)
            if moved and not also_close:
                step = None
            if step is not None and step.size in {1, bias.size}:
                name = f"{node.output[0]}/integer bias"
                codes = np.clip(np.rint(bias / step), -(2.0**31), 2.0**31 - 1).astype(np.int32)
                for suffix, array in (("codes", codes), ("step", step)):
                    tensor = numpy_helper.from_array(array, f"{name}/{suffix}")
                    graph.initializer.append(tensor)
                inputs = [f"{name}/codes", f"{name}/step"]
                nodes.append(helper.make_node(_DEQUANTISE, inputs, [name], axis=0))
                node.input[2] = name
                (close if moved else changed).add(node.output[0])
        nodes.append(node)
    if not changed and not close:
        return file, frozenset(), frozenset()
    del graph.node[:]
    graph.node.extend(nodes)
    written = model_file.of_bytes(file.name, model.SerializeToString())
    return written, frozenset(changed), frozenset(close)


def _step(scales: list[npt.NDArray[Any] | None]) -> npt.NDArray[np.float32] | None:
    """Return the scale of a bias: of rank 0, or one for each channel."""
    source, kernel = scales
    if source is None or kernel is None or source.size != 1:
        return None
    product: npt.NDArray[np.float32] = source.ravel()[0] * kernel.ravel()
    if not (product > 0).all():
        return None
    return product if product.size > 1 else product.reshape(())
