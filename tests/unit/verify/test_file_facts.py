"""What a report states about a file without grids."""

import dataclasses

import graphs

from mobiledeploy.formats import model_file
from mobiledeploy.integer.certify import certify
from mobiledeploy.targets import onnx
from mobiledeploy.verify.outputs import int8_files

GRAPH = graphs.assorted_graph()
FILE = dataclasses.replace(
    model_file.of_bytes("model.onnx", onnx.write(GRAPH, certify(GRAPH))), size=12, sha256="0" * 64
)


def test_a_float_file_is_named_with_its_digest_and_how_it_was_fed() -> None:
    scaling = 128.0, 128.0
    facts = int8_files.facts_of_floats(FILE, (32, 32, 3), scaling, softmax=True)
    assert (facts.name, facts.size, facts.sha256) == (FILE.name, FILE.size, FILE.sha256)
    assert facts.input == "float32 NHWC 32 x 32 x 3, no grid"
    assert facts.output == "float logits, then softmax"
    assert facts.fed == "(pixel - 128) / 128"
    assert (
        int8_files.facts_of_floats(FILE, (8, 8, 1), scaling, softmax=False).output
        == "float logits"
    )
