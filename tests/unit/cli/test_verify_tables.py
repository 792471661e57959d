"""The tables of `verify --verbose` fit a terminal, even if files and layers have long names."""

import dataclasses

from mobiledeploy.cli import _verify_tables
from mobiledeploy.verify.report import (
    Comparison,
    Divergence,
    FileFacts,
    Participant,
    RuntimeFailure,
    VerifyReport,
)

LONG = "a_network_of_some_research_group_quantised_after_training"
JOINED = ";".join(f"mobilenet/block_1_expand_{part}" for part in ("relu/Relu6", "BN/add", "mul"))
NAMES = [
    f"{runtime} of {LONG}_{file}.tflite"
    for runtime in ("LiteRT XNNPACK", "NumPy oracle", "LiteRT reference")
    for file in ("first", "second")
]


def comparison(first: str, second: str) -> Comparison:
    return Comparison(
        inputs="all", first=first, second=second, images=10_000, exact_logits=9_999,
        max_logits_lsb=12.7125, mean_logits_lsb=0.038, max_scores_lsb=16.0, mean_scores_lsb=0.5,
        same_top1=9_998, same_top5=9_000, worst="an image",
    )  # fmt: skip


REPORT = VerifyReport(
    holds=False,
    failures=(f"logits differ on 9,999 of 10,000 images; worst: {'photos of ' * 8}cats",),
    files=tuple(
        FileFacts(
            name=f"{LONG}_{file}.tflite", format="tflite", size=1, sha256="0" * 64, input="int8",
            output="scale 1", fed="pixel",
        )
        for file in ("first", "second")
    ),
    participants=tuple(
        Participant(
            name=name, file=name.partition(" of ")[2], runtime="LiteRT", images=10_000,
            exact="reference" not in name,
        )
        for name in NAMES
    ),
    matrix=tuple(comparison(a, b) for i, a in enumerate(NAMES) for b in NAMES[i + 1 :]),
    divergence=Divergence(
        layer=JOINED, other=JOINED, operator="CONV_2D", position=3, layers=65, image="an image",
        images=4, blamed="", histogram=((-1, 5), (2, 7)), channels=(), cause="a bias differs",
    ),
    cpu="a CPU",
    runtimes=("LiteRT 1",),
)  # fmt: skip


def test_lines_fit_80_columns_even_if_names_are_long() -> None:
    lines = _verify_tables.text(REPORT).splitlines()
    wide = [line for line in lines if len(line) > 80]
    # The line of a file has its whole name, so that it can be copied.
    assert all(LONG in line and "bytes" in line for line in wide), wide


def test_participants_are_distinguished_by_the_number_of_their_file() -> None:
    said = _verify_tables.text(REPORT)
    assert "against LiteRT XNNPACK 1" in said
    assert "LiteRT XNNPACK 2 *" in said
    assert "E  LiteRT reference 1" in said
    assert "1 is the first file, 2 the second." in " ".join(said.split())


def test_the_first_of_names_joined_by_a_converter_is_printed() -> None:
    said = " ".join(_verify_tables.text(REPORT).split())
    assert "layer 3 of 65: `mobilenet/block_1_expand_relu/Relu6`, CONV_2D" in said
    assert "BN/add" not in said


def test_names_without_a_file_are_printed_unchanged() -> None:
    names = ("LiteRT XNNPACK", "ORT optimised", "NumPy oracle")
    rows = tuple(
        dataclasses.replace(row, name=name)
        for row, name in zip(REPORT.participants, names, strict=False)
    )
    pairs = (comparison(names[0], names[1]), comparison(names[0], names[2]))
    said = _verify_tables.text(dataclasses.replace(REPORT, participants=rows, matrix=pairs))
    assert "ORT optimised *" in said
    assert "the second." not in said


def test_a_runtime_that_failed_before_any_image_still_has_a_row() -> None:
    failure = RuntimeFailure(kind="signal", detail="SIGABRT")
    rows = (
        *REPORT.participants[:-1],
        dataclasses.replace(REPORT.participants[-1], images=0, failure=failure),
    )
    matrix = tuple(pair for pair in REPORT.matrix if pair.second != NAMES[-1])
    said = _verify_tables.text(dataclasses.replace(REPORT, participants=rows, matrix=matrix))
    (line,) = (line for line in said.splitlines() if line.startswith("LiteRT reference 2 "))
    assert line.split()[3:] == ["0", "failed", "failed", "failed", "-", "-", "-"]
