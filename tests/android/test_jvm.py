"""The harness: a JUnit run passes only if every test of the sources ran and passed."""

from pathlib import Path

import pytest
from android import jvm

pytestmark = pytest.mark.android

SOURCE = """package trial;
import org.junit.*;
public class {name} {{
    // @Test public void commentedOut() {{}}
    @Test public void alwaysPasses() {{ System.out.println("it ran"); }}
    @Test(timeout = 10_000) public void judged() throws Exception {{ {body} }}
}}
"""


def run(
    name: str, body: str, *, compilers: jvm.Compilers, junit: tuple[Path, ...], folder: Path
) -> str:
    source = folder / f"{name}.java"
    source.write_text(SOURCE.format(name=name, body=body))
    classes = jvm.compiled(compilers, [source], junit)
    return jvm.run_tests(compilers, [source], [classes], properties={}, junit=junit)


def test_a_run_passes_if_all_tests_pass(
    compilers: jvm.Compilers, junit: tuple[Path, ...], tmp_path: Path
) -> None:
    said = run("Good", "", compilers=compilers, junit=junit, folder=tmp_path)
    assert "it ran" in said


@pytest.mark.parametrize(
    ("name", "body", "message"),
    [
        ("Fails", 'Assert.fail("17 is not 18\\nnor 19");', "17 is not 18\nnor 19"),
        (
            "Skips",
            'Assume.assumeTrue("no phone", false);',
            "assumed: trial.Skips.judged\nno phone",
        ),
        ("Quits", "System.exit(0);", "did not run: trial.Quits.judged"),
        ("Crashes", "Runtime.getRuntime().halt(3);", "exit status 3"),
    ],
)
def test_a_failed_test_fails_with_its_message(
    name: str,
    body: str,
    message: str,
    compilers: jvm.Compilers,
    junit: tuple[Path, ...],
    tmp_path: Path,
) -> None:
    with pytest.raises(AssertionError) as caught:
        run(name, body, compilers=compilers, junit=junit, folder=tmp_path)
    assert message in str(caught.value)


def test_a_run_without_one_of_the_sources_fails(
    compilers: jvm.Compilers, junit: tuple[Path, ...], tmp_path: Path
) -> None:
    source = tmp_path / "Grown.java"
    source.write_text(SOURCE.format(name="Grown", body=""))
    classes = jvm.compiled(compilers, [source], junit)
    source.write_text(
        source.read_text().replace(
            "public class Grown {", "public class Grown { @Test void more(){}"
        )
    )
    with pytest.raises(AssertionError, match=r"did not run: trial\.Grown\.more"):
        jvm.run_tests(compilers, [source], [classes], properties={}, junit=junit)


def test_kotlin_tests_have_the_names_that_junit_gives_them(tmp_path: Path) -> None:
    source = tmp_path / "ATest.kt"
    source.write_text(
        "package a.b\n/** @Test fun no() */\nclass ATest {\n"
        "  @Test\n  fun plain() {}\n  @Test(expected = X::class) fun `with spaces`() {}\n"
        '  @Test @Config(qualifiers = "night") fun dark() = check()\n}\n'
    )
    assert jvm.expected_tests([source]) == {
        "a.b.ATest.plain",
        "a.b.ATest.with spaces",
        "a.b.ATest.dark",
    }
