"""What `mobiledeploy build` prints at the end."""

import dataclasses
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.testing import CliRunner

from mobiledeploy.cli.build import summary
from mobiledeploy.cli.main import app
from mobiledeploy.pipeline import build as pipeline
from mobiledeploy.pipeline.ladder import why_left_out
from mobiledeploy.spec.results import (
    Accuracy,
    BuildReport,
    ClassRecall,
    File,
    FloatAgreement,
    Gain,
    NotTried,
    Rung,
    ScoreLine,
    StageTime,
    WhyNotTried,
)

SCORE = Accuracy(correct=9, total=10)
REPORT = BuildReport(
    scores=(ScoreLine(name="float", test=SCORE, shipped=True),),
    reason="",
    note="theirs.h5: the trunk was taken; it has no head, so the head is new.",
    unreadable=("cannot decode `cat/7.jpg`: truncated", "`dog/1.heic` is no JPEG"),
    files=(File(path="export/model.tflite", size=1, sha256="0a" * 32),),
    verdict="holds",
    holds=True,
    times=(StageTime(stage="data", seconds=1.0),),
)


def test_thesummary_names_the_photos_that_were_left_out_and_what_weights_gave() -> None:
    text = summary(REPORT, Path("build"))
    assert all(reason in text for reason in REPORT.unreadable)
    assert REPORT.note in " ".join(text.split())


def test_without_labels_no_column_of_a_table_is_empty() -> None:
    files = tuple(
        File(path=f"export/{name}", size=1234, sha256="0" * 64)
        for name in ("model.tflite", "model.onnx")
    )
    lines = summary(dataclasses.replace(REPORT, scores=(), files=files), Path("build"))
    assert lines.splitlines()[:4] == [
        "model         bytes", "------------  -----", "model.tflite  1,234", "model.onnx    1,234"
    ]  # fmt: skip


def test_thesummary_is_short_and_ends_with_the_next_step() -> None:
    names = ("float", "ptq int8", "qat int8", "model.tflite", "model.onnx")
    report = dataclasses.replace(
        REPORT,
        scores=tuple(ScoreLine(name=name, test=SCORE, shipped=True) for name in names),
        reason="right on 176 validation images: " * 4,
        verdict="holds: logits equal on 384 of 384 inputs " * 4,
        unreadable=(),
    )
    lines = summary(report, Path("build")).splitlines()
    assert len(lines) <= 25
    assert max(map(len, lines)) <= 100
    assert lines[-1] == "next: mobiledeploy verify --out report, then mobiledeploy bundle"
    row = next(line for line in lines if line.startswith("model.tflite"))
    assert row.split() == ["model.tflite", "90.00%", "10", "1", "shipped"]


def test_a_table_says_what_each_technique_gave_and_what_was_not_tried() -> None:
    rung = Rung(name="extremes", kept=True, same=60, images=64, sqnr=12.94, seconds=1.26)
    report = dataclasses.replace(
        REPORT,
        rungs=(
            rung,
            *(
                dataclasses.replace(
                    rung, name=name, kept=False, same=None, gain=gain, left_out=why_left_out(gain)
                )
                for name, gain in (
                    ("bias correction", Gain(sqnr=0.099, mean=9, error=0, lost=-2)),
                    ("ranges by error", Gain(sqnr=-0.5, mean=9, error=0, lost=9)),
                    ("equalisation", Gain(sqnr=3.0, mean=3.0, error=0.2, lost=3)),
                    ("weight rounding", Gain(sqnr=0.4, mean=0.21, error=0.34, lost=1)),
                    ("distillation", Gain(sqnr=0.4, mean=0.0999, error=0.01, lost=1)),
                )
            ),
        ),
        not_tried=tuple(
            NotTried(name=f"technique {number}", why=why)
            for number, why in enumerate((*get_args(WhyNotTried), "good enough"))
        ),
    )
    text = summary(report, Path("build"))
    rows = [line.split() for line in text.splitlines()]
    start = rows.index(["extremes", "60/64", "12.9", "1.3", "kept"]) + 1
    assert rows[start][:5] == ["bias", "correction", "-", "12.9", "1.3"]
    said = [line.split(" 1.3  ")[1] for line in text.splitlines()[start : start + 5]]
    assert said == [
        "left out: +0.09 dB, less than 0.1",
        "left out: -0.50 dB, less than 0.1",
        "left out: 3 answers fewer",
        "left out: +0.2 dB an image, standard error 0.3",
        "left out: +0.09 dB an image, less than 0.1",
    ]
    none = tuple(dataclasses.replace(each, same=None) for each in report.rungs)
    numbers = summary(dataclasses.replace(report, rungs=none), Path("build"))
    assert "as float  " in text
    assert "as float  " not in numbers
    assert ["extremes", "12.9", "1.3", "kept"] in [line.split() for line in numbers.splitlines()]
    assert "not tried: technique 0, technique 8: the network answers as the float one" in text
    assert text.count("not tried: ") == len(get_args(WhyNotTried))
    without = summary(dataclasses.replace(report, rungs=()), Path("build"))
    assert without.count("not tried: ") == len(get_args(WhyNotTried))
    assert "SQNR dB" not in without
    assert "mobiledeploy[build]" in text


