"""The downloaded files that the Android tests need, by name."""

import dataclasses
from pathlib import Path


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Jars and folders of classes.

    Attributes:
        kotlin: The Kotlin compiler's class path.
        stdlib: Kotlin's standard library.
        junit: JUnit and Hamcrest.
        android: android-all: the platform's classes.
        onnxruntime: ONNX Runtime's jar for desktops, with its native library.
        tflite: The classes of the TFLite AAR and of its API.
    """

    kotlin: tuple[Path, ...]
    stdlib: Path
    junit: tuple[Path, ...]
    android: Path
    onnxruntime: Path
    tflite: tuple[Path, ...]


def in_folder(folder: Path) -> Parts:
    """Return the parts that lie in a folder."""
    compiler = sorted((folder / "kt/lib").glob("*.jar"))
    return Parts(
        kotlin=tuple(compiler),
        stdlib=next(path for path in compiler if path.name.startswith("kotlin-stdlib-2")),
        junit=(folder / "robo/lib/junit-4.13.2.jar", folder / "robo/lib/hamcrest-core-1.3.jar"),
        android=folder / "sdk/android-all-15-robolectric-13954326.jar",
        onnxruntime=folder / "aar/onnxruntime-1.29.0.jar",
        tflite=tuple(
            folder / f"aar/{name}/classes.jar"
            for name in ("tensorflow-lite-2.16.1", "tensorflow-lite-api-2.16.1")
        ),
    )
