"""Put a verified build into an Android app, with or without Gradle.

In comes a verified build; out go an Android project or a library that carries it, and a signed APK
if asked.

`bundle`: puts a build's files into an Android project's assets, and makes an APK if asked.
`demo_project`: the demo app's project, as a template for a new one.
`app_module`: finds the application module of an Android, Flutter or React Native project.
`additions`: the lines that an app needs in its own files.
`library`: makes an Android library (`.aar`) of the demo's module `library`.
`output_names`: checks that a package would replace nothing but an earlier one of its kind.
`apk`: makes a signed APK: compiles, shrinks, links, packages, signs, checks.
`android_project`: reads an Android project's ids, versions and source folders from Gradle's files.
`app_runtimes`: the libraries of ONNX Runtime and LiteRT that an app carries.
`aar`: reads an Android library (`.aar`).
`native_libraries`: checks that native libraries load on phones with 16 KB memory pages.
`compile_app`: compiles Kotlin sources and resources by `kotlinc`, `aapt2` and R8.
`signing`: signs APKs and verifies their signatures.
`check_apk`: compares a finished APK with the files it was made from.
`zips`: reads and writes ZIP files with aligned entries.
`toolchain`: the pinned Android tools and libraries in the cache folder.
`downloads`: downloads files by Maven and npm.
`jdk`: finds the Java development kit of this machine.
"""
