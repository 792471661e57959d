"""A stage's result is reused if it is up to date, and only then."""

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mobiledeploy.base.errors import RequestError, StorageError
from mobiledeploy.base.progress import silent
from mobiledeploy.pipeline import resume


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    value: int


class Stage:
    """An action that counts its runs and can be made to fail."""

    def __init__(self) -> None:
        self.runs = 0
        self.fails = False

    def __call__(self, folder: Path) -> Result:
        self.runs += 1
        (folder / "half.bin").write_bytes(b"half")
        if self.fails:
            raise RuntimeError("killed")
        (folder / "whole.bin").write_bytes(b"whole")
        return Result(value=self.runs)


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def run(tmp_path: Path, stage: Stage) -> Callable[..., Result]:
    def go(*inputs: object) -> Result:
        result, _ = resume.run("train", Result, inputs, stage, root=tmp_path, progress=silent)
        return result

    return go


def test_a_second_run_reuses_the_result(run: Callable[..., Result], stage: Stage) -> None:
    assert run("a") == run("a")
    assert stage.runs == 1


def test_a_stage_with_other_inputs_runs_again(run: Callable[..., Result], stage: Stage) -> None:
    run("a", 1)
    run("a", 2)
    assert stage.runs == 2


@pytest.mark.parametrize("damage", ["change", "delete", "half a record", "another format"])
def test_a_damaged_stage_runs_again(
    run: Callable[..., Result], stage: Stage, tmp_path: Path, damage: str
) -> None:
    run("a")
    whole, record = tmp_path / "train" / "whole.bin", tmp_path / "train" / "stage.json"
    if damage == "change":
        whole.write_bytes(b"WHOLE")
    elif damage == "delete":
        whole.unlink()
    elif damage == "another format":
        record.write_bytes(record.read_bytes().replace(b'"value": 1', b'"number": "one"'))
    else:
        record.write_bytes(record.read_bytes()[:40])
    run("a")
    assert stage.runs == 2
    assert whole.read_bytes() == b"whole"


@pytest.mark.parametrize("same", [True, False])
def test_an_interrupted_stage_continues_in_its_folder_for_the_same_inputs_only(
    run: Callable[..., Result], stage: Stage, tmp_path: Path, same: bool
) -> None:
    stage.fails = True
    with pytest.raises(RuntimeError, match="killed"):
        run("a")
    (tmp_path / "train" / "checkpoint").write_bytes(b"step 20")
    stage.fails = False
    run("a" if same else "b")
    assert (tmp_path / "train" / "checkpoint").exists() == same


def test_deleting_a_stage_deletes_only_its_result_and_the_later_ones(tmp_path: Path) -> None:
    for name in resume.STAGES:
        (tmp_path / name).mkdir()
    resume.delete_results(tmp_path, "export")
    assert {p.name for p in tmp_path.iterdir()} == {"data", "train", "quantise"}


def test_a_folder_held_by_another_process_is_refused(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from mobiledeploy.pipeline import resume\n"
        "with resume.lock_folder(pathlib.Path(sys.argv[1])): print('held', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == "held"
        with pytest.raises(StorageError, match="another build"), resume.lock_folder(tmp_path):
            pass
        other.kill()
    with resume.lock_folder(tmp_path):  # a killed build holds nothing
        pass


def test_a_folder_whose_name_is_impossible_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(StorageError, match="name too long"),
        resume.lock_folder(tmp_path / ("long" * 99)),
    ):
        pass


@pytest.mark.parametrize("inside", [False, True])
def test_a_folder_that_stays_empty_is_deleted_again(tmp_path: Path, inside: bool) -> None:
    with pytest.raises(RequestError), resume.lock_folder(tmp_path / "build"):  # noqa: PT012
        if inside:
            (tmp_path / "build" / "data").mkdir()
        raise RequestError("no such data")
    assert (tmp_path / "build").exists() == inside


@pytest.mark.parametrize("name", ["data/cat/1.jpg", "manifest.json"])
def test_a_folder_that_no_build_made_is_refused_and_unchanged(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"not ours")
    with pytest.raises(RequestError, match="empty folder") as caught, resume.lock_folder(tmp_path):
        pass
    assert caught.value.hint
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [path]


@pytest.mark.parametrize("mark", [".lock", "golden.npz"])
def test_a_folder_with_the_name_of_a_stage_that_no_build_made_is_refused(
    tmp_path: Path, mark: str
) -> None:
    """Other programs, too, make files named like the marks of a build."""
    (tmp_path / mark).touch()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "thesis.txt").write_bytes(b"not ours")
    with pytest.raises(RequestError, match="did not make"), resume.lock_folder(tmp_path):
        pass
    assert (tmp_path / "data" / "thesis.txt").exists()


def test_a_folder_of_hidden_files_is_not_empty(tmp_path: Path) -> None:
    (tmp_path / ".bashrc").touch()
    with pytest.raises(RequestError, match="empty folder"), resume.lock_folder(tmp_path):
        pass


@pytest.mark.parametrize("mark", [".lock", "export/stage.json", "golden.npz"])
def test_a_folder_of_an_earlier_build_is_accepted(tmp_path: Path, mark: str) -> None:
    (tmp_path / "export").mkdir()
    (tmp_path / mark).touch()
    with resume.lock_folder(tmp_path):
        pass


def test_unfinished_files_of_a_killed_build_are_deleted(tmp_path: Path) -> None:
    with resume.lock_folder(tmp_path):
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "started").touch()
        (tmp_path / "data" / ".pixels.npy.17.part").write_bytes(b"half")
        (tmp_path / "data" / "pixels.npy").write_bytes(b"whole")
    with resume.lock_folder(tmp_path):
        assert {p.name for p in (tmp_path / "data").iterdir()} == {"started", "pixels.npy"}
