"""Copies of `android_demo` that a test may change."""

import shutil
from pathlib import Path

DEMO = Path(__file__).parents[3] / "android_demo"


def copied_demo(folder: Path) -> Path:
    """Copy the project into a folder, without its assets, and return the copy."""
    shutil.copytree(DEMO, folder / "demo", ignore=shutil.ignore_patterns("assets"))
    return folder / "demo"


def edit(path: Path, old: str, new: str) -> None:
    """Replace text that a file must hold."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def minimal(folder: Path, module: str = "app") -> Path:
    """Write the least that is an Android project: an application module; return the project."""
    place = folder / module
    (place / "src/main").mkdir(parents=True)
    (place / "build.gradle.kts").write_text('plugins { id("com.android.application") }\n')
    (place / "src/main/AndroidManifest.xml").write_text("<manifest />\n")
    return folder


MANIFEST = '<manifest xmlns:android="http://schemas.android.com/apk/res/android" />\n'
SETTINGS = 'rootProject.name = "mine"\ninclude(":app")\n'
KOTLIN = """plugins {
    id("com.android.application")
    id("org.jetbrains.kotlin.android")
}

android {
    namespace = "com.example.mine"
    defaultConfig { applicationId = "com.example.mine" }
}

dependencies {
    implementation("androidx.core:core-ktx:1.13.1")
}
"""
GROOVY = """plugins {
    id 'com.android.application'
}

android {
    namespace 'com.example.mine'
    defaultConfig { applicationId "com.example.mine" }
}

dependencies {
    implementation 'androidx.core:core-ktx:1.13.1'
}
"""
LIBRARY = 'plugins { id("com.android.library") }\nandroid { namespace = "com.example.lib" }\n'
NOT_APPLIED = """plugins {
    id("com.android.application") version "8.7.0" apply false
    alias(libs.plugins.android.application) apply false
    id("com.android.library") version "8.7.0" apply false
}
"""
BY_ALIAS = """// The application's own module.
plugins {
    alias(libs.plugins.kotlin.android)
    alias(libs.plugins.android.application)
}
android { namespace = "com.example.mine" }
"""
CATALOGUE = """[versions]
agp = "8.7.0"
[plugins]
android-application = { id = "com.android.application", version.ref = "agp" }
android-library = { id = "com.android.library", version.ref = "agp" }
kotlin_android = "org.jetbrains.kotlin.android:2.0.0"
"""
FLUTTER_APP = """plugins {
    id("com.android.application")
    id("kotlin-android")
    // The Flutter Gradle Plugin must be applied after the Android and Kotlin Gradle plugins.
    id("dev.flutter.flutter-gradle-plugin")
}
android { defaultConfig { applicationId = "com.example.mine" } }
flutter { source = "../.." }
"""
PUBSPEC = "name: mine\nflutter:\n  uses-material-design: true\n"
REACT_NATIVE_APP = """apply plugin: "com.android.application"
apply plugin: "org.jetbrains.kotlin.android"
apply plugin: "com.facebook.react"

android {
    defaultConfig { applicationId "com.example" }
}

