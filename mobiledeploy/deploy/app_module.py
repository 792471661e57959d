"""Find the application module of an Android, Flutter or React Native project.

Gradle's scripts are programs; they are read as text here, without their comments. A module is an
application if its script applies the Android application plug-in, by its id or by an alias of a
version catalogue, or if it sets an `applicationId`.
"""

import dataclasses
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, TypeAlias

from mobiledeploy.base.errors import BundleError, RequestError
from mobiledeploy.base.files import printable

Kind: TypeAlias = Literal["android", "flutter", "react-native"]
"""What a project's root folder is of."""

SCRIPTS: Final = ("build.gradle.kts", "build.gradle")
"""A module's script in Kotlin or in Groovy."""
MANIFEST: Final = "src/main/AndroidManifest.xml"
"""A module's manifest, relative to the module."""
_PLUGIN: Final = "com.android.application"
_DEEPEST: Final = 4
"""Most folders between a project's root and a module."""
_SKIPPED: Final = frozenset({"build", "node_modules", "ios", "Pods"})
_COMMENT: Final = re.compile(
    r'("(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\')|//[^\n]*|/\*.*?\*/', re.DOTALL
)
_NOT_APPLIED: Final = r"(?!\s*\)?[^\n;]*\bapply\s*\(?\s*false)"
_BY_ID: Final = re.compile(
    rf"\b(?:id\b|plugin\s*[:=])\s*\(?\s*[\"']{re.escape(_PLUGIN)}[\"']{_NOT_APPLIED}"
)
_BY_ALIAS: Final = re.compile(rf"\balias\s*\(?\s*(\w+)\.plugins\.([\w.]+){_NOT_APPLIED}")
_APPLICATION_ID: Final = re.compile(r"\bapplicationId\b\s*(?:=|\(|[\"'\w])")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AppModule:
    """The module of a project that becomes the app.

    Attributes:
        kind: What the project is of.
        project: The project's root folder.
        gradle: The root folder of its Gradle build.
        folder: The module's folder.
        script: The module's Gradle script.
    """

    kind: Kind
    project: Path
    gradle: Path
    folder: Path
    script: Path

    @property
    def in_kotlin(self) -> bool:
        """Whether the script is written in Kotlin; else it is in Groovy."""
        return self.script.suffix == ".kts"

    @property
    def assets(self) -> Path:
        """The folder of the assets: Flutter's, which its `pubspec.yaml` lists, or Android's."""
        if self.kind == "flutter":
            return self.project / "assets"
        return self.folder / "src/main/assets"

    def text(self) -> str:
        """Return the script without its comments."""
        return _text(self.script)


def find(project: Path, module: str | None = None) -> AppModule:
    """Return the application module of a project.

    Args:
        project: The root folder of an Android, Flutter or React Native project, or the folder of
            an application module.
        module: Which module, if there are several: `app`, `:features:app` or `features/app`.

    Raises:
        RequestError: There is no application module of this name.
        BundleError: `project` has no application module, or several and none is named.
    """
    if not project.is_dir():
        there = "is not a folder" if project.exists() else "does not exist"
        raise BundleError(f"{printable(project)} {there}", hint=_NEW)
    kind, project, gradle = _roots(project)
    scripts = tuple(_scripts(gradle))
    applications = [script for script in scripts if _is_application(script, gradle)]
    if module is not None:
        wanted = gradle.joinpath(*filter(None, re.split("[:/]", module)))
        applications = [script for script in applications if script.parent == wanted]
        if not applications:
            raise RequestError(
                f"{printable(gradle)} has no application module `{module}`",
                hint=_named(scripts, gradle),
            )
    if not applications:
        raise BundleError(
            f"{printable(gradle)} is not an Android project: {_why_none(gradle, scripts)}",
            hint=_NEW,
        )
    if len(applications) > 1:
        names = ", ".join(_module_name(script, gradle) for script in applications)
        raise BundleError(
            f"{printable(gradle)} has several application modules: {names}",
            hint="choose one with `--module NAME`",
        )
    (script,) = applications
    if not (script.parent / MANIFEST).is_file():
        raise BundleError(
            f"{printable(script.parent)} is no application module: its script makes an app, but "
            f"{MANIFEST} is missing",
            hint="add the manifest, or name another module with `--module NAME`",
        )
    return AppModule(
        kind=kind, project=project, gradle=gradle, folder=script.parent, script=script
    )


