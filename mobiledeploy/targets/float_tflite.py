"""A float32 `.tflite`, by TensorFlow's own converter."""

from typing import Any

from mobiledeploy.base import quiet
from mobiledeploy.formats.tflite import IDENTIFIER
from mobiledeploy.formats.tflite.writer import SIGNATURE
from mobiledeploy.network.network import Network
from mobiledeploy.spec.config import Head
from mobiledeploy.targets import float_graph
from mobiledeploy.training import session


def write(network: Network, *, head: Head = "softmax") -> bytes:
    """Return the file's bytes: one float32 image in, float32 scores or logits out.

    The function is converted by itself, without a Keras model or a module that owns it: those
    take the converter through a SavedModel, which is many times slower and computes the same.

    Args:
        network: What to write.
        head: Whether the file ends in the softmax or in the logits.

    Raises:
        MissingDependencyError: TensorFlow is not installed.
        RequestError: A softmax is asked for and the network has none.
    """
    tf = session.tensorflow()
    output = float_graph.output_of(network, head)
    function = float_graph.function_of(network, until=output, batch=1)
    with quiet.native_stderr():
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [function.get_concrete_function()]
        )
        converted: bytes = converter.convert()
    return _with_signature(converted, output)


def _with_signature(data: bytes, output: str) -> bytes:
    """Name the output, and say how the model is called: without a SavedModel both are missing."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(data, 0)
    (subgraph,) = model.subgraphs
    subgraph.tensors[subgraph.outputs[0]].name = output.encode()
    signature = schema.SignatureDefT()
    signature.signatureKey = SIGNATURE
    signature.inputs = [_tensor_map(schema, "input", subgraph.inputs[0])]
    signature.outputs = [_tensor_map(schema, "output", subgraph.outputs[0])]
    model.signatureDefs = [signature]
    builder = flatbuffers.Builder(len(data))
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def _tensor_map(schema: Any, name: str, index: int) -> Any:
    found = schema.TensorMapT()
    found.name, found.tensorIndex = name, index
    return found
