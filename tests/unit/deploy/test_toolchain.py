"""The toolchain is fetched once, whole, and as it was pinned, or not at all.

`mvn` and `npm` are small programs that speak as much of the real ones' language as is used.
"""

import hashlib
import io
import os
import re
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import filelock
import pytest

from mobiledeploy.base.errors import (
    CorruptFileError,
    DownloadError,
    MissingDependencyError,
    RequestError,
    StorageError,
)
from mobiledeploy.base.progress import Event
from mobiledeploy.deploy import downloads, toolchain

MVN = """#!{python}
import pathlib, re, sys
home = pathlib.Path({home!r})
with open(home / "calls", "a") as log: log.write("mvn\\n")
pom = pathlib.Path(sys.argv[sys.argv.index("-f") + 1]).read_text()
out = pathlib.Path(re.search("<outputDirectory>(.*?)</outputDirectory>", pom)[1])
for item in re.findall("<artifactItem>(.*?)</artifactItem>", pom):
    tags = dict(re.findall("<(\\\\w+)>([^<]*)</", item))
    name = tags["artifactId"] + "-" + tags["version"]
    name += ("-" + tags["classifier"] if "classifier" in tags else "") + "." + tags["type"]
    source = home / name
    if not source.exists():
        print("[ERROR] Could not find artifact", name)
        sys.exit(1)
    (out / name).write_bytes(source.read_bytes())
"""
NPM = """#!{python}
import pathlib, sys
home = pathlib.Path({home!r})
with open(home / "calls", "a") as log: log.write("npm\\n")
pathlib.Path("package-1.0.tgz").write_bytes((home / "package.tgz").read_bytes())
"""


class Registry:
    """What the fake clients serve, and how often they were called."""

    def __init__(self, home: Path) -> None:
        self.home = home
        home.mkdir()

    @property
    def calls(self) -> list[str]:
        log = self.home / "calls"
        return log.read_text().split() if log.exists() else []

    def serve(self, name: str, data: bytes) -> str:
        (self.home / name).write_bytes(data)
        return pinned(data)


def pinned(data: bytes) -> str:
    return f'size = {len(data)}, sha256 = "{hashlib.sha256(data).hexdigest()}"'


def zipped(name: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, data)
    return buffer.getvalue()


def tarred(name: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    fake = Registry(tmp_path / "registry")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("mvn", MVN), ("npm", NPM)):
        (programs / name).write_text(text.format(python=sys.executable, home=str(fake.home)))
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    archive = zipped("bin/tool", b"a program")
    a = fake.serve("a-1.jar", b"classes of a")
    b = fake.serve("b-2-linux.zip", archive)
    fake.serve("package.tgz", tarred("package/x.aar", b"an aar"))
    (tmp_path / "tools.toml").write_text(
        f"""
[all]
purpose = "everything"
needs = ["b", "c"]
[a]
purpose = "a"
licence = "MIT"
files = [{{ maven = "org.a:a:1", {a} }}]
[b]
purpose = "b"
licence = "MIT"
needs = ["a"]
files = [
  {{ maven = "org.b:b:2:zip:linux", {b} }},
  {{ name = "tool", archive = "b-2-linux.zip", member = "bin/tool", executable = true,
     {pinned(b"a program")} }},
]
[c]
purpose = "c"
licence = "MIT"
files = [{{ name = "x.aar", npm = "package@1.0", member = "package/x.aar",
           {pinned(b"an aar")} }}]
""".replace(",\n     size", ", size").replace(",\n           size", ", size")
    )
    monkeypatch.setattr(toolchain, "PINS", tmp_path / "tools.toml")
    toolchain.pinned_parts.cache_clear()
    yield fake
    toolchain.pinned_parts.cache_clear()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def held(cache: Path) -> set[str]:
    folder = cache / "android"
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


ALL = {"a/a-1.jar", "b/b-2-linux.zip", "b/tool", "c/x.aar"}


