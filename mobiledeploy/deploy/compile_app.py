"""Compile an Android app without Gradle: sources, resources and libraries to an APK's files."""

import dataclasses
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mobiledeploy.base import programs
from mobiledeploy.base.errors import BundleError
from mobiledeploy.base.progress import Event, Progress
from mobiledeploy.deploy import zips
from mobiledeploy.deploy.aar import Aar
from mobiledeploy.deploy.android_project import AndroidProject, Flavour
from mobiledeploy.deploy.jdk import QUICK, Jdk, class_path_argument
from mobiledeploy.deploy.toolchain import Toolchain
from mobiledeploy.deploy.zips import NewEntry

DEFAULT_RULES: Final = Path(__file__).with_name("defaults.pro")
"""The keep rules that Gradle's Android plug-in gives R8 by default."""
ANDROID: Final = "http://schemas.android.com/apk/res/android"
"""XML namespace of the manifest's attributes."""
_KOTLIN_COMPILER: Final = "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler"
_NULLABILITY: Final = "-Xnullability-annotations=@android.annotation:ignore"
"""Ignores the nullability annotations of android-all, which Kotlin would otherwise enforce."""
_R8: Final = "com.android.tools.r8.R8"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CompiledApp:
    """The compiled parts of an app.

    Attributes:
        linked: A ZIP with the binary manifest, resource table and resources.
        dex: The DEX files.
    """

    linked: Path
    dex: tuple[Path, ...]


def compile_app(
    project: AndroidProject,
    flavour: Flavour,
    libraries: Sequence[Aar],
    others: Sequence[Aar],
    work: Path,
    *,
    jdk: Jdk,
    toolchain: Toolchain,
    progress: Progress,
    stage: str,
) -> CompiledApp:
    """Compile, link and shrink an app.

    Args:
        project: The app's project.
        flavour: Which of the project's flavours to compile.
        libraries: The Android libraries that the flavour uses.
        others: Libraries that the project's own library is compiled against, and the app leaves
            out: the runtimes of other flavours.
        work: An empty folder; it must exist as long as the result is used.
        jdk: Runs the compilers.
        toolchain: Holds the part `apk`.
        progress: Called with what is being done.
        stage: The stage's name in the events.

    Raises:
        BundleError: Sources, resources or rules are wrong.
    """
    folders = {name: work / name for name in ("resources", "library", "app", "dex")}
    for folder in folders.values():
        folder.mkdir()
    progress(Event(stage, "linking resources"))
    linked = link_resources(project, flavour, folders["resources"], toolchain)
    target = project.jvm_target
    compile_java(linked.java, folders["app"], jvm_target=target, jdk=jdk)
    jars = write_classes(libraries, work, "library")
    stdlib, android = toolchain.jars("kotlin-stdlib"), toolchain.jars("android-15")
    progress(Event(stage, "compiling the app's library"))
    compile_kotlin(
        project.library_sources(), folders["library"], module="library",
        class_path=(*jars, *write_classes(others, work, "other"), *stdlib, *android),
        jvm_target=target, jdk=jdk, toolchain=toolchain, explicit_api=True,
    )  # fmt: skip
    progress(Event(stage, "compiling the app"))
    compile_kotlin(
        project.app_sources(flavour), folders["app"], module="app",
        class_path=(folders["app"], folders["library"], *jars, *stdlib, *android),
        jvm_target=target, jdk=jdk, toolchain=toolchain,
    )  # fmt: skip
    progress(Event(stage, "shrinking"))
    shrink(
        (*(pack_classes(folders[name]) for name in ("library", "app")), *jars, *stdlib),
        folders["dex"],
        rules=keep_rules(project, linked, libraries, work),
        min_sdk=project.min_sdk,
        jdk=jdk,
        toolchain=toolchain,
    )
    return CompiledApp(linked=linked.apk, dex=tuple(sorted(folders["dex"].glob("classes*.dex"))))


