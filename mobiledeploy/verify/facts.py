"""What a report says of a file, in words."""

from collections.abc import Sequence

from mobiledeploy.formats.model_file import ModelFile
from mobiledeploy.spec.config import Preprocessing
from mobiledeploy.verify.answers import Grid
from mobiledeploy.verify.report import FileFacts
from mobiledeploy.verify.runners import Runner
from mobiledeploy.verify.side import Side


def of(side: Side, runner: Runner) -> FileFacts:
    """Return a file's facts.

    Args:
        side: The file.
        runner: The file in its first runtime.
    """
    shape = " x ".join(map(str, runner.session.input.shape))
    layout = "NCHW" if runner.feed.channels_first else "NHWC"
    return FileFacts(
        name=side.file.name,
        format=side.file.format,
        size=side.file.size,
        sha256=side.file.sha256,
        input=f"{runner.session.input.dtype} {layout} {shape}, {_input_grid(side, runner)}",
        output=f"{_grid(side.ends.logits)}{', then softmax' if side.ends.softmax else ''}",
        fed=runner.feed.words,
    )


def of_floats(
    file: ModelFile, shape: Sequence[int], preprocessing: Preprocessing, *, softmax: bool
) -> FileFacts:
    """Return the facts of a float build's file, which takes what its contract says.

    Args:
        file: The file.
        shape: Of an image.
        preprocessing: How its values come from pixels.
        softmax: Whether it ends in one.
    """
    size = " x ".join(map(str, shape))
    return FileFacts(
        name=file.name,
        format=file.format,
        size=file.size,
        sha256=file.sha256,
        input=f"float32 NHWC {size}, no grid",
        output=f"float logits{', then softmax' if softmax else ''}",
        fed=f"(pixel - {preprocessing.mean:g}) / {preprocessing.std:g}",
    )


def _input_grid(side: Side, runner: Runner) -> str:
    """Return the grid of the input, its zero point as the file counts."""
    tensor = side.reading.input
    if tensor.scale is None or tensor.zero_point is None:
        return "no grid"
    zero = tensor.zero_point + (128 if runner.session.input.dtype == "uint8" else 0)
    return _grid(Grid(scale=float(tensor.scale), zero_point=zero))


def _grid(grid: Grid | None) -> str:
    if grid is None:
        return "float logits"
    return f"scale {grid.scale:.6g}, zero point {grid.zero_point}"
