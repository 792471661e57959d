"""A fake adb: a program on the PATH that answers as adb and a phone do, from a script in JSON."""

import json
import stat
import sys
from pathlib import Path
from typing import Any

_PROGRAM = """#!{python}
import json, pathlib, sys, time
here = pathlib.Path(__file__).parent
arguments = sys.argv[1:]
with (here / "calls.jsonl").open("a") as log:
    log.write(json.dumps(arguments) + "\\n")
if arguments[:1] == ["-s"]:
    arguments = arguments[2:]
said = " ".join(arguments)
for mark, answer in json.loads((here / "script.json").read_text()):
    if mark in said:
        time.sleep(answer.get("seconds", 0))
        sys.stdout.write(answer["out"])
        sys.exit(answer.get("status", 0))
sys.stdout.write("fake adb: nothing in the script for: " + said)
sys.exit(99)
"""

ONE = "List of devices attached\n0A1B2C\tdevice\n\n"
PROPERTIES = {
    "ro.product.manufacturer": "Fairphone",
    "ro.product.model": "FP5",
    "ro.product.cpu.abi": "arm64-v8a",
    "ro.build.version.release": "15",
    "ro.build.version.sdk": "35",
}


class FakeAdb:
    """Writes the program, its script, and reads what it was asked."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        program = folder / "adb"
        program.write_text(_PROGRAM.format(python=sys.executable))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        self.program = program

    def answers(self, *pairs: tuple[str, str | dict[str, Any]]) -> None:
        """Say what is printed where a mark occurs in the arguments; the first match counts."""
        script = [[mark, {"out": a} if isinstance(a, str) else a] for mark, a in pairs]
        (self.folder / "script.json").write_text(json.dumps(script))

    def phone(self, instrument: str | dict[str, Any], *more: tuple[str, str]) -> None:
        """Answer as a phone that is ready, with a self-test that prints `instrument`."""
        self.answers(
            *more,
            ("devices", ONE),
            *((name, f"{value}\r\n") for name, value in PROPERTIES.items()),
            ("getconf", "16384\n"),
            ("install", "Performing Streamed Install\nSuccess\n"),
            ("am instrument", instrument),
        )

    def calls(self) -> list[list[str]]:
        """Return the arguments of every call so far."""
        log = self.folder / "calls.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def finished(verdict: str, *, code: int = -1) -> str:
    """Return what `am instrument -w -r` prints around a verdict."""
    return f"INSTRUMENTATION_RESULT: mobiledeploy={verdict}\r\nINSTRUMENTATION_CODE: {code}\r\n"
