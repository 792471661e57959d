"""`mobiledeploy quantize`."""

import importlib
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from mobiledeploy.cli import _options, _output
from mobiledeploy.cli.build import interruptible, summary
from mobiledeploy.spec.config import (
    CROPS,
    DIGITS,
    EFFORTS,
    HEADS,
    IOS,
    QAT_LOSSES,
    RANDOM,
    TASKS,
    WEIGHTS_PER,
)

if TYPE_CHECKING:
    from mobiledeploy.spec.config import FineTuneConfig


def quantize(
    model: Annotated[Path, typer.Argument(help="A float network: .keras, .h5, .onnx or .tflite")],
    data: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="Photos that decide the ranges: a folder, best with one sub-folder a class, or "
            f"`{DIGITS}`; for inputs that are no images, a .npy or .npz",
        ),
    ] = None,
    random: Annotated[
        bool, typer.Option("--random", help="Use synthetic images, or values, in place of photos")
    ] = False,
    input_range: _options.InputRange = None,
    mean: _options.Mean = None,
    std: _options.Std = None,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Names of the classes, one a line, in their order"),
    ] = None,
    image_size: Annotated[
        str | None,
        typer.Option(metavar="N|HEIGHTxWIDTH", help="Size of images, if the file leaves it open"),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The output that holds the classes, if there are several"
        ),
    ] = None,
    crop: Annotated[
        str, typer.Option(metavar=f"[{'|'.join(CROPS)}]", help="How a photo gets the proportions")
    ] = "center",
    io: Annotated[
        str,
        typer.Option(
            metavar=f"[{'|'.join(IOS)}]",
            help="Type of the files' input and output. MediaPipe takes uint8 and float32 only",
        ),
    ] = "int8",
    head: Annotated[
        str | None,
        typer.Option(
            metavar=f"[{'|'.join(HEADS)}]",
            help="Whether the files end in scores or in logits. Default: as the model does",
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            metavar=f"[{'|'.join(TASKS)}]",
            help="What the outputs are, if the last layer does not show it",
        ),
    ] = None,
    effort: Annotated[
        str | None,
        typer.Option(
            metavar=f"[{'|'.join(EFFORTS)}]",
            help="How much is tried to answer as the float network does; quick: plain ranges. "
            "Default: default, with `--random` quick",
        ),
    ] = None,
    weights_per: Annotated[
        str,
        typer.Option(
            metavar=f"[{'|'.join(WEIGHTS_PER)}]",
            help="What of a convolution's weights has a scale; tensor: for targets that need it",
        ),
    ] = "channel",
    calibration_images: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="How many photos, or values, decide the ranges. Default: 256"
        ),
    ] = None,
    calibrate: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE", help="Photos that decide the ranges, in place of those of `--data`"
        ),
    ] = None,
    licence: _options.Licence = "",
    threads: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Images at a time. Default: one a core"),
    ] = None,
    qat: Annotated[
        bool,
        typer.Option("--qat", help="Train with fake quantisation; ship the better"),
    ] = False,
    qat_loss: Annotated[
        str | None,
        typer.Option(
            metavar=f"[{'|'.join(QAT_LOSSES)}]",
            help="What it learns: to answer as its own float outputs do, which needs no labels, "
            "or the folders' names. Default: distill",
        ),
    ] = None,
    qat_steps: Annotated[
        int | None,
        typer.Option(metavar="N", help="Training steps. Default: 100"),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(metavar="X", help="Peak of the schedule. Default: 3e-5, with labels 1e-5"),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(metavar="N", help="Seed of the order and the variations. Default: 0"),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="Build folder")
    ] = Path("build"),
    json: _options.Json = False,
    quiet: _options.Quiet = False,
) -> None:
    """Quantise a float model of yours, and prove its two files equal.

    The build folder gets model.tflite, model.onnx and the proof that they compute the same.
    TensorFlow is needed for `--qat` only, and nothing of the file is executed.
    """
    import os
    from typing import cast

    from mobiledeploy.base.errors import RequestError

    if (data is None) == (not random):
        raise RequestError(
            "expected photos or synthetic images, received " + ("both" if random else "neither"),
            hint="`--data FOLDER` for a file that is shipped, `--random` to try a network",
        )
    with interruptible(), _read_early(model):
        from mobiledeploy.base import codec, heap
        from mobiledeploy.pipeline import build as pipeline
        from mobiledeploy.pipeline import quantise_images
        from mobiledeploy.pipeline import quantize as quantizing

        heap.share()
        _import_runtimes(model)
        with _output.progress(quiet=quiet) as progress:
            report = quantizing.quantize(
                model,
                out,
                data=RANDOM if data is None else data,
                scaling=_options.scaling(input_range, mean, std),
                labels=_options.labels(labels),
                crop=cast("Any", crop),
                io=cast("Any", io),
                head=cast("Any", head),
                task=cast("Any", task),
                image_size=_image_size(image_size),
                output=output,
                effort=cast("Any", effort),
                weights_per=cast("Any", weights_per),
                calibration_images=calibration_images or quantise_images.CALIBRATION_IMAGES,
                calibrate=calibrate,
                licence=licence,
                threads=threads or os.cpu_count() or 1,
                fine_tuning=_fine_tuning(
                    asked=qat,
                    loss=qat_loss,
                    steps=qat_steps,
                    learning_rate=learning_rate,
                    seed=seed,
                ),
                progress=progress,
            )
    if json:
        _output.emit(codec.to_json(report).decode().rstrip())
    else:
        _output.emit(summary(report, out))
    pipeline.require(report)


