"""Compare a build's golden vectors with the outputs of emulated CPUs."""

import dataclasses
import os
import platform
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, assert_never

import numpy as np
import numpy.typing as npt

from mobiledeploy.base import codec
from mobiledeploy.base.errors import ParityError, RequestError
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.data.preprocess import to_float32, to_int8
from mobiledeploy.emulation import arm64, qemu
from mobiledeploy.emulation.qemu import CpuArchitecture, EmulatedRuntime, Machine
from mobiledeploy.formats import onnx, tflite
from mobiledeploy.formats.onnx import edit as onnx_edit
from mobiledeploy.formats.tflite import edit as tflite_edit
from mobiledeploy.ops.operator import Kernel
from mobiledeploy.ops.softmax import softmax_codes
from mobiledeploy.spec import manifest
from mobiledeploy.spec.config import Io, Scaling
from mobiledeploy.spec.contract import Contract
from mobiledeploy.verify.outputs import answers, golden
from mobiledeploy.verify.outputs.answers import SCORES, FileOutputs, OutputGrid
from mobiledeploy.verify.outputs.parity import Answers

FILES: Final[dict[EmulatedRuntime, str]] = {
    "litert": "model.tflite",
    "ort": "model.onnx",
    "ort-precise": "model.onnx",
}
SOFTMAXES: Final[dict[CpuArchitecture, Kernel]] = {"aarch64": "arm64", "x86_64": "x86"}
"""Which of TFLite's softmax kernels runs on which CPU."""
PROVES: Final = (
    "proves the arithmetic of the runtimes' Linux builds on these CPUs; not their speed, and not "
    "how an app packages them"
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EmulatedRun:
    """The result of one file in one runtime on one CPU, compared with the golden vectors.

    Attributes:
        machine: The CPU's name.
        file: The model file's name.
        runtime: Name and version.
        precise: Whether ONNX Runtime was asked for kernels that do not saturate; our own sessions
            ask for them wherever the CPU needs it.
        required: Whether the result must be equal. ONNX Runtime without the option is run for
            comparison only.
        images: Number of golden vectors.
        exact_logits: Number of images on which every logit is equal.
        differing_logits: Number of logits that differ, over all images.
        max_logits_lsb: Largest difference of a logit, in LSB.
        max_scores_lsb: Largest difference of a score, in LSB; None where there is no softmax.
        scores_as_predicted: Number of images whose scores equal, byte for byte, those of the
            NumPy oracle's softmax for this CPU; None where the oracle does not predict them.
        same_top1: Number of images on which the same class has the highest logit.
        worst: Name of the image with the largest difference; empty if none differs.
    """

    machine: str
    file: str
    runtime: str
    precise: bool
    required: bool
    images: int
    exact_logits: int
    differing_logits: int
    max_logits_lsb: int
    max_scores_lsb: int | None
    scores_as_predicted: int | None
    same_top1: int
    worst: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EmulatedReport:
    """The results of a build's golden vectors on emulated CPUs.

    Attributes:
        holds: Whether every required run is within the contract's tolerance.
        failures: One sentence per required run and output that is not.
        proves: What the result proves, and what it does not.
        runs: One per CPU and runtime.
    """

    holds: bool
    failures: tuple[str, ...]
    proves: str
    runs: tuple[EmulatedRun, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Task:
    machine: Machine
    runtime: EmulatedRuntime
    required: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Case:
    """What every run needs: the models, the images and the expected outputs."""

    contract: Contract
    models: dict[str, bytes]
    images: npt.NDArray[Any]
    names: tuple[str, ...]
    expected: Answers
    grid: OutputGrid


def on_arm64(
    build: Path,
    *,
    samples: int | None = None,
    cache: Path | None = None,
    progress: Progress = silent,
) -> EmulatedReport:
    """Run a build's golden vectors on arm64 CPUs, as phones have.

    Args:
        build: A build folder.
        samples: Number of golden vectors to use, from the first; None: all.
        cache: Where the arm64 Python is kept; by default the user's cache folder.
        progress: Called with what is being run.

    Raises:
        CorruptFileError: The build is incomplete or was changed.
        RequestError: It is a float build.
        MissingDependencyError: QEMU or a program that the set-up needs is missing.
        DownloadError: The arm64 Python cannot be downloaded.
        ParityError: An emulated program crashed, or the golden vectors are all alike.
    """
    case = _case(build, samples)
    runtimes: tuple[EmulatedRuntime, ...] = ("litert", "ort")
    tasks = [
        _Task(machine=machine, runtime=runtime, required=True)
        for machine in arm64.machines(cache=cache, progress=progress)
        for runtime in runtimes
    ]
    return _report(case, tasks, progress)


def on_x86_without_vnni(
    build: Path, *, samples: int | None = None, progress: Progress = silent
) -> EmulatedReport:
    """Run a build's golden vectors on an x86 CPU whose int8 products may saturate.

    ONNX Runtime runs twice: with its default options, which shows the saturation, and with the
    option by which our sessions avoid it.

    Args:
        build: A build folder.
        samples: Number of golden vectors to use, from the first; None: all.
        progress: Called with what is being run.

    Raises:
        CorruptFileError: The build is incomplete or was changed.
        RequestError: It is a float build, or this is not an x86 machine.
        MissingDependencyError: QEMU is missing.
        ParityError: An emulated program crashed, or the golden vectors are all alike.
    """
    case = _case(build, samples)
    machine = qemu.x86_without_vnni(platform.machine())
    runtimes: tuple[EmulatedRuntime, ...] = ("litert", "ort", "ort-precise")
    tasks = [
        _Task(machine=machine, runtime=runtime, required=runtime != "ort") for runtime in runtimes
    ]
    return _report(case, tasks, progress)


def _case(build: Path, samples: int | None) -> _Case:
    manifest.read(build, holding=("contract.json", "golden.npz", "model.onnx", "model.tflite"))
    contract = codec.from_json(
        Contract, (build / "contract.json").read_bytes(), where="contract.json"
    )
    if contract.logits is None:
        raise RequestError(
            "expected an int8 build, received a float one",
            hint="float kernels round in any order: there is nothing exact to compare",
        )
    pixels, names, expected = golden.read(build / "golden.npz")
    if contract.head == "logits":
        expected = dataclasses.replace(expected, scores=None)
    golden.require_variety(expected)
    some = np.arange(len(names))[:samples]
    return _Case(
        contract=contract,
        models={
            "model.tflite": tflite_edit.tap(tflite.parse((build / "model.tflite").read_bytes())),
            "model.onnx": onnx_edit.tap(onnx.parse((build / "model.onnx").read_bytes())),
        },
        images=_feed(pixels[some], contract.input.dtype, contract.scaling),
        names=names[: len(some)],
        expected=expected.take(some),
        grid=OutputGrid(scale=contract.logits.scale, zero_point=contract.logits.zero_point),
    )


def _feed(pixels: npt.NDArray[np.uint8], kind: Io, scaling: Scaling) -> npt.NDArray[Any]:
    match kind:
        case "int8":
            return to_int8(pixels)
        case "uint8":
            return pixels
        case "float32":
            return to_float32(pixels, scaling)
        case _:
            assert_never(kind)


def _report(case: _Case, tasks: Sequence[_Task], progress: Progress) -> EmulatedReport:
    done = 0

    def work(task: _Task) -> EmulatedRun:
        nonlocal done
        run = _run(case, task)
        done += 1
        progress(Event("emulate", "golden vectors on emulated CPUs", done, len(tasks)))
        return run

    progress(Event("emulate", "golden vectors on emulated CPUs", 0, len(tasks)))
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        runs = tuple(pool.map(work, tasks))
    failures = tuple(text for run in runs if run.required for text in _failures(run, case))
    return EmulatedReport(holds=not failures, failures=failures, proves=PROVES, runs=runs)


def _run(case: _Case, task: _Task) -> EmulatedRun:
    file = FILES[task.runtime]
    outputs = qemu.run(task.machine, task.runtime, case.models[file], case.images)
    ends = FileOutputs(
        taps=(), logits=case.grid, scores=SCORES, softmax=case.contract.head == "softmax"
    )
    who = f"{outputs.runtime} on {task.machine.name}"
    received = answers.read(outputs.arrays, ends, case.grid, who=who)
    if received.logits.shape != case.expected.logits.shape:
        raise ParityError(f"{who} answered in shape {received.logits.shape}")
    off = np.abs(received.logits - case.expected.logits)
    from_logits = off.max(axis=1)
    from_scores = _score_differences(received, case.expected)
    by_badness = from_logits if from_scores is None else from_logits * 256 + from_scores
    worst = int(by_badness.argmax())
    return EmulatedRun(
        machine=task.machine.name,
        file=file,
        runtime=outputs.runtime,
        precise=task.runtime == "ort-precise",
        required=task.required,
        images=len(case.names),
        exact_logits=int((from_logits == 0).sum()),
        differing_logits=int((off != 0).sum()),
        max_logits_lsb=int(from_logits.max()),
        max_scores_lsb=None if from_scores is None else int(from_scores.max()),
        scores_as_predicted=_as_predicted(received, task, case.grid),
        same_top1=int((received.logits.argmax(1) == case.expected.logits.argmax(1)).sum()),
        worst=case.names[worst] if by_badness[worst] else "",
    )


def _score_differences(received: Answers, expected: Answers) -> npt.NDArray[Any] | None:
    if received.scores is None or expected.scores is None:
        return None
    differences: npt.NDArray[Any] = np.abs(received.scores - expected.scores).max(axis=1)
    return differences


def _as_predicted(received: Answers, task: _Task, grid: OutputGrid) -> int | None:
    """Return on how many images LiteRT's scores equal those of the oracle's softmax."""
    if received.scores is None or task.runtime != "litert":
        return None
    kernel = SOFTMAXES[task.machine.architecture]
    predicted = softmax_codes(
        received.logits.astype(np.int8), np.float32(grid.scale), kernel=kernel
    )
    return int((predicted == received.scores).all(axis=1).sum())


def _failures(run: EmulatedRun, case: _Case) -> list[str]:
    tolerance = case.contract.tolerance
    who = f"{run.file} in {run.runtime} on {run.machine}"
    sentences = []
    if tolerance is None or run.max_logits_lsb > tolerance.logits:
        sentences.append(
            f"{who}: differing logits: {run.differing_logits}, by up to {run.max_logits_lsb} LSB, "
            f"on {run.images - run.exact_logits} of {run.images} images; worst: {run.worst}"
        )
    if tolerance is not None and (run.max_scores_lsb or 0) > tolerance.scores:
        sentences.append(
            f"{who}: scores differ by up to {run.max_scores_lsb} LSB; worst: {run.worst}"
        )
    return sentences
