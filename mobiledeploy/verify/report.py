"""What verification found: frozen, and JSON as docs/schemas/verify.schema.json says."""

import dataclasses

from mobiledeploy.results import Score
from mobiledeploy.verify.parity import Comparison


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FileScore:
    """How one file answers labelled images.

    Attributes:
        file: `float`, `model.tflite` or `model.onnx`.
        runtime: What ran it, with version.
        labels: Images on which the highest logit is the label's.
        float_model: Images on which the highest logit is the float network's.
    """

    file: str
    runtime: str
    labels: Score
    float_model: Score


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """The proof, or what is missing from it.

    Attributes:
        holds: Whether every requirement was met.
        failures: What was not met, a sentence each.
        comparisons: LiteRT with XNNPACK against ONNX Runtime, one for each set of inputs.
        scores: Of the float network and of each file on labelled images; may be empty.
        same_grid: Whether the ONNX file is, byte for byte, what this version writes from the
            integers of the `.tflite`, with every ADD certified over all 65,536 pairs. None for
            float files.
        cpu: The processor that this was found on.
        runtimes: Names and versions.
    """

    holds: bool
    failures: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    scores: tuple[FileScore, ...]
    same_grid: bool | None
    cpu: str
    runtimes: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """The finding in a sentence."""
        if not self.holds:
            return f"does not hold: {self.failures[0]}"
        exact = sum(c.exact_logits for c in self.comparisons)
        total = sum(c.images for c in self.comparisons)
        scores = max(c.max_scores_lsb for c in self.comparisons)
        return f"holds: logits equal on {exact} of {total} inputs, scores within {scores} LSB"