def test_a_class_that_is_never_right_is_said_beside_the_accuracy() -> None:
    recalls = tuple(
        ClassRecall(label=label, name=name, right=Accuracy(correct=correct, total=total))
        for label, (name, correct, total) in enumerate([("cat", 90, 90), ("dog", 0, 10)])
    )
    line = ScoreLine(
        name="model.tflite", test=Accuracy(correct=90, total=100), shipped=True, balanced=0.5
    )
    text = summary(dataclasses.replace(REPORT, scores=(line,), recalls=recalls), Path("build"))
    assert "model.tflite is never right on 1 of 2 classes: `dog` (0 of 10)" in text
    row = next(row for row in text.splitlines() if row.startswith("model.tflite"))
    assert row.split() == ["model.tflite", "90.00%", "50.00%", "100", "1", "shipped"]


def test_a_build_whose_files_differ_is_not_to_be_bundled() -> None:
    text = summary(dataclasses.replace(REPORT, holds=False, scores=()), Path("elsewhere"))
    assert text.splitlines()[-1] == (
        "next: mobiledeploy verify elsewhere/export/model.tflite elsewhere/export/model.onnx, "
        "which names what differs"
    )
    floats = summary(dataclasses.replace(REPORT, holds=False), Path("elsewhere"))
    assert floats.splitlines()[-1] == "next: see elsewhere/verify/report.json"
    assert "bundle" not in text + floats


@pytest.mark.parametrize(
    ("of", "synthetic", "line"),
    [
        ("class", False, "same class as the float network: 9 of 10 images"),
        ("label", True, "same likeliest label as the float network: 9 of 10 synthetic images"),
    ],
)
def test_how_often_int8_answers_as_the_float_network_is_a_line(
    of: Any, synthetic: bool, line: str
) -> None:
    agreement = FloatAgreement(of=of, same=SCORE, interval=(0.6, 0.98), synthetic=synthetic)
    text = summary(dataclasses.replace(REPORT, float_agreement=agreement), Path("build"))
    assert "by the logits" not in text
    tied = dataclasses.replace(agreement, by_scores=Accuracy(correct=3, total=8))
    said = summary(dataclasses.replace(REPORT, float_agreement=tied), Path("build"))
    assert "images by the logits, 3 by the scores in the files" in " ".join(said.split())
    assert line in text.splitlines()


def test_options_count_as_asked_for_even_with_their_default_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are refused where the weights are another network with which they cannot be used."""
    asked: list[str] = []

    def build(*_: object, **options: Any) -> BuildReport:
        asked.extend(options["asked"])
        return REPORT

    monkeypatch.setattr(pipeline, "build", build)
    command = ["build", "--arch", "v2", "--seed", "0", "--out", str(tmp_path / "b"), "--quiet"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert asked == ["arch", "seed", "out", "quiet"]
