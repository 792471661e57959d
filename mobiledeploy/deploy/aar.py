"""Android libraries as they are published: classes, native libraries and keep rules in a ZIP."""

import dataclasses
import io
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mobiledeploy.base.errors import BundleError, CorruptFileError
from mobiledeploy.deploy import pages, zips

_LIBRARY: Final = re.compile(r"jni/([\w-]+)/(lib[\w.+-]+\.so)")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Aar:
    """An opened library.

    Attributes:
        path: Of the AAR.
        classes: `classes.jar`.
        rules: What R8 must keep; may be empty.
        libraries: Native libraries by ABI and name.
    """

    path: Path
    classes: bytes
    rules: bytes
    libraries: dict[tuple[str, str], bytes]

    def has(self, name: str) -> bool:
        """Return whether a class, such as `org.tensorflow.lite.Interpreter`, is inside."""
        with zipfile.ZipFile(io.BytesIO(self.classes)) as jar:
            return f"{name.replace('.', '/')}.class" in jar.namelist()


def read(path: Path, *, abis: Sequence[str]) -> Aar:
    """Return what an AAR has for some ABIs.

    Args:
        path: The AAR; untrusted.
        abis: Android's names, such as `arm64-v8a`.

    Raises:
        BundleError: It is no AAR, or lacks libraries for an ABI that it should have.
        CorruptFileError: It is damaged.
    """
    names = [entry.name for entry in zips.entries(path)]
    if "classes.jar" not in names:
        raise BundleError(f"{path} is no AAR: it holds no classes.jar")
    natives = [match for match in map(_LIBRARY.fullmatch, names) if match]
    wanted = [match for match in natives if match[1] in abis]
    held = {match[1] for match in natives}
    if held and (lacking := set(abis) - held):
        raise BundleError(
            f"{path} has no native libraries for {', '.join(sorted(lacking))}",
            hint=f"it has them for {', '.join(sorted(held))}: choose with `--abi`",
        )
    rules = [name for name in names if name == "proguard.txt"]
    content = zips.read(path, ["classes.jar", *rules, *(match[0] for match in wanted)])
    try:
        zipfile.ZipFile(io.BytesIO(content["classes.jar"])).close()
    except (zipfile.BadZipFile, ValueError) as error:
        raise CorruptFileError(f"{path}: classes.jar is damaged: {error}") from error
    return Aar(
        path=path,
        classes=content["classes.jar"],
        rules=content.get("proguard.txt", b""),
        libraries={(match[1], match[2]): content[match[0]] for match in wanted},
    )


def misaligned(aar: Aar, *, page: int) -> str | None:
    """Return why a library of an AAR cannot be taken, or None.

    Raises:
        CorruptFileError: A library is damaged.
    """
    for (abi, name), data in sorted(aar.libraries.items()):
        where = f"{aar.path.name}: {abi}/{name}"
        if problem := pages.library_problem(data, abi, where=where, page=page):
            return problem
    return None
