"""What `verify` prints of every kind of pair fits a screen of 25 lines and 80 columns."""

from collections.abc import Callable
from pathlib import Path

import graphs
import pytest
from float_onnx import float_onnx

from mobiledeploy.cli import _verify_summary
from mobiledeploy.integer.certify import certify
from mobiledeploy.targets import onnx, tflite
from mobiledeploy.verify import pair
from mobiledeploy.verify.outputs.int8_files import Options
from mobiledeploy.verify.report import VerifyReport

GRAPH = graphs.assorted_graph()
OTHER = graphs.assorted_graph(seed=1)
NETWORK = graphs.random_network(graphs.assorted())[0]
FILES: dict[str, Callable[[], bytes]] = {
    "a.tflite": lambda: tflite.write(GRAPH),
    "same.tflite": lambda: tflite.write(GRAPH),
    "b.onnx": lambda: onnx.write(GRAPH, certify(GRAPH)),
    "other.onnx": lambda: onnx.write(OTHER, certify(OTHER)),
    "float.onnx": lambda: float_onnx(NETWORK).SerializeToString(),
    "same_float.onnx": lambda: float_onnx(NETWORK).SerializeToString(),
}
KINDS = {
    "equal": ("a.tflite", "b.onnx"),
    "equal files of one format": ("a.tflite", "same.tflite"),
    "diverging": ("a.tflite", "other.onnx"),
    "int8 beside float": ("a.tflite", "float.onnx"),
    "float": ("float.onnx", "same_float.onnx"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("pairs")
    for name, make in FILES.items():
        (made / name).write_bytes(make())
    return made


def screen(report: VerifyReport) -> list[str]:
    return _verify_summary.text(report, build=None, out=None).splitlines()


@pytest.mark.parametrize("level", ["quick", "full"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_pair_fits_a_screen(folder: Path, kind: str, level: str) -> None:
    first, second = (folder / name for name in KINDS[kind])
    options = Options(level="full" if level == "full" else "quick", threads=2)
    report = pair.verify(first, second, samples=8, options=options)
    lines = screen(report)
    assert len(lines) <= 25
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("holds: " if report.holds else "does not hold: ")
    assert all(any(file.name in line for line in lines) for file in report.files)
    assert lines[-1].startswith("          `--out report`") or lines[-1].startswith("next ")


def test_a_diverging_pair_is_reported_with_layer_cause_image_and_next_command(
    folder: Path,
) -> None:
    report = pair.verify(folder / "a.tflite", folder / "other.onnx", samples=8)
    lines = screen(report)
    labels = [line[:10].strip() for line in lines]
    assert report.divergence is not None
    assert "`stem`, CONV_2D" in lines[labels.index("differs")]
    assert "the files do not hold the same network" in lines[labels.index("cause")]
    assert report.divergence.image in lines[labels.index("seen on")]
    assert "--out report" in lines[labels.index("next")]
    assert any(line.endswith("DIFFERS") for line in lines)


def test_an_int8_file_compared_with_its_float_original_is_reported_with_the_cause(
    folder: Path,
) -> None:
    lines = screen(pair.verify(folder / "a.tflite", folder / "float.onnx", samples=8))
    assert "layers in floats where the other one" in " ".join(lines)
