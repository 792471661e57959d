"""The phone's own arm64 libraries, taken from what an APK carries, executed on the golden vectors.

They run with Android's bionic on an emulated processor: the machine code is the phone's, the
kernel, the speed and the other cores are not.
"""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from android import jvm, tampering

from mobiledeploy.deploy.toolchain import Toolchain
from mobiledeploy.formats.onnx import edit as onnx_edit
from mobiledeploy.formats.onnx import parse as parse_onnx
from mobiledeploy.formats.tflite import edit, parse
from mobiledeploy.integer import tflite_reader
from mobiledeploy.ops.softmax import softmax_codes
from mobiledeploy.targets import tflite
from mobiledeploy.verify.outputs import golden

pytestmark = [pytest.mark.android, pytest.mark.timeout(600)]

IMAGES = 4
V1, V2 = ("--arch", "v1"), ("--arch", "v2")
INT8 = "3"  # of ONNX
Run = Callable[..., str]


@pytest.fixture(scope="session")
def emulated(
    compilers: jvm.Compilers, toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """Run a program on an emulated phone with a library of an AAR: what it printed."""
    class_path = toolchain.jars("unidbg")
    classes = jvm.compiled(compilers, jvm.sources(jvm.DEMO / "ci/unidbg"), class_path)
    folder = tmp_path_factory.mktemp("libraries")

    def run(program: str, part: str, library: str, *args: str | Path) -> str:
        member = f"jni/arm64-v8a/{library}"
        with zipfile.ZipFile(toolchain.file(part, ".aar")) as aar:
            path = Path(aar.extract(member, folder))
        done = jvm.java(program, [path, *args], [classes, *class_path], properties={})
        assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout + done.stderr

    return run


def vectors(
    build: Path, folder: Path, *, images: int = IMAGES
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]]:
    """Write some golden images as a model's input; return their logits and scores."""
    pixels, _, answers = golden.read(build / "golden.npz")
    (pixels[:images] ^ np.uint8(128)).tofile(folder / "inputs")
    assert len(np.unique(answers.logits[:images], axis=0)) > 1
    assert answers.scores is not None
    return answers.logits[:images], answers.scores[:images]


@pytest.mark.parametrize("options", [V1, V2], ids=["v1", "v2"])
def test_tensorflow_lite_gives_the_golden_logits(
    options: tuple[str, ...], emulated: Run, built: Callable[..., Path], tmp_path: Path
) -> None:
    build = built(*options)
    logits, scores = vectors(build, tmp_path)
    model = (build / "model.tflite").read_bytes()
    graph = tflite_reader.read_file(model)
    (tmp_path / "model").write_bytes(edit.tap(parse(model)))
    files = [tmp_path / name for name in ("model", "inputs", "outputs")]
    said = emulated("RunTflite", "tflite-android", "libtensorflowlite_jni.so", *files)
    assert "version 2.16.1 flags 3" in said  # the int8 and uint8 kernels are on by default
    # All but the softmax: XNNPACK leaves that one to TensorFlow Lite.
    operators = len(graph.nodes)
    assert f"Replacing {operators - 1} out of {operators} node(s) with delegate" in said
    outputs = np.fromfile(files[2], np.int8).reshape(IMAGES, 2, -1)
    assert np.array_equal(outputs[:, 1], logits)
    assert np.abs(outputs[:, 0].astype(np.int16) - scores).max() <= 1
    expected = softmax_codes(outputs[:, 1], graph.logits.scale, kernel="arm64")
    assert np.array_equal(outputs[:, 0], expected)


def test_a_bias_that_is_larger_by_one_changes_the_logits(
    emulated: Run, digits: Path, tmp_path: Path
) -> None:
    """So the test above could fail: the same images, a model that differs by one in one place."""
    logits, _ = vectors(digits, tmp_path, images=16)
    model = tflite.write(tampering.with_one_more(digits))
    (tmp_path / "model").write_bytes(edit.tap(parse(model)))
    files = [tmp_path / name for name in ("model", "inputs", "outputs")]
    emulated("RunTflite", "tflite-android", "libtensorflowlite_jni.so", *files)
    outputs = np.fromfile(files[2], np.int8).reshape(len(logits), 2, -1)
    assert not np.array_equal(outputs[:, 1], logits)


@pytest.mark.parametrize("options", [V1, V2], ids=["v1", "v2"])
def test_onnx_runtime_gives_the_golden_logits(
    options: tuple[str, ...], emulated: Run, built: Callable[..., Path], tmp_path: Path
) -> None:
    build = built(*options)
    logits, scores = vectors(build, tmp_path)
    model = (build / "model.onnx").read_bytes()
    recipe = onnx_edit.tap_recipe(parse_onnx(model))
    (tmp_path / "model").write_bytes(recipe.apply(model))
    graph = tflite_reader.read_file((build / "model.tflite").read_bytes())
    files = [tmp_path / name for name in ("model", "inputs", "outputs")]
    side = str(graph.input.shape[0])
    names = (graph.input.name, graph.output.name, recipe.tap("model.onnx").output)
    said = emulated(
        "RunOnnx", "onnxruntime-android", "libonnxruntime.so", *files, side, INT8, *names
    )
    assert "version 1.29.0" in said
    outputs = np.fromfile(files[2], np.uint8).reshape(IMAGES, 2, -1)
    assert np.array_equal(outputs[:, 1].astype(np.int16) - 128, logits)  # uint8 inside
    assert np.abs(outputs[:, 0].view(np.int8).astype(np.int16) - scores).max() <= 1
