"""The summary of `verify` fits a screen of 25 lines and 80 columns."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mobiledeploy.cli import _verify_summary
from mobiledeploy.formats.onnx.external_data import ExternalFile
from mobiledeploy.spec.results import Accuracy
from mobiledeploy.verify.report import (
    Comparison,
    Divergence,
    FileFacts,
    FileScore,
    FloatComparison,
    InputFacts,
    PairedTest,
    Participant,
    VerifyReport,
)


def screen(report: VerifyReport) -> list[str]:
    return _verify_summary.text(report, build=None, out=None).splitlines()


def test_accuracy_is_printed_beside_that_of_the_float_network() -> None:
    said = "\n".join(screen(report(holds=True)))
    assert "accuracy  float 90.00%, first.tflite 90.00%, second.onnx 90.00% of 10 images" in said


def test_sentences_without_room_are_counted() -> None:
    crowded = report(holds=False, assumptions=("an assumption",) * 3, warnings=("a note",) * 30)
    lines = screen(crowded)
    notes = sum(line.endswith("a note") for line in lines)
    assert 0 < notes < 30
    left = 30 - notes + 3 + 2 + 1 + 1  # assumptions, failures, samples, the CPU
    assert any(line.startswith(f"more      {left} finding") for line in lines)


def test_the_next_command_follows_for_a_build_and_for_a_page() -> None:
    text = _verify_summary.text(report(holds=True), build=Path("elsewhere"), out=Path("page"))
    assert "mobiledeploy bundle elsewhere" in text
    assert "open page/report.html" in text


def test_weights_in_another_file_are_named_and_many_are_counted() -> None:
    said = "\n".join(screen(report(holds=True, beside=1)))
    assert "  and its weights in weights.0  1,000 bytes  sha256 1111111111111111" in said
    said = "\n".join(screen(report(holds=True, beside=3)))
    assert "  and its weights in 3 files, 3,000 bytes: see --verbose" in said


def report(
    *,
    holds: bool,
    runtimes: int = 7,
    layer: str = "stem",
    cause: str = "",
    words: str = "",
    assumptions: tuple[str, ...] = (),
    warnings: tuple[str, ...] = (),
    proven: tuple[str, ...] = (),
    floats: bool = False,
    beside: int = 0,
) -> VerifyReport:
    """A report with as much to say as is asked for."""
    names = [f"runtime {number}" for number in range(runtimes)]
    score = Accuracy(correct=9, total=10)
    return VerifyReport(
        holds=holds,
        failures=() if holds else (f"logits differ on 9,999 of 10,000 images {words}",) * 3,
        warnings=warnings,
        assumptions=assumptions,
        proven=proven,
        files=tuple(
            FileFacts(
                name=name, format="tflite", size=1, sha256="0" * 64, input="int8",
                output="scale 1", fed="pixel",
                external_data=tuple(
                    ExternalFile(name=f"weights.{number}", size=1_000, sha256="1" * 64)
                    for number in range(beside)
                ),
            )
            for name in ("first.tflite", "second.onnx")
        ),
        inputs=(InputFacts(name="photos", images=10_000, labelled=True, distinct=10),) * 3,
        participants=tuple(
            Participant(name=name, file="first.tflite", runtime="LiteRT", images=1, exact=True)
            for name in names
        ),
        matrix=tuple(
            Comparison(
                inputs="all", first=names[0], second=name, images=10_000, exact_logits=9_999,
                max_logits_lsb=12.7125, mean_logits_lsb=0.038, max_scores_lsb=16.0,
                mean_scores_lsb=0.5, same_top1=9_998, same_top5=9_000, worst="an image",
            )
            for name in names[1:]
        ),
        float_comparisons=(
            FloatComparison(
                inputs="photos", images=9, max_difference=np.inf, same_top1=9, worst="an image"
            ),
        ) * (3 * floats),
        scores=tuple(
            FileScore(
                file=name, runtime="LiteRT", labels=score, interval=(0.5, 1.0), float_model=None
            )
            for name in ("float", "first.tflite", "second.onnx")
        ),
        paired=(
            PairedTest(
                first="float", second="first.tflite", images=10, only_first=0, only_second=0,
                p=1.0, words=words or "no loss was seen",
            ),
        ) * 2,
        divergence=None if holds else Divergence(
            layer=layer, other=layer, operator="CONV_2D", position=3, layers=65,
            image="an image", images=4, blamed="", histogram=(), channels=(),
            cause=cause or "a bias differs",
        ),
        cpu="a CPU",
        runtimes=("LiteRT 1",),
    )  # fmt: skip


SENTENCE = st.lists(st.text("abc`", min_size=1, max_size=12), max_size=80).map(" ".join)
SENTENCES = st.lists(SENTENCE, max_size=20).map(tuple)


@given(
    st.booleans(), st.integers(1, 20), SENTENCE, SENTENCE, SENTENCES, SENTENCES, st.booleans(),
    st.integers(0, 3),
)  # fmt: skip
def test_any_report_fits_the_screen(
    holds: bool,
    runtimes: int,
    cause: str,
    words: str,
    some: tuple[str, ...],
    more: tuple[str, ...],
    floats: bool,
    beside: int,
) -> None:
    crowded = report(
        holds=holds, runtimes=runtimes, layer=cause.replace(" ", "_")[:40], cause=cause,
        words=words, assumptions=some, warnings=more, proven=some, floats=floats,
        beside=beside,
    )  # fmt: skip
    for build in (None, Path("build")):
        lines = _verify_summary.text(crowded, build=build, out=None).splitlines()
        assert len(lines) <= 25
        assert max(map(len, lines)) <= 80
