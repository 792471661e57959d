"""`mobiledeploy build`, from the shell."""

import json
import shutil
import signal
import subprocess
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from e2e.conftest import SCHEMAS, SIZE, SMALL, mobiledeploy, printed
from program import PROGRAM

from mobiledeploy.pipeline import resume
from mobiledeploy.spec import manifest
from mobiledeploy.spec.config import BuildConfig

pytestmark = pytest.mark.tensorflow

PUBLISHED = {
    "contract.json",
    "evaluation.npz",
    "golden.npz",
    "labels.txt",
    "model.onnx",
    "model.tflite",
    "report.json",
}


def contents(build: Path) -> dict[str, bytes]:
    return {name: (build / name).read_bytes() for name in (*sorted(PUBLISHED), "manifest.json")}


def test_a_build_holds_what_its_manifest_names(small_build: Path) -> None:
    listed = manifest.read(small_build)
    assert {file.path for file in listed.files} == PUBLISHED
    assert listed.versions["tensorflow"]
    assert isinstance(listed.config, BuildConfig)
    assert listed.config.model.arch == "v1"


def test_the_contract_is_as_its_schema_says(small_build: Path) -> None:
    schema = json.loads((SCHEMAS / "contract.schema.json").read_text())
    contract = json.loads((small_build / "contract.json").read_text())
    jsonschema.validate(contract, schema)
    assert contract["input"] == {
        "dtype": "int8",
        "shape": [1, SIZE, SIZE, 3],
        "grid": {"scale": 1 / 128, "zero_point": 0},
    }
    assert (small_build / "labels.txt").read_text().splitlines() == list("0123456789")
    assert contract["classes"] == 10


@pytest.mark.slow
def test_the_layers_of_a_trained_network_are_explained(small_build: Path, tmp_path: Path) -> None:
    done = mobiledeploy("explain", small_build, "--json", "-q", cwd=tmp_path)
    document = printed(done, "explain")
    assert len(document["layers"]) == 29
    report = json.loads((small_build / "report.json").read_text())
    assert document["same"] == report["float_agreement"]["same"]["correct"]


def test_golden_vectors_vary(small_build: Path) -> None:
    with np.load(small_build / "golden.npz", allow_pickle=False) as archive:
        assert len(np.unique(archive["logits"], axis=0)) > 1
        assert archive["pixels"].shape == (16, SIZE, SIZE, 3)
        assert archive["names"][-1] == "uniform noise 0"
        grids = archive["grids"].tolist()
    contract = json.loads((small_build / "contract.json").read_text())
    told = contract["input"]["grid"], contract["output"]["grid"], contract["logits"]
    assert grids == [[grid["scale"], grid["zero_point"]] for grid in told]


def test_a_second_build_reuses_all_stages_and_changes_no_byte(
    small_build: Path, tmp_path: Path
) -> None:
    shutil.copytree(small_build, tmp_path / "build")
    before = contents(tmp_path / "build")
    done = mobiledeploy(*SMALL, "--json", cwd=tmp_path)
    report = printed(done, "build")
    assert [time["seconds"] for time in report["times"]] == [0.0] * 5
    assert done.stderr.count("up to date") == 5
    assert report["rungs"][0]["name"] == "extremes"
    assert len(report["rungs"]) + len(report.get("not_tried", ())) == 5
    after = contents(tmp_path / "build")
    # The report says how long each stage took, and the manifest knows the report.
    changed = {name for name in before if before[name] != after[name]}
    assert changed <= {"report.json", "manifest.json"}


def test_another_output_type_does_not_repeat_the_training(
    small_build: Path, tmp_path: Path
) -> None:
    shutil.copytree(small_build, tmp_path / "build")
    done = mobiledeploy(*SMALL, "--io", "uint8", "--head", "logits", "--json", cwd=tmp_path)
    seconds = {time["stage"]: time["seconds"] for time in printed(done, "build")["times"]}
    assert seconds["train"] == seconds["quantise"] == 0.0
    contract = json.loads((tmp_path / "build/contract.json").read_text())
    assert contract["output"]["dtype"] == "uint8"
    assert contract["head"] == "logits"
    mobiledeploy("verify", cwd=tmp_path)


def test_a_stage_can_be_run_again(small_build: Path, tmp_path: Path) -> None:
    shutil.copytree(small_build, tmp_path / "build")
    done = mobiledeploy(*SMALL, "--from", "export", "--json", cwd=tmp_path)
    seconds = {time["stage"]: time["seconds"] for time in printed(done, "build")["times"]}
    assert seconds["quantise"] == 0.0
    assert seconds["export"] > 0
    assert seconds["verify"] > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 8), (signal.SIGKILL, -9)]
)
def test_an_interrupted_build_continues_to_the_same_bytes_as_an_uninterrupted_one(
    small_build: Path, tmp_path: Path, sent: signal.Signals, status: int, heard: None
) -> None:
    with subprocess.Popen(
        [PROGRAM, *SMALL],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("train: training"):
                break
        process.send_signal(sent)
        said = process.stderr.read()
    assert process.returncode == status
    assert not (tmp_path / "build/manifest.json").exists()
    if sent != signal.SIGKILL:
        assert "continues where it stopped" in said
        assert "Traceback" not in said
    mobiledeploy(*SMALL, cwd=tmp_path)
    one, two = contents(small_build), contents(tmp_path / "build")
    # The report says how long each stage took, and the manifest knows the report.
    assert {name for name in one if one[name] != two[name]} <= {"report.json", "manifest.json"}


def test_a_second_build_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    with resume.lock_folder(tmp_path / "build"):
        second = mobiledeploy(*SMALL, cwd=tmp_path, status=9)
    assert "another build is running in" in second.stderr
    assert "hint: " in second.stderr


@pytest.mark.parametrize(
    ("args", "status", "message"),
    [
        (["--alpha", "0.3"], 2, "0.35, 0.5, 0.75, 1.0, 1.3, 1.4; received 0.3"),
        (["--arch", "v3"], 2, "v1, v2; received v3"),
        (["--image-size", "7"], 2, "image size in 16..1024; received 7"),
        (["--data", "nowhere"], 2, "nowhere"),
        (["--weights", "nothing.h5"], 2, "nothing.h5: No such file"),
        (["--weights", "."], 2, "the weights .: Is a directory"),
        (["--weights", "long" * 100], 2, "File name too long"),
        (["--data", "long" * 100], 2, "File name too long"),
        (["--data", "~nobody-of-that-name/photos"], 2, "no home folder"),
        (["--learning-rate", "-1"], 2, "learning rate"),
        (["--learning-rate", "nan"], 2, "learning rate"),
        (["--out", "."], 2, "expected an empty folder"),
        (["--io", "int4"], 2, "int8, uint8, float32; received int4"),
        (["--from", "lunch"], 2, "data, train, quantise, export, verify; received lunch"),
        (["--epochs", "many"], 2, "many"),
        (["--float", "--io", "uint8"], 2, "float files"),
        (["--float", "--qat-steps", "9"], 2, "float files"),
        (["--out", "file/build"], 9, "cannot write file/build"),
    ],
)
def test_a_bad_request_is_refused_before_any_work(
    tmp_path: Path, args: list[str], status: int, message: str
) -> None:
    (tmp_path / "file").write_text("not a folder")
    done = mobiledeploy("build", *args, cwd=tmp_path, status=status)
    assert message in " ".join(done.stderr.split())
    assert "hint: " in done.stderr or "Error: Invalid value" in done.stderr
    assert "Traceback" not in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"file"}
