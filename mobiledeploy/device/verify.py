"""Verify a build on a phone over adb.

The app runs the golden vectors and sends its answers. They are compared with those of the build on
this machine, since the phone's own verdict is not trusted.
"""

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mobiledeploy.base import codec
from mobiledeploy.base.errors import BundleError, DeviceError
from mobiledeploy.base.files import require_file
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.deploy import zips
from mobiledeploy.device import adb, benchmark_model, self_test
from mobiledeploy.device.adb import Phone
from mobiledeploy.device.benchmark_model import BenchmarkTimes
from mobiledeploy.device.engine_report import EngineReport, compare_answers
from mobiledeploy.device.self_test import SelfTestVerdict
from mobiledeploy.spec import manifest
from mobiledeploy.spec.contract import Contract
from mobiledeploy.verify.outputs import golden

PACKAGE: Final = "dev.mobiledeploy.demo"
COMPONENT: Final = f"{PACKAGE}/.SelfTest"
RESULT: Final = "mobiledeploy"
ERROR: Final = "mobiledeploy_error"

_CONTRACT: Final = "assets/mobiledeploy/contract.json"
_STAGE: Final = "device"
_PROPERTIES: Final = {
    "manufacturer": "ro.product.manufacturer",
    "model": "ro.product.model",
    "abi": "ro.product.cpu.abi",
    "android": "ro.build.version.release",
    "sdk": "ro.build.version.sdk",
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DeviceReport:
    """Whether a phone reproduces a build's golden vectors.

    Attributes:
        holds: Whether crop and resize are exact, and every engine is within the tolerance.
        failures: One sentence for each failure.
        model: Name of the network.
        contract_sha256: SHA-256 of the build's contract.json, which holds those of both models.
        serial: The phone's serial number.
        phone: Facts from adb: manufacturer, model, abi, android, sdk, page_size.
        app: Facts of the same phone from the app, as its own process sees them.
        resize_holds: Whether the app's crop and resize give the contract's bytes.
        unit: Unit of differences: `lsb`, or `relative` in a float model.
        engines: One report for each engine.
        latency: Times by `benchmark_model`; None if it was not given.
    """

    holds: bool
    failures: tuple[str, ...]
    model: str
    contract_sha256: str
    serial: str
    phone: dict[str, str]
    app: dict[str, str]
    resize_holds: bool
    unit: str
    engines: tuple[EngineReport, ...]
    latency: BenchmarkTimes | None


def verify(
    build: Path,
    *,
    serial: str | None = None,
    apk: Path | None = None,
    benchmark: Path | None = None,
    threads: int = 1,
    progress: Progress = silent,
) -> DeviceReport:
    """Run a build's golden vectors on a phone.

    Args:
        build: A build folder.
        serial: The phone's serial number; needed if several are connected.
        apk: An APK to install first; None uses the app that is on the phone.
        benchmark: `benchmark_model` for the phone's processor, to time the `.tflite`.
        threads: Threads of one inference.
        progress: Called with what is being done.

    Raises:
        CorruptFileError: The build, the APK or the app's answer is damaged.
        BundleError: The app carries another build.
        RequestError: `apk` or `benchmark` is not a file, or there are several phones.
        MissingDependencyError: adb is not installed.
        DeviceError: The phone cannot be reached, or the app gave no answer.
    """
    manifest.read(build, holding=("contract.json", "golden.npz"))
    text = (build / "contract.json").read_bytes()
    contract = codec.from_json(Contract, text, where="contract.json")
    digest = hashlib.sha256(text).hexdigest()
    _, names, expected = golden.read(build / "golden.npz")
    golden.require_variety(expected)
    for option, file in (("--apk", apk), ("--benchmark", benchmark)):
        if file is not None:
            require_file(file, hint=f"name an existing file with `{option}`")
    if apk is not None:
        _require_build(_contract_of(apk), digest, what=str(apk))
    phone = adb.choose(adb.program(), serial=serial)
    progress(Event(_STAGE, f"reading the properties of {phone.serial}"))
    facts = _facts(phone)
    if apk is not None:
        progress(Event(_STAGE, f"installing {apk.name}"))
        adb.install(phone, apk, package=PACKAGE)
    progress(Event(_STAGE, f"running {len(names)} golden vectors in the app"))
    verdict = _run(phone, threads)
    _require_build(verdict.contract_sha256, digest, what="the app on the phone")
    timed = None
    if benchmark is not None:
        progress(Event(_STAGE, "timing model.tflite"))
        timed = benchmark_model.measure(phone, benchmark, build / "model.tflite", threads=threads)
    engines = tuple(
        compare_answers(engine, names, expected, contract) for engine in verdict.engines
    )
    failures = _failures(verdict, engines)
    return DeviceReport(
        holds=not failures,
        failures=failures,
        model=contract.name,
        contract_sha256=digest,
        serial=phone.serial,
        phone=facts,
        app={adb.one_line(name): adb.one_line(value) for name, value in verdict.device.items()},
        resize_holds=verdict.resize_holds,
        unit=verdict.unit,
        engines=engines,
        latency=timed,
    )


def _run(phone: Phone, threads: int) -> SelfTestVerdict:
    printed = adb.shell(
        phone, "am", "instrument", "-w", "-r", "-e", "threads", str(threads), COMPONENT,
        timeout=adb.SLOW,
    )  # fmt: skip
    outcome = self_test.read_outcome(printed, component=COMPONENT)
    if ERROR in outcome.results:
        raise DeviceError(
            f"the app could not run the golden vectors: {adb.one_line(outcome.results[ERROR])}",
            hint="`mobiledeploy bundle --apk app.apk` makes an app that carries this build",
        )
    if RESULT not in outcome.results or outcome.code != self_test.FINISHED:
        raise DeviceError(
            f"the self-test ended with code {outcome.code} and without a verdict",
            hint=f"make and install the app again, so that its {COMPONENT} fits this version of "
            "mobiledeploy: `mobiledeploy bundle --apk app.apk`",
        )
    return self_test.read_verdict(outcome.results[RESULT])


def _failures(verdict: SelfTestVerdict, engines: Sequence[EngineReport]) -> tuple[str, ...]:
    failures = [failure for engine in engines for failure in engine.failures]
    if not verdict.resize_holds:
        failures.append(
            "the app's crop and resize do not give the bytes whose digest the contract holds"
        )
    if not engines:
        failures.append("the app has no engine")
    return tuple(failures)


def _facts(phone: Phone) -> dict[str, str]:
    facts = {
        name: adb.one_line(adb.shell(phone, "getprop", key)) for name, key in _PROPERTIES.items()
    }
    size = adb.one_line(adb.shell(phone, "getconf", "PAGE_SIZE"))
    return {**facts, "page_size": size if size.isdigit() else "unknown"}


def _contract_of(apk: Path) -> str:
    """Return the SHA-256 of the contract.json in an APK."""
    if _CONTRACT not in {entry.name for entry in zips.entries(apk)}:
        raise BundleError(
            f"{apk} carries no build: it holds no {_CONTRACT}",
            hint="`mobiledeploy bundle --apk` makes one",
        )
    return hashlib.sha256(zips.read(apk, [_CONTRACT])[_CONTRACT]).hexdigest()


def _require_build(received: str, expected: str, *, what: str) -> None:
    if received != expected:
        raise BundleError(
            f"{what} carries another build: expected the contract {expected[:16]}, "
            f"received {received[:16]}",
            hint="`mobiledeploy bundle BUILD --apk app.apk`, then "
            "`mobiledeploy verify BUILD --device --apk app.apk`",
        )