_NEW: Final = (
    "`--new DIR` makes a new project, the demo app, with this build in it; `--app DIR` names an "
    "Android, Flutter or React Native project of yours"
)


def _roots(project: Path) -> tuple[Kind, Path, Path]:
    """Return a project's kind, its root folder, and the root folder of its Gradle build."""
    names: tuple[tuple[Kind, str, str], ...] = (
        ("flutter", "pubspec.yaml", "flutter create --platforms=android ."),
        ("react-native", "package.json", "npx expo prebuild --platform android"),
    )
    for kind, file, command in names:
        if (project / file).is_file() and not _is_gradle(project):
            if not (project / "android").is_dir():
                raise BundleError(
                    f"{printable(project)} has {file}, but no folder `android`",
                    hint=f"make it with `{command}`",
                )
            return kind, project, project / "android"
        if project.name == "android" and (project.parent / file).is_file():
            return kind, project.parent, project
    return "android", project, project


def _is_gradle(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (*SCRIPTS, *_SETTINGS))


_SETTINGS: Final = ("settings.gradle.kts", "settings.gradle")


def _scripts(root: Path) -> Iterator[Path]:
    """Yield the script of each module, the root's included, in the order of their paths."""
    for folder, names, files in os.walk(root):
        depth = len(Path(folder).relative_to(root).parts)
        names[:] = sorted(
            name
            for name in names
            if depth < _DEEPEST and not name.startswith(".") and name not in _SKIPPED
        )
        held = [name for name in SCRIPTS if name in files]
        if held:
            yield Path(folder) / held[0]


def _is_application(script: Path, root: Path) -> bool:
    text = _text(script)
    if _BY_ID.search(text) or _APPLICATION_ID.search(text):
        return True
    return any(
        _plugin_id(root, catalogue, alias) == _PLUGIN
        for catalogue, alias in _BY_ALIAS.findall(text)
    )


def _text(script: Path) -> str:
    try:
        text = script.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{printable(script)} cannot be read: {error}") from error
    return _COMMENT.sub(lambda match: match[1] or " ", text)


def _plugin_id(root: Path, catalogue: str, alias: str) -> str | None:
    """Return the id of a plug-in by its alias; None if no catalogue of the project has it."""
    for folder in (root, *root.parents[:2]):
        path = folder / "gradle" / f"{catalogue}.versions.toml"
        if not path.is_file():
            continue
        try:
            plugins = tomllib.loads(path.read_text(encoding="utf-8")).get("plugins", {})
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise BundleError(f"{path} is not a version catalogue: {error}") from error
        for name, entry in plugins.items():
            if re.sub("[-_]", ".", name) == alias:
                return entry.partition(":")[0] if isinstance(entry, str) else entry.get("id")
    return None


def _module_name(script: Path, root: Path) -> str:
    return ":" + ":".join(script.parent.relative_to(root).parts)


def _named(scripts: tuple[Path, ...], root: Path) -> str:
    names = [_module_name(s, root) for s in scripts if _is_application(s, root)]
    return f"its application modules: {', '.join(names) or 'none'}"


def _why_none(root: Path, scripts: tuple[Path, ...]) -> str:
    if not scripts:
        beside = " its folder `app` holds none either" if (root / "app").is_dir() else ""
        return f"it holds no build.gradle(.kts);{beside}".rstrip(";")
    names = ", ".join(script.relative_to(root).as_posix() for script in scripts[:5])
    more = f" and {len(scripts) - 5} more" if len(scripts) > 5 else ""
    return f"none of its scripts ({names}{more}) applies `{_PLUGIN}`"
