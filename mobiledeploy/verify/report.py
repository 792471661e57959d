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
class FloatComparison:
    """How two float files' outputs differ on a set of images.

    Attributes:
        inputs: What the images were.
        images: How many.
        max_difference: Largest difference of an output, relative to the largest output.
        same_top1: Images on which the highest output is the same class.
        worst: Name of the image with the largest difference.
    """

    inputs: str
    images: int
    max_difference: float
    same_top1: int
    worst: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """The proof, or what is missing from it.

    Attributes:
        holds: Whether every requirement was met.
        failures: What was not met, a sentence each.
        comparisons: LiteRT with XNNPACK against ONNX Runtime, for each set of inputs; of int8
            files.
        float_comparisons: The same of float files.
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
    float_comparisons: tuple[FloatComparison, ...]
    scores: tuple[FileScore, ...]
    same_grid: bool | None
    cpu: str
    runtimes: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """The finding in a sentence."""
        if not self.holds:
            return f"does not hold: {self.failures[0]}"
        if self.float_comparisons:
            worst = max(c.max_difference for c in self.float_comparisons)
            return f"holds: float outputs agree within {worst:.1e} of the largest"
        exact = sum(c.exact_logits for c in self.comparisons)
        total = sum(c.images for c in self.comparisons)
        scores = max(c.max_scores_lsb for c in self.comparisons)
        return f"holds: logits equal on {exact} of {total} inputs, scores within {scores} LSB"
