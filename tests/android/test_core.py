"""The app's core on a desktop JVM: its own tests, and what it asks of the platform."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from android import jvm

pytestmark = pytest.mark.android

TESTS = jvm.DEMO / "library/src/test"
_CALL = re.compile(r"// (?:Interface)?(?:Method|Field) (java[\w/$]*\.\S+)")


def test_the_core_passes_its_own_tests(
    compilers: jvm.Compilers, core: Path, junit: tuple[Path, ...]
) -> None:
    """They read the same golden files as the Python tests in tests/unit/shared."""
    tests = jvm.sources(TESTS)
    classes = jvm.compiled(compilers, tests, [core, *junit], friends=[core])
    jvm.run_tests(
        compilers,
        tests,
        [core, classes],
        properties={"mobiledeploy.golden": jvm.ROOT / "tests/golden"},
        junit=junit,
        memory="512m",
    )


def test_the_core_uses_only_what_android_7_has(
    core: Path, golden: Callable[[str, str], None]
) -> None:
    """Every member of a `java` class that it calls, as linked; each was looked up in API 24.

    Mind return types: a JDK compiles `ByteBuffer.rewind` to return a `ByteBuffer`, which Android
    has since API 34 only.
    """
    classes = sorted(str(path) for path in core.rglob("*.class"))
    done = subprocess.run(
        [jvm.tool("javap"), "-c", "-p", *classes], capture_output=True, text=True, check=True
    )
    used = {call.replace('"', "") for call in _CALL.findall(done.stdout)}
    factories = ("java/lang/invoke/LambdaMetafactory", "java/lang/invoke/StringConcatFactory")
    listed = sorted(call for call in used if not call.startswith(factories))
    assert "java/nio/ByteBuffer.allocateDirect:(I)Ljava/nio/ByteBuffer;" in listed
    assert "android" not in done.stdout.replace("mobiledeploy/android", "")
    golden("core_platform.txt", "".join(f"{call}\n" for call in listed))
