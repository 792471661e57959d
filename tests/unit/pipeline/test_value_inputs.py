"""Networks of values become build folders whose contract says so."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_floats

from mobiledeploy.base import codec
from mobiledeploy.base.errors import CorruptFileError, RequestError
from mobiledeploy.pipeline import value_inputs
from mobiledeploy.pipeline.quantize import quantize
from mobiledeploy.runtimes import litert
from mobiledeploy.spec.contract import Contract
from mobiledeploy.spec.results import Accuracy
from mobiledeploy.targets import float_tflite
from mobiledeploy.verify import build
from mobiledeploy.verify.outputs import golden

ROWS = np.random.default_rng(0).uniform(-3, 9, (60, 5, 8)).astype(np.float32)


def test_values_of_a_file_decide_the_grid_and_the_contract_says_that_they_are_no_photos(
    tmp_path: Path,
) -> None:
    model = small_floats.file(tmp_path / "a.tflite", (5, 8), 3, last="softmax")
    float_answers = litert.load(model.read_bytes()).run(ROWS)[0]
    np.savez(tmp_path / "rows.npz", x=ROWS, y=float_answers.argmax(axis=1))
    out = tmp_path / "build"
    report = quantize(model, out, data=tmp_path / "rows.npz", io="float32")
    assert report.holds
    assert report.scores[0].test.correct == report.scores[0].test.total == 30
    contract = codec.from_json(Contract, (out / "contract.json").read_bytes(), where="contract")
    assert (contract.preprocessing, contract.resize, contract.task) == (
        None, None, "classification",
    )  # fmt: skip
    assert contract.input.grid is not None
    low, high = ((code - contract.input.grid.zero_point) for code in (-128, 127))
    step = contract.input.grid.scale
    assert (low * step, high * step) == pytest.approx((ROWS[::2].min(), ROWS[::2].max()), abs=step)
    pixels, _, answers = golden.read(out / "golden.npz")
    assert pixels.shape[1:] == (5, 8)
    mean, std = contract.scaling
    values = ((pixels - mean) / std).astype(np.float32)
    scores = litert.load((out / "model.tflite").read_bytes()).run(values)[0]
    assert answers.scores is not None
    # An app that feeds the codes of golden.npz gets the recorded scores.
    np.testing.assert_array_equal(np.rint(scores * 256) - 128, answers.scores)
    assert build.verify(out).holds
    with pytest.raises(RequestError, match="takes 5 x 8 values, no photos"):
        build.verify(out, data="digits")


def test_without_values_random_ones_are_taken_and_said(tmp_path: Path) -> None:
    model = small_floats.file(tmp_path / "a.tflite", (40,), 1)
    report = quantize(model, tmp_path / "build")
    assert report.holds
    assert "random values, mean 0 and standard deviation 1" in report.note
    assert "those of a regression task" in report.note


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": ROWS}, "expected an array `x`, received y"),
        ({"x": ROWS[:, :4]}, r"expected rows of shape \(5, 8\), received float32"),
        ({"x": ROWS[:1]}, "expected at least 2 rows"),
        (
            {"x": ROWS * np.float32(np.nan)},
            r"nan at \[0, 0.*, and more in \d+ rows in all",
        ),
        ({"x": ROWS, "y": np.zeros(59, int)}, "number of a class for each of 60 rows"),
        ({"x": ROWS, "y": np.full(60, 3)}, r"classes of 0\.\.2"),
        ({"x": ROWS, "y": np.ones((60, 3))}, "one 1 in each row"),
        ({"x": ROWS, "y": np.full((60, 3), 0.5)}, "0 or 1 for each of 3 classes"),
    ],
)
def test_values_that_do_not_fit_are_refused(
    arrays: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "rows.npz"
    np.savez(path, **arrays)
    with pytest.raises(RequestError, match=message):
        value_inputs.read(path, (5, 8), 3)


def test_values_without_classes_are_compared_and_count_no_accuracy(tmp_path: Path) -> None:
    model = small_floats.file(tmp_path / "a.tflite", (5, 8), 3, last="softmax")
    np.savez(tmp_path / "rows.npz", x=ROWS)
    report = quantize(model, tmp_path / "build", data=tmp_path / "rows.npz")
    assert report.holds
    assert report.scores == ()
    assert report.verdict.startswith("holds: logits equal on ")


def test_a_1_in_each_row_is_a_class(tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", x=ROWS, y=np.eye(3)[np.arange(60) % 3])
    labels = value_inputs.read(tmp_path / "rows.npz", (5, 8), 3).labels
    assert labels is not None
    assert labels.tolist() == (np.arange(1, 60, 2) % 3).tolist()


def test_several_labels_are_counted_one_by_one(tmp_path: Path) -> None:
    model = small_floats.file(tmp_path / "a.tflite", (5, 8), 3, last="logistic")
    graph = dataclasses.replace(small_floats.graph((5, 8), 3), output="logits")
    logits = litert.load(float_tflite.write(graph)).run(ROWS)[0]
    true = (logits > 0).astype(np.uint8)
    true[1, 0] ^= 1  # every second row is held back: one of 30 rows is wrong in one label
    np.savez(tmp_path / "rows.npz", x=ROWS, y=true)
    report = quantize(model, tmp_path / "build", data=tmp_path / "rows.npz")
    assert report.scores == ()
    lines = {line.name: line for line in report.label_scores}
    assert list(lines) == ["float", "model.tflite", "model.onnx"]
    assert lines["float"].decisions == Accuracy(correct=89, total=90)
    assert lines["float"].exact == Accuracy(correct=29, total=30)
    assert lines["float"].present.total == int(true[1::2].sum())
    assert lines["model.tflite"].decisions.correct >= 80


def test_a_damaged_file_and_a_pickle_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.npy"
    for data in (b"", b"\x93NUMPY\x01\x00", b"PK\x03\x04"):
        path.write_bytes(data)
        with pytest.raises(CorruptFileError, match=r"rows\.npy cannot be read as values"):
            value_inputs.read(path, (5, 8), 3)
    np.save(path, np.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(CorruptFileError):
        value_inputs.read(path, (5, 8), 3)


def test_an_input_range_and_photos_are_refused(tmp_path: Path) -> None:
    model = small_floats.file(tmp_path / "a.tflite", (40,), 3)
    with pytest.raises(RequestError, match=r"sides of 16 to 1024 pixels, received .* \(40,\)"):
        quantize(model, tmp_path / "build", data="digits")
    from mobiledeploy.spec.channel_scaling import RANGES

    with pytest.raises(RequestError, match="takes values, no pixels"):
        quantize(model, tmp_path / "build", scaling=RANGES["0..1"])
