"""Prove that every layer of a graph is the same function in LiteRT and in ONNX Runtime.

Convolutions and dense layers need no certificate: both runtimes compute the same int32 sums and
multiply them by the same float32 (`input scale * kernel scale / output scale`), halves to even.
The softmax has none: TFLite's own kernels differ by a step from one CPU to another.
"""

import math
from typing import assert_never

from mobiledeploy.integer.certificate import Certificate
from mobiledeploy.integer.certify_add import certify_add
from mobiledeploy.integer.certify_mean import certify_mean
from mobiledeploy.integer.graph import Add, Conv, Dense, IntegerGraph, Mean, Softmax


def certify(graph: IntegerGraph) -> dict[str, Certificate]:
    """Return a certificate for every addition and mean, by the name of its output.

    Raises:
        ConversionError: The runtimes cannot be brought to agree on a layer; the message names
            it.
    """
    tensors = graph.tensors()
    certificates = {}
    for node in graph.nodes:
        out = node.output
        match node:
            case Add():
                a, b = (tensors[name] for name in node.inputs)
                certificates[out.name] = certify_add(
                    out.name,
                    scales=(a.scale, b.scale, out.scale),
                    zeros=(a.zero_point, b.zero_point, out.zero_point),
                )
            case Mean():
                source = tensors[node.input]
                certificates[out.name] = certify_mean(
                    out.name,
                    positions=math.prod(source.shape[:2]),
                    scales=(source.scale, out.scale),
                    zeros=(source.zero_point, out.zero_point),
                )
            case Conv() | Dense() | Softmax():
                pass  # see above
            case _:
                assert_never(node)
    return certificates