def keep_rules(
    project: AndroidProject, linked: "LinkedResources", libraries: Sequence[Aar], work: Path
) -> tuple[Path, ...]:
    """Return R8's files of keep rules: Gradle's, the project's, its XML's, the libraries'.

    Those of the libraries are written to `work`.
    """
    of_libraries = []
    for number, library in enumerate(libraries):
        of_libraries.append(work / f"library{number}.pro")
        of_libraries[-1].write_bytes(library.rules)
    return (DEFAULT_RULES, *project.rules, linked.rules, *of_libraries)


def write_classes(libraries: Sequence[Aar], work: Path, name: str) -> tuple[Path, ...]:
    """Write the classes of libraries to a folder, as numbered jars of a name."""
    jars = tuple(work / f"{name}{number}.jar" for number in range(len(libraries)))
    for jar, library in zip(jars, libraries, strict=True):
        jar.write_bytes(library.classes)
    return jars


def pack_classes(folder: Path) -> Path:
    """Write a jar of a folder's classes next to it; equal classes give equal bytes.

    What Kotlin's compiler must know of them (`META-INF/*.kotlin_module`) is added.
    """
    packed = folder.with_name(f"{folder.name}.jar")
    names = sorted(
        path.relative_to(folder).as_posix()
        for kind in ("*.class", "*.kotlin_module")
        for path in folder.rglob(kind)
    )
    zips.write(
        packed,
        (NewEntry(name=name, data=(folder / name).read_bytes(), alignment=None) for name in names),
    )
    return packed


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LinkedResources:
    """Manifest and resources in the form that a phone reads.

    Attributes:
        apk: A ZIP with the binary manifest, resource table and resources.
        java: The Java sources of the resource class `R`.
        rules: Keep rules for the classes that manifest or layouts name.
    """

    apk: Path
    java: tuple[Path, ...]
    rules: Path


def link_resources(
    project: AndroidProject, flavour: Flavour, work: Path, toolchain: Toolchain
) -> LinkedResources:
    """Compile an app's resources, then link them with its manifest, by `aapt2`.

    Args:
        project: The app's project.
        flavour: Its resources are added to those of the project.
        work: An empty folder for the results.
        toolchain: Holds `aapt2` and the framework's resources.

    Raises:
        BundleError: The manifest or a resource is wrong.
    """
    aapt2 = toolchain.file("aapt2", "aapt2")
    manifest = work / "AndroidManifest.xml"
    manifest.write_bytes(merged_manifest(project))
    compiled: list[Path] = []
    for number, folder in enumerate(project.resources(flavour)):
        compiled.append(work / f"res{number}.zip")
        programs.run(
            aapt2, "compile", "--dir", folder, "-o", compiled[-1],
            failed=BundleError, what=f"compilation of {folder}",
        )  # fmt: skip
    linked = LinkedResources(apk=work / "linked.apk", java=(), rules=work / "aapt2.pro")
    overlays = tuple(word for path in compiled[1:] for word in ("-R", path))
    programs.run(
        aapt2, "link", "-I", toolchain.file("aapt2", "android-framework.jar"),
        "--manifest", manifest, "--java", work / "java", "--custom-package", project.namespace,
        "--min-sdk-version", str(project.min_sdk),
        "--target-sdk-version", str(project.target_sdk),
        "--version-code", str(project.version_code), "--version-name", project.version_name,
        "--proguard", linked.rules, "-o", linked.apk, "--auto-add-overlay", *overlays,
        *compiled[:1], failed=BundleError, what="linking of the resources",
    )  # fmt: skip
    return dataclasses.replace(linked, java=tuple(sorted((work / "java").rglob("*.java"))))


