"""Run tests of the app on the JVM: Robolectric, with Android's own drawing and decoders.

The resources are those that `aapt2` links for the APK; the assets are a bundle that the test made.
"""

import dataclasses
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from android import jvm

from mobiledeploy.deploy import android_project
from mobiledeploy.deploy.compile_app import link_resources
from mobiledeploy.deploy.toolchain import Toolchain

TESTS: Final = jvm.DEMO / "app/src/test/kotlin/dev/mobiledeploy/demo"
SDK: Final = 35  # Android 16 needs Java 21


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """The compiled app, flavour `both`, with its compiled tests.

    Attributes:
        compilers: For the harness.
        toolchain: Robolectric's parts.
        linked: Resource table, resources and binary manifest.
        manifest: The merged manifest.
        classes: Of the tests, the app, its library and the runtimes, in this order.
        natives: TensorFlow Lite for this machine.
        package: The app's own package.
        tests: The folder of the tests' sources.
    """

    compilers: jvm.Compilers
    toolchain: Toolchain
    linked: Path
    manifest: Path
    classes: tuple[Path, ...]
    natives: Path
    package: str = "dev.mobiledeploy.demo"
    tests: Path = TESTS

    def run(
        self, tests: Sequence[str], assets: Path, work: Path, properties: Mapping[str, str | Path]
    ) -> str:
        """Run test classes with an app that holds some assets, and require that all tests pass.

        Args:
            tests: Names of sources in `self.tests`, without `.kt`.
            assets: The folder that holds `mobiledeploy/`; it may be empty.
            work: An empty folder.
            properties: What the tests look up, below `mobiledeploy.`.
        """
        sdk = self.toolchain.folder / "robolectric-android-15"
        return jvm.run_tests(
            self.compilers,
            [self.tests / f"{name}.kt" for name in tests],
            [
                self._configuration(assets, work),
                *self.classes,
                *self.toolchain.jars("androidx-test-monitor", "robolectric"),
                *self.toolchain.jars("android-15"),
            ],
            properties={
                "robolectric.dependency.dir": sdk,
                "robolectric.offline": "true",
                "robolectric.enabledSdks": str(SDK),
                # Both are found by JNI under their own names: no second copy of their classes.
                "org.robolectric.packagesToNotAcquire": "ai.onnxruntime.,org.tensorflow.lite.",
                "java.library.path": self.natives,
                "java.io.tmpdir": work,
                **{f"mobiledeploy.{name}": value for name, value in properties.items()},
            },
            junit=self.toolchain.jars("junit"),
            timeout=560,
        )

    def _configuration(self, assets: Path, work: Path) -> Path:
        folder = work / "configuration"
        place = folder / "com/android/tools/test_config.properties"
        place.parent.mkdir(parents=True)
        place.write_text(
            f"android_merged_manifest={self.manifest}\n"
            f"android_merged_assets={assets}\n"
            f"android_resource_apk={self._apk(assets, work)}\n"
            f"android_custom_package={self.package}\n",
            encoding="utf-8",
        )
        # Without it Robolectric takes targetSdk, for which this Java is too old, and runs nothing.
        (folder / "robolectric.properties").write_text(f"sdk={SDK}\n", encoding="utf-8")
        return folder

    def _apk(self, assets: Path, work: Path) -> Path:
        """Put assets into a copy of the APK, as the APK build does: models are stored."""
        apk = work / "app.apk"
        shutil.copyfile(self.linked, apk)
        with zipfile.ZipFile(apk, "a") as archive:
            for path in sorted(path for path in assets.rglob("*") if path.is_file()):
                stored = path.suffix in {".tflite", ".onnx", ".npz"}
                archive.write(
                    path,
                    f"assets/{path.relative_to(assets).as_posix()}",
                    zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED,
                )
        return apk


def compile_app(
    compilers: jvm.Compilers,
    toolchain: Toolchain,
    library: tuple[Path, ...],
    runtimes: tuple[Path, ...],
    natives: Path,
    work: Path,
) -> App:
    """Link the app's resources and compile the app and all its tests.

    Args:
        compilers: Kotlin and Java.
        toolchain: With `aapt2`, Android and Robolectric.
        library: The classes of `android_demo/library`.
        runtimes: The classes of the runtimes.
        natives: A folder for `java.library.path`.
        work: An empty folder.
    """
    demo = android_project.read(jvm.DEMO)
    linked = link_resources(demo, "both", work, toolchain)
    libraries = (*library, *runtimes, *toolchain.jars("android-15"))
    sources = [*linked.java, *demo.app_sources("both")]
    app = jvm.compiled(compilers, sources, libraries)
    robolectric = toolchain.jars("androidx-test-monitor", "robolectric", "junit")
    seen = [app, *libraries, *robolectric]
    tests = jvm.compiled(compilers, jvm.sources(TESTS), seen, friends=[app])
    return App(
        compilers=compilers,
        toolchain=toolchain,
        linked=linked.apk,
        manifest=work / "AndroidManifest.xml",
        classes=(tests, app, *library, *runtimes),
        natives=natives,
    )
