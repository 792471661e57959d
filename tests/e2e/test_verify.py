"""`mobiledeploy verify` and `bundle`, from the shell, on a machine without TensorFlow."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from e2e.conftest import mobiledeploy, printed
from onnx import numpy_helper
from unit.deploy.projects import minimal

import mobiledeploy as mobiledeploy_api
from mobiledeploy.base import codec, npz
from mobiledeploy.ops.dense import Dense
from mobiledeploy.spec import manifest
from mobiledeploy.spec.manifest import Manifest
from mobiledeploy.spec.results import File
from mobiledeploy.verify import build as verify_build
from mobiledeploy.verify.outputs.int8_files import Options

pytestmark = pytest.mark.tensorflow  # the build that they verify needs it

FORBIDDEN = "tensorflow", "keras", "tf_keras", "tf2onnx", "h5py", "sklearn"


@pytest.fixture(scope="session")
def without_tensorflow(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which importing the `build` extra fails, as if it were not installed."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "sitecustomize.py").write_text(
        f"import sys\nfor name in {FORBIDDEN!r}:\n    sys.modules[name] = None\n"
    )
    return {"PYTHONPATH": str(folder)}


@pytest.fixture
def build(small_build: Path, tmp_path: Path) -> Path:
    """A copy of the small build, moved to another place and without its stage folders."""
    copy = tmp_path / "moved" / "build"
    copy.mkdir(parents=True)
    for path in small_build.iterdir():
        if path.is_file():
            shutil.copy(path, copy)
    return copy


def sign_off(build: Path) -> None:
    """Make the manifest name the files as they are: a change that no digest shows."""
    listed = codec.from_json(Manifest, (build / manifest.NAME).read_bytes(), where="manifest")
    files = tuple(File.of(build, build / file.path) for file in listed.files)
    manifest.write(build, dataclasses.replace(listed, files=files))


def test_held_back_images_are_decompressed_once(
    build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def counted(path: Path, *args: Any, **kwargs: Any) -> object:
        read.append(path.name)
        return whole(path, *args, **kwargs)

    whole = npz.read
    monkeypatch.setattr(npz, "read", counted)
    assert verify_build.verify(build, samples=4, options=Options(only_main=True)).holds
    assert read.count("evaluation.npz") == 1


def test_a_moved_build_is_proven_without_tensorflow(
    build: Path, without_tensorflow: dict[str, str]
) -> None:
    done = mobiledeploy("verify", "--json", cwd=build.parent, env=without_tensorflow)
    report = printed(done, "verify")
    assert report["holds"]
    assert report["same_grid"]
    names = {pair["inputs"]: pair for pair in report["comparisons"]}
    assert names["held-back images"]["images"] == names["held-back images"]["exact_logits"] > 300
    assert names["synthetic extremes"]["exact_logits"] == names["synthetic extremes"]["images"]
    assert all(pair["max_logits_lsb"] == 0 for pair in names.values())
    assert {line["file"] for line in report["scores"]} == {"float", "model.tflite", "model.onnx"}
    assert all(
        low < line["labels"]["correct"] / line["labels"]["total"] <= high
        for line in report["scores"]
        for low, high in [line["interval"]]
    )
    assert report["paired"][0]["images"] == names["held-back images"]["images"]
    assert [row["exact"] for row in report["participants"]] == [True] * 3 + [False] * 4
    assert report["structure"]["same"]
    assert report["divergence"] is None


def test_the_summary_of_a_build_that_holds_fits_one_screen(build: Path) -> None:
    words = "verify", build, "--samples", "20", "--level", "full", "--quiet"
    done = mobiledeploy(*words, cwd=build)
    assert done.stdout.startswith("holds: logits equal on")
    assert len(done.stdout.splitlines()) <= 25
    assert done.stderr == ""


def test_the_manifest_shows_a_changed_byte(build: Path) -> None:
    data = bytearray((build / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (build / "model.onnx").write_bytes(data)
    done = mobiledeploy("verify", build, cwd=build, status=6)
    assert "model.onnx is not the file that was built" in done.stderr


def change_number(model: onnx.ModelProto, what: str) -> None:
    """Change one number of an int8 ONNX file."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes = model.graph.node
    if what == "a scale":
        names = [node.input[1] for node in nodes if node.op_type == "QuantizeLinear"]
        name = names[len(names) // 2]
        changed = numpy_helper.to_array(constants[name]) * np.float32(1.01)
    else:
        values = {name: numpy_helper.to_array(tensor) for name, tensor in constants.items()}
        name = next(n for n, array in values.items() if array.dtype == np.int8 and array.any())
        changed = values[name].copy()
        changed.flat[0] += 9
    constants[name].CopyFrom(numpy_helper.from_array(np.asarray(changed), name))


@pytest.mark.parametrize("what", ["a weight", "a scale"])
def test_the_comparison_shows_a_changed_number(build: Path, what: str) -> None:
    model = onnx.load(build / "model.onnx")
    change_number(model, what)
    onnx.save(model, build / "model.onnx")
    sign_off(build)
    done = mobiledeploy("verify", build, "--samples", "20", "--json", cwd=build, status=5)
    report = printed(done, "verify")
    assert not report["holds"]
    assert not report["same_grid"]
    assert report["failures"]
    assert "error: " in done.stderr
    field = {"a weight": "weights", "a scale": "scale"}[what]
    assert report["structure"]["first"]["field"] == field
    assert report["divergence"]["other"] == report["structure"]["first"]["other"]
    assert report["divergence"]["cause"].startswith(report["structure"]["cause"])


def test_a_model_whose_output_does_not_vary_is_refused(build: Path) -> None:
    graph = mobiledeploy_api.read_tflite((build / "model.tflite").read_bytes())
    nodes = tuple(
        dataclasses.replace(
            node,
            weights=dataclasses.replace(node.weights, kernel=np.zeros_like(node.weights.kernel)),
        )
        if isinstance(node, Dense)
        else node
        for node in graph.nodes
    )
    graph = dataclasses.replace(graph, nodes=nodes)
    (build / "model.tflite").write_bytes(mobiledeploy_api.write_tflite(graph))
    (build / "model.onnx").write_bytes(
        mobiledeploy_api.write_onnx(graph, mobiledeploy_api.certify(graph))
    )
    sign_off(build)
    done = mobiledeploy("verify", build, "--samples", "20", cwd=build, status=5)
    assert "would prove nothing" in done.stderr


@pytest.mark.parametrize("name", ["model.tflite", "model.onnx", "golden.npz", "contract.json"])
def test_a_file_cut_in_half_is_a_clear_error(build: Path, name: str) -> None:
    path = build / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    sign_off(build)
    done = mobiledeploy("verify", build, cwd=build, status=6)
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_without_a_build_is_a_clear_error(tmp_path: Path) -> None:
    for folder, status, said in ((".", 6, "holds no finished build"), ("build", 2, "no folder")):
        done = mobiledeploy("verify", folder, cwd=tmp_path, status=status)
        assert said in done.stderr
        assert (
            "hint: run `mobiledeploy quantize` (for a model of yours) or `mobiledeploy build`"
            in done.stderr
        )


def test_a_build_is_bundled_without_tensorflow(
    build: Path, tmp_path: Path, without_tensorflow: dict[str, str]
) -> None:
    minimal(tmp_path / "demo")
    done = mobiledeploy(
        "bundle", build, "--app", tmp_path / "demo", "--json", cwd=tmp_path, env=without_tensorflow
    )
    bundled = printed(done, "bundle")
    assets = tmp_path / "demo/app/src/main/assets/mobiledeploy"
    assert Path(bundled["folder"]) == assets
    assert (assets / "model.tflite").read_bytes() == (build / "model.tflite").read_bytes()
