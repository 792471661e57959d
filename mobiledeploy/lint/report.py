"""What inspection found; in JSON as docs/schemas/inspect.schema.json says."""

import dataclasses

from mobiledeploy.formats.model import Dimension
from mobiledeploy.lint.inputs_outputs import InputOrOutput
from mobiledeploy.lint.required_runtime import RequiredRuntime
from mobiledeploy.lint.rule import Finding


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OperatorLine:
    """How often an operator occurs in the file.

    Attributes:
        kind: Its name.
        domain: Empty for the format's own operators.
        version: TFLite's version, or the ONNX operator set that defined it; 0 if unknown.
        count: In all graphs.
    """

    kind: str
    domain: str
    version: int
    count: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TensorLine:
    """A tensor of the main graph.

    Attributes:
        name: As in the file.
        dtype: Type of its numbers; empty if the file does not say.
        shape: With the batch; None if the file does not say.
        scales: How many scales it has; 0 if it is not quantised.
        scale: The least and the greatest; None if it is not quantised.
        zero_point: The least and the greatest; None if it is not quantised.
        axis: The quantised dimension, where there are several scales.
        stored: Bytes of a constant.
    """

    name: str
    dtype: str
    shape: tuple[Dimension, ...] | None
    scales: int
    scale: tuple[float, float] | None
    zero_point: tuple[int, int] | None
    axis: int | None
    stored: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """What is in a file.

    Attributes:
        file: Its path, as it was asked for.
        format: `tflite` or `onnx`.
        size: Bytes.
        sha256: Of the bytes.
        kind: What it computes in: `int8`, `uint8`, `float32`, `mixed` ...
        description: For people; may be empty.
        producer: What wrote it; may be empty.
        ir_version: ONNX only; 0 otherwise.
        opsets: ONNX only: version by domain.
        graphs: How many it has; tensors are those of the first.
        macs: Multiplications for one image as the file does them; None if not known.
        weight_bytes: Of all stored values.
        runtime: What it needs to run.
        inputs: What goes in.
        outputs: What comes out.
        operators: Most frequent first.
        tensors: In the file's order.
        metadata: By name: a text, or a size.
        signatures: TFLite: by key, names of inputs and outputs and the tensors behind them.
        findings: Rules that it breaks, errors first.
    """

    file: str
    format: str
    size: int
    sha256: str
    kind: str
    description: str
    producer: str
    ir_version: int
    opsets: dict[str, int]
    graphs: int
    macs: int | None
    weight_bytes: int
    runtime: RequiredRuntime
    inputs: tuple[InputOrOutput, ...]
    outputs: tuple[InputOrOutput, ...]
    operators: tuple[OperatorLine, ...]
    tensors: tuple[TensorLine, ...]
    metadata: dict[str, str]
    signatures: dict[str, dict[str, dict[str, str]]]
    findings: tuple[Finding, ...]

    def count(self, severity: str) -> int:
        """Return how many rules of a severity it breaks."""
        return sum(finding.severity == severity for finding in self.findings)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ComparedFact:
    """Something that the files of a build should agree on.

    Attributes:
        what: In words.
        same: Whether they do.
        values: One a file.
    """

    what: str
    same: bool
    values: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """One file, or the files of a build and how they compare.

    Attributes:
        files: In the order `.tflite`, `.onnx`.
        across: Empty for one file.
    """

    files: tuple[FileReport, ...]
    across: tuple[ComparedFact, ...]
