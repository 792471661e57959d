"""What to build. Checked when made: a config that exists is valid, and nothing is undecided.

`defaults.decide` fills in what the user leaves open.
"""

import dataclasses
from typing import Final, Literal, TypeAlias, get_args

from mobiledeploy.base.errors import RequestError
from mobiledeploy.spec.input_scaling import SCALINGS, InputRange, Scaling

Arch: TypeAlias = Literal["v1", "v2"]
Head: TypeAlias = Literal["softmax", "logits"]
Io: TypeAlias = Literal["int8", "uint8", "float32"]
Engine: TypeAlias = Literal["folded", "tfmot"]
Crop: TypeAlias = Literal["center", "stretch"]

ENGINES: Final = get_args(Engine)
IOS: Final = get_args(Io)
HEADS: Final = get_args(Head)
CROPS: Final = get_args(Crop)
INPUT_RANGES: Final = get_args(InputRange)
IMAGENET_RANGE: Final = "-1..1"

ALPHAS: Final[dict[str, tuple[float, ...]]] = {
    "v1": (0.25, 0.5, 0.75, 1.0),
    "v2": (0.35, 0.5, 0.75, 1.0, 1.3, 1.4),
}
"""The width multipliers each paper's models are published for."""

LEARNING_RATES: Final = (1e-9, 10.0)
"""The least and the largest: a rate of 0 learns nothing, a negative one unlearns."""

SMALL_IMAGE: Final = 64
"""Up to this image size the stem keeps the resolution (stride 1): at stride 2 a 32 px image
would reach the last block as a single pixel. See docs/decisions/0004-small-images.md."""

DIGITS: Final = "digits"
"""The name of the built-in data: scikit-learn's handwritten digits."""


def _choose(what: str, received: object, allowed: tuple[object, ...]) -> None:
    if received not in allowed:
        raise RequestError(
            f"expected {what} to be one of {', '.join(map(str, allowed))}; received {received}"
        )


def _within(what: str, received: float, low: float, high: float) -> None:
    if not low <= received <= high:
        raise RequestError(f"expected {what} in {low}..{high}; received {received}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """How an image file becomes the network's input; `data/preprocess.py` is its definition.

    Attributes:
        image_size: Height and width of the result, pixels.
        crop: `center` cuts the largest centred square first; `stretch` resizes both sides.
        mean: Subtracted from the 8-bit value.
        std: Divides the difference. Both by default as in `layers.SCALINGS`: the int8 code
            of a pixel is `pixel - 128`, exactly.
    """

    image_size: int
    crop: Crop = "center"
    mean: float = SCALINGS["-1..1"][0]
    std: float = SCALINGS["-1..1"][1]

    def __post_init__(self) -> None:
        """Check the ranges."""
        _within("image size", self.image_size, 16, 1024)
        _choose("crop", self.crop, CROPS)
        _within("mean", self.mean, -1e6, 1e6)
        _within("std", self.std, 1e-6, 1e6)

    @property
    def scaling(self) -> Scaling:
        """Mean and std."""
        return self.mean, self.std


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """Which network.

    Attributes:
        arch: `v1` or `v2`.
        alpha: Width multiplier, one of `ALPHAS[arch]`.
        image_size: Height and width of the input, pixels.
    """

    arch: Arch
    alpha: float
    image_size: int

    def __post_init__(self) -> None:
        """Check that the architecture has this width, and the size is one it can take."""
        _choose("arch", self.arch, tuple(ALPHAS))
        _choose(f"alpha of {self.arch}", self.alpha, ALPHAS[self.arch])
        _within("image size", self.image_size, 16, 1024)

    @property
    def stem_stride(self) -> int:
        """Stride of the first convolution: 2 as in the papers, 1 for small images."""
        return 1 if self.image_size <= SMALL_IMAGE else 2


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """How the float network is trained.

    Attributes:
        weights: `none`, `imagenet`, or the path of a Keras weights file.
        epochs: Passes over the training images (after the head has been trained, with weights);
            at least 1 without weights: there is nothing to deploy in random numbers.
        batch_size: Images a step, over all replicas.
        learning_rate: Peak of the schedule.
        seed: Of initial weights, order and augmentation.
        threads: Of TensorFlow's kernels; part of what decides the last bits.
    """

    weights: str
    epochs: int
    batch_size: int
    learning_rate: float
    seed: int
    threads: int

    def __post_init__(self) -> None:
        """Check the ranges."""
        _within("epochs", self.epochs, 0 if self.weights != "none" else 1, 10_000)
        _within("batch size", self.batch_size, 1, 4096)
        _within("learning rate", self.learning_rate, *LEARNING_RATES)
        _within("seed", self.seed, 0, 2**31 - 1)
        _within("threads", self.threads, 1, 256)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class QuantiseConfig:
    """How the network becomes int8.

    Attributes:
        engine: Which quantisation-aware training.
        steps: Training steps with fake quantisation; 0 for post-training quantisation only.
        batch_size: Images a step.
        learning_rate: Peak of the schedule.
        calibration_images: How many training images decide the activation ranges.
    """

    engine: Engine
    steps: int
    batch_size: int
    learning_rate: float
    calibration_images: int

    def __post_init__(self) -> None:
        """Check the ranges."""
        _choose("QAT engine", self.engine, ENGINES)
        _within("QAT steps", self.steps, 0, 100_000)
        _within("QAT batch size", self.batch_size, 1, 4096)
        _within("QAT learning rate", self.learning_rate, *LEARNING_RATES)
        _within("calibration images", self.calibration_images, 1, 100_000)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ExportConfig:
    """What the files look like from outside.

    Attributes:
        int8: Whether to quantise; otherwise the files are float32.
        io: Type of the int8 files' input and output tensors.
        head: Whether the files end in the softmax or in the logits.
    """

    int8: bool
    io: Io
    head: Head

    def __post_init__(self) -> None:
        """Check the choices."""
        _choose("io", self.io, IOS)
        _choose("head", self.head, HEADS)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BuildConfig:
    """All that a build depends on, but for the data itself.

    Attributes:
        data: `digits`, or the path of a folder with one sub-folder a class.
        model: Which network.
        preprocessing: From image file to input.
        train: Float training.
        quantise: Quantisation.
        export: The files.
    """

    data: str
    model: ModelConfig
    preprocessing: Preprocessing
    train: TrainConfig
    quantise: QuantiseConfig
    export: ExportConfig

    def __post_init__(self) -> None:
        """Check that 8-bit pixels lie on an int8 grid, and that ImageNet's weights get theirs."""
        mean, std = self.preprocessing.scaling
        if self.export.int8 and not (0 <= mean <= 255 and mean.is_integer()):
            raise RequestError(
                f"expected a mean in 0..255 without a fraction, by which the code of a pixel is "
                f"`pixel - 128`; received {mean}"
            )
        if self.train.weights == "imagenet" and (mean, std) != SCALINGS[IMAGENET_RANGE]:
            raise RequestError(
                f"ImageNet's weights take pixels as {IMAGENET_RANGE}, not as "
                f"(pixel - {mean:g}) / {std:g}",
                hint="leave out `--input-range`",
            )
