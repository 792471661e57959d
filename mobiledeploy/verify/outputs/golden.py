"""Golden vectors: images with the outputs that a device must reproduce, in `golden.npz`.

Arrays, all without pickle: `names` (images,), `pixels` uint8 (images, ...), `logits`
and `scores` int8 codes (images, classes), or float32 in a float model; scores equal the logits in
a model without a softmax. The last image is coloured noise: grey photos would not show swapped
channels. An int8 model also has `grids` float64 (3, 2): scale and zero point of input, output and
logits, which reveal a contract with other grids. The int8 input of a pixel is `pixel - 128`;
contract.json says in which type and layout the files take it.
"""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base import npz
from mobiledeploy.base.errors import CorruptFileError, ParityError
from mobiledeploy.data.evaluation import Evaluation
from mobiledeploy.verify.outputs import image_sets
from mobiledeploy.verify.outputs.answers import (
    require_finite,
    rows_not_finite,
    words_not_finite,
)
from mobiledeploy.verify.outputs.parity import (
    SAME_IN_FLOATS,
    Answers,
    Outputs,
    constant,
    hardly_varies,
)

HELD_BACK: Final = 15
_CODES: Final = (np.dtype(np.int8), np.dtype(np.float32))
COLOURED: Final = "uniform noise 0"
"""One of the synthetic extremes: every channel of every pixel is drawn independently."""
_DAMAGED: Final = "the file is damaged: copy the folder again, or build again"


def choose(
    answers: Answers, *, images: int = HELD_BACK, float_logits: Outputs | None = None
) -> npt.NDArray[np.int64]:
    """Return the rows of images for golden vectors, of as many predicted classes as possible.

    One image of each predicted class is taken in turn. For `float_logits` see `require_variety`.

    Raises:
        ParityError: The logits do not vary: a broken device would pass too.
    """
    require_variety(answers, float_logits)
    predicted = answers.top1
    turn = np.zeros(len(predicted), np.int64)
    for label in np.unique(predicted):
        rows = np.flatnonzero(predicted == label)
        turn[rows] = np.arange(len(rows))
    return np.sort(np.argsort(turn, kind="stable")[:images])


def require_variety(answers: Answers, float_logits: Outputs | None = None) -> None:
    """Refuse outputs that are the same for every image.

    Args:
        answers: The outputs.
        float_logits: The float network's logits of an int8 model's images, if they are known.

    Raises:
        ParityError: The logits do not vary: a broken device would pass too.
    """
    if len(np.unique(answers.logits, axis=0)) < 2:
        proof = "golden vectors"
        if not np.issubdtype(answers.logits.dtype, np.integer):
            raise ParityError(
                f"the model gives the same logits for every image: {proof} would prove nothing",
                hint=SAME_IN_FLOATS,
            )
        in_floats = None if float_logits is None else hardly_varies(float_logits)
        raise constant("the same logits for every image", proof, in_floats=in_floats)


def to_bytes(
    evaluation: Evaluation,
    answers: Sequence[Answers],
    *,
    grids: Sequence[tuple[float, int]] = (),
) -> bytes:
    """Return the bytes of `golden.npz`: chosen held-back images of a build, and `COLOURED`.

    Args:
        evaluation: The held-back images.
        answers: One runtime's outputs for each set of `image_sets.own(evaluation)`.
        grids: Scale and int8 zero point of input, output and logits; none in a float model.

    Raises:
        ParityError: The outputs do not vary, or are not finite numbers.
    """
    own = image_sets.own(evaluation)
    for images, given in zip(own, answers, strict=True):
        for outputs in (given.logits, given.scores):
            if outputs is not None:
                require_finite(outputs, who="the model", names=images.names)
    rows = choose(answers[0], float_logits=evaluation.float_logits)
    extremes = own[1]
    coloured = extremes.names.index(COLOURED)
    kind = np.int8 if np.issubdtype(answers[0].logits.dtype, np.integer) else np.float32

    def picked(outputs: Iterable[Outputs]) -> Outputs:
        held_back, others = outputs
        return np.concatenate([held_back[rows], others[[coloured]]]).astype(kind)

    grid_array = {"grids": np.array(grids, np.float64)} if grids else {}
    buffer = io.BytesIO()
    np.savez(
        buffer,
        allow_pickle=False,
        names=np.array([*(evaluation.names[row] for row in rows), COLOURED]),
        pixels=np.concatenate([evaluation.pixels[rows], extremes.pixels(coloured, coloured + 1)]),
        logits=picked(given.logits for given in answers),
        scores=picked(given.logits if given.scores is None else given.scores for given in answers),
        **grid_array,
    )
    return buffer.getvalue()


def read(path: Path) -> tuple[npt.NDArray[np.uint8], tuple[str, ...], Answers]:
    """Return the golden images, their names and the expected outputs.

    Raises:
        CorruptFileError: The file is missing, damaged, or its arrays do not fit together.
    """
    stored = npz.read(path, ("pixels", "names", "logits", "scores"), what="golden vectors")
    pixels, names, logits, scores = stored.values()
    if (
        pixels.dtype != np.uint8
        or pixels.ndim < 2
        or names.ndim != 1
        or logits.dtype not in _CODES
        or logits.ndim != 2
        or (scores.dtype, scores.shape) != (logits.dtype, logits.shape)
        or not len(pixels) == len(names) == len(logits) > 0
        or not logits.size * pixels.size
    ):
        raise CorruptFileError(
            f"{path}: expected uint8 images, a name, logits and scores of each, received pixels "
            f"{_told(pixels)}, names {_told(names)}, logits {_told(logits)}, scores "
            f"{_told(scores)}",
            hint=_DAMAGED,
        )
    named = tuple(str(name) for name in names)
    for what, values in (("logits", logits), ("scores", scores)):
        if rows_not_finite(values).any():
            raise CorruptFileError(
                f"{path}: expected numbers, received {what} with "
                f"{words_not_finite(values, named)}",
                hint=_DAMAGED,
            )
    if np.issubdtype(logits.dtype, np.integer):
        logits, scores = logits.astype(np.int16), scores.astype(np.int16)
    return pixels, named, Answers(logits=logits, scores=scores)


def _told(values: npt.NDArray[Any]) -> str:
    return f"{values.dtype.name} {values.shape}"
