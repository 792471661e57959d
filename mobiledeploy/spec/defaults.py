"""The defaults of a build, which depend on its data and weights."""

import dataclasses
import os
from typing import Final

from mobiledeploy.base.errors import RequestError
from mobiledeploy.base.files import Name
from mobiledeploy.spec.config import (
    ALPHAS,
    DIGITS,
    SCALINGS,
    Arch,
    BuildConfig,
    Crop,
    Effort,
    ExportConfig,
    FineTuneConfig,
    Head,
    InputRange,
    Io,
    ModelConfig,
    Preprocessing,
    QatEngine,
    QatLoss,
    QuantiseConfig,
    TrainConfig,
    WeightsPer,
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRecipe:
    """Training settings that were measured to work for a kind of data.

    Attributes:
        image_size: Height and width, pixels.
        small: Whether the default alpha is the smallest one; otherwise it is 1.0.
        epochs: Passes over the training images.
        batch_size: Images a step.
        learning_rate: Peak of the learning rate schedule.
        qat_steps: Steps of quantisation-aware training.
        qat_batch_size: Images a step of quantisation-aware training.
        qat_learning_rate: Peak of its schedule.
    """

    image_size: int
    small: bool
    epochs: int
    batch_size: int
    learning_rate: float
    qat_steps: int
    qat_batch_size: int
    qat_learning_rate: float


CALIBRATION_IMAGES: Final = 256
"""Number of training images that decide the activation ranges."""

QAT_STEPS_PER_TENSOR: Final = 200
"""Steps of quantisation-aware training with one scale a layer, which leaves more to learn."""

FINE_TUNING_STEPS: Final = 100
"""Steps of fine-tuning of an imported network with fake quantisation."""
FINE_TUNING_BATCH_SIZE: Final = 32
FINE_TUNING_RATES: Final[dict[QatLoss, float]] = {"distill": 3e-5, "labels": 1e-5}
"""Peak of its schedule."""

RECIPES: Final = {
    "digits, v1": TrainingRecipe(
        image_size=32, small=True, epochs=20, batch_size=64, learning_rate=3e-2,
        qat_steps=60, qat_batch_size=64, qat_learning_rate=1e-4,
    ),
    "digits, v2": TrainingRecipe(
        image_size=32, small=True, epochs=14, batch_size=64, learning_rate=2e-2,
        qat_steps=60, qat_batch_size=64, qat_learning_rate=1e-4,
    ),
    "photos": TrainingRecipe(
        image_size=224, small=False, epochs=40, batch_size=32, learning_rate=3e-3,
        qat_steps=60, qat_batch_size=16, qat_learning_rate=3e-5,
    ),
    "photos, from weights": TrainingRecipe(
        image_size=224, small=False, epochs=8, batch_size=16, learning_rate=1e-4,
        qat_steps=60, qat_batch_size=16, qat_learning_rate=3e-5,
    ),
}  # fmt: skip


def decide(
    *,
    arch: Arch = "v2",
    alpha: float | None = None,
    image_size: int | None = None,
    data: Name = DIGITS,
    weights: Name = "none",
    crop: Crop = "center",
    input_range: InputRange = "-1..1",
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    qat_engine: QatEngine | None = None,
    qat_steps: int | None = None,
    effort: Effort | None = None,
    weights_per: WeightsPer | None = None,
    calibration_images: int | None = None,
    calibrate: Name | None = None,
    int8: bool = True,
    io: Io | None = None,
    head: Head = "softmax",
    licence: str = "",
    seed: int = 0,
    threads: int | None = None,
) -> BuildConfig:
    """Return a complete configuration: the caller's choices, and defaults that fit the data.

    Args:
        arch: `v1` or `v2`.
        alpha: Width multiplier; by default the smallest for digits, 1.0 for photos.
        image_size: Height and width, pixels; by default 32 for digits, 224 for photos.
        data: `digits`, or a folder of photos with one sub-folder a class.
        weights: `none`, `imagenet`, or a Keras weights file to start from.
        crop: `center` or `stretch`.
        input_range: The range of the network's input: `-1..1`, `0..1` or `0..255`; weights need
            the range that they were trained with.
        epochs: Passes over the training images.
        batch_size: Images a step.
        learning_rate: Peak of the schedule of float training.
        qat_engine: `folded` (the default) or `tfmot`.
        qat_steps: Steps of quantisation-aware training; 0 for post-training only. By default
            more with one scale a layer.
        effort: How many techniques are tried to make the int8 network answer as the float one;
            see `pipeline.ladder`. By default `default`.
        weights_per: Whether each channel of a convolution's kernel has a scale, or all have one;
            by default `channel`.
        calibration_images: How many images decide the ranges, at most; by default 256.
        calibrate: A folder of photos that decide the ranges, or `digits`; by default training
            images do.
        int8: False for float32 files.
        io: Type of the int8 files' input and output; by default int8.
        head: Whether the files end in a softmax or in logits.
        licence: Under which the files may be used, such as `Apache-2.0`; empty if that is not
            known.
        seed: Seed of initial weights, order of the images and augmentation.
        threads: Threads of TensorFlow's kernels; by default one a core, 8 at most.

    Raises:
        RequestError: A choice is impossible, contradicts another, or would change nothing.
    """
    data, weights = os.fspath(data), os.fspath(weights)
    if arch not in ALPHAS:
        raise RequestError(
            f"expected an architecture of {', '.join(ALPHAS)}; received {arch}",
            hint=f"choose with `--arch`: {', '.join(ALPHAS)}",
        )
    if input_range not in SCALINGS:
        raise RequestError(
            f"expected an input range of {', '.join(SCALINGS)}; received {input_range}",
            hint=f"choose with `--input-range`: {', '.join(SCALINGS)}",
        )
    mean, std = SCALINGS[input_range]
    quantised = {
        "--qat-steps": qat_steps or None,
        "--qat-engine": qat_engine,
        "--effort": effort,
        "--weights-per": weights_per,
        "--calibration-images": calibration_images,
        "--calibrate": calibrate,
    }
    given = [option for option, value in quantised.items() if value is not None]
    if not int8 and given:
        raise RequestError(
            f"float files are not quantised, but {', '.join(f'`{each}`' for each in given)} was "
            "given",
            hint="leave it out, or leave out `--float`",
        )
    if not int8 and io not in {None, "float32"}:
        raise RequestError(
            f"float files have float32 tensors, but `--io {io}` was asked for",
            hint="leave out `--io`, or leave out `--float`",
        )
    if qat_steps == 0 and qat_engine is not None:
        raise RequestError(
            f"with `--qat-steps 0` there is no quantisation-aware training, but `--qat-engine "
            f"{qat_engine}` was asked for",
            hint="leave out one of the two",
        )
    if epochs == 0 and (batch_size is not None or learning_rate is not None):
        raise RequestError(
            "with `--epochs 0` nothing is trained, but a batch size or a learning rate was given",
            hint="leave out `--batch-size` and `--learning-rate`",
        )
    if data == DIGITS:
        recipe = RECIPES[f"digits, {arch}"]
    else:
        recipe = RECIPES["photos" if weights == "none" else "photos, from weights"]
    size = recipe.image_size if image_size is None else image_size
    usual_steps = QAT_STEPS_PER_TENSOR if weights_per == "tensor" else recipe.qat_steps
    return BuildConfig(
        data=data,
        model=ModelConfig(
            arch=arch,
            alpha=(ALPHAS[arch][0] if recipe.small else 1.0) if alpha is None else alpha,
            image_size=size,
        ),
        preprocessing=Preprocessing(image_size=size, crop=crop, mean=mean, std=std),
        train=TrainConfig(
            weights=weights,
            epochs=recipe.epochs if epochs is None else epochs,
            batch_size=recipe.batch_size if batch_size is None else batch_size,
            learning_rate=recipe.learning_rate if learning_rate is None else learning_rate,
            seed=seed,
            threads=min(os.cpu_count() or 1, 8) if threads is None else threads,
        ),
        quantise=QuantiseConfig(
            engine=qat_engine or "folded",
            steps=usual_steps if qat_steps is None else qat_steps,
            batch_size=recipe.qat_batch_size,
            learning_rate=recipe.qat_learning_rate,
            calibration_images=CALIBRATION_IMAGES
            if calibration_images is None
            else calibration_images,
            effort=effort or "default",
            weights_per=weights_per or "channel",
            calibrate="" if calibrate is None else os.fspath(calibrate),
        ),
        export=ExportConfig(
            int8=int8,
            io=io or ("int8" if int8 else "float32"),
            head=head,
            license=licence,
        ),
    )


def asked(config: BuildConfig) -> frozenset[str]:
    """Return the arguments of `decide` of which a configuration has another value than default."""
    default = decide(
        arch=config.model.arch,
        data=config.data,
        weights=config.train.weights,
        weights_per=config.quantise.weights_per,
    )
    train, usual = config.train, default.train
    same = {
        "arch": config.model.arch == "v2",
        "alpha": config.model.alpha == default.model.alpha,
        "image_size": config.model.image_size == default.model.image_size,
        "crop": config.preprocessing.crop == default.preprocessing.crop,
        "input_range": config.preprocessing.scaling == default.preprocessing.scaling,
        "epochs": train.epochs == usual.epochs,
        "batch_size": train.batch_size == usual.batch_size,
        "learning_rate": train.learning_rate == usual.learning_rate,
        "qat_engine": config.quantise.engine == default.quantise.engine,
        "effort": config.quantise.effort == default.quantise.effort,
        "weights_per": config.quantise.weights_per == default.quantise.weights_per,
        "calibration_images": config.quantise.calibration_images
        == default.quantise.calibration_images,
        "calibrate": config.quantise.calibrate == default.quantise.calibrate,
        "qat_steps": config.quantise.steps == default.quantise.steps,
        "int8": config.export.int8,
        "io": config.export.io == default.export.io,
        "head": config.export.head == default.export.head,
        "licence": config.export.license == default.export.license,
        "seed": train.seed == usual.seed,
    }
    return frozenset(name for name, equal in same.items() if not equal)


def decide_fine_tuning(
    *,
    loss: QatLoss = "distill",
    steps: int | None = None,
    learning_rate: float | None = None,
    seed: int = 0,
) -> FineTuneConfig:
    """Return how an imported network is fine-tuned; the defaults were measured (docs/qat.md).

    Args:
        loss: `distill` (no labels) or `labels`.
        steps: Training steps.
        learning_rate: Peak of the schedule.
        seed: Seed of the order of the images and of their variations.

    Raises:
        RequestError: A choice is impossible.
    """
    if loss not in FINE_TUNING_RATES:
        raise RequestError(
            f"expected a QAT loss of {', '.join(FINE_TUNING_RATES)}; received {loss}",
            hint=f"choose with `--qat-loss`: {', '.join(FINE_TUNING_RATES)}",
        )
    return FineTuneConfig(
        loss=loss,
        steps=FINE_TUNING_STEPS if steps is None else steps,
        batch_size=FINE_TUNING_BATCH_SIZE,
        learning_rate=FINE_TUNING_RATES[loss] if learning_rate is None else learning_rate,
        seed=seed,
    )
