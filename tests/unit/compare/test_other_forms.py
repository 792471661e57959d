"""The same integers in another form, as saved by a runtime, are read as the same."""

from pathlib import Path
from typing import Any

import comparing
import graphs
import numpy as np
import pytest
from float_onnx import quantised_by_ort
from known import known

from mobiledeploy import reading
from mobiledeploy.formats.onnx import parse as parse_onnx
from mobiledeploy.formats.tflite import parse
from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.ops.certificate import Certificate
from mobiledeploy.runtimes import ort
from mobiledeploy.targets import onnx, tflite

NETWORK, RANGES = graphs.random_network(graphs.assorted())


def test_a_tensor_that_each_reader_quantises_again_has_one_layer(tmp_path: Path) -> None:
    file = quantised_by_ort(NETWORK, tmp_path, extra_options={"DedicatedQDQPair": True})
    kinds = [layer.kind for layer in reading.read_onnx(parse_onnx(file)).layers]
    assert len(kinds) == len(NETWORK.architecture.layers)
    assert "quantize" not in kinds


def ours() -> bytes:
    graph = quantise(NETWORK, RANGES)
    return onnx.write(graph, certify(graph))


def by_ort(folder: Path, **options: Any) -> bytes:
    from onnxruntime.quantization import QuantFormat, QuantType

    return quantised_by_ort(
        NETWORK,
        folder,
        quant_format=QuantFormat[options["form"]],
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
    )


@pytest.mark.parametrize("form", ["ours", "QDQ", "QOperator"])
def test_what_ort_has_optimised_and_saved_holds_the_same_integers(
    form: str, tmp_path: Path
) -> None:
    file = ours() if form == "ours" else by_ort(tmp_path, form=form)
    saved = tmp_path / "optimised.onnx"
    ort.load(file, save=saved)
    assert b"channels_last" in saved.read_bytes()
    pair = reading.read_onnx(parse_onnx(file)), reading.read_onnx(parse_onnx(saved.read_bytes()))
    assert "unknown" not in {layer.kind for layer in pair[1].layers}
    report = comparing.compare(*pair)
    assert report.matched == report.layers == report.other_layers
    assert report.same, report.cause


def test_a_file_is_the_same_as_itself_however_its_additions_round() -> None:
    """Of some scales, ONNX Runtime's own kernels make different sums; of one file, one is run."""
    scales = np.float32(0.041416936), np.float32(0.0063787783), np.float32(0.042630032)
    graph = graphs.addition(scales, (15, -9, 15))
    plain = Certificate(
        name="sum", scales=scales[:2], cases=0, differing_before=0, differing_after=0
    )
    file = reading.read_onnx(parse_onnx(onnx.write(graph, {"sum": plain}, head="logits")))
    assert comparing.compare(file, file).same
    first = reading.read_tflite(parse(tflite.write(graph, head="logits")))
    assert known(comparing.compare(first, file).first).field == "rounding"
