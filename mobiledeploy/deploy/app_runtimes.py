"""The libraries of the runtimes that an app can carry: ONNX Runtime, LiteRT or both."""

from pathlib import Path
from typing import Final, Literal, TypeAlias

from mobiledeploy.base.errors import BundleError
from mobiledeploy.deploy import aar as aars
from mobiledeploy.deploy.aar import Aar
from mobiledeploy.deploy.android_project import Flavour
from mobiledeploy.deploy.native_libraries import PAGE, SMALL_PAGE
from mobiledeploy.deploy.toolchain import Toolchain

AppRuntime: TypeAlias = Literal["onnx", "tflite"]
"""ONNX Runtime for `.onnx`, or LiteRT (TensorFlow Lite) for `.tflite`."""

RUNTIMES: Final[dict[Flavour, tuple[AppRuntime, ...]]] = {
    "onnx": ("onnx",),
    "tflite": ("tflite",),
    "both": ("onnx", "tflite"),
}
CLASSES: Final[dict[AppRuntime, str]] = {
    "onnx": "ai.onnxruntime.OrtSession",
    "tflite": "org.tensorflow.lite.NativeInterpreterWrapper",
}
"""A class of each runtime whose name R8 keeps: an app with the runtime has it."""

_LITERT: Final = (
    "org.tensorflow.lite.Interpreter",
    "org.tensorflow.lite.InterpreterApi",
    "org.tensorflow.lite.Tensor",
)
"""Classes of LiteRT that the app uses; they are published in two AARs, `litert` and
`litert-api`."""
_PARTS: Final[dict[AppRuntime, tuple[str, ...]]] = {
    "onnx": ("onnxruntime-android",),
    "tflite": ("tflite-android", "tflite-api-android"),
}
_ALIGNED_LIBRARIES: Final = (
    "take LiteRT 1.4 or newer, which is aligned: download the AARs of `litert` and `litert-api` "
    "(group `com.google.ai.edge.litert`) and name them with `--litert-aar`; or `--engine onnx`; "
    "`--allow-4kb-pages` builds an APK that stores refuse and 16 KB phones may not run"
)


def parts(flavour: Flavour, *, own_litert: bool) -> tuple[str, ...]:
    """Return the names of the toolchain's parts that hold the runtimes of a flavour.

    Args:
        flavour: The app's flavour.
        own_litert: Whether the user gives LiteRT's AARs; no part is then needed for it.
    """
    return tuple(
        part
        for runtime in RUNTIMES[flavour]
        if not (runtime == "tflite" and own_litert)
        for part in _PARTS[runtime]
    )


def libraries(
    flavour: Flavour, *, litert: tuple[Path, ...], abis: tuple[str, ...], toolchain: Toolchain
) -> tuple[Aar, ...]:
    """Return the AARs of a flavour's runtimes.

    Args:
        flavour: The app's flavour.
        litert: The user's AARs of LiteRT; if empty, the pinned TensorFlow Lite is used.
        abis: The ABIs whose native libraries are read.
        toolchain: Holds `parts(flavour)`.

    Raises:
        BundleError: The user's AARs are not LiteRT, or lack an ABI.
        CorruptFileError: An AAR is damaged.
    """
    read = [
        aars.read(toolchain.file(part, ".aar"), abis=abis)
        for part in parts(flavour, own_litert=bool(litert))
    ]
    if litert and "tflite" in RUNTIMES[flavour]:
        own = [aars.read(path, abis=abis) for path in litert]
        lacking = [name for name in _LITERT if not any(aar.has(name) for aar in own)]
        named = ", ".join(str(path) for path in litert)
        if lacking:
            raise BundleError(
                f"{named}: expected LiteRT, received AARs without the class {lacking[0]}",
                hint="LiteRT is published as two AARs, `litert` and `litert-api` of the group "
                "`com.google.ai.edge.litert`: name both, `--litert-aar A.aar --litert-aar B.aar`",
            )
        if not any(aar.libraries for aar in own):
            raise BundleError(
                f"{named}: expected LiteRT's native library, received AARs without one",
                hint="name the AAR `litert` too: `litert-api` holds classes only",
            )
        read += own
    return tuple(read)


def others(flavour: Flavour, *, toolchain: Toolchain) -> tuple[Aar, ...]:
    """Return the pinned AARs of the runtimes that a flavour leaves out, without native libraries.

    Args:
        flavour: The app's flavour.
        toolchain: Holds `parts` of the other runtimes.
    """
    return tuple(
        aars.read(toolchain.file(part, ".aar"), abis=())
        for runtime in RUNTIMES["both"]
        if runtime not in RUNTIMES[flavour]
        for part in _PARTS[runtime]
    )


def page_size(libraries: tuple[Aar, ...], *, allow_4kb: bool) -> int:
    """Return the page size that the native libraries are aligned for: 16384, or 4096 if allowed.

    Raises:
        BundleError: A library is not aligned, or is for another processor.
        CorruptFileError: A library is damaged.
    """
    problem = next(filter(None, (aars.library_problem(aar, page=PAGE) for aar in libraries)), None)
    if problem is None:
        return PAGE
    if not allow_4kb:
        raise BundleError(
            f"{problem}: phones with 16 KB pages cannot load it", hint=_ALIGNED_LIBRARIES
        )
    smaller = (aars.library_problem(aar, page=SMALL_PAGE) for aar in libraries)
    if (worse := next(filter(None, smaller), None)) is not None:
        raise BundleError(worse, hint="take a library that is built for Android")
    return SMALL_PAGE
