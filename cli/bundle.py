"""`mobiledeploy bundle`."""

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mobiledeploy.base.errors import RequestError
from mobiledeploy.cli import _options, _output
from mobiledeploy.deploy.android_project import Flavour

if TYPE_CHECKING:
    from mobiledeploy.deploy.additions import Addition
    from mobiledeploy.deploy.apk import Apk, ApkOptions
    from mobiledeploy.deploy.bundle import Bundle
    from mobiledeploy.deploy.library import Library

_BUILD = Path("build")
_FOR_APK = "With --apk: "


def bundle(
    build: Annotated[
        Path | None, typer.Argument(help="Build folder", show_default="build")
    ] = None,
    app: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Android, Flutter or React Native project: its root folder",
            show_default="android_demo",
        ),
    ] = None,
    new: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Make a new Android project, the demo app, in a new folder"
        ),
    ] = None,
    library: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Make an Android library (.aar) instead, with this build in it"
        ),
    ] = None,
    module: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="With --app: its application module, if it has several"),
    ] = None,
    engine: Annotated[
        Flavour | None,
        typer.Option(
            metavar="[onnx|tflite|both]",
            help="Leave the other engine's model out. With --apk: the runtimes in the app. "
            "Default: both models; onnx in an APK",
        ),
    ] = None,
    no_golden: Annotated[
        bool, typer.Option("--no-golden", help="Leave out what the self-test on a phone needs")
    ] = False,
    no_assets: Annotated[
        bool,
        typer.Option("--no-assets", help="With --library: without a build; the app carries it"),
    ] = False,
    apk: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Also make a signed APK of the project, without Android Studio"
        ),
    ] = None,
    abi: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help=f"{_FOR_APK}a processor; may be repeated. Default: arm64-v8a"
        ),
    ] = None,
    litert_aar: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help=f"{_FOR_APK}your AAR of LiteRT 1.4 or newer; name both `litert` and `litert-api`",
        ),
    ] = None,
    allow_4kb_pages: Annotated[
        bool,
        typer.Option(
            "--allow-4kb-pages",
            help=f"{_FOR_APK}allow libraries that phones with 16 KB pages cannot load",
        ),
    ] = False,
    keystore: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help=f"{_FOR_APK}the keystore of your key; its password is in the environment as "
            "MOBILEDEPLOY_KEYSTORE_PASSWORD. Default: a debug key",
        ),
    ] = None,
    key_alias: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="With --keystore: name of the key. Default: the only one"
        ),
    ] = None,
    keystore_password_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With --keystore: a file with its password"),
    ] = None,
    json: _options.Json = False,
    quiet: _options.Quiet = False,
) -> None:
    """Put a build into an Android app, or make an APK of it.

    Model, labels, contract and golden vectors become assets of an Android project, and the lines
    that it lacks are printed. With --apk a signed, shrunk APK is made of it; the first time the
    tools for it are downloaded. The app here takes any --io of the build; MediaPipe takes uint8
    and float32 only.
    """
    if apk is None and any(
        (abi, litert_aar, allow_4kb_pages, keystore, key_alias, keystore_password_file)
    ):
        raise RequestError(
            "ABI, AAR, pages and key have no effect without an APK", hint="add `--apk FILE.apk`"
        )
    if keystore is None and (key_alias is not None or keystore_password_file is not None):
        raise RequestError(
            "a key's name or password has no effect without a keystore",
            hint="add `--keystore FILE`",
        )
    modes = {"--library": library, "--new": new, "--app": app}
    given = [name for name, value in modes.items() if value is not None]
    if len(given) > 1:
        raise RequestError(
            f"`{given[1]}` cannot be used with `{given[0]}`",
            hint="`--app` names a project that is there, `--new` makes one, `--library` makes an "
            "AAR: leave one out",
        )
    unused = {
        "--apk": apk is not None and library is not None,
        "--module": module is not None and (library is not None or new is not None),
        "--no-assets": no_assets and library is None,
        "--engine": engine is not None and no_assets,
        "--no-golden": no_golden and no_assets,
        "BUILD": build is not None and no_assets,
    }
    if names := [f"`{name}`" for name, is_unused in unused.items() if is_unused]:
        raise RequestError(
            f"{', '.join(names)} would have no effect here",
            hint=f"leave {names[0]} out" + (", or add `--library FILE`" if no_assets else ""),
        )
    options = None
    if apk is not None:
        options = _options_of_apk(engine, abi, litert_aar, allow_4kb_pages=allow_4kb_pages)
        if keystore is not None:
            options = _signed_by(options, keystore, key_alias, keystore_password_file)

    from mobiledeploy.base import codec
    from mobiledeploy.deploy import bundle as bundles

    contents = bundles.Contents(engine=engine or "both", golden=not no_golden)
    # A new project is of use before there is a build, so a missing default is no error there.
    there = build or (_BUILD if new is None or _BUILD.exists() else None)
    project = new or app or Path("android_demo")
    with _output.progress(quiet=quiet) as progress:
        if library is not None:
            result = bundles.library(
                library, None if no_assets else there, contents=contents, progress=progress
            )
        elif new is not None:
            result = bundles.new_project(
                new, there, contents=contents, apk=apk, options=options, progress=progress
            )
        else:
            result = bundles.bundle(
                there or _BUILD, project,
                module=module, contents=contents, apk=apk, options=options, progress=progress,
            )  # fmt: skip
    if json:
        _output.emit(codec.to_json(result).decode().rstrip())
        return
    if result.files:
        rows = [("file", "bytes", "sha256")]
        rows += [(file.path, f"{file.size:,}", file.sha256[:16]) for file in result.files]
        _output.emit(_output.table(rows, right=(1,)))
    if result.project and result.project.additions:
        _output.emit(_lines(result.project.additions))
    if result.apk:
        _output.emit(_describe(result.apk))
    if result.library:
        _output.emit(_describe_library(result.library))
    if not quiet:
        if result.project:
            _output.message(f"\n{_done(project, result, new=new is not None)}")
        if result.files and _input_type(Path(result.folder)) == "int8":
            _output.message("MediaPipe takes no int8 input: for it build with `--io uint8`")
        _output.message(f"next: {_next(project, result)}")