dependencies {
    implementation("com.facebook.react:react-android")
}
"""
PROJECTS: dict[str, dict[str, str]] = {
    "groovy": {
        "settings.gradle": "include ':app'\n",
        "build.gradle": "plugins { id 'com.android.application' version '8.7.0' apply false }\n",
        "app/build.gradle": GROOVY,
        "app/src/main/AndroidManifest.xml": MANIFEST,
    },
    "old groovy": {
        "settings.gradle": "include ':mobile'\n",
        "build.gradle": "buildscript { repositories { google() } }\n",
        "mobile/build.gradle": "apply plugin: 'com.android.application'\nandroid { }\n",
        "mobile/src/main/AndroidManifest.xml": MANIFEST,
    },
    "kotlin": {
        "settings.gradle.kts": SETTINGS,
        "build.gradle.kts": NOT_APPLIED,
        "app/build.gradle.kts": KOTLIN,
        "app/src/main/AndroidManifest.xml": MANIFEST,
        "app/build/generated/build.gradle.kts": KOTLIN,
        ".gradle/build.gradle.kts": KOTLIN,
        "data/build.gradle.kts": LIBRARY,
    },
    "catalogue": {
        "settings.gradle.kts": SETTINGS,
        "build.gradle.kts": NOT_APPLIED,
        "gradle/libs.versions.toml": CATALOGUE,
        "app/build.gradle.kts": BY_ALIAS,
        "app/src/main/AndroidManifest.xml": MANIFEST,
        "data/build.gradle.kts": "plugins { alias(libs.plugins.android.library) }\n",
    },
    "catalogue of another name": {
        "settings.gradle.kts": SETTINGS,
        "gradle/deps.versions.toml": '[plugins]\napp = "com.android.application:9.0.0"\n',
        "application/build.gradle.kts": "plugins {\n    alias(deps.plugins.app)\n}\n",
        "application/src/main/AndroidManifest.xml": MANIFEST,
    },
    "convention plug-in": {
        "settings.gradle.kts": SETTINGS,
        "app/build.gradle.kts": "plugins { alias(libs.plugins.mine.android.application) }\n"
        'android { defaultConfig { applicationId = "com.example" } }\n',
        "app/src/main/AndroidManifest.xml": MANIFEST,
        "gradle/libs.versions.toml": '[plugins]\nmine-android-application = { id = "mine.app" }\n',
    },
    "one module": {
        "settings.gradle.kts": 'rootProject.name = "mine"\n',
        "build.gradle.kts": KOTLIN,
        "src/main/AndroidManifest.xml": MANIFEST,
    },
    "nested": {
        "settings.gradle.kts": 'include(":apps:phone")\n',
        "apps/phone/build.gradle.kts": KOTLIN,
        "apps/phone/src/main/AndroidManifest.xml": MANIFEST,
    },
    "phone and watch": {
        "settings.gradle.kts": 'include(":app", ":wear", ":data")\n',
        "app/build.gradle.kts": KOTLIN,
        "app/src/main/AndroidManifest.xml": MANIFEST,
        "wear/build.gradle.kts": KOTLIN,
        "wear/src/main/AndroidManifest.xml": MANIFEST,
        "data/build.gradle.kts": LIBRARY,
    },
    "flutter": {
        "pubspec.yaml": PUBSPEC,
        "lib/main.dart": "void main() {}\n",
        "android/settings.gradle.kts": SETTINGS,
        "android/build.gradle.kts": "allprojects { repositories { google() } }\n",
        "android/app/build.gradle.kts": FLUTTER_APP,
        "android/app/src/main/AndroidManifest.xml": MANIFEST,
    },
    "old flutter": {
        "pubspec.yaml": PUBSPEC,
        "android/settings.gradle": "include ':app'\n",
        "android/app/build.gradle": "apply plugin: 'com.android.application'\nandroid {}\n",
        "android/app/src/main/AndroidManifest.xml": MANIFEST,
    },
    "react native": {
        "package.json": '{"name": "mine", "dependencies": {"react-native": "0.80.0"}}\n',
        "metro.config.js": "module.exports = mergeConfig(getDefaultConfig(__dirname), config);\n",
        "android/settings.gradle": "include ':app'\n",
        "android/build.gradle": 'apply plugin: "com.facebook.react.rootproject"\n',
        "android/app/build.gradle": REACT_NATIVE_APP,
        "android/app/src/main/AndroidManifest.xml": MANIFEST,
        "node_modules/other/android/build.gradle": GROOVY,
    },
    "a folder app that is no module": {"app/main.py": "print(1)\n", "README.md": "Flask\n"},
    "a web project": {"android/index.html": "<p>\n", "index.html": "<p>\n"},
    "a library": {"build.gradle.kts": NOT_APPLIED, "lib/build.gradle.kts": LIBRARY},
    "commented out": {
        "app/build.gradle.kts": '// id("com.android.application")\n/* applicationId = "a" */\n',
        "app/src/main/AndroidManifest.xml": MANIFEST,
    },
    "no manifest": {"settings.gradle.kts": SETTINGS, "app/build.gradle.kts": KOTLIN},
    "flutter without android": {"pubspec.yaml": PUBSPEC, "ios/Runner/Info.plist": "<plist/>\n"},
    "expo": {"package.json": '{"dependencies": {"expo": "53.0.0"}}\n'},
    "a broken catalogue": {
        "gradle/libs.versions.toml": "[plugins\n",
        "app/build.gradle.kts": BY_ALIAS,
        "app/src/main/AndroidManifest.xml": MANIFEST,
    },
}
"""Projects as tools and people make them, by name: the text of each file that matters."""


def write_project(folder: Path, name: str) -> Path:
    """Write a sample project; return its folder."""
    for path, text in PROJECTS[name].items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder
