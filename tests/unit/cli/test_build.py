"""What `mobiledeploy build` prints in the end."""

from pathlib import Path

from mobiledeploy.cli.build import _summary
from mobiledeploy.spec.results import BuildReport, File, Score, ScoreLine, StageTime

SCORE = Score(correct=9, total=10)
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


def test_the_summary_names_the_photos_that_were_left_out_and_what_weights_gave() -> None:
    text = _summary(REPORT, Path("build"))
    assert all(reason in text for reason in REPORT.unreadable)
    assert REPORT.note in text
