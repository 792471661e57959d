"""The runtimes that an app can carry, and which of them may go into an APK."""

from pathlib import Path
from typing import Final, Literal, TypeAlias

from mobiledeploy.base.errors import BundleError
from mobiledeploy.deploy import aar as aars
from mobiledeploy.deploy.aar import Aar
from mobiledeploy.deploy.pages import PAGE, SMALL_PAGE
from mobiledeploy.deploy.project import Engine
from mobiledeploy.deploy.toolchain import Toolchain

Runtime: TypeAlias = Literal["onnx", "tflite"]

RUNTIMES: Final[dict[Engine, tuple[Runtime, ...]]] = {
    "onnx": ("onnx",),
    "tflite": ("tflite",),
    "both": ("onnx", "tflite"),
}
CLASSES: Final[dict[Runtime, str]] = {
    "onnx": "ai.onnxruntime.OrtSession",
    "tflite": "org.tensorflow.lite.NativeInterpreterWrapper",
}
"""A class of native methods, which keeps its name: an app with the runtime must have it, one
without must not."""

_LITERT: Final = (
    "org.tensorflow.lite.Interpreter",
    "org.tensorflow.lite.InterpreterApi",
    "org.tensorflow.lite.Tensor",
)
"""What the app uses of LiteRT; it is published in two AARs, `litert` and `litert-api`."""
_PARTS: Final[dict[Runtime, tuple[str, ...]]] = {
    "onnx": ("onnxruntime-android",),
    "tflite": ("tflite-android", "tflite-api-android"),
}
_CURE: Final = (
    "take LiteRT 1.4 or newer, which is aligned: download the AARs of `litert` and `litert-api` "
    "(group `com.google.ai.edge.litert`) and name them with `--litert-aar`; or `--engine onnx`; "
    "`--allow-4kb-pages` builds an APK that stores refuse and 16 KB phones may not run"
)


def parts(engine: Engine, *, own_litert: bool) -> tuple[str, ...]:
    """Return the parts of the toolchain that hold the runtimes of an engine choice."""
    return tuple(
        part
        for runtime in RUNTIMES[engine]
        if not (runtime == "tflite" and own_litert)
        for part in _PARTS[runtime]
    )


def libraries(
    engine: Engine, *, litert: tuple[Path, ...], abis: tuple[str, ...], toolchain: Toolchain
) -> tuple[Aar, ...]:
    """Return the AARs of an engine choice.

    Args:
        engine: Which runtimes.
        litert: The user's AARs of LiteRT; none takes the pinned TensorFlow Lite.
        abis: For which the native libraries are read.
        toolchain: Holds `parts(engine)`.

    Raises:
        BundleError: The user's AARs are not LiteRT, or lack an ABI.
        CorruptFileError: An AAR is damaged.
    """
    found = [
        aars.read(toolchain.file(part, ".aar"), abis=abis)
        for part in parts(engine, own_litert=bool(litert))
    ]
    if litert and "tflite" in RUNTIMES[engine]:
        own = [aars.read(path, abis=abis) for path in litert]
        lacking = [name for name in _LITERT if not any(aar.has(name) for aar in own)]
        named = ", ".join(str(path) for path in litert)
        if lacking:
            raise BundleError(
                f"{named}: no class {lacking[0]}: not the LiteRT that the app uses",
                hint="LiteRT is published as two AARs, `litert` and `litert-api` of the group "
                "`com.google.ai.edge.litert`: name both, `--litert-aar A.aar --litert-aar B.aar`",
            )
        if not any(aar.libraries for aar in own):
            raise BundleError(f"{named}: no native library: not the AAR `litert` itself")
        found += own
    return tuple(found)


def page_size(libraries: tuple[Aar, ...], *, allow_4kb: bool) -> int:
    """Return for which page size the native libraries are aligned: 16384, or 4096 if allowed.

    Raises:
        BundleError: A library is not aligned, or is for another processor.
        CorruptFileError: A library is damaged.
    """
    problem = next(filter(None, (aars.misaligned(aar, page=PAGE) for aar in libraries)), None)
    if problem is None:
        return PAGE
    if not allow_4kb:
        raise BundleError(f"{problem}: phones with 16 KB pages cannot load it", hint=_CURE)
    smaller = (aars.misaligned(aar, page=SMALL_PAGE) for aar in libraries)
    if (worse := next(filter(None, smaller), None)) is not None:
        raise BundleError(worse)
    return SMALL_PAGE
