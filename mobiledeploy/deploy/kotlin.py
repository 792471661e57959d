"""Compile Kotlin and Java for the app."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mobiledeploy.base import programs
from mobiledeploy.base.errors import BundleError
from mobiledeploy.deploy.jdk import QUICK, Jdk
from mobiledeploy.deploy.toolchain import Toolchain

_COMPILER: Final = "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler"
_NULLABILITY: Final = "-Xnullability-annotations=@android.annotation:ignore"
"""The Android API in android-all carries annotations that Kotlin would take for a promise."""


def compile_kotlin(
    sources: Sequence[Path],
    out: Path,
    *,
    module: str,
    class_path: Sequence[Path],
    jvm_target: str,
    jdk: Jdk,
    toolchain: Toolchain,
) -> None:
    """Compile a module's sources into class files.

    Args:
        sources: Kotlin files; of equal order, equal class files come out.
        out: Folder for the class files.
        module: Its name: what is `internal` in one module is hidden from the others.
        class_path: What the sources use, Kotlin's library included.
        jvm_target: Version of the class files.
        jdk: Runs the compiler.
        toolchain: Holds the compiler: the part `kotlin`.

    Raises:
        BundleError: The sources do not compile.
    """
    programs.run(
        jdk.java, "-Xmx1g", *QUICK,
        "-cp", joined(toolchain.jars("kotlin", "kotlin-stdlib")), _COMPILER,
        "-no-stdlib", "-no-reflect", _NULLABILITY,
        "-module-name", module, "-jvm-target", jvm_target, f"-Xjdk-release={jvm_target}",
        "-cp", joined(class_path), "-d", out, *sources,
        failed=BundleError, what=f"compilation of `{module}`",
    )  # fmt: skip


def compile_java(sources: Sequence[Path], out: Path, *, jvm_target: str, jdk: Jdk) -> None:
    """Compile Java files that use nothing but Java: the resource class `R`.

    Raises:
        BundleError: They do not compile.
    """
    programs.run(
        jdk.javac, "-nowarn", "--release", jvm_target, "-d", out, *sources,
        failed=BundleError, what="compilation of the resource class",
    )  # fmt: skip


def joined(class_path: Sequence[Path]) -> str:
    """Return a class path as Java wants it."""
    return os.pathsep.join(map(str, class_path))
