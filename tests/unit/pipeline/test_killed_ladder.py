"""A run that is killed by SIGKILL after any rung goes on, and writes the same bytes."""

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import accuracy_networks
import pytest

from mobiledeploy.accuracy.agreement import EXACT
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.pipeline import ladder
from mobiledeploy.pipeline.quantize import quantize
from mobiledeploy.spec.channel_scaling import SCALINGS
from mobiledeploy.spec.contract import MODELS
from mobiledeploy.spec.results import BuildReport
from mobiledeploy.targets import float_tflite

RUNGS = ("extremes", *ladder.TECHNIQUES[:4])


def nothing_is_enough(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ladder, "ENOUGH", dataclasses.replace(ladder.ENOUGH, sqnr=EXACT))


def run(folder: Path, out: Path, progress: Progress = silent) -> BuildReport:
    return quantize(
        folder / "model.tflite", out, scaling=SCALINGS["-1..1"], effort="default",
        calibration_images=48, threads=2, progress=progress,
    )  # fmt: skip


def files_of(out: Path) -> list[bytes]:
    names = (*MODELS, "contract.json", "golden.npz", "quantise/network.npz")
    return [(out / name).read_bytes() for name in names]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    graph = accuracy_networks.residual_graph(shape=(16, 16, 3))
    (tmp_path / "model.tflite").write_bytes(float_tflite.write(graph))
    with pytest.MonkeyPatch.context() as patch:
        nothing_is_enough(patch)
        yield tmp_path


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
def test_a_run_killed_after_any_rung_writes_the_same_bytes(folder: Path) -> None:
    whole = run(folder, folder / "whole")
    assert tuple(rung.name for rung in whole.rungs) == RUNGS
    assert {rung.kept for rung in whole.rungs} == {True, False}
    for number in range(len(RUNGS)):
        out = folder / f"killed{number}"
        words = [sys.executable, __file__, str(folder), str(out), str(number)]
        path = os.pathsep.join(filter(None, sys.path))
        killed = subprocess.run(
            words, check=False, capture_output=True, text=True,
            env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        events = list[Event]()
        resumed = run(folder, out, events.append)
        said = [event.message for event in events if event.message.endswith(": done before")]
        assert said == [f"{name}: done before" for name in RUNGS[: number + 1]]
        assert [dataclasses.replace(rung, seconds=0) for rung in resumed.rungs] == [
            dataclasses.replace(rung, seconds=0) for rung in whole.rungs
        ]
        assert files_of(out) == files_of(folder / "whole")


def _killed(folder: Path, out: Path, number: int) -> None:
    """Run, and kill this process when so many rungs and one are stored."""
    save = ladder._Store.save

    def save_and_die(self: ladder._Store, row: int, *rest: object) -> None:
        save(self, row, *rest)  # type: ignore[arg-type]
        if row == number:
            os.kill(os.getpid(), signal.SIGKILL)

    with pytest.MonkeyPatch.context() as patch:
        nothing_is_enough(patch)
        patch.setattr(ladder._Store, "save", save_and_die)
        run(folder, out)


if __name__ == "__main__":
    _killed(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
