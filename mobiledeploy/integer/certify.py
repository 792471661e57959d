"""Prove that every layer of a graph is the same function in LiteRT and in ONNX Runtime.

Operators that are not `Certified` need no certificate, or have none: their modules say why.
Convolutions and dense layers are the same arithmetic in both runtimes. The softmax has none:
TFLite's own kernels differ by a step from one CPU to another.
"""

from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.ops import table
from mobiledeploy.ops.certificate import Certificate
from mobiledeploy.ops.operator import Certified


def certify(graph: IntegerGraph) -> dict[str, Certificate]:
    """Return a certificate for every operator that is `Certified`, by the name of its output.

    Raises:
        ConversionError: The runtimes cannot be brought to agree on a layer; the message names
            it.
    """
    tensors = graph.tensors()
    certificates = {}
    for node in graph.nodes:
        operator = table.of_node(node)
        if isinstance(operator, Certified):
            inputs = [tensors[name] for name in node.inputs]
            certificates[node.output.name] = operator.certify(node, inputs)
    return certificates