def test_a_part_comes_with_all_that_it_needs_and_only_once(
    registry: Registry, cache: Path
) -> None:
    events: list[Event] = []
    fetched = toolchain.fetch("all", cache=cache, progress=events.append)
    assert held(cache) - {".lock"} == ALL
    assert fetched.parts == ("all", "a", "b", "c")
    assert fetched.jars("a") == (cache / "android/a/a-1.jar",)
    assert fetched.file("c", ".aar").read_bytes() == b"an aar"
    assert os.access(fetched.file("b", "tool"), os.X_OK)
    assert not os.access(fetched.file("a", ".jar"), os.X_OK)
    assert [event.message for event in events] == [
        f"downloading {part} (1 MB)" for part in ("a", "b", "c")
    ]
    assert registry.calls == ["mvn", "mvn", "npm"]
    assert toolchain.fetch("all", cache=cache) == fetched
    assert len(registry.calls) == 3


def test_a_complete_cache_is_only_read(registry: Registry, cache: Path) -> None:
    toolchain.fetch("all", cache=cache)
    (cache / "android/.lock").unlink(missing_ok=True)
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*")}
    toolchain.fetch("all", cache=cache)
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*")} == before


def test_only_missing_files_are_downloaded(registry: Registry, cache: Path) -> None:
    toolchain.fetch("all", cache=cache)
    (cache / "android/b/tool").unlink()
    (cache / "android/c/x.aar").unlink()
    toolchain.fetch("all", cache=cache)
    assert held(cache) - {".lock"} == ALL
    assert registry.calls[3:] == ["npm"]  # the tool is in an archive that is still cached


def test_parts_that_were_not_fetched_cannot_be_used(registry: Registry, cache: Path) -> None:
    fetched = toolchain.fetch("a", cache=cache)
    with pytest.raises(KeyError, match="b was not fetched"):
        fetched.file("b", "tool")
    with pytest.raises(KeyError, match="expected one file of a"):
        fetched.file("a", ".zip")


def test_an_unknown_part_is_refused_with_the_known_ones(registry: Registry, cache: Path) -> None:
    with pytest.raises(RequestError, match="no part `d`") as caught:
        toolchain.fetch("d", cache=cache)
    assert "all, a, b, c" in str(caught.value.hint)


def test_a_file_other_than_the_pinned_one_is_refused_and_not_kept(
    registry: Registry, cache: Path
) -> None:
    registry.serve("a-1.jar", b"clasSes of a")
    with pytest.raises(DownloadError, match=r"a-1\.jar: expected SHA-256 [0-9a-f]{64}, received"):
        toolchain.fetch("b", cache=cache)
    assert held(cache) <= {".lock"}


def test_a_package_whose_member_was_changed_is_refused(registry: Registry, cache: Path) -> None:
    registry.serve("package.tgz", tarred("package/x.aar", b"another"))
    with pytest.raises(DownloadError, match=r"x\.aar: expected SHA-256"):
        toolchain.fetch("c", cache=cache)
    registry.serve("package.tgz", tarred("package/y.aar", b"an aar"))
    with pytest.raises(DownloadError, match=r"package@1\.0 holds no package/x\.aar"):
        toolchain.fetch("c", cache=cache)
    registry.serve("package.tgz", tarred("package/x.aar", b"an aar")[:40])
    with pytest.raises(DownloadError, match="arrived damaged"):
        toolchain.fetch("c", cache=cache)
    assert held(cache) <= {".lock"}


def test_a_file_that_was_changed_in_the_cache_is_named(registry: Registry, cache: Path) -> None:
    path = toolchain.fetch("a", cache=cache).file("a", ".jar")
    path.write_bytes(b"Classes of a")
    with pytest.raises(CorruptFileError, match=re.escape(str(path))) as caught:
        toolchain.fetch("a", cache=cache)
    assert caught.value.hint == f"delete {path} to download it again"


