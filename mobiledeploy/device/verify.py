"""Prove a build on a phone: the app runs the golden vectors, the host judges the answers.

The phone's own verdict is not taken on trust: its answers are compared here, with the golden
vectors of the build.
"""

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mobiledeploy.base import codec
from mobiledeploy.base.errors import BundleError, DeviceError, RequestError
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.deploy import zips
from mobiledeploy.device import adb, instrumentation, latency, selftest
from mobiledeploy.device.adb import Phone
from mobiledeploy.device.judge import EngineReport, judge
from mobiledeploy.device.latency import Latency
from mobiledeploy.device.selftest import SelfTest
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
    """Whether a phone reproduces a build.

    Attributes:
        holds: Crop and resize are exact, and every engine holds.
        failures: What does not hold, a sentence each.
        model: Name of the network.
        contract_sha256: Of the build's contract.json, which names both models by SHA-256.
        serial: Of the phone.
        phone: Facts that adb tells: manufacturer, model, abi, android, sdk, page_size.
        app: Facts that the app tells of the same phone, in its own process.
        resize_holds: Whether the app's crop and resize give the contract's bits.
        unit: Of differences: `lsb`, or `relative` in a float model.
        engines: One each.
        latency: By `benchmark_model`, if it was given.
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
    latency: Latency | None


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
        serial: Of the phone; needed if several are connected.
        apk: Installed first; None takes the app that is on the phone.
        benchmark: `benchmark_model` for the phone's processor, to time the `.tflite` with.
        threads: For one inference.
        progress: Told what is being done.

    Raises:
        CorruptFileError: The build or the APK is damaged, or the app's answer is none.
        BundleError: The app carries another build.
        RequestError: `apk` or `benchmark` is no file, or there are several phones.
        MissingDependencyError: adb is not installed.
        DeviceError: The phone cannot be reached, or the app gave no answer.
    """
    manifest.read(build, holding=("contract.json", "golden.npz"))
    text = (build / "contract.json").read_bytes()
    contract = codec.from_json(Contract, text, where="contract.json")
    digest = hashlib.sha256(text).hexdigest()
    _, names, expected = golden.read(build / "golden.npz")
    golden.require_variety(expected)
    for file in (apk, benchmark):
        if file is not None and not file.is_file():
            raise RequestError(f"{file} is not a file")
    if apk is not None:
        _require_build(_contract_of(apk), digest, what=str(apk))
    phone = adb.choose(adb.program(), serial=serial)
    progress(Event(_STAGE, f"asking {phone.serial} what it is"))
    facts = _facts(phone)
    if apk is not None:
        progress(Event(_STAGE, f"installing {apk.name}"))
        adb.install(phone, apk, package=PACKAGE)
    progress(Event(_STAGE, f"running {len(names)} golden vectors in the app"))
    found = _run(phone, threads)
    _require_build(found.contract_sha256, digest, what="the app on the phone")
    timed = None
    if benchmark is not None:
        progress(Event(_STAGE, "timing model.tflite"))
        timed = latency.measure(phone, benchmark, build / "model.tflite", threads=threads)
    engines = tuple(judge(engine, names, expected, contract) for engine in found.engines)
    failures = _failures(found, engines)
    return DeviceReport(
        holds=not failures,
        failures=failures,
        model=contract.name,
        contract_sha256=digest,
        serial=phone.serial,
        phone=facts,
        app={adb.shown(name): adb.shown(value) for name, value in found.device.items()},
        resize_holds=found.resize_holds,
        unit=found.unit,
        engines=engines,
        latency=timed,
    )


def _run(phone: Phone, threads: int) -> SelfTest:
    said = adb.shell(
        phone, "am", "instrument", "-w", "-r", "-e", "threads", str(threads), COMPONENT,
        timeout=adb.SLOW,
    )  # fmt: skip
    outcome = instrumentation.read(said, component=COMPONENT)
    if ERROR in outcome.results:
        raise DeviceError(
            f"the app could not run the golden vectors: {adb.shown(outcome.results[ERROR])}",
            hint="`mobiledeploy bundle --apk app.apk` makes an app that carries this build",
        )
    if RESULT not in outcome.results or outcome.code != instrumentation.FINISHED:
        raise DeviceError(
            f"the self-test ended with code {outcome.code} and without a verdict",
            hint=f"is this app's {COMPONENT} the one of this version of mobiledeploy?",
        )
    return selftest.read(outcome.results[RESULT])


def _failures(found: SelfTest, engines: Sequence[EngineReport]) -> tuple[str, ...]:
    failures = [failure for engine in engines for failure in engine.failures]
    if not found.resize_holds:
        failures.append("the app's crop and resize do not give the bits that the contract names")
    if not engines:
        failures.append("the app has no engine")
    return tuple(failures)


def _facts(phone: Phone) -> dict[str, str]:
    facts = {
        name: adb.shown(adb.shell(phone, "getprop", key)) for name, key in _PROPERTIES.items()
    }
    size = adb.shown(adb.shell(phone, "getconf", "PAGE_SIZE"))
    return {**facts, "page_size": size if size.isdigit() else "unknown"}


def _contract_of(apk: Path) -> str:
    """Return the digest of the contract that an APK carries."""
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
