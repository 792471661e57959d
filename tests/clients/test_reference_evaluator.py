"""The onnx package's reference evaluator gives what ONNX Runtime gives, bit for bit."""

import graphs
import numpy as np
import onnx
import pytest
from clients import classifiers
from onnx import version_converter
from onnx.reference import ReferenceEvaluator

from mobiledeploy.formats.onnx.writer import OPSET
from mobiledeploy.integer.certify import certify
from mobiledeploy.runtimes import ort_optimised
from mobiledeploy.spec.config import Head
from mobiledeploy.targets import onnx as onnx_target

IMPLEMENTED = 19
"""The oldest opset whose DequantizeLinear the evaluator has."""


@pytest.mark.parametrize("head", ["logits", "softmax"])
def test_a_file_of_a_newer_opset_gives_equal_codes(head: Head) -> None:
    graph = graphs.assorted_graph()
    data = onnx_target.write(graph, certify(graph), head=head)
    images = graphs.extremes(graph.input.shape)
    newer = version_converter.convert_version(onnx.load_model_from_string(data), IMPLEMENTED)
    (outputs,) = ReferenceEvaluator(newer).run(None, {graph.input.name: images})
    np.testing.assert_array_equal(outputs, ort_optimised.load(data).run(images)[0])


def test_the_opset_of_our_files_is_refused() -> None:
    classifier = classifiers.untrained()
    model = onnx.load_model_from_string(classifier.onnx("int8"))
    with pytest.raises(RuntimeError, match=f"'DequantizeLinear'.* version {OPSET}, found 19"):
        ReferenceEvaluator(model)


def test_a_table_of_256_codes_is_refused() -> None:
    """The evaluator's GatherElements takes 64 at most."""
    classifier = classifiers.untrained()
    model = onnx.load_model_from_string(classifier.onnx("int8"))
    evaluator = ReferenceEvaluator(version_converter.convert_version(model, IMPLEMENTED))
    with pytest.raises(ValueError, match="at most 64 array objects"):
        evaluator.run(None, {"input": classifier.inputs("int8")[:1]})
