"""The findings on files that other tools make from one small network."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import graphs
import numpy as np
import pytest

from mobiledeploy.lint.inspection import inspect_file
from mobiledeploy.lint.report import FileReport

pytestmark = [
    pytest.mark.usefixtures("without_children"),
    pytest.mark.tensorflow,
    pytest.mark.filterwarnings("ignore:Statistics for quantized inputs were expected"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def images() -> Any:
    return np.random.default_rng(0).uniform(-1, 1, (8, 1, 13, 10, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def network() -> Any:
    return graphs.random_network(graphs.assorted())[0]


@pytest.fixture(scope="module")
def convert(network: Any) -> Callable[..., bytes]:
    """TensorFlow's converter."""
    from mobiledeploy.base import quiet
    from mobiledeploy.targets import float_files
    from mobiledeploy.training import tensorflow_setup

    tf = tensorflow_setup.tensorflow()
    function = float_files.function_of(network, until="scores", batch=1)

    def converted(*, int8: bool) -> bytes:
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [function.get_concrete_function()]
        )
        if int8:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = representative
        with quiet.native_stderr():
            data: bytes = converter.convert()
        return data

    return converted


def representative() -> Iterator[list[Any]]:
    for image in images():
        yield [image]


def report(folder: Path, ending: str, data: bytes) -> FileReport:
    path = folder / f"model.{ending}"
    path.write_bytes(data)
    return inspect_file(path)


def rules(read: FileReport) -> set[str]:
    return {finding.rule for finding in read.findings}


def test_an_int8_file_from_tensorflows_converter_claims_runtimes_that_misread_it(
    tmp_path: Path, convert: Callable[..., bytes]
) -> None:
    read = report(tmp_path, "tflite", convert(int8=True))
    assert read.kind == "int8"
    assert rules(read) == {"MD302", "MD303"}
    assert (read.runtime.minimum, read.runtime.claimed) == ("2.10", "1.14.0")
    assert read.inputs[0].dtype == "float32"
    assert read.inputs[0].low == pytest.approx(-1, abs=0.02)


def test_a_float_file_from_tensorflows_converter_breaks_no_rule(
    tmp_path: Path, convert: Callable[..., bytes]
) -> None:
    read = report(tmp_path, "tflite", convert(int8=False))
    assert read.kind == "float32"
    assert rules(read) == set()


@pytest.fixture(scope="module")
def float_onnx(network: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from mobiledeploy.targets import float_files

    path = tmp_path_factory.mktemp("onnx") / "float.onnx"
    path.write_bytes(float_files.write_onnx(network))
    return path


def quantised(source: Path, target: Path, **options: Any) -> FileReport:
    """ONNX Runtime's `quantize_static`."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, quantize_static

    name = onnx.load(source).graph.input[0].name

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = iter(images())

        def get_next(self) -> dict[str, Any] | None:
            image = next(self.left, None)
            return None if image is None else {name: image}

    quantize_static(source, target, Reader(), **options)
    return inspect_file(target)


def test_quantize_static_by_default_is_reported_as_slow_and_per_tensor(
    tmp_path: Path, float_onnx: Path
) -> None:
    read = quantised(float_onnx, tmp_path / "model.onnx")
    assert read.kind == "int8"
    assert {"MD103", "MD404"} <= rules(read)
    assert not read.count("error")


def test_quantize_static_with_the_right_options_breaks_no_rule_on_speed(
    tmp_path: Path, float_onnx: Path
) -> None:
    from onnxruntime.quantization import QuantType

    types = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
    read = quantised(float_onnx, tmp_path / "model.onnx", per_channel=True, **types)
    assert read.kind == "uint8"
    assert read.inputs[0].low == pytest.approx(-1, abs=0.02)
    assert not rules(read) & {"MD103", "MD402", "MD404", "MD405", "MD408"}


def test_the_qoperator_form_of_quantize_static_is_reported(
    tmp_path: Path, float_onnx: Path
) -> None:
    from onnxruntime.quantization import QuantFormat, QuantType

    types = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
    read = quantised(
        float_onnx, tmp_path / "model.onnx", quant_format=QuantFormat.QOperator, **types
    )
    assert {"MD409", "MD410"} <= rules(read)
    assert read.opsets["com.microsoft"] == 1


def test_int8_activations_and_shared_zero_points_of_tf2onnx_are_reported(
    tmp_path: Path, convert: Callable[..., bytes]
) -> None:
    import tf2onnx

    source, target = tmp_path / "model.tflite", tmp_path / "model.onnx"
    source.write_bytes(convert(int8=True))
    tf2onnx.convert.from_tflite(str(source), opset=17, output_path=str(target))
    read = inspect_file(target)
    assert {"MD005", "MD404", "MD407"} <= rules(read)
    assert not read.count("error")
