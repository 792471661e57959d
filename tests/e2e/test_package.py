"""What is shipped: a wheel with one package, an sdist without links, and both work."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from mobiledeploy.deploy import demo_project

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

TENSORFLOW = "tensorflow"


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An sdist of a fresh clone, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("dist")
    clone = folder / "clone"
    subprocess.run(["git", "clone", "-q", ROOT, clone], check=True)
    subprocess.run(
        [sys.executable, "-m", "build", "--outdir", folder, clone], check=True, capture_output=True
    )
    return folder


def sources() -> set[str]:
    modules = set()
    for top in ("mobiledeploy", "models", "cli"):
        for path in (ROOT / top).rglob("*.py"):
            if not any(parent.is_symlink() for parent in path.parents):
                name = path.relative_to(ROOT).as_posix()
                modules.add(name if top == "mobiledeploy" else f"mobiledeploy/{name}")
    return modules


def test_the_wheel_holds_one_package_with_every_module(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"mobiledeploy"}
    assert {name for name in names if name.endswith(".py")} == sources()
    template = {f"mobiledeploy/android_demo/{name}" for name in demo_project.files()}
    assert {name for name in names if name.startswith("mobiledeploy/android_demo/")} == template
    assert "mobiledeploy/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_sdist_holds_real_folders_and_no_links(dist: Path) -> None:
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        members = archive.getmembers()
    assert not [member.name for member in members if member.issym() or member.islnk()]
    names = {member.name.partition("/")[2] for member in members}
    assert {"models/mobilenet_v2.py", "cli/main.py", "mobiledeploy/pipeline/build.py"} <= names


@pytest.mark.tensorflow
def test_the_base_install_verifies_a_build_and_says_what_it_lacks_to_make_one(
    dist: Path, small_build: Path, tmp_path: Path
) -> None:
    """A machine that only verifies needs no TensorFlow."""
    (wheel,) = dist.glob("*.whl")
    python = tmp_path / "venv/bin/python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    constraints = ROOT / ".ci/constraints.txt"
    subprocess.run(
        [python, "-m", "pip", "install", "-q", "-c", constraints, wheel],
        check=True,
        capture_output=True,
    )
    installed = subprocess.run(
        [python, "-m", "pip", "list", "--format=freeze"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert TENSORFLOW not in installed

    def program(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [python.with_name("mobiledeploy"), *args],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    assert program("--version").stdout.startswith("mobiledeploy ")
    assert "MACs" in program("cost", "--arch", "v1", "--alpha", "0.25").stdout
    assert program("verify").returncode == 2
    assert "holds: logits equal" in program("verify", str(small_build)).stdout
    lost = program("bundle", str(small_build))
    assert lost.returncode == 7
    assert "--new DIR" in lost.stderr
    new = program("bundle", str(small_build), "--new", "mine", "--json")
    assert new.returncode == 0, new.stderr
    made = {p.relative_to(tmp_path / "mine").as_posix() for p in (tmp_path / "mine").rglob("*.*")}
    assert made >= {name for name in demo_project.files() if "." in name.rpartition("/")[2]}
    assert "app/src/main/assets/mobiledeploy/model.onnx" in made
    build = program("build")
    assert build.returncode == 3
    assert "mobiledeploy[build]" in build.stderr