def merged_manifest(project: AndroidProject) -> bytes:
    """Return the source manifest with what Gradle's plug-in would add to it.

    Raises:
        BundleError: It is not a manifest.
    """
    ET.register_namespace("android", ANDROID)
    try:
        root = ET.fromstring(project.manifest.read_bytes())  # noqa: S314  the project's own file
    except ET.ParseError as error:
        raise BundleError(
            f"{project.manifest} is not XML: {error}", hint="correct it as Android Studio shows"
        ) from error
    application = root.find("application")
    if root.tag != "manifest" or application is None:
        raise BundleError(
            f"{project.manifest}: expected a manifest with an application",
            hint="start from the manifest of `android_demo`",
        )
    root.set("package", project.application_id)
    # Libraries are stored uncompressed and aligned, so that phones map them from the APK.
    application.set(f"{{{ANDROID}}}extractNativeLibs", "false")
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text.replace(b"${applicationId}", project.application_id.encode())


def compile_kotlin(
    sources: Sequence[Path],
    out: Path,
    *,
    module: str,
    class_path: Sequence[Path],
    jvm_target: str,
    jdk: Jdk,
    toolchain: Toolchain,
    explicit_api: bool = False,
) -> None:
    """Compile a module's sources into class files.

    Args:
        sources: Kotlin files; the same files in the same order give equal class files.
        out: Folder for the class files.
        module: Its name; what is `internal` in a module is hidden from the others.
        class_path: Jars and folders that the sources use, Kotlin's library included.
        jvm_target: Version of the class files.
        jdk: Runs the compiler.
        toolchain: Holds the compiler, which is the part `kotlin`.
        explicit_api: Whether each declaration must say that it is public, as in a library.

    Raises:
        BundleError: The sources do not compile.
    """
    programs.run(
        jdk.java, "-Xmx1g", *QUICK,
        "-cp", class_path_argument(toolchain.jars("kotlin", "kotlin-stdlib")), _KOTLIN_COMPILER,
        "-no-stdlib", "-no-reflect", _NULLABILITY,
        *(("-Xexplicit-api=strict",) if explicit_api else ()),
        "-module-name", module, "-jvm-target", jvm_target, f"-Xjdk-release={jvm_target}",
        "-cp", class_path_argument(class_path), "-d", out, *sources,
        failed=BundleError, what=f"compilation of `{module}`",
    )  # fmt: skip


def compile_java(sources: Sequence[Path], out: Path, *, jvm_target: str, jdk: Jdk) -> None:
    """Compile the resource class `R`, which uses nothing but Java itself.

    Raises:
        BundleError: The class does not compile.
    """
    programs.run(
        jdk.javac, "-nowarn", "--release", jvm_target, "-d", out, *sources,
        failed=BundleError, what="compilation of the resource class",
    )  # fmt: skip


def shrink(
    inputs: Sequence[Path],
    out: Path,
    *,
    rules: Sequence[Path],
    min_sdk: int | None,
    jdk: Jdk,
    toolchain: Toolchain,
) -> None:
    """Drop unused classes by R8, optimise the others, and write DEX files.

    Args:
        inputs: Jars to shrink, Kotlin's library included.
        out: Folder for `classes.dex`, or for a jar of class files.
        rules: Files of keep rules.
        min_sdk: API level of the DEX files; None writes class files instead, so that the shrunk
            classes can be tested on a JVM.
        jdk: Runs R8.
        toolchain: Holds R8 and the Android API.

    Raises:
        BundleError: A class that is used is missing, or a rule is wrong.
    """
    kind = ["--classfile"] if min_sdk is None else ["--min-api", str(min_sdk)]
    programs.run(
        jdk.java, "-Xmx2g", *QUICK, "-cp", class_path_argument(toolchain.jars("r8")), _R8,
        "--release", *kind, *(word for path in rules for word in ("--pg-conf", path)),
        "--lib", toolchain.file("android-15", ".jar"), "--lib", jdk.home, "--output", out, *inputs,
        failed=BundleError, what="shrinking of the classes",
    )  # fmt: skip
