"""`quantize` makes a build folder of somebody's float model, which `verify` proves."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import grey_levels
import jsonschema
import program
import pytest
import referencing

from mobiledeploy.spec import manifest
from mobiledeploy.spec.channel_scaling import SCALINGS
from mobiledeploy.spec.config import ImportConfig

SCHEMAS = Path(__file__).parents[2] / "docs/schemas"
EXPORTS = Path(__file__).parents[1] / "unit/network/importers/exports"


def run(*words: str | Path, status: int = 0) -> Any:
    done = program.run(*words)
    assert done.returncode == status, f"{done.stdout}\n{done.stderr}"
    return done


def validate(document: Any, name: str) -> None:
    schemas = {path.name: json.loads(path.read_text()) for path in SCHEMAS.iterdir()}
    registry: Any = referencing.Registry().with_resources(
        (key, referencing.Resource.from_contents(schema)) for key, schema in schemas.items()
    )
    schema = schemas[f"{name}.schema.json"]
    jsonschema.Draft202012Validator(schema, registry=registry).validate(document)


@pytest.mark.parametrize(
    "name",
    [
        "mobilenet_v3",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("densenet121", "shufflenet_v2", "efficientnet_b0")
        ),
    ],
)
def test_a_network_of_pytorch_becomes_two_files_that_are_one_function(
    name: str, tmp_path: Path
) -> None:
    out = tmp_path / "build"
    words = (EXPORTS / f"{name}.onnx", "--random", "--input-range=-1..1", "-o", out, "--json")
    report = json.loads(run("quantize", *words).stdout)
    assert report["holds"]
    assert report["verdict"].startswith("holds: logits equal on 285 of 285 inputs")
    config = manifest.read(out).config
    assert isinstance(config, ImportConfig)
    assert (config.model, config.export.head) == (f"{name}.onnx", "logits")
    verified = json.loads(run("verify", out, "--json").stdout)
    assert verified["holds"]
    again = run("quantize", *words)
    assert "quantise: up to date" in again.stderr


def test_tensorflow_is_not_imported(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['mobiledeploy', *sys.argv[1:]]\n"
        "from mobiledeploy.cli.main import main\n"
        "try:\n    main()\n"
        "finally:\n    assert not {'tensorflow', 'keras', 'torch'} & sys.modules.keys()\n"
    )
    words = ["quantize", str(EXPORTS / "resnet18.onnx"), "--random", "--input-range=0..1"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words, "-o", str(tmp_path / "build")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--random"], "does not say how pixels become its input"),
        (["--input-range=-1..1"], "expected photos or synthetic images, received neither"),
        (["--random", "--input-range=7"], "expected an input range of"),
        (["--random", "--input-range=-1..1", "--labels", "nope"], "nope"),
    ],
)
def test_a_request_that_says_too_little_is_refused_before_anything_is_written(
    words: list[str], message: str, tmp_path: Path
) -> None:
    out = tmp_path / "build"
    done = run("quantize", EXPORTS / "resnet18.onnx", *words, "-o", out, status=2)
    assert message in done.stderr
    assert "hint: " in done.stderr
    assert not out.exists()


def test_without_a_range_the_photos_choose_it_and_the_report_has_the_numbers(
    tmp_path: Path,
) -> None:
    model = grey_levels.classifier(tmp_path / "model.onnx", SCALINGS["torchvision"], 6)
    photos = grey_levels.photos(tmp_path / "photos", tuple("abcdef"))
    done = run("quantize", model, "--data", photos, "-o", tmp_path / "build", "--json")
    report = json.loads(done.stdout)
    validate(report, "build")
    assert report["input_choice"]["chosen"] == "torchvision"
    assert report["class_order"]["given"]["correct"] == 64
    assert report["labels_from"] == "folders"
    run("verify", tmp_path / "build", "--out", tmp_path / "page")
    assert {path.name for path in (tmp_path / "page").iterdir()} == {"report.html", "report.json"}
    validate(json.loads((tmp_path / "page/report.json").read_text()), "report")
    assert "<dd>model.onnx, " in (tmp_path / "page/report.html").read_text()


def test_layers_that_are_not_supported_are_all_named(tmp_path: Path) -> None:
    out = tmp_path / "build"
    done = run("quantize", EXPORTS / "odd.onnx", "--random", "-o", out, status=4)
    assert "`/Softplus` (Softplus)" in done.stderr
    assert "`/Softplus_1` (Softplus)" in done.stderr
    assert not out.exists()
