"""What is known about two files, layer by layer: proven, sampled, or not proven, and why.

Frozen, and JSON as docs/schemas/certificate.schema.json says.
"""

import dataclasses
from typing import Literal, TypeAlias, assert_never

Status: TypeAlias = Literal["proven", "sampled", "not proven"]

Method: TypeAlias = Literal["structure", "enumeration", "samples", "none"]
"""`structure`: both files hold the same integers, and both kernels do the same operations with
them. `enumeration`: both kernels' arithmetic was computed for every input that there is."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Accumulator:
    """What the int32 sums of a layer with weights can be, over all inputs that there are.

    Attributes:
        lowest: Of all channels, bias included.
        highest: Likewise.
        exact: Whether all of them are float32 values: at most 2**24. Others are rounded when they
            are converted, in both runtimes alike.
    """

    lowest: int
    highest: int
    exact: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LayerProof:
    """A layer of the `.tflite` and its counterpart in the `.onnx`.

    Attributes:
        layer: Name in the `.tflite`; empty where only the `.onnx` has it.
        counterpart: Name in the `.onnx`; empty where there is none.
        kind: What it computes, such as `conv`.
        status: What is known.
        method: How.
        cases: Inputs of the enumeration or of the samples; 0 for a proof by structure.
        statement: What was found, in words.
        reasons: Why it is not proven; empty if it is.
        accumulator: Of a layer with weights that is proven.
    """

    layer: str
    counterpart: str
    kind: str
    status: Status
    method: Method
    cases: int = 0
    statement: str = ""
    reasons: tuple[str, ...] = ()
    accumulator: Accumulator | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a proof of one kind of layer found; see `LayerProof`."""

    method: Method
    cases: int = 0
    statement: str = ""
    reasons: tuple[str, ...] = ()
    accumulator: Accumulator | None = None

    @property
    def status(self) -> Status:
        """Proven or sampled if nothing stands against it, and there is a method."""
        if self.reasons:
            return "not proven"
        match self.method:
            case "structure" | "enumeration":
                return "proven"
            case "samples":
                return "sampled"
            case "none":
                return "not proven"
            case _:
                assert_never(self.method)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunCheck:
    """Something that was tried on this machine, on samples.

    Attributes:
        name: What.
        holds: Whether it came out as it must.
        cases: Images, pairs or sums of codes, inputs of single layers, or ways of running them.
        statement: What was done, in words.
        reasons: What went wrong; empty if it holds.
    """

    name: str
    holds: bool
    cases: int
    statement: str
    reasons: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CertifiedFile:
    """A file that the certificate speaks of, and nothing but these bytes.

    Attributes:
        format: `tflite` or `onnx`.
        size: Bytes.
        sha256: Hexadecimal digest of the bytes.
        runtime: What ran it, with version.
    """

    format: str
    size: int
    sha256: str
    runtime: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FilesCertificate:
    """What is known of two files; JSON as docs/schemas/certificate.schema.json says.

    Attributes:
        version: Of this form.
        holds: Whether every layer before the softmax is proven, and every sample as it must be.
        verdict: In a sentence.
        files: The `.tflite`, then the `.onnx`.
        layers: A proof a layer, in the running order of the `.tflite`.
        checks: What was tried on this machine.
        sampled: What was only sampled, in words.
        cpu: On which the samples ran.
        machine: Its architecture.
    """

    version: int
    holds: bool
    verdict: str
    files: tuple[CertifiedFile, ...]
    layers: tuple[LayerProof, ...]
    checks: tuple[RunCheck, ...]
    sampled: tuple[str, ...]
    cpu: str
    machine: str
