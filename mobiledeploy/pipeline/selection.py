"""Post-training against quantisation-aware: score the files, ship the better one."""

import math
from collections.abc import Mapping
from typing import Final, TypeAlias

import numpy as np

from mobiledeploy.base.errors import ParityError
from mobiledeploy.base.progress import Event, Progress
from mobiledeploy.data.dataset import Split
from mobiledeploy.data.pixels import Images
from mobiledeploy.data.preprocess import to_int8
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.runtimes import litert
from mobiledeploy.spec.results import Accuracy, Candidate, QuantiseResult
from mobiledeploy.targets import tflite
from mobiledeploy.training.loss import cross_entropies

Splits: TypeAlias = Mapping[Split, Images]

SCORED: Final[tuple[Split, ...]] = ("validation", "test")
"""The splits that nothing is trained on."""


def score(
    name: str, graph: IntegerGraph, splits: Splits, *, threads: int, progress: Progress
) -> Candidate:
    """Score a candidate as a file, in LiteRT with XNNPACK, at its logits.

    Args:
        name: `ptq` or `qat`.
        graph: The candidate.
        splits: Images of the validation and the test split.
        threads: Images that run at a time.
        progress: Told before each split.
    """
    session = litert.load(tflite.write(graph, head="logits"), threads=threads)
    logits, scores = {}, {}
    for split in SCORED:
        images = splits[split]
        progress(Event("quantise", f"scoring {name} on {len(images.pixels)} {split} images"))
        codes = session.run(to_int8(np.ascontiguousarray(images.pixels)))[0]
        real = (codes.astype(np.float32) - graph.logits.zero_point) * graph.logits.scale
        logits[split] = real.astype(np.float32)
        scores[split] = Accuracy.of(codes.argmax(axis=1), images.labels)
    return Candidate(
        name=name,
        validation=scores["validation"],
        validation_loss=float(
            cross_entropies(splits["validation"].labels, logits["validation"]).mean()
        ),
        test=scores["test"],
    )


def choose(candidates: tuple[Candidate, ...]) -> QuantiseResult:
    """Choose the candidate that is right on more validation images.

    Among equals the lower loss there decides. Test images decide nothing: they are what the
    result is reported on.

    Raises:
        ParityError: A loss is no finite number: it would be neither more nor less than any other.
    """
    for found in candidates:
        if not math.isfinite(found.validation_loss):
            raise ParityError(
                f"{found.name}: expected a finite loss of the validation images, received "
                f"{found.validation_loss}",
                hint="its scale of logits is out of all bounds: the training diverged",
            )
    chosen = max(candidates, key=lambda found: (found.validation.correct, -found.validation_loss))
    return QuantiseResult(
        candidates=candidates, chosen=chosen.name, reason=_reason(candidates, chosen)
    )


def _reason(candidates: tuple[Candidate, ...], chosen: Candidate) -> str:
    if len(candidates) == 1:
        return f"{chosen.name} is shipped: it is the only candidate"
    found = ", ".join(
        f"{c.name} {c.validation.correct} (loss {c.validation_loss:.4f})" for c in candidates
    )
    return (
        f"{chosen.name} is shipped: right on {chosen.validation.total} validation images: {found}"
    )