@pytest.mark.parametrize(("part", "command"), [("a", "maven"), ("c", "npm")])
def test_a_missing_program_is_named_with_the_command_that_installs_it(
    registry: Registry, cache: Path, monkeypatch: pytest.MonkeyPatch, part: str, command: str
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingDependencyError) as caught:
        toolchain.fetch(part, cache=cache)
    assert f"`apt-get install {command}`" in str(caught.value.hint)


def test_an_unreachable_registry_is_reported_in_the_words_of_maven_or_npm(
    registry: Registry, cache: Path
) -> None:
    (registry.home / "a-1.jar").unlink()
    with pytest.raises(DownloadError, match=r"Could not find artifact a-1\.jar") as caught:
        toolchain.fetch("all", cache=cache)
    assert "mvn dependency:get -Dtransitive=false -Dartifact=org.a:a:1" in str(caught.value.hint)


def test_an_interruption_leaves_complete_parts_and_no_temporary_files(
    registry: Registry, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(package: str, member: str, target: Path) -> None:
        target.write_bytes(b"an a")
        raise KeyboardInterrupt

    monkeypatch.setattr(downloads, "from_npm", interrupted)
    with pytest.raises(KeyboardInterrupt):
        toolchain.fetch("all", cache=cache)
    assert held(cache) - {".lock"} == ALL - {"c/x.aar"}
    assert not list(cache.glob("android/.staging-*"))
    monkeypatch.undo()


def test_temporary_files_of_a_killed_process_are_deleted(registry: Registry, cache: Path) -> None:
    rest = cache / "android/.staging-old"
    rest.mkdir(parents=True)
    (rest / "half.jar").write_bytes(b"half")
    toolchain.fetch("a", cache=cache)
    assert not rest.exists()


def test_a_full_disk_is_a_storage_error(
    registry: Registry, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(coordinates: list[str], folder: Path) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(downloads, "from_maven", full)
    with pytest.raises(StorageError, match="no space left"):
        toolchain.fetch("a", cache=cache)
    assert held(cache) <= {".lock"}


def test_a_cache_that_cannot_be_made_is_a_storage_error(registry: Registry, cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.raises(StorageError):
        toolchain.fetch("a", cache=cache)


def test_a_second_process_waits_and_says_so(
    registry: Registry, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toolchain, "WAIT", 0.1)
    events: list[Event] = []
    (cache / "android").mkdir(parents=True)
    with (
        filelock.FileLock(cache / "android/.lock"),
        pytest.raises(StorageError, match="another process"),
    ):
        toolchain.fetch("a", cache=cache, progress=events.append)
    assert "waiting for another process" in events[0].message


def test_the_inventory_says_which_parts_are_in_the_cache(registry: Registry, cache: Path) -> None:
    toolchain.fetch("b", cache=cache)
    states = {part.name: part for part in toolchain.inventory(cache=cache).parts}
    assert {name for name, part in states.items() if part.present} == {"all", "a", "b"}
    assert states["b"].files == 2
    assert states["b"].licences == ("MIT",)
    assert states["all"].licences == ()


def test_every_pinned_file_has_a_source_a_purpose_and_a_licence() -> None:
    assert "http" not in toolchain.PINS.read_text(encoding="utf-8")
    for name, part in toolchain.pinned_parts().items():
        assert part.purpose
        assert set(part.needs) <= set(toolchain.pinned_parts())
        names = [pin.file_name for pin in part.files]
        assert len(set(names)) == len(names), name
        for number, pin in enumerate(part.files):
            assert sum(map(bool, (pin.maven, pin.npm, pin.archive))) == 1
            assert bool(pin.member) == bool(pin.npm or pin.archive)
            assert not pin.archive or pin.archive in names[:number]
            assert re.fullmatch("[0-9a-f]{64}", pin.sha256)
            assert pin.size > 0
            assert pin.licence or part.licence
            assert re.fullmatch(r"[\w.+-]+", pin.file_name)
