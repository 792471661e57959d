"""`mobiledeploy inspect`, as its users and their scripts see it."""

import json
from pathlib import Path
from typing import get_args

import graphs
import handmade_keras
import jsonschema
import numpy as np
import onnx as onnx_package
import pytest
import small_floats
from typer.testing import CliRunner
from unit.cli.conftest import check

from mobiledeploy.base.errors import CorruptFileError, ParityError, RequestError
from mobiledeploy.cli._output import WIDTH
from mobiledeploy.cli.inspect import NAMED, NOTICES
from mobiledeploy.cli.main import app
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.integer.certify import certify
from mobiledeploy.network.importers.imported import NoticeKind
from mobiledeploy.targets import onnx, tflite

pytestmark = pytest.mark.usefixtures("without_children")


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    graph = graphs.mobilenet("v2", alpha=0.35, image_size=32)
    (folder / "model.tflite").write_bytes(tflite.write(graph))
    (folder / "model.onnx").write_bytes(onnx.write(graph, certify(graph)))
    return folder


def run(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, ["inspect", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_json_follows_its_schema(build: Path) -> None:
    document = json.loads(run(build, "--json"))
    check(document, "inspect")
    assert [file["format"] for file in document["files"]] == ["tflite", "onnx"]
    document["files"][0]["surprise"] = 1
    with pytest.raises(jsonschema.ValidationError, match="surprise"):
        check(document, "inspect")


def test_the_summary_says_what_to_feed_and_what_runs_it(build: Path) -> None:
    text = run(build / "model.tflite")
    assert "`input` int8 [1, 32, 32, 3] NHWC, real = (code - 0) x 0.0078125" in text
    assert "35 CONV_2D, 17 DEPTHWISE_CONV_2D, 10 ADD" in text
    assert "TFLite 1.14 or newer" in text
    assert text.rstrip().endswith("findings: none")
    assert "scales" not in text


def test_a_build_folder_shows_both_files_and_what_they_share(build: Path) -> None:
    text = run(build)
    assert "model.tflite" in text
    assert "ONNX Runtime 1.12 or newer" in text
    assert "same      type of the layers, input, output" in text


def test_tables_come_when_asked_for_and_fit_the_width(build: Path) -> None:
    text = run(build, "--ops", "--tensors")
    assert "DEPTHWISE_CONV_2D        3     17" in text
    assert "block_16_project/kernel" in text
    assert max(map(len, text.splitlines())) <= WIDTH


def flawed(folder: Path, *, name: str = "output", bias_grid: float = 0.1) -> Path:
    """A layer with a weight code -128, and with a bias on another grid if asked for."""
    model = TfliteWriter()
    image = model.activation("image", np.int8, (1, 8, 8, 4), scale=np.float32(0.1))
    weights = np.arange(-128, -128 + 32, dtype=np.int8).reshape(8, 1, 1, 4)
    scale = np.full(8, 0.01, np.float32)
    kernel = model.constant("kernel", weights, scale=scale)
    grid = scale * np.float32(bias_grid)
    bias = model.constant("bias", np.zeros(8, np.int32), scale=grid)
    output = model.activation(name, np.int8, (1, 8, 8, 8), scale=np.float32(1))
    strides = {"StrideW": 1, "StrideH": 1}
    model.operator("CONV_2D", 3, [image, kernel, bias], output, "Conv2DOptions", **strides)
    path = folder / "flawed.tflite"
    path.write_bytes(
        model.finish(
            description="",
            min_runtime="1.14.0",
            inputs={"input": image},
            outputs={"output": output},
        )
    )
    return path


def test_a_warning_does_not_change_the_exit_status_unless_strict(tmp_path: Path) -> None:
    path = flawed(tmp_path)
    text = run(path)
    assert "findings: 1 warning" in text
    assert "MD102 weight code -128" in text
    assert "CONV_2D `output`: -128, 1 times" in text
    with pytest.raises(ParityError, match="MD102"):
        CliRunner().invoke(app, ["inspect", str(path), "--strict"], catch_exceptions=False)


def test_an_error_gives_exit_status_5(tmp_path: Path) -> None:
    path = flawed(tmp_path, bias_grid=0.2)
    with pytest.raises(ParityError, match=r": the rule MD106 is broken$") as caught:
        CliRunner().invoke(app, ["inspect", str(path)], catch_exceptions=False)
    assert caught.value.exit_status == 5
    result = CliRunner().invoke(app, ["inspect", str(path), "--json"])
    document = json.loads(result.stdout)
    check(document, "inspect")
    assert {f["rule"] for f in document["files"][0]["findings"]} == {"MD102", "MD106"}


def test_a_damaged_file_gives_exit_status_6(tmp_path: Path, build: Path) -> None:
    path = tmp_path / "cut.tflite"
    path.write_bytes((build / "model.tflite").read_bytes()[:5000])
    with pytest.raises(CorruptFileError, match=r"cut\.tflite") as caught:
        run(path)
    assert caught.value.exit_status == 6


def test_names_in_a_foreign_file_cannot_steer_the_terminal(tmp_path: Path) -> None:
    text = run(flawed(tmp_path, name="\x1b[2Joutput\x07"), "--tensors")
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "?[2Joutput?" in text


def test_a_release_that_is_not_known_has_a_bound_that_is(build: Path, tmp_path: Path) -> None:
    model = onnx_package.load(build / "model.onnx")
    model.opset_import.append(onnx_package.helper.make_opsetid("ai.onnx.ml", 99))
    path = tmp_path / "new.onnx"
    onnx_package.save(model, path)
    text = " ".join(run(path).split())
    assert "ONNX Runtime, release unknown, not before 1.12 (operator set 17" in text
    assert "ai.onnx.ml 99 is in no table" in text


def test_a_keras_model_is_shown_with_what_quantize_does(tmp_path: Path) -> None:
    rescaling = handmade_keras.layer("Rescaling", scale=1 / 127.5, offset=-1.0)
    path = handmade_keras.write(tmp_path / "mine.keras", rescaling)
    document = json.loads(run(path, "--json"))
    check(document, "inspect")
    assert document["files"] == []
    assert document["keras"]["layers"][0]["kind"] == "Rescaling"
    assert document["quantize"][0]["takes"]
    text = run(path, "--ops", "--tensors")
    assert "Keras 3.9.0, float32 weights" in text
    assert "16 x 16 x 3 (the model: NHWC)" in text
    assert "softmax, 4 values; taken for a classification task" in text
    assert "they are the input as they are, 0 to 255" in text
    assert "quantize  takes it" in text
    assert "4: 1 Rescaling, 1 Conv2D, 1 GlobalAveragePooling2D, 1 Dense" in " ".join(text.split())
    assert "globalaveragepooling2d GlobalAveragePooling2D mean 5" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= WIDTH


def test_a_float_file_is_shown_with_the_layers_that_quantize_refuses() -> None:
    path = Path(__file__).parents[1] / "network/importers/exports/odd.onnx"
    document = json.loads(run(path, "--json"))
    check(document, "inspect")
    assert [line["name"] for line in document["quantize"][0]["refused"]] == [
        "/Softplus", "/Softplus_1",
    ]  # fmt: skip
    text = " ".join(run(path).split())
    assert "quantize refuses it: 2 layers are not supported" in text
    assert "(Softplus): there is no int8 operator for `softplus`" in text


def test_a_file_of_integers_has_nothing_for_quantize(build: Path) -> None:
    assert set(json.loads(run(build, "--json"))) == {"files", "across"}


@pytest.mark.parametrize("command", ["inspect", "quantize"])
def test_a_folder_without_models_is_said_to_be_a_folder(command: str, tmp_path: Path) -> None:
    arguments = [command, str(tmp_path), *(["--random"] if command == "quantize" else [])]
    with pytest.raises(RequestError, match=r"^expected a file, received the folder") as caught:
        CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert "name" in (caught.value.hint or "")
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(RequestError, match=r": a TensorFlow SavedModel$") as caught:
        CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert "model.save('model.keras')" in (caught.value.hint or "")


def test_every_notice_has_its_words() -> None:
    assert set(NOTICES) == set(get_args(NoticeKind))
    assert set(NOTICES) >= NAMED


@pytest.mark.parametrize(
    ("shape", "outputs", "data"),
    [
        ((16, 16, 3), 3, "FOLDER"),
        ((16, 16, 3), 1, "FOLDER --input-range RANGE"),
        ((8,), 3, "FILE.npy"),
    ],
)
def test_what_follows_is_a_command_that_takes_the_file(
    shape: tuple[int, ...], outputs: int, data: str, tmp_path: Path
) -> None:
    path = small_floats.file(tmp_path / "a.tflite", shape, outputs)
    result = CliRunner().invoke(app, ["inspect", str(path)], catch_exceptions=False)
    assert result.stderr.splitlines()[-1] == (
        f"next: mobiledeploy quantize {path} --data {data} --out build"
    )


def test_a_file_of_another_kind_is_refused_with_the_kinds_that_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("Some words about the model.\n")
    with pytest.raises(RequestError, match=r"expected a \.tflite, \.onnx, \.keras or \.h5$"):
        CliRunner().invoke(app, ["inspect", str(path)], catch_exceptions=False)
