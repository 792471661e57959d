"""What a phone reads in an APK's manifest, as `aapt2` tells it."""

import dataclasses
import re
from pathlib import Path
from typing import Final

from mobiledeploy.base import programs
from mobiledeploy.base.errors import BundleError
from mobiledeploy.deploy.toolchain import Toolchain

_NAME: Final = re.compile(
    r'\s*A: http://schemas\.android\.com/apk/res/android:name\(\w+\)="(.*?)"'
)
_ELEMENT: Final = re.compile(r"\s*E: ([\w-]+) ")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Badging:
    """What an APK says about itself.

    Attributes:
        application_id: By which a phone knows the app.
        version_code: What must grow from release to release.
        version_name: What people see.
        min_sdk: Oldest API level that it runs on.
        target_sdk: API level that it was made for.
        abis: For which it has native libraries.
        permissions: That it asks for.
        activities: Classes of its screens; a phone offers the first to start.
        instrumentations: Classes that `am instrument` can start.
    """

    application_id: str
    version_code: int
    version_name: str
    min_sdk: int
    target_sdk: int
    abis: tuple[str, ...]
    permissions: tuple[str, ...]
    activities: tuple[str, ...]
    instrumentations: tuple[str, ...]


def read(apk: Path, toolchain: Toolchain) -> Badging:
    """Return what an APK says about itself.

    Raises:
        BundleError: `aapt2` cannot read it, or it does not say all that it must.
    """
    aapt2, what = toolchain.file("aapt2", "aapt2"), f"reading of {apk.name}"
    said = programs.run(aapt2, "dump", "badging", apk, failed=BundleError, what=what)
    tree = programs.run(
        aapt2, "dump", "xmltree", "--file", "AndroidManifest.xml", apk,
        failed=BundleError, what=what,
    )  # fmt: skip
    launched = _all(said, r"launchable-activity: name='([^']+)'")
    activities = _named(tree, "activity")
    if not launched or not set(launched) <= set(activities):
        raise BundleError(f"{apk.name}: no activity that a phone offers to start")
    return Badging(
        application_id=_one(said, r"package: name='([^']+)'"),
        version_code=int(_one(said, r"package: .* versionCode='(\d+)'")),
        version_name=_one(said, r"package: .* versionName='([^']+)'"),
        min_sdk=int(_one(said, r"(?:minSdk|sdk)Version:'(\d+)'")),
        target_sdk=int(_one(said, r"targetSdkVersion:'(\d+)'")),
        abis=tuple(re.findall(r"'([^']+)'", "".join(_all(said, r"native-code: (.*)")))),
        permissions=_all(said, r"uses-permission[\w-]*: name='([^']+)'"),
        activities=(launched[0], *(name for name in activities if name != launched[0])),
        instrumentations=_named(tree, "instrumentation"),
    )


def _all(said: str, pattern: str) -> tuple[str, ...]:
    return tuple(re.findall(rf"^{pattern}", said, re.MULTILINE))


def _one(said: str, pattern: str) -> str:
    found = _all(said, pattern)
    if len(found) != 1:
        raise BundleError(f"the APK's badging has {len(found)} lines like `{pattern}`")
    return found[0]


def _named(tree: str, element: str) -> tuple[str, ...]:
    """Return the names of the manifest's elements of a kind."""
    found, current = [], ""
    for line in tree.splitlines():
        if opened := _ELEMENT.match(line):
            current = opened[1]
        elif current == element and (name := _NAME.match(line)):
            found.append(name[1])
    return tuple(found)