def _lines(additions: "tuple[Addition, ...]") -> str:
    """Return what is to be added to a project's files, by file, with the reasons."""
    blocks = [
        "\n".join(
            (
                each.file,
                textwrap.fill(each.reason, 88, initial_indent="  ", subsequent_indent="  "),
                "",
                textwrap.indent(each.lines, "    "),
            )
        )
        for each in additions
    ]
    return "\n\n".join(("\nLines that the project lacks:", *blocks))


def _done(project: Path, result: "Bundle", *, new: bool) -> str:
    made = f"made the project {project}" if new else ""
    if result.files:
        return f"{made and made + ', and '}bundled into {result.folder}"
    return f"{made}, without a model: there is no folder `{_BUILD}`"


def _next(project: Path, result: "Bundle") -> str:
    if result.library:
        return (
            "copy it into your app's folder `libs`, with "
            f'implementation(files("libs/{Path(result.library.path).name}")) and a runtime: '
            "docs/android.md"
        )
    if not result.files:
        return f"mobiledeploy bundle BUILD --app {project}"
    if result.apk:
        return f"adb install -r {result.apk.path}, then mobiledeploy verify --device"
    if result.project and result.project.additions:
        return "add these lines, then open the model by MobileDeploy.open(context)"
    return f"open {project} in Android Studio, or make an APK here with --apk app.apk"


def _input_type(assets: Path) -> str:
    """Return the type of the input of a bundled model."""
    from mobiledeploy.base import codec
    from mobiledeploy.spec.contract import Contract

    contract = (assets / "contract.json").read_bytes()
    return codec.from_json(Contract, contract, where="contract.json").input.dtype


def _options_of_apk(
    engine: Flavour | None,
    abis: list[str] | None,
    litert: list[Path] | None,
    *,
    allow_4kb_pages: bool,
) -> "ApkOptions":
    from mobiledeploy.deploy.apk import ApkOptions

    return ApkOptions(
        engine=engine or "onnx",
        abis=tuple(abis or ("arm64-v8a",)),
        litert=tuple(litert or ()),
        allow_4kb_pages=allow_4kb_pages,
    )


def _signed_by(
    options: "ApkOptions", keystore: Path, alias: str | None, password_file: Path | None
) -> "ApkOptions":
    import dataclasses

    from mobiledeploy.deploy import signing

    key = signing.own_key(keystore, alias=alias, password_file=password_file)
    return dataclasses.replace(options, key=key)


def _describe_library(library: "Library") -> str:
    rows = [
        ("aar", library.path),
        ("bytes", f"{library.size:,}"),
        ("sha256", library.sha256),
        ("library", f"{library.namespace}, {library.classes:,} classes"),
        ("android", f"API {library.min_sdk} or newer"),
    ]
    return "\n" + "\n".join(f"{name:<9} {value}" for name, value in rows)


def _describe(apk: "Apk") -> str:
    pages = f"{apk.page_size // 1024} KB pages"
    if apk.page_size < 16384:
        pages += " ONLY: not for the Play Store"
    key = "this machine's debug key" if apk.debug_key else "your key"
    rows = [
        ("apk", apk.path),
        ("bytes", f"{apk.size:,}"),
        ("sha256", apk.sha256),
        ("app", f"{apk.application_id} {apk.version_name}"),
        ("android", f"API {apk.min_sdk} to {apk.target_sdk}, {', '.join(apk.abis)}, {pages}"),
        ("runtimes", ", ".join(apk.runtimes)),
        ("classes", f"{apk.classes:,} after shrinking"),
        ("signed", f"{' + '.join(apk.schemes)} by {key}, {apk.certificate[:16]}"),
    ]
    return "\n" + "\n".join(f"{name:<9} {value}" for name, value in rows)
