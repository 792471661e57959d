"""A float32 `.onnx`, by tf2onnx."""

from typing import Any

from mobiledeploy._version import __version__
from mobiledeploy.base import quiet
from mobiledeploy.formats.onnx.writer import IR_VERSION, OPSET
from mobiledeploy.network.network import Network
from mobiledeploy.ops.architecture import INPUT
from mobiledeploy.spec.config import Head
from mobiledeploy.targets import float_graph
from mobiledeploy.training import session


def write(network: Network, *, head: Head = "softmax") -> bytes:
    """Return the file's bytes: any number of float32 images in (NHWC), scores or logits out.

    Args:
        network: What to write.
        head: Whether the file ends in the softmax or in the logits.

    Raises:
        MissingDependencyError: TensorFlow is not installed.
        RequestError: A softmax is asked for and the network has none.
    """
    session.tensorflow()
    output = float_graph.output_of(network, head)
    function = float_graph.function_of(network, until=output, batch=None)
    with quiet.native_stderr():
        import tf2onnx

        converted, _ = tf2onnx.convert.from_function(
            function, input_signature=function.input_signature, opset=OPSET
        )
    return _tidy(converted.graph, network, output)


def _tidy(graph: Any, network: Network, output: str) -> bytes:
    """Return a model of the graph whose bytes depend on the network alone.

    tf2onnx numbers tensors over the life of the process and orders constants by chance: here
    both follow from the order in which nodes need them.
    """
    from onnx import TensorProto, helper

    stored = {constant.name: constant for constant in graph.initializer}
    used = dict.fromkeys(name for node in graph.node for name in node.input if name in stored)
    constants = [stored[name] for name in used]
    names = {graph.input[0].name: INPUT}
    for index, constant in enumerate(constants):
        names[constant.name] = f"constant_{index}"
        constant.name = names[constant.name]
    for index, node in enumerate(graph.node):
        names.update((name, f"{node.op_type}_{index}") for name in node.output)
    names[graph.output[0].name] = output
    for node in graph.node:
        node.input[:] = [names[name] if name else "" for name in node.input]
        node.output[:] = [names[name] for name in node.output]
        node.name = node.output[0]
    shapes = network.architecture.shapes()
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shapes[name]])
        for name in (INPUT, output)
    ]
    model = helper.make_model(
        helper.make_graph(graph.node, network.architecture.name, ends[:1], ends[1:], constants),
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="mobiledeploy",
        producer_version=__version__,
    )
    data: bytes = model.SerializeToString(deterministic=True)
    return data
