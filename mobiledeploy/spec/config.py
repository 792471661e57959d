"""The configuration of a build, checked when it is made.

Every field has a value; `defaults.decide` chooses those that the user leaves open.
"""

import dataclasses
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, get_args

from mobiledeploy.base.codec import OMIT
from mobiledeploy.base.errors import RequestError

Arch: TypeAlias = Literal["v1", "v2"]
"""MobileNet V1 or V2."""
Head: TypeAlias = Literal["softmax", "logits"]
"""What the files output: the softmax's scores, or the logits."""
Io: TypeAlias = Literal["int8", "uint8", "float32"]
"""Type of the files' input and output tensors."""
QatEngine: TypeAlias = Literal["folded", "tfmot"]
"""What does quantisation-aware training: our graph with folded batch norm, or
tensorflow-model-optimization."""
QatLoss: TypeAlias = Literal["distill", "labels"]
"""What an imported network learns with fake quantisation: to answer as its own float outputs do,
or the names of the photos' folders."""
Crop: TypeAlias = Literal["center", "stretch"]
"""How a photo gets the input's proportions: its largest centred part, or both sides resized."""
Colour: TypeAlias = Literal["rgb", "grey"]
"""What a network sees of a photo: its three channels, or its brightness as one."""
Task: TypeAlias = Literal["classification", "binary", "multi-label", "regression"]
"""What a network's outputs are: scores of classes of which one is right; one score, of the second
of two classes; scores of classes of which any number are right; numbers of any kind."""
Effort: TypeAlias = Literal["quick", "default", "best"]
"""How many techniques are tried to make the int8 network answer as the float one (`--effort`)."""
WeightsPer: TypeAlias = Literal["channel", "tensor"]
"""Whether each output channel of a convolution has a scale of its own, or all have one
(`--weights-per`); a dense layer has one."""
InputRange: TypeAlias = Literal["-1..1", "0..1", "0..255"]
"""The range of a network's input for pixels of 0 to 255 (`--input-range`)."""
Scaling: TypeAlias = tuple[float, float]
"""Mean and std of `(pixel - mean) / std`, which turns 8-bit pixels into a network's input."""

QAT_ENGINES: Final = get_args(QatEngine)
QAT_LOSSES: Final = get_args(QatLoss)
IOS: Final = get_args(Io)
HEADS: Final = get_args(Head)
CROPS: Final = get_args(Crop)
COLOURS: Final = get_args(Colour)
TASKS: Final = get_args(Task)
EFFORTS: Final = get_args(Effort)
WEIGHTS_PER: Final = get_args(WeightsPer)
INPUT_RANGES: Final = get_args(InputRange)
IMAGENET_RANGE: Final = "-1..1"
"""The input range that ImageNet's weights were trained with."""

SCALINGS: Final[Mapping[InputRange, Scaling]] = {
    "-1..1": (128.0, 128.0),
    "0..1": (0.0, 255.0),
    "0..255": (0.0, 1.0),
}
"""Mean and std of each input range. In each, the 256 pixel values lie on an int8 grid on which the
code is `pixel - 128`, so that quantising the input loses nothing
(docs/decisions/0003-input-grid.md)."""

ALPHAS: Final[dict[str, tuple[float, ...]]] = {
    "v1": (0.25, 0.5, 0.75, 1.0),
    "v2": (0.35, 0.5, 0.75, 1.0, 1.3, 1.4),
}
"""The width multipliers for which each paper's models are published."""

LEARNING_RATES: Final = (1e-9, 10.0)
"""The smallest and the largest learning rate that is accepted."""

IMAGE_SIZES: Final = (16, 1024)
"""The shortest and the longest side of an input that is an image."""
MOST_LICENSE: Final = 4000
"""Most characters of a licence: readers of metadata take texts of 16 kB."""
SMALL_IMAGE: Final = 64
"""Up to this image size the stem keeps the resolution (stride 1): at stride 2 a 32 px image
would reach the last block as a single pixel. See docs/decisions/0004-small-images.md."""

