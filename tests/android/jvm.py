"""Compile Kotlin and Java, and run JUnit tests in a JVM, with an exact count of what must run.

Classes are kept by a digest of what they are made from, so that an unchanged module is compiled
once and a changed one always.
"""

import dataclasses
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
DEMO: Final = ROOT / "android_demo"
RUNNER: Final = DEMO / "ci/junit/RunTests.java"

_GCC: Final = ("-O1", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror")
_JAVAC: Final = ("-nowarn", "--release", "11")
_KOTLINC: Final = (
    "-no-stdlib",
    "-no-reflect",
    "-jvm-target",
    "11",
    "-Werror",
    # android-all marks its nullability annotations as errors, which Kotlin would believe.
    "-Xnullability-annotations=@android.annotation:ignore",
)
_OPENED: Final = ("java.io", "java.lang", "java.nio", "java.util")
_PACKAGE: Final = re.compile(r"^package\s+([\w.]+)", re.MULTILINE)
_CLASS: Final = re.compile(r"^(?:public |internal |final |open )*class\s+(\w+)", re.MULTILINE)
_COMMENT: Final = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_TEST: Final = re.compile(
    r"@Test\b(?:\([^)]*\))?\s*(?:@\w+(?:\([^)]*\))?\s*)*(?:public |internal )?(?:fun|void)\s+"
    r"(?:`([^`]+)`|(\w+))"
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Compilers:
    """What turns sources into classes.

    Attributes:
        kotlin: The Kotlin compiler and what it needs, as a class path.
        stdlib: Kotlin's standard library.
        cache: Where compiled modules are kept.
    """

    kotlin: tuple[Path, ...]
    stdlib: Path
    cache: Path


def sources(*folders: Path) -> list[Path]:
    """Return the Kotlin and Java files of folders, sorted; a folder without any is an error."""
    collected = []
    for folder in folders:
        files = sorted(path for kind in ("*.kt", "*.java") for path in folder.rglob(kind))
        assert files, f"{folder} holds no sources"
        collected += files
    return collected


def compiled(
    compilers: Compilers,
    files: Sequence[Path],
    class_path: Sequence[Path],
    *,
    friends: Sequence[Path] = (),
) -> Path:
    """Return a folder of the classes of some sources: Java 11 classes, as on the phone.

    Args:
        compilers: Which compilers, and where to keep the classes.
        files: Kotlin and Java sources; the Java sources may not refer to Kotlin's.
        class_path: Folders and jars.
        friends: Folders of the class path whose `internal` declarations the sources may use, as
            a module's tests may.
    """
    made_with = (*_JAVAC, *_KOTLINC, compilers.stdlib.name, os.environ.get("JAVA_HOME", ""))
    digest = hashlib.sha256("\n".join(made_with).encode())
    for path in files:
        digest.update(f"\n{path.name}\n".encode() + path.read_bytes())
    for path in (*class_path, *friends):
        digest.update(f"\n{path}".encode())  # a compiled folder's name is a digest itself
    place = compilers.cache / digest.hexdigest()[:20]
    if place.is_dir():
        return place
    with tempfile.TemporaryDirectory(dir=compilers.cache) as made:
        out = Path(made) / "classes"
        out.mkdir()
        java = [path for path in files if path.suffix == ".java"]
        kotlin = [path for path in files if path.suffix == ".kt"]
        if java:
            _javac(java, class_path, out)
        if kotlin:
            _kotlinc(compilers, kotlin, [*class_path, out], out, friends)
        _put(out, place)
    return place


def shared_library(name: str, folder: Path, library: Path, *, cache: Path) -> Path:
    """Return a folder that holds a library and a JNI library on top of it, compiled from C.

    Args:
        name: File name of the JNI library.
        folder: With the C sources.
        library: What the JNI library calls.
        cache: Where such folders are kept, by a digest.
    """
    files = sorted(path for kind in ("*.c", "*.h") for path in folder.glob(kind))
    digest = hashlib.sha256("\n".join(_GCC).encode() + library.read_bytes())
    for path in files:
        digest.update(f"\n{path.name}\n".encode() + path.read_bytes())
    place = cache / digest.hexdigest()[:20]
    if not place.is_dir():
        with tempfile.TemporaryDirectory(dir=cache) as made:
            out = Path(made) / "natives"
            out.mkdir()
            shutil.copyfile(library, out / library.name)
            include = Path(tool("javac")).resolve().parents[1] / "include"
            options = [*_GCC, f"-I{include}", f"-I{include}/linux", "-o", str(out / name)]
            linked = [f"-L{out}", f"-l:{library.name}", "-Wl,-rpath,$ORIGIN,--no-undefined"]
            _compile("gcc", options, [path for path in files if path.suffix == ".c"], linked)
            _put(out, place)
    return place


def run_tests(
    compilers: Compilers,
    tests: Sequence[Path],
    class_path: Sequence[Path],
    *,
    properties: Mapping[str, str | Path],
    junit: Sequence[Path],
    memory: str = "2g",
    timeout: float = 600,
) -> str:
    """Run every JUnit test that the given compiled-in sources name, and require that all pass.

    Args:
        compilers: For the runner itself.
        tests: The tests' sources, already compiled on the class path: they say what must run.
        class_path: Folders and jars.
        properties: Java system properties.
        junit: JUnit and Hamcrest.
        memory: The JVM's greatest heap.
        timeout: Seconds.

    Returns:
        What the tests printed.

    Raises:
        AssertionError: A test failed, was skipped or did not run, or the JVM died; the message
            holds the JVM's own text.
    """
    expected = expected_tests(tests)
    assert expected, f"no @Test in {', '.join(path.name for path in tests)}"
    runner = compiled(compilers, [RUNNER], junit)
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder) / "events.tsv"
        done = java(
            "RunTests",
            [events, *sorted({name.rpartition(".")[0] for name in expected})],
            [runner, *class_path, *junit, compilers.stdlib],
            properties=properties,
            memory=memory,
            timeout=timeout,
        )
        lines = events.read_text(encoding="utf-8").splitlines() if events.exists() else []
    _require(expected, lines, f"exit status {done.returncode}\n{_tail(done)}")
    return done.stdout


def java(
    main: str,
    args: Sequence[str | Path],
    class_path: Sequence[Path],
    *,
    properties: Mapping[str, str | Path],
    memory: str = "2g",
    timeout: float = 600,
) -> subprocess.CompletedProcess[str]:
    """Run a main class.

    The class path is in the environment: ONNX Runtime 1.29 reads its process's command line with a
    regular expression that recurses for each character, and overflows the stack on long ones.
    """
    return subprocess.run(
        [
            tool("java"),
            f"-Xmx{memory}",
            "-XX:+UseSerialGC",  # the machine's cores belong to the tests
            "-ea",
            *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED),
            *(f"-D{name}={value}" for name, value in properties.items()),
            main,
            *map(str, args),
        ],
        env={**os.environ, "CLASSPATH": _joined(class_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )


def tool(name: str) -> str:
    """Return the path of a program of the JDK or the C compiler, or fail and say what to install.

    Missing it is a failure, not a skip: who asks for `-m android` wants these tests.
    """
    home = os.environ.get("JAVA_HOME")
    path = shutil.which(name, path=f"{home}/bin") if home else None
    path = path or shutil.which(name)
    packages = {
        "gcc": "gcc",
        "java": "openjdk-17-jdk-headless",
        "javac": "openjdk-17-jdk-headless",
    }
    assert path, f"`{name}` is missing: `apt-get install {packages[name]}`"
    return path


def expected_tests(files: Iterable[Path]) -> set[str]:
    """Return the full name of every JUnit test in some sources, as JUnit will call it."""
    names: set[str] = set()
    for path in files:
        text = _COMMENT.sub("", path.read_text(encoding="utf-8"))
        package, tests = _PACKAGE.search(text), _TEST.findall(text)
        assert len(tests) == len(re.findall(r"@Test\b", text)), f"{path}: a @Test cannot be read"
        if tests:
            assert package, f"{path} names no package"
            first = _CLASS.search(text)
            assert first, f"{path} holds no class"
            names |= {f"{package[1]}.{first[1]}.{quoted or plain}" for quoted, plain in tests}
    return names


def _require(expected: set[str], lines: Sequence[str], said: str) -> None:
    """Hold the events of a run against the tests that had to run."""
    events: dict[str, list[str]] = {}
    traces = []
    for line in lines:
        kind, *rest = line.split("\t", 3)
        if rest:
            events.setdefault(kind, []).append(f"{rest[0]}.{rest[1]}")
            if kind in {"failed", "assumed"}:
                text = re.sub(r"\\(n|\\)", lambda m: "\n" if m[1] == "n" else "\\", rest[2])
                traces.append(f"{kind}: {rest[0]}.{rest[1]}\n{text}")
    finished = events.get("finished", [])
    problems = list(traces)
    problems += [f"skipped: {name}" for name in events.get("ignored", [])]
    problems += [f"did not run: {name}" for name in sorted(expected - set(finished))]
    problems += [f"ran, but no source names it: {name}" for name in set(finished) - expected]
    if len(finished) != len(expected):
        problems.append(f"{len(finished)} tests ran, the sources hold {len(expected)}")
    if not lines or lines[-1] != "end":
        problems.append("the JVM did not come to its end")
    assert not problems, "\n\n".join([*problems, f"the JVM said: {said}"])


def _javac(files: Sequence[Path], class_path: Sequence[Path], out: Path) -> None:
    _compile(
        "javac",
        [*_JAVAC, "-cp", _joined([*class_path, out]), "-d", str(out)],
        files,
    )


def _kotlinc(
    compilers: Compilers,
    files: Sequence[Path],
    class_path: Sequence[Path],
    out: Path,
    friends: Sequence[Path],
) -> None:
    options = [*_KOTLINC, "-d", str(out)]
    if friends:
        options.append(f"-Xfriend-paths={','.join(map(str, friends))}")
    launch = ["-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]
    launch += [_joined(compilers.kotlin), "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler"]
    _compile("java", [*launch, *options, "-cp", _joined([*class_path, compilers.stdlib])], files)


def _compile(
    program: str, options: Sequence[str], files: Sequence[Path], last: Sequence[str] = ()
) -> None:
    done = subprocess.run(
        [tool(program), *options, *map(str, files), *last],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    names = ", ".join(path.name for path in files)
    assert done.returncode == 0, f"{names} do not compile:\n{_tail(done)}"


def _put(made: Path, place: Path) -> None:
    try:
        made.rename(place)
    except OSError:  # another session was faster
        assert place.is_dir()


def _joined(class_path: Iterable[Path]) -> str:
    return os.pathsep.join(str(path) for path in class_path)


def _tail(done: subprocess.CompletedProcess[str]) -> str:
    return f"{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
