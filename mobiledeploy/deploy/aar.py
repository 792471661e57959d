"""Read an Android library (`.aar`): a ZIP of classes, native libraries and keep rules for R8."""

import dataclasses
import io
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mobiledeploy.base.errors import BundleError, CorruptFileError
from mobiledeploy.deploy import native_libraries, zips

_LIBRARY: Final = re.compile(r"jni/([\w-]+)/(lib[\w.+-]+\.so)")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Aar:
    """What an AAR holds for some ABIs.

    Attributes:
        path: The file.
        classes: Bytes of `classes.jar`.
        rules: Bytes of `proguard.txt`, which says what R8 must keep; may be empty.
        libraries: Bytes of the native libraries, by ABI and file name.
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
    """Read an AAR, with its native libraries for some ABIs.

    Args:
        path: The AAR; untrusted.
        abis: Android's names, such as `arm64-v8a`.

    Raises:
        BundleError: It is not an AAR, or has native libraries, but not for each of the ABIs.
        CorruptFileError: It is damaged.
    """
    names = [entry.name for entry in zips.entries(path)]
    if "classes.jar" not in names:
        raise BundleError(
            f"{path} is not an AAR: it holds no classes.jar",
            hint="name a library as Maven Central publishes it: a file that ends in `.aar`",
        )
    natives = [match for match in map(_LIBRARY.fullmatch, names) if match]
    wanted = [match for match in natives if match[1] in abis]
    available = {match[1] for match in natives}
    if available and (lacking := set(abis) - available):
        raise BundleError(
            f"{path} has no native libraries for {', '.join(sorted(lacking))}",
            hint=f"it has them for {', '.join(sorted(available))}: choose with `--abi`",
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


def library_problem(aar: Aar, *, page: int) -> str | None:
    """Return why a native library of an AAR cannot go into an APK; None if all can.

    Args:
        aar: The opened AAR.
        page: Bytes of a memory page in the 64-bit ABIs.

    Raises:
        CorruptFileError: A library is damaged.
    """
    for (abi, name), data in sorted(aar.libraries.items()):
        where = f"{aar.path.name}: {abi}/{name}"
        if problem := native_libraries.library_problem(data, abi, where=where, page=page):
            return problem
    return None
