"""A finished build, looked at with the program: nothing to mend."""

from pathlib import Path

import pytest
from e2e.conftest import mobiledeploy, printed

pytestmark = pytest.mark.tensorflow  # the build that it looks at needs it


def test_a_build_has_findings_of_severity_note_only(small_build: Path) -> None:
    done = mobiledeploy("inspect", small_build, "--strict", "--json", cwd=small_build)
    document = printed(done, "inspect")
    severities = {f["severity"] for file in document["files"] for f in file["findings"]}
    assert severities <= {"note"}
    assert [line["same"] for line in document["across"]] == [True] * 3
    assert done.stderr == ""


def test_a_damaged_file_ends_with_status_6_and_a_message(
    tmp_path: Path, small_build: Path
) -> None:
    data = (small_build / "model.onnx").read_bytes()
    (tmp_path / "model.onnx").write_bytes(data[: len(data) // 2])
    done = mobiledeploy("inspect", "model.onnx", cwd=tmp_path, status=6)
    assert done.stdout == ""
    assert done.stderr.startswith("error: model.onnx: ")
