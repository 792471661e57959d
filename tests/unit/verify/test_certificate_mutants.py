"""A change in either file loses the certificate, or does not change what the file computes."""

import graphs
import numpy as np
import pytest
from mutants import instrument
from unit.verify.proofs import proofs

from mobiledeploy.base.errors import MobileDeployError
from mobiledeploy.compare.judge import judge
from mobiledeploy.formats.onnx import edit as onnx_edit
from mobiledeploy.formats.onnx import parse as parse_onnx
from mobiledeploy.formats.tflite import edit, parse
from mobiledeploy.integer.certify import certify
from mobiledeploy.reading import read_onnx, read_tflite
from mobiledeploy.runtimes import litert, ort
from mobiledeploy.targets import onnx, tflite
from mobiledeploy.verify.proof import certificate


def holds(first: bytes, second: bytes) -> bool:
    readings = read_tflite(parse(first)), read_onnx(parse_onnx(second))
    layers = proofs(first, second).values()
    checks = certificate.border_checks(judge(*readings))
    return all(p.status != "not proven" for p in layers) and all(c.holds for c in checks)


@pytest.mark.slow
def test_no_fault_that_changes_an_output_keeps_the_certificate() -> None:
    graph = graphs.assorted_graph()
    files = tflite.write(graph), onnx.write(graph, certify(graph))
    assert holds(*files)
    images = graphs.extremes(graph.input.shape)
    sound = litert.load(edit.tap(parse(files[0]))).run(images)
    kept, lost = 0, 0
    for mutant in instrument.mutants(*files):
        first, second = (
            (mutant.data, files[1]) if mutant.format == "tflite" else (files[0], mutant.data)
        )
        try:
            still = holds(first, second)
        except MobileDeployError:
            continue
        if not still:
            lost += 1
            continue
        kept += 1
        session = (
            litert.load(edit.tap(parse(first)))
            if mutant.format == "tflite"
            else ort.load(onnx_edit.tap(parse_onnx(second)))
        )
        logits = session.run(images)[-1].astype(np.int64)
        offset = 128 * (mutant.format == "onnx")
        np.testing.assert_array_equal(logits - offset, sound[-1], err_msg=str(mutant))
    assert lost > 200
    assert 1 <= kept < 20
