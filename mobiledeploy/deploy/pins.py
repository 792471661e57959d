"""What `tools.toml` pins: the parts of the Android toolchain, file by file."""

import dataclasses
import functools
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from mobiledeploy.base import codec
from mobiledeploy.base.errors import RequestError

PINS: Final = Path(__file__).with_name("tools.toml")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A file, and where it comes from: one of `maven`, `npm` and `archive` is named.

    Attributes:
        size: Bytes.
        sha256: Hexadecimal digest of the bytes.
        maven: `group:artifact:version[:type[:classifier]]`.
        npm: `package@version`.
        archive: Name of an earlier file of the part, a ZIP.
        member: Of the npm package or of the archive.
        name: File name; by default Maven's.
        licence: SPDX expression; by default the part's.
        executable: Whether it is a program.
    """

    size: int
    sha256: str
    maven: str = ""
    npm: str = ""
    archive: str = ""
    member: str = ""
    name: str = ""
    licence: str = ""
    executable: bool = False

    @property
    def file_name(self) -> str:
        """The name under which it is kept."""
        if self.name:
            return self.name
        _, artifact, version, kind, classifier = coordinate(self.maven)
        return f"{artifact}-{version}{classifier and '-' + classifier}.{kind}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A tool or library.

    Attributes:
        purpose: What it is for.
        licence: SPDX expression; empty if it has no files.
        needs: Parts that are fetched with it.
        files: In the order of a class path.
    """

    purpose: str
    licence: str = ""
    needs: tuple[str, ...] = ()
    files: tuple[Pin, ...] = ()


def coordinate(text: str) -> tuple[str, str, str, str, str]:
    """Split a Maven coordinate into group, artifact, version, type and classifier.

    >>> coordinate("junit:junit:4.13.2")
    ('junit', 'junit', '4.13.2', 'jar', '')
    """
    group, artifact, version, *rest = text.split(":")
    kind, classifier = (*rest, *("jar", "")[len(rest) :])
    return group, artifact, version, kind, classifier


@functools.cache
def parts() -> dict[str, Part]:
    """Return every part by name, in the order of the file."""
    listed = tomllib.loads(PINS.read_text(encoding="utf-8"))
    return {name: codec.load(Part, part, where=PINS.name) for name, part in listed.items()}


def closure(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of parts and of all that they need, in the order of the file.

    Raises:
        RequestError: There is no such part.
    """
    known = parts()
    waiting, wanted = list(names), set()
    while waiting:
        name = waiting.pop()
        if name not in known:
            raise RequestError(
                f"there is no part `{name}`", hint=f"the parts are {', '.join(known)}"
            )
        if name not in wanted:
            wanted.add(name)
            waiting += known[name].needs
    return tuple(name for name in known if name in wanted)