_KERAS: Final = (b"PK\x03\x04", b"\x89HDF\r\n\x1a\n")
"""First bytes of `.keras` and `.h5`."""


_RUNTIMES: Final = ("ai_edge_litert.interpreter", "onnx", "onnxruntime")


def _is_keras(model: Path) -> bool:
    with suppress(OSError, RuntimeError), model.expanduser().open("rb") as file:
        return file.read(8).startswith(_KERAS)
    return False


def _import_runtimes(model: Path) -> None:
    """Import what runs and writes the files, while another process still reads a Keras file."""
    if _is_keras(model):
        for name in _RUNTIMES:
            with suppress(ImportError):  # said where it is needed
                importlib.import_module(name)


def _read_early(model: Path) -> AbstractContextManager[None]:
    """Start to read a Keras file in its process while this one imports what quantises it."""
    from mobiledeploy.base import child_process

    if _is_keras(model):
        return child_process.started_early(
            "mobiledeploy.network.keras_file", "read_model_to_bytes", str(model.expanduser())
        )
    return nullcontext()


_TRAINING_OPTIONS: Final = {
    "loss": "--qat-loss",
    "steps": "--qat-steps",
    "learning_rate": "--learning-rate",
    "seed": "--seed",
}
"""By the argument of `defaults.decide_fine_tuning`."""


def _fine_tuning(*, asked: bool, **given: Any) -> "FineTuneConfig | None":
    """Return how the network is fine-tuned; None without `--qat`.

    Raises:
        RequestError: An option of the training was given without `--qat`, or is impossible.
    """
    from mobiledeploy.base.errors import RequestError
    from mobiledeploy.spec import defaults

    options = {name: value for name, value in given.items() if value is not None}
    if asked:
        return defaults.decide_fine_tuning(**options)
    if options:
        listed = ", ".join(f"`{_TRAINING_OPTIONS[each]}`" for each in options)
        raise RequestError(
            f"{listed} would change nothing without `--qat`",
            hint="add `--qat` to train the network, or leave out the option",
        )
    return None


def _image_size(given: str | None) -> tuple[int, int] | None:
    """Return the height and width of an option; None if it was not given.

    Raises:
        RequestError: It is no size.
    """
    from mobiledeploy.base.errors import RequestError

    if given is None:
        return None
    height, _, width = given.partition("x")
    width = width or height
    if given.endswith("x") or not (height.isdecimal() and width.isdecimal()):
        raise RequestError(
            f"expected a size such as 224 or 192x256, received {given}",
            hint="one number, or height and width with an `x` between them",
        )
    return int(height), int(width)
