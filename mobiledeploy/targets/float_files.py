"""Write a float network as float32 `.tflite` or `.onnx`, with TensorFlow's converters.

Both convert one `tf.function` that holds the weights as constants.
"""

from typing import Any, assert_never

from mobiledeploy._version import __version__
from mobiledeploy.base import quiet
from mobiledeploy.base.errors import RequestError
from mobiledeploy.formats.onnx.writer import IR_VERSION, OPSET
from mobiledeploy.formats.tflite import IDENTIFIER, metadata_writer
from mobiledeploy.formats.tflite.metadata import ENTRY
from mobiledeploy.formats.tflite.metadata_writer import Attachment
from mobiledeploy.formats.tflite.writer import SIGNATURE
from mobiledeploy.network.network import Network
from mobiledeploy.ops.architecture import INPUT
from mobiledeploy.spec.config import Head
from mobiledeploy.training import tensorflow_graph, tensorflow_setup


def write_tflite(
    network: Network, *, head: Head = "softmax", attached: Attachment | None = None
) -> bytes:
    """Return the file's bytes: one float32 image in, float32 scores or logits out.

    The function is converted without a Keras model or module around it: with one the converter
    goes through a SavedModel, which is many times slower and gives the same numbers.

    Args:
        network: What to write.
        head: Whether the file ends in the softmax or in the logits.
        attached: What the file says to clients such as MediaPipe, with its labels; None: nothing.

    Raises:
        MissingDependencyError: TensorFlow is not installed.
        RequestError: A softmax is asked for, but the network has none.
    """
    tf = tensorflow_setup.tensorflow()
    output = _output_of(network, head)
    function = function_of(network, until=output, batch=1)
    with quiet.native_stderr():
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [function.get_concrete_function()]
        )
        converted: bytes = converter.convert()
    if attached is None:
        return _with_signature(converted, output, b"")
    written = _with_signature(converted, output, metadata_writer.entry(attached.metadata))
    return metadata_writer.with_files(written, attached.files)


def write_onnx(network: Network, *, head: Head = "softmax") -> bytes:
    """Return the file's bytes: any number of float32 images in (NHWC), scores or logits out.

    Args:
        network: What to write.
        head: Whether the file ends in the softmax or in the logits.

    Raises:
        MissingDependencyError: TensorFlow is not installed.
        RequestError: A softmax is asked for, but the network has none.
    """
    tensorflow_setup.tensorflow()
    output = _output_of(network, head)
    function = function_of(network, until=output, batch=None)
    with quiet.native_stderr():
        import tf2onnx

        converted, _ = tf2onnx.convert.from_function(
            function, input_signature=function.input_signature, opset=OPSET
        )
    return _tidy(converted.graph, network, output)


def _output_of(network: Network, head: Head) -> str:
    """Return the name of the last layer of a file with this head.

    Raises:
        RequestError: A softmax is asked for, but the network has none.
    """
    architecture = network.architecture
    match head:
        case "logits":
            return architecture.logits.name
        case "softmax":
            if architecture.output is architecture.logits:
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
        network: The network that it computes.
        until: Name of the layer whose output it returns.
        batch: Size of the batch; None for a dynamic one.
    """
    tf = tensorflow_setup.tensorflow()
    architecture, apply = network.architecture, tensorflow_graph.constant_layers(network)
    return tensorflow_graph.traced(
        lambda images: tensorflow_graph.forward(architecture, images, apply, until=until),
        tf.TensorSpec((batch, *architecture.input_shape), tf.float32, name=INPUT),
    )


def _with_signature(data: bytes, output: str, metadata: bytes) -> bytes:
    """Add the output's name and a signature, which the converter omits without a SavedModel.

    Args:
        data: What the converter wrote.
        output: Name of the output.
        metadata: An entry to add; empty for none.
    """
    import flatbuffers
    import numpy as np
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(data, 0)
    (subgraph,) = model.subgraphs
    subgraph.tensors[subgraph.outputs[0]].name = output.encode()
    signature = schema.SignatureDefT()
    signature.signatureKey = SIGNATURE
    signature.inputs = [_tensor_map(schema, "input", subgraph.inputs[0])]
    signature.outputs = [_tensor_map(schema, "output", subgraph.outputs[0])]
    model.signatureDefs = [signature]
    if metadata:
        buffer, named = schema.BufferT(), schema.MetadataT()
        buffer.data = np.frombuffer(metadata, np.uint8)
        named.name, named.buffer = ENTRY, len(model.buffers)
        model.buffers.append(buffer)
        model.metadata = [*(model.metadata or []), named]
    builder = flatbuffers.Builder(len(data))
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def _tensor_map(schema: Any, name: str, index: int) -> Any:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name, index
    return entry


def _tidy(graph: Any, network: Network, output: str) -> bytes:
    """Return a model of the graph whose bytes depend on the network alone.

    tf2onnx numbers tensors across the whole process and orders constants arbitrarily: here both
    follow the order in which nodes use them.
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
