"""Class files to what is shipped: R8 drops what the app does not use, and writes DEX."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mobiledeploy.base import programs
from mobiledeploy.base.errors import BundleError
from mobiledeploy.deploy.jdk import QUICK, Jdk
from mobiledeploy.deploy.kotlin import joined
from mobiledeploy.deploy.toolchain import Toolchain

_R8: Final = "com.android.tools.r8.R8"


def shrink(
    inputs: Sequence[Path],
    out: Path,
    *,
    rules: Sequence[Path],
    min_sdk: int | None,
    jdk: Jdk,
    toolchain: Toolchain,
) -> None:
    """Shrink and optimise classes.

    Args:
        inputs: Jars, Kotlin's library included.
        out: Folder for `classes.dex`, or for a jar of class files.
        rules: Files of keep rules.
        min_sdk: API level of the DEX files; None writes class files, so that the very classes
            that were shrunk can be tested on a JVM.
        jdk: Runs R8.
        toolchain: Holds R8 and the Android API.

    Raises:
        BundleError: A class that is used is missing, or a rule is wrong.
    """
    kind = ["--classfile"] if min_sdk is None else ["--min-api", str(min_sdk)]
    programs.run(
        jdk.java, "-Xmx2g", *QUICK, "-cp", joined(toolchain.jars("r8")), _R8,
        "--release", *kind, *(word for path in rules for word in ("--pg-conf", path)),
        "--lib", toolchain.file("android-15", ".jar"), "--lib", jdk.home, "--output", out, *inputs,
        failed=BundleError, what="shrinking of the classes",
    )  # fmt: skip
