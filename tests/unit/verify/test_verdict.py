"""The verdict counts each image that was run once."""

import dataclasses

from mobiledeploy.verify.report import RECORD, Comparison, VerifyReport

SAME = Comparison(
    inputs="golden vectors",
    first="LiteRT XNNPACK",
    second="ORT optimised",
    images=16,
    exact_logits=16,
    max_logits_lsb=0.0,
    mean_logits_lsb=0.0,
    max_scores_lsb=1.0,
    mean_scores_lsb=0.1,
    same_top1=16,
    same_top5=None,
    worst="",
)


def test_images_that_are_also_compared_with_a_record_are_counted_once() -> None:
    recorded = dataclasses.replace(SAME, first=RECORD, second="LiteRT XNNPACK")
    report = VerifyReport(
        holds=True, failures=(), comparisons=(SAME, recorded), cpu="a CPU", runtimes=()
    )
    assert report.verdict == "holds: logits equal on 16 of 16 inputs, scores within 1 LSB"


def test_files_without_a_softmax_have_no_scores() -> None:
    pair = dataclasses.replace(SAME, max_scores_lsb=None, mean_scores_lsb=None)
    report = VerifyReport(holds=True, failures=(), comparisons=(pair,), cpu="a CPU", runtimes=())
    assert report.verdict == "holds: logits equal on 16 of 16 inputs"
