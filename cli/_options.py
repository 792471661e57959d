"""Options that several commands share, with a check for unused ones."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from mobiledeploy.base.errors import RequestError
from mobiledeploy.spec.config import INPUT_RANGES

if TYPE_CHECKING:
    from mobiledeploy.spec.channel_scaling import ChannelScaling

Json: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout instead of a table")
]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr")]
ComparedData: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="SOURCE",
        help="Photos to compare on: a folder with one sub-folder a class, or `digits`",
    ),
]
Samples: TypeAlias = Annotated[
    int | None,
    typer.Option(metavar="N", min=2, help="Use only N of the images, spread evenly"),
]
Threads: TypeAlias = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Images that run at a time. Default: one a core"),
]
InputRange: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar=f"[{'|'.join(INPUT_RANGES)}|caffe|RANGE-bgr]",
        help="Range of the input for pixels of 0 to 255, if the file does not say it. 0..1-bgr "
        "and the like: its channels are blue, green, red, as OpenCV reads images",
    ),
]
Mean: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="A[,B,C]",
        help="Mean of the pixels, one or one a channel, of 0 to 255; with --input-range 0..1, "
        "of pixel / 255",
    ),
]
Std: TypeAlias = Annotated[
    str | None, typer.Option(metavar="A[,B,C]", help="Standard deviation, likewise")
]

Licence: TypeAlias = Annotated[
    str,
    typer.Option(
        "--license",
        metavar="TEXT",
        help="Under which the model may be used, such as Apache-2.0, for the metadata of the "
        ".tflite. None is guessed",
    ),
]


def refuse_unused(context: typer.Context, *, used: Collection[str], with_: str) -> None:
    """Refuse options that were given and would change nothing.

    Args:
        context: Context of the command.
        used: Names of the function's parameters that have an effect.
        with_: The mode in which no others have one, such as "`--device`".

    Raises:
        RequestError: Another option was given, whatever its value.
    """
    unused = list(dict.fromkeys(name for key, name in given(context) if key not in used))
    if unused:
        listed = ", ".join(f"`{name}`" for name in unused)
        raise RequestError(
            f"{listed} cannot be used with {with_}: it would change nothing",
            hint=f"leave out {listed}",
        )


def given(context: typer.Context) -> Iterator[tuple[str, str]]:
    """Yield the options that the user gave: the function's parameter, and the option as typed.

    An option counts as given even if its value is the default.
    """
    for parameter in context.command.params:
        key: Any = parameter.name
        source = context.get_parameter_source(key)
        if source is not None and source.name in {"COMMANDLINE", "ENVIRONMENT"}:
            yield key, parameter.opts[0]


def scaling(input_range: str | None, mean: str | None, std: str | None) -> "ChannelScaling | None":
    """Return how pixels become a network's input, None if no option says it.

    Args:
        input_range: Value of `InputRange`.
        mean: Value of `Mean`.
        std: Value of `Std`.

    Raises:
        RequestError: There is no such range, or one of mean and std is missing or unusable.
    """
    from mobiledeploy.spec.channel_scaling import IMPORT_RANGES, SCALINGS, named, options_of

    if input_range is not None and input_range not in IMPORT_RANGES:
        raise RequestError(
            f"expected an input range of {', '.join(IMPORT_RANGES)}; received {input_range}",
            hint=f"choose with `--input-range`: {', '.join(IMPORT_RANGES)}",
        )
    example = f"`{options_of(SCALINGS['torchvision'])}`"
    if mean is None and std is None:
        return None if input_range is None else IMPORT_RANGES[input_range]
    if mean is None or std is None:
        missing, given = ("--mean", "--std") if mean is None else ("--std", "--mean")
        raise RequestError(
            f"expected `--mean` and `--std`, received `{given}` only",
            hint=f"add `{missing}`, for example {example}",
        )
    means, stds = _numbers("--mean", mean), _numbers("--std", std)
    if input_range is None:
        if min(stds) > 0 and max(stds) < 1:
            raise RequestError(
                f"expected standard deviations of pixels of 0 to 255, received {std}: fractions",
                hint="for values of pixel / 255 add `--input-range 0..1`",
            )
        return named(means, stds)
    inner = IMPORT_RANGES[input_range]
    if inner.bgr:
        raise RequestError(
            f"`--input-range {input_range}` cannot be combined with a mean and std",
            hint="leave out `--mean` and `--std`",
        )
    low, high = (((edge - inner.mean[0]) / inner.std[0]) for edge in (0, 255))
    if not all(low <= value <= high for value in means):
        raise RequestError(
            f"expected means of {low:g} to {high:g}, as `--input-range {input_range}` has them; "
            f"received {mean}",
            hint="leave out `--input-range` where mean and std are those of pixels of 0 to 255",
        )
    return named(
        tuple(round(inner.mean[0] + inner.std[0] * value, 9) for value in means),
        tuple(round(inner.std[0] * value, 9) for value in stds),
    )


def _numbers(option: str, given: str) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in given.split(","))
    except ValueError as error:
        raise RequestError(
            f"expected one number or three with commas as `{option}`, received {given}",
            hint=f"for example `{option} 127.5`, or `{option} 123.675,116.28,103.53`",
        ) from error


def labels(path: Path | None) -> tuple[str, ...]:
    """Return the lines of a file of labels; none without one.

    Raises:
        RequestError: There is no such file.
        CorruptFileError: It is not text in UTF-8.
    """
    if path is None:
        return ()
    from mobiledeploy.base import files
    from mobiledeploy.data import class_names

    files.require_file(path, hint="name a text file with one label a line")
    return class_names.read_labels(path)
