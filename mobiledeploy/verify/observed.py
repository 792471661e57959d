"""What a verification saw besides what it found: the files, the images, the answers."""

import dataclasses

from mobiledeploy.formats.model_file import ModelFile
from mobiledeploy.verify.inputs import ImageSet
from mobiledeploy.verify.parity import Answers
from mobiledeploy.verify.report import VerifyReport


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Observed:
    """A verification, with what its report was made from.

    Attributes:
        report: What was found.
        files: The two files.
        sets: The images, in the report's order.
        answers: With `Options.keep`, what the first file answered to each set.
        scale: Real units of a step of the answers' logits; None if those are probabilities.
        class_names: By label; empty if they are not known.
    """

    report: VerifyReport
    files: tuple[ModelFile, ModelFile]
    sets: tuple[ImageSet, ...]
    answers: tuple[Answers, ...]
    scale: float | None
    class_names: tuple[str, ...]