DIGITS: Final = "digits"
"""The name of the built-in data: scikit-learn's handwritten digits."""


def require_choice(
    what: str, received: object, allowed: tuple[object, ...], *, option: str
) -> None:
    """Check that a value is one of those that an option takes.

    Raises:
        RequestError: It is not.
    """
    if received not in allowed:
        listed = ", ".join(map(str, allowed))
        raise RequestError(
            f"expected {what} to be one of {listed}; received {received}",
            hint=f"choose with `{option}`: {listed}",
        )


def require_licence(licence: str) -> None:
    """Check that a licence fits into the metadata of a file.

    Raises:
        RequestError: It does not.
    """
    if len(licence) > MOST_LICENSE:
        raise RequestError(
            f"expected a licence of at most {MOST_LICENSE} characters, received {len(licence)}",
            hint="name it with `--license`, as by SPDX: `Apache-2.0`",
        )


def _within(what: str, received: float, low: float, high: float, *, option: str = "") -> None:
    if not low <= received <= high:
        raise RequestError(
            f"expected {what} in {low}..{high}; received {received}",
            hint=f"give `{option}` a number of this range" if option else None,
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """How an image file becomes the network's input; `data/preprocess.py` is its definition.

    Attributes:
        image_size: Height and width of the result, pixels; its height if `image_width` is given.
        crop: `center` cuts the largest centred part of the result's proportions first; `stretch`
            resizes both sides.
        mean: Subtracted from the 8-bit value.
        std: Divides the difference. By default both are those of `SCALINGS["-1..1"]`: the int8
            code of a pixel is exactly `pixel - 128`.
        image_width: Width of a result that is not square; None for a square.
        colour: `grey` for one channel, see `data.preprocess.to_grey`.
    """

    image_size: int
    crop: Crop = "center"
    mean: float = SCALINGS["-1..1"][0]
    std: float = SCALINGS["-1..1"][1]
    image_width: int | None = dataclasses.field(default=None, metadata=OMIT)
    colour: Colour = dataclasses.field(default="rgb", metadata=OMIT)

    def __post_init__(self) -> None:
        """Check the ranges."""
        _within("image size", self.image_size, *IMAGE_SIZES, option="--image-size")
        if self.image_width is not None:
            _within("image width", self.image_width, *IMAGE_SIZES)
        require_choice("crop", self.crop, CROPS, option="--crop")
        _within("mean", self.mean, -1e6, 1e6)
        _within("std", self.std, 1e-6, 1e6)

    @property
    def scaling(self) -> Scaling:
        """Mean and std."""
        return self.mean, self.std

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the result."""
        width = self.image_size if self.image_width is None else self.image_width
        return self.image_size, width, 1 if self.colour == "grey" else 3


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """The architecture of the network.

    Attributes:
        arch: `v1` or `v2`.
        alpha: Width multiplier, one of `ALPHAS[arch]`.
        image_size: Height and width of the input, pixels.
    """

    arch: Arch
    alpha: float
    image_size: int

    def __post_init__(self) -> None:
        """Check that the architecture has this width multiplier and can take this image size."""
        require_choice("architecture", self.arch, tuple(ALPHAS), option="--arch")
        require_choice(f"alpha of {self.arch}", self.alpha, ALPHAS[self.arch], option="--alpha")
        _within("image size", self.image_size, *IMAGE_SIZES, option="--image-size")

    @property
    def stem_stride(self) -> int:
        """Stride of the first convolution: 2 as in the papers, 1 for small images."""
        return 1 if self.image_size <= SMALL_IMAGE else 2


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """How the float network is trained.

    Attributes:
        weights: `none`, `imagenet`, or the path of a Keras weights file.
        epochs: Passes over the training images. With weights to start from they follow the
            training of the head, and may be 0; without, at least 1.
        batch_size: Images a step.
        learning_rate: Peak of the learning rate schedule.
        seed: Seed of initial weights, order of the images and augmentation.
        threads: Threads of TensorFlow's kernels; the last bits of the result depend on them.
    """

    weights: str
    epochs: int
    batch_size: int
    learning_rate: float
    seed: int
    threads: int

    def __post_init__(self) -> None:
        """Check the ranges."""
        fewest = 0 if self.weights != "none" else 1
        _within("epochs", self.epochs, fewest, 10_000, option="--epochs")
        _within("batch size", self.batch_size, 1, 4096, option="--batch-size")
        _within("learning rate", self.learning_rate, *LEARNING_RATES, option="--learning-rate")
        _within("seed", self.seed, 0, 2**31 - 1, option="--seed")
        _within("threads", self.threads, 1, 256, option="--threads")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class QuantiseConfig:
    """How the network becomes int8.

    Attributes:
        engine: What does quantisation-aware training (QAT).
        steps: Training steps with fake quantisation; 0 for post-training quantisation only.
        batch_size: Images a step.
        learning_rate: Peak of the learning rate schedule.
        calibration_images: Number of images that decide the activation ranges.
        effort: How many techniques of quantisation are tried.
        weights_per: What has a scale of its own; absent from the JSON if channels have.
        calibrate: The photos that decide the ranges, if they are not the training images; absent
            from the JSON if they are.
    """

    engine: QatEngine
    steps: int
    batch_size: int
    learning_rate: float
    calibration_images: int
    effort: Effort = dataclasses.field(default="default", metadata=OMIT)
    weights_per: WeightsPer = dataclasses.field(default="channel", metadata=OMIT)
    calibrate: str = dataclasses.field(default="", metadata=OMIT)

    def __post_init__(self) -> None:
        """Check the ranges."""
        require_choice("QAT engine", self.engine, QAT_ENGINES, option="--qat-engine")
        _within("QAT steps", self.steps, 0, 100_000, option="--qat-steps")
        _within("QAT batch size", self.batch_size, 1, 4096)
        _within("QAT learning rate", self.learning_rate, *LEARNING_RATES)
        _within(
            "calibration images", self.calibration_images, 1, 100_000,
            option="--calibration-images",
        )  # fmt: skip
        require_choice("effort", self.effort, EFFORTS, option="--effort")
        require_choice("weights per", self.weights_per, WEIGHTS_PER, option="--weights-per")
        if self.weights_per == "tensor" and self.engine == "tfmot" and self.steps:
            raise RequestError(
                "`--qat-engine tfmot` trains weights per channel, not per tensor",
                hint="leave out `--qat-engine`",
            )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ExportConfig:
    """Types and output of the two files.

    Attributes:
        int8: Whether to quantise; otherwise the files are float32.
        io: Type of the int8 files' input and output tensors.
        head: Whether the files end in the softmax or in the logits.
        license: Under which the files may be used, for the metadata of the `.tflite`; empty, and
            absent from the JSON, if nobody said it.
    """

    int8: bool
    io: Io
    head: Head
    license: str = dataclasses.field(default="", metadata=OMIT)

    def __post_init__(self) -> None:
        """Check the choices."""
        require_choice("io", self.io, IOS, option="--io")
        require_choice("head", self.head, HEADS, option="--head")
        require_licence(self.license)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BuildConfig:
    """Everything that a build depends on except the data itself.

    Attributes:
        data: `digits`, or the path of a folder with one sub-folder a class.
        model: The architecture of the network.
        preprocessing: How an image file becomes the network's input.
        train: How the float network is trained.
        quantise: How the network becomes int8.
        export: Types and output of the two files.
    """

    data: str
    model: ModelConfig
    preprocessing: Preprocessing
    train: TrainConfig
    quantise: QuantiseConfig
    export: ExportConfig

    def __post_init__(self) -> None:
        """Check that 8-bit pixels lie on an int8 grid, and ImageNet's weights get their range."""
        mean, std = self.preprocessing.scaling
        if self.export.int8 and not (0 <= mean <= 255 and mean.is_integer()):
            raise RequestError(
                f"expected a whole number in 0..255 as mean, so that the code of a pixel is "
                f"`pixel - 128`; received {mean}",
                hint=f"choose with `--input-range`: {', '.join(SCALINGS)}",
            )
        if self.train.weights == "imagenet" and (mean, std) != SCALINGS[IMAGENET_RANGE]:
            raise RequestError(
                f"ImageNet's weights were trained on pixels as {IMAGENET_RANGE}, not as "
                f"(pixel - {mean:g}) / {std:g}",
                hint="leave out `--input-range`",
            )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FineTuneConfig:
    """How an imported network is fine-tuned with fake quantisation.

    Attributes:
        loss: `distill` or `labels`.
        steps: Training steps, at least 1.
        batch_size: Images a step.
        learning_rate: Peak of the learning rate schedule.
        seed: Seed of the order of the images and of their variations.
    """

    loss: QatLoss
    steps: int
    batch_size: int
    learning_rate: float
    seed: int

    def __post_init__(self) -> None:
        """Check the ranges."""
        require_choice("QAT loss", self.loss, QAT_LOSSES, option="--qat-loss")
        _within("QAT steps", self.steps, 1, 100_000, option="--qat-steps")
        _within("QAT batch size", self.batch_size, 1, 4096)
        _within("learning rate", self.learning_rate, *LEARNING_RATES, option="--learning-rate")
        _within("seed", self.seed, 0, 2**31 - 1, option="--seed")


RANDOM: Final = "random"
"""The name of synthetic images in place of photos."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ImportConfig:
    """Everything that the quantisation of a model file depends on except the images themselves.

    Attributes:
        model: Path of the model file.
        sha256: Hexadecimal digest of the file.
        data: `digits`, `random`, or the path of a folder with one sub-folder a class, or of a file
            of values.
        preprocessing: How an image file becomes the network's input; None if it takes no images.
        calibration_images: Number of images that decide the activation ranges.
        threads: Images that run at a time.
        export: Types and output of the two files.
        task: What the network's outputs are.
        mean: What was given or chosen for `(pixel - mean) / std` where the file does not say how
            pixels become its input: one number, or one a channel. Empty, and absent from the JSON,
            where it does. What differs between channels is a layer of the two files.
        std: Likewise.
        bgr: Whether the network's channels are blue, green, red; absent from the JSON if not.
        qat: How the network is fine-tuned; None, and absent from the JSON, if it is not.
        effort: How many techniques of quantisation are tried.
        weights_per: What has a scale of its own; absent from the JSON if channels have.
        calibrate: The photos that decide the ranges, if they are not those of `data`; absent from
            the JSON if they are.
    """

    model: str
    sha256: str
    data: str
    preprocessing: Preprocessing | None
    calibration_images: int
    threads: int
    export: ExportConfig
    task: Task = dataclasses.field(default="classification", metadata=OMIT)
    mean: tuple[float, ...] = dataclasses.field(default=(), metadata=OMIT)
    std: tuple[float, ...] = dataclasses.field(default=(), metadata=OMIT)
    bgr: bool = dataclasses.field(default=False, metadata=OMIT)
    qat: FineTuneConfig | None = dataclasses.field(default=None, metadata=OMIT)
    effort: Effort = dataclasses.field(default="default", metadata=OMIT)
    weights_per: WeightsPer = dataclasses.field(default="channel", metadata=OMIT)
    calibrate: str = dataclasses.field(default="", metadata=OMIT)

    def __post_init__(self) -> None:
        """Check the ranges."""
        _within(
            "calibration images", self.calibration_images, 1, 100_000,
            option="--calibration-images",
        )  # fmt: skip
        require_choice("weights per", self.weights_per, WEIGHTS_PER, option="--weights-per")
        _within("threads", self.threads, 1, 256, option="--threads")
        require_choice("task", self.task, TASKS, option="--task")
        require_choice("effort", self.effort, EFFORTS, option="--effort")
