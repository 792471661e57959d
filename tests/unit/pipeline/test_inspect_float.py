"""`inspect` says of a float file what `quantize` then does."""

from pathlib import Path

import graphs
import handmade_keras
import pytest
import small_floats
from handmade_keras import layer
from typer.testing import CliRunner

from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.cli.main import app
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.lint.report import KerasReport, QuantizeReport, RefusedLayer
from mobiledeploy.network.float_graph import FloatGraph, FloatNode
from mobiledeploy.pipeline.inspect_float import inspect_keras, quantize_report
from mobiledeploy.pipeline.quantize import quantize
from mobiledeploy.spec.channel_scaling import RANGES
from mobiledeploy.targets import float_tflite, tflite

pytestmark = pytest.mark.usefixtures("without_children")

EXPORTS = Path(__file__).parents[1] / "network/importers/exports"
RESCALING = layer("Rescaling", scale=1 / 127.5, offset=-1.0)
CODE = layer("Lambda", function={"class_name": "__lambda__", "config": {"code": "4wEAAAA="}})


def test_what_may_be_an_autoencoder_is_taken_for_nothing(tmp_path: Path) -> None:
    outlook = quantize_report(small_floats.file(tmp_path / "a.tflite", (7,), 7))
    assert (outlook.takes, outlook.task) == (True, None)
    done = CliRunner().invoke(app, ["inspect", str(tmp_path / "a.tflite")])
    assert "say `--task regression` if they are its input again" in " ".join(done.stdout.split())
    assert "--data FILE.npy --task TASK" in done.stderr


def inspected(path: Path) -> tuple[KerasReport, QuantizeReport]:
    report = inspect_keras(path)
    assert report.keras is not None
    assert report.files == ()
    (outlook,) = report.quantize
    return report.keras, outlook


@pytest.mark.parametrize("name", ["a.keras", "a.h5"])
def test_a_keras_model_shows_its_layers_with_their_shapes(name: str, tmp_path: Path) -> None:
    model, outlook = inspected(handmade_keras.write(tmp_path / name, RESCALING))
    assert model.producer == "Keras 3.9.0"
    assert (model.input_shape, model.input_layout) == ((16, 16, 3), "NHWC")
    assert model.output_shape == (4,)
    assert model.dtypes == ("float32",)
    assert [(line.kind, line.shape, line.weights) for line in model.layers] == [
        ("Rescaling", (16, 16, 3), 6),
        ("Conv2D", (8, 8, 5), 140),
        ("Conv2D", (8, 8, 5), 0),
        ("GlobalAveragePooling2D", (5,), 0),
        ("Dense", (4,), 24),
        ("Dense", (4,), 0),
    ]
    assert outlook.takes
    assert (outlook.head, outlook.task, outlook.classes) == ("softmax", "classification", 4)
    assert outlook.scaling == RANGES["0..255"]
    assert not outlook.needs_input_range


def test_a_model_that_quantize_takes_is_quantised(tmp_path: Path) -> None:
    path = handmade_keras.write(tmp_path / "a.keras", RESCALING)
    assert inspected(path)[1].takes
    assert quantize(path, tmp_path / "build").holds


def test_an_input_range_that_the_file_does_not_say_has_to_be_given(tmp_path: Path) -> None:
    path = handmade_keras.write(tmp_path / "a.keras")
    _, outlook = inspected(path)
    assert outlook.takes
    assert outlook.needs_input_range
    assert outlook.scaling is None
    with pytest.raises(RequestError, match="does not say how pixels"):
        quantize(path, tmp_path / "build")


def test_a_layer_of_code_is_refused_with_the_reason_that_quantize_gives(tmp_path: Path) -> None:
    path = handmade_keras.write(tmp_path / "a.keras", CODE)
    model, outlook = inspected(path)
    assert not outlook.takes
    assert outlook.head == "unknown"
    (refused,) = outlook.refused
    assert (refused.name, refused.kind) == ("lambda", "Lambda")
    assert [line.shape for line in model.layers] == [None] * 6
    with pytest.raises(ConversionError) as caught:
        quantize(path, tmp_path / "build")
    assert refused.reason in str(caught.value)


def test_layers_without_an_int8_operator_are_all_named() -> None:
    outlook = quantize_report(EXPORTS / "odd.onnx")
    reason = "there is no int8 operator for `softplus`"
    assert not outlook.takes
    assert outlook.refused == tuple(
        RefusedLayer(name=name, kind="Softplus", reason=reason)
        for name in ("/Softplus", "/Softplus_1")
    )
    assert outlook.head == "softmax"


def test_an_input_that_is_no_image_needs_values_and_no_input_range(tmp_path: Path) -> None:
    path = handmade_keras.write(tmp_path / "a.keras", shape=(16, 16, 2))
    _, outlook = inspected(path)
    assert outlook.takes
    assert not outlook.image
    assert not outlook.needs_input_range


def test_an_output_that_is_no_vector_is_refused_with_the_reason(tmp_path: Path) -> None:
    pool = FloatNode(name="pool", op="max_pool", inputs=("input",), attributes={
        "window": (2, 2), "strides": (2, 2), "pads": (0, 0, 0, 0),
    })  # fmt: skip
    graph = FloatGraph(name="net", input_shape=(16, 16, 3), nodes=(pool,), output="pool")
    path = tmp_path / "a.tflite"
    path.write_bytes(float_tflite.write(graph))
    outlook = quantize_report(path)
    assert not outlook.takes
    assert "expected one vector as output" in outlook.reason


def test_a_file_that_cannot_be_imported_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "a.tflite"
    path.write_bytes(tflite.write(graphs.assorted_graph()))
    outlook = quantize_report(path)
    assert not outlook.takes
    assert "quantised" in outlook.reason
    assert outlook.refused == ()


def test_weights_in_variables_are_named_with_what_to_do(tmp_path: Path) -> None:
    writer = TfliteWriter()
    image, weights, output = (writer.activation(name, "float32", (1, 16)) for name in "xyz")
    writer.operator("READ_VARIABLE", 1, [image], weights)
    writer.operator("ADD", 1, [image, weights], output)
    path = tmp_path / "a.tflite"
    path.write_bytes(
        writer.finish(
            description="", min_runtime="2.6.0", inputs={"x": image}, outputs={"z": output}
        )
    )
    (refused,) = quantize_report(path).refused
    assert refused.kind == "READ_VARIABLE"
    assert "from_keras_model" in refused.reason
