"""From an app's sources and libraries to what a phone loads: resources and DEX files."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mobiledeploy.base.progress import Event, Progress
from mobiledeploy.deploy import kotlin, resources, shrink, zips
from mobiledeploy.deploy.aar import Aar
from mobiledeploy.deploy.jdk import Jdk
from mobiledeploy.deploy.project import Engine, Project
from mobiledeploy.deploy.resources import Linked
from mobiledeploy.deploy.toolchain import Toolchain
from mobiledeploy.deploy.zips import NewEntry

DEFAULT_RULES: Final = Path(__file__).with_name("defaults.pro")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """What came out.

    Attributes:
        linked: A ZIP with the binary manifest, resource table and resources.
        dex: The DEX files.
    """

    linked: Path
    dex: tuple[Path, ...]


def compile_app(
    project: Project,
    engine: Engine,
    libraries: Sequence[Aar],
    work: Path,
    *,
    jdk: Jdk,
    toolchain: Toolchain,
    progress: Progress,
    stage: str,
) -> Compiled:
    """Compile, link and shrink an app.

    Args:
        project: Whose sources and resources.
        engine: The flavour.
        libraries: What the flavour links.
        work: An empty folder; it must stay as long as what comes out is used.
        jdk: Runs the compilers.
        toolchain: Holds the part `apk`.
        progress: Told what is being done.
        stage: The stage's name in the events.

    Raises:
        BundleError: Sources, resources or rules are wrong.
    """
    folders = {name: work / name for name in ("resources", "core", "app", "dex")}
    for folder in folders.values():
        folder.mkdir()
    progress(Event(stage, "linking resources"))
    linked = resources.link(project, engine, folders["resources"], toolchain)
    target = project.jvm_target
    kotlin.compile_java(linked.java, folders["app"], jvm_target=target, jdk=jdk)
    jars = []
    for number, library in enumerate(libraries):
        jars.append(work / f"library{number}.jar")
        jars[-1].write_bytes(library.classes)
    stdlib, android = toolchain.jars("kotlin-stdlib"), toolchain.jars("android-15")
    progress(Event(stage, "compiling the app's core"))
    kotlin.compile_kotlin(
        project.core_sources(), folders["core"], module="core", class_path=stdlib,
        jvm_target=target, jdk=jdk, toolchain=toolchain,
    )  # fmt: skip
    progress(Event(stage, "compiling the app"))
    kotlin.compile_kotlin(
        project.app_sources(engine), folders["app"], module="app",
        class_path=(folders["app"], folders["core"], *jars, *stdlib, *android),
        jvm_target=target, jdk=jdk, toolchain=toolchain,
    )  # fmt: skip
    progress(Event(stage, "shrinking"))
    shrink.shrink(
        (*(jar(folders[name]) for name in ("core", "app")), *jars, *stdlib),
        folders["dex"],
        rules=keep_rules(project, linked, libraries, work),
        min_sdk=project.min_sdk,
        jdk=jdk,
        toolchain=toolchain,
    )
    return Compiled(linked=linked.apk, dex=tuple(sorted(folders["dex"].glob("classes*.dex"))))


def keep_rules(
    project: Project, linked: Linked, libraries: Sequence[Aar], work: Path
) -> tuple[Path, ...]:
    """Return the files of rules for R8: Gradle's defaults, the app's, its XML's, the libraries'.

    Those of the libraries are written to `work`.
    """
    own = []
    for number, library in enumerate(libraries):
        own.append(work / f"library{number}.pro")
        own[-1].write_bytes(library.rules)
    return (DEFAULT_RULES, project.rules, linked.rules, *own)


def jar(folder: Path) -> Path:
    """Write a jar of a folder's class files beside it; equal classes give equal bytes."""
    packed = folder.with_name(f"{folder.name}.jar")
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.class"))
    zips.write(
        packed,
        (NewEntry(name=name, data=(folder / name).read_bytes(), alignment=None) for name in names),
    )
    return packed
