"""`mobiledeploy verify A.tflite B.onnx` from the shell: files of anybody's, sound and damaged."""

import os
import signal
import subprocess
from pathlib import Path

import graphs
import hostile
import pytest
from e2e.conftest import mobiledeploy, printed
from program import PROGRAM

from mobiledeploy.integer.certify import certify
from mobiledeploy.targets import onnx, tflite

GRAPH = graphs.assorted_graph()


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """An int8 `.tflite`, and an `.onnx` of the same integers that takes and gives floats."""
    (tmp_path / "a.tflite").write_bytes(tflite.write(GRAPH))
    (tmp_path / "b.onnx").write_bytes(onnx.write(GRAPH, certify(GRAPH), io="float32"))
    return tmp_path / "a.tflite", tmp_path / "b.onnx"


def test_two_files_are_proven_and_the_assumptions_are_listed(files: tuple[Path, Path]) -> None:
    report = printed(mobiledeploy("verify", *files, "--json", cwd=files[0].parent), "verify")
    assert report["holds"]
    assert [file["name"] for file in report["files"]] == ["a.tflite", "b.onnx"]
    assert any("no photos were given" in said for said in report["assumptions"])
    assert any("b.onnx as int8 code = pixel - 128" in said for said in report["assumptions"])
    assert len(report["participants"]) == 6
    assert report["scores"] == []
    assert report["certificate"] is None


def test_the_text_starts_with_the_verdict_and_fits_a_terminal(files: tuple[Path, Path]) -> None:
    done = mobiledeploy("verify", *files, "--quiet", cwd=files[0].parent)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("holds: logits equal on 93 of 93 inputs")
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 25
    assert done.stderr == ""
    more = mobiledeploy("verify", *files, "--quiet", "-v", cwd=files[0].parent)
    assert more.stdout.startswith(done.stdout)
    assert "max LSB of logits" in more.stdout.removeprefix(done.stdout)


def test_photos_are_decoded_and_counted_where_the_classes_fit(
    files: tuple[Path, Path], photos: Path
) -> None:
    done = mobiledeploy("verify", *files, "--data", photos, "--json", cwd=files[0].parent)
    report = printed(done, "verify")
    assert report["inputs"][0]["images"] == 40
    assert report["scores"] == []
    assert any("the data have 2 classes, the files 5" in said for said in report["assumptions"])
    some = "verify", *files, "--data", photos, "--samples", "6"
    assert len(mobiledeploy(*some, "--quiet", cwd=files[0].parent).stdout.splitlines()) <= 25
    document = printed(mobiledeploy(*some, "--json", cwd=files[0].parent), "verify")
    assert document["inputs"][0]["images"] == 6


def test_files_that_differ_end_with_status_5_and_the_layer(files: tuple[Path, Path]) -> None:
    other = graphs.assorted_graph(seed=1)
    files[1].write_bytes(onnx.write(other, certify(other)))
    done = mobiledeploy("verify", *files, "--verbose", cwd=files[0].parent, status=5)
    assert done.stdout.startswith("does not hold: logits differ on")
    assert "first diverges in layer 1 of 9: `stem`, CONV_2D" in done.stdout
    assert "of 9 layers differ end to end; cut out of both files" in done.stdout
    assert "error: logits differ" in done.stderr


def test_damaged_files_end_with_status_6_and_no_traceback(files: tuple[Path, Path]) -> None:
    whole = files[0].read_bytes()
    (files[0].parent / "empty.tflite").touch()
    cut = files[0].parent / "cut.tflite"
    cut.write_bytes(whole[: len(whole) // 2])
    for name in ("cut.tflite", "empty.tflite"):
        done = mobiledeploy("verify", name, files[1], cwd=files[0].parent, status=6)
        assert f"error: {name}" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_contradictory_file_never_kills_the_command(files: tuple[Path, Path]) -> None:
    for data in hostile.contradictory_tflite(files[0].read_bytes(), 4, seed=3):
        files[0].write_bytes(data)
        done = mobiledeploy("verify", *files, cwd=files[0].parent, status=None)
        assert done.returncode in {0, 4, 5, 6}, done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["a.tflite"], "expected a build folder or two files, received 1"),
        (["a.tflite", "b.onnx", "c"], "expected a build folder or two files, received 3"),
        (["a.tflite", "nowhere.onnx"], "there is no file nowhere.onnx"),
        (["a.tflite", "b.onnx", "--data", "nowhere"], "there is no folder nowhere"),
    ],
)
def test_impossible_requests_end_with_status_2(
    files: tuple[Path, Path], args: list[str], said: str
) -> None:
    done = mobiledeploy("verify", *args, cwd=files[0].parent, status=2)
    assert said in done.stderr


def test_a_folder_that_cannot_be_written_is_refused_before_the_work(
    files: tuple[Path, Path], photos: Path
) -> None:
    folder = files[0].parent
    among = photos / "report"
    done = mobiledeploy("verify", *files, "--data", photos, "--out", among, cwd=folder, status=2)
    assert "lies among the photos" in done.stderr
    assert not among.exists()
    (folder / "taken").write_text("a file")
    done = mobiledeploy("verify", *files, "--out", "taken/report", cwd=folder, status=9)
    assert "taken is not a folder" in done.stderr
    assert done.stdout == ""


def test_an_interrupted_verification_says_so_and_ends_with_status_130(
    files: tuple[Path, Path], heard: None
) -> None:
    with subprocess.Popen(
        [PROGRAM, "verify", *files, "--level", "full"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("verify: ")
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the children hear it, too
        said = process.stderr.read()
    assert process.returncode == 130
    assert said.endswith("\ninterrupted\n")
    assert "Traceback" not in said
