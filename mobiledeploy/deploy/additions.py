"""The lines that an app needs in its own files to use a build."""

import dataclasses
import re
import tomllib
from typing import Final

from mobiledeploy.deploy import demo_project
from mobiledeploy.deploy.android_project import CATALOG, LIBRARY_RULES, Flavour
from mobiledeploy.deploy.app_module import AppModule
from mobiledeploy.deploy.app_runtimes import RUNTIMES, AppRuntime

LIBRARY: Final = "libs/mobiledeploy.aar"
"""Where the lines expect the library, relative to the module."""
WHY_NOT_LITERT_2: Final = (
    "LiteRT 1.4, not 2.x: `litert` 2.1.6 and its `litert-api` have the same namespace, which the "
    "Android Gradle plug-in 9 refuses (github.com/google-ai-edge/LiteRT/issues/8474)"
)
_LIBRARIES: Final[dict[AppRuntime, str]] = {"tflite": "litert", "onnx": "onnxruntime-android"}
"""Names in the demo's version catalogue, which has the versions that its tests hold together."""
_ENDINGS: Final = ("tflite", "onnx", "npz")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """Lines to be added to a file of a project.

    Attributes:
        file: The file, relative to the project.
        lines: What to add.
        reason: Why.
    """

    file: str
    lines: str
    reason: str


def needed(module: AppModule, engine: Flavour) -> tuple[Addition, ...]:
    """Return the lines that a project still lacks.

    Args:
        module: The app.
        engine: The runtimes that it is to carry.
    """
    script = module.script.relative_to(module.project).as_posix()
    each = (
        _dependencies(module, script, engine),
        _stored(module, script),
        _keep_rules(module) if "onnx" in RUNTIMES[engine] else None,
        _pubspec(module) if module.kind == "flutter" else None,
        _metro(module, engine) if module.kind == "react-native" else None,
    )
    return tuple(addition for addition in each if addition is not None)


def _dependencies(module: AppModule, script: str, engine: Flavour) -> Addition | None:
    known = module.text() + "".join(
        path.read_text(encoding="utf-8", errors="replace")
        for path in sorted((module.gradle / "gradle").glob("*.versions.toml"))
    )
    lines = []
    if "mobiledeploy" not in _dependency_block(module.text()) and ":library" not in known:
        lines.append(_line(module, f'files("{LIBRARY}")'))
    for runtime in sorted(RUNTIMES[engine], reverse=True):
        coordinate = coordinates()[runtime]
        if coordinate.rpartition(":")[0] not in known:
            lines.append(_line(module, f'"{coordinate}"'))
    if not lines:
        return None
    folder = module.folder.relative_to(module.project)
    made = f"`mobiledeploy bundle --library {(folder / LIBRARY).as_posix()} --no-assets` makes it"
    return Addition(
        file=script,
        lines="\n".join(("dependencies {", *lines, "}")),
        reason=f"{made}. {WHY_NOT_LITERT_2}" if "tflite" in RUNTIMES[engine] else made,
    )


def coordinates() -> dict[AppRuntime, str]:
    """Return the Maven coordinates of the runtimes, with the versions that the demo app has."""
    catalogue = tomllib.loads((demo_project.folder() / CATALOG).read_text(encoding="utf-8"))
    entries = {runtime: catalogue["libraries"][name] for runtime, name in _LIBRARIES.items()}
    return {
        runtime: f"{entry['module']}:{catalogue['versions'][entry['version']['ref']]}"
        for runtime, entry in entries.items()
    }


def _dependency_block(text: str) -> str:
    return text[text.find("dependencies") :] if "dependencies" in text else ""


def _line(module: AppModule, what: str) -> str:
    if module.in_kotlin:
        return f"    implementation({what})"
    return f"    implementation {what}".replace('"', "'")


def _stored(module: AppModule, script: str) -> Addition | None:
    declared = " ".join(re.findall(r"noCompress\b[^\n]*", module.text()))
    lacking = [ending for ending in _ENDINGS if ending not in re.findall(r"\w+", declared)]
    if not lacking:
        return None
    names = ", ".join(f'"{ending}"' for ending in lacking)
    listed = f"listOf({names})" if module.in_kotlin else f"[{names}]".replace('"', "'")
    return Addition(
        file=script,
        lines=f"android {{\n    androidResources {{ noCompress += {listed} }}\n}}",
        reason="a compressed model cannot be mapped into memory: it is copied instead",
    )


def _keep_rules(module: AppModule) -> Addition | None:
    rules = module.folder / "proguard-rules.pro"
    held = rules.read_text(encoding="utf-8", errors="replace") if rules.is_file() else ""
    text = (demo_project.folder() / LIBRARY_RULES).read_text(encoding="utf-8")
    (rule,) = re.findall(r"^-keep,.*?^\}", text, re.MULTILINE | re.DOTALL)
    if "ai.onnxruntime.TensorInfo" in held or ":library" in module.text():
        return None
    return Addition(
        file=rules.relative_to(module.project).as_posix(),
        lines=rule,
        reason="only if you call ONNX Runtime without the library, whose AAR brings this rule: "
        "shrunk without it, opening a model crashes",
    )


def _pubspec(module: AppModule) -> Addition | None:
    text = (module.project / "pubspec.yaml").read_text(encoding="utf-8", errors="replace")
    entry = "assets/mobiledeploy/"
    if re.search(rf"^\s*-\s*[\"']?{entry}[\"']?\s*(#.*)?$", text, re.MULTILINE):
        return None
    return Addition(
        file="pubspec.yaml",
        lines=f"flutter:\n  assets:\n    - {entry}",
        reason="Flutter packs the assets that are listed. Dart reads them by `rootBundle.load`, "
        'Kotlin by `MobileDeploy.open(context, folder = "flutter_assets/assets/mobiledeploy")`',
    )


def _metro(module: AppModule, engine: Flavour) -> Addition | None:
    paths = (module.project / name for name in ("metro.config.js", "metro.config.ts"))
    held = "".join(p.read_text(encoding="utf-8", errors="replace") for p in paths if p.is_file())
    endings = [ending for ending in ("tflite", "onnx") if ending in RUNTIMES[engine]]
    if all(re.search(rf"[\"']{ending}[\"']", held) for ending in endings):
        return None
    names = ", ".join(f"'{ending}'" for ending in endings)
    folder = (module.assets / "mobiledeploy").relative_to(module.project).as_posix()
    return Addition(
        file="metro.config.js",
        lines=f"config.resolver.assetExts.push({names});",
        reason="only if JavaScript loads the model, by "
        f"`require('./{folder}/model.{endings[0]}')`: a native module reads the Android assets, "
        "which need no registration",
    )
