"""Augmentation: random variations of training images.

A variation is a pure function of (seed, step, row of the batch). It is one affine map with
bilinear sampling, which does zoom, crop, shift, rotation and flip at once, followed by a change
of brightness and contrast. Input: 8-bit pixels. Output: float32 on the network's input scale.
"""

from typing import Final, Literal, TypeAlias, assert_never, get_args

from mobiledeploy.base.errors import RequestError
from mobiledeploy.spec.config import SCALINGS, Scaling
from mobiledeploy.training import tensorflow_setup
from mobiledeploy.training.step import Prepare
from mobiledeploy.training.tensorflow_graph import TfTensor, input_limits, to_input

Augmentation: TypeAlias = Literal["digits", "photos", "none"]
NAMES: Final = get_args(Augmentation)

SIGNED: Final = SCALINGS["-1..1"]
"""The scale on which images are varied."""

ROTATION: Final = 10.0
"""Digits: largest rotation, degrees in either direction."""
SHIFT: Final = 0.08
"""Digits: largest shift, share of the image in either direction."""
ZOOM: Final = 0.1
"""Digits: height and width are scaled independently, by a factor of exp(-0.1) to exp(0.1)."""

SMALLEST_CROP: Final = 0.5
"""Photos: smallest share of the area that a crop keeps."""
ASPECT: Final = 4 / 3
"""Photos: largest ratio of a crop's sides."""
BRIGHTNESS: Final = 0.1
"""Photos: largest number added to values in -1..1, of either sign."""
CONTRAST: Final = 0.2
"""Photos: values are multiplied by 0.8 to 1.2."""


def augmentation(name: Augmentation, *, seed: int, scaling: Scaling) -> Prepare:
    """Return the function that varies a batch of images in the training loop.

    Args:
        name: `digits` shifts, rotates and zooms slightly, and never flips; `photos` crops, flips,
            and changes brightness and contrast; `none` leaves images as they are.
        seed: Seed of the random numbers.
        scaling: The network's input scaling; the variations do not depend on it.

    Raises:
        RequestError: There is no such augmentation.
    """
    if name not in NAMES:
        raise RequestError(f"expected an augmentation of {', '.join(NAMES)}; received {name}")

    def prepare(pixels: TfTensor, step: TfTensor) -> TfTensor:
        match name:
            case "digits":
                return from_signed(_digits(pixels, seed, step), scaling)
            case "photos":
                return from_signed(_photos(pixels, seed, step), scaling)
            case "none":
                return to_input(pixels, scaling)
            case _:
                assert_never(name)

    return prepare


def _digits(pixels: TfTensor, seed: int, step: TfTensor) -> TfTensor:
    tf = tensorflow_setup.tensorflow()
    angle, zoom_y, zoom_x, shift_y, shift_x = _draws(pixels, 5, seed, step)
    angle *= ROTATION * 3.141592653589793 / 180
    zoom_y, zoom_x = tf.exp(ZOOM * zoom_y), tf.exp(ZOOM * zoom_x)
    rows = (tf.cos(angle) * zoom_y, tf.sin(angle) * zoom_x)
    columns = (-tf.sin(angle) * zoom_y, tf.cos(angle) * zoom_x)
    return _sample(to_input(pixels, SIGNED), rows, columns, (SHIFT * shift_y, SHIFT * shift_x))


def _photos(pixels: TfTensor, seed: int, step: TfTensor) -> TfTensor:
    tf = tensorflow_setup.tensorflow()
    area, aspect, top, left, flip, brightness, contrast = _draws(pixels, 7, seed, step)
    side = tf.sqrt(1 - (1 - SMALLEST_CROP) * (area + 1) / 2)
    stretch = tf.exp(aspect * 0.5 * tf.math.log(ASPECT))
    height, width = tf.minimum(side * stretch, 1.0), tf.minimum(side / stretch, 1.0)
    zero = tf.zeros_like(area)
    images = _sample(
        to_input(pixels, SIGNED),
        (height, zero),
        (zero, width * tf.sign(flip)),
        (top * (1 - height) / 2, left * (1 - width) / 2),
    )
    scale = (1 + CONTRAST * contrast)[:, tf.newaxis, tf.newaxis, tf.newaxis]
    offset = (BRIGHTNESS * brightness)[:, tf.newaxis, tf.newaxis, tf.newaxis]
    return tf.clip_by_value(images * scale + offset, *input_limits(SIGNED))


def from_signed(values: TfTensor, scaling: Scaling) -> TfTensor:
    """Convert values from the scale -1..1 to another input scaling."""
    if scaling == SIGNED:
        return values
    signed_mean, signed_std = SIGNED
    mean, std = scaling
    return (values * signed_std + (signed_mean - mean)) / std


def _draws(pixels: TfTensor, count: int, seed: int, step: TfTensor) -> list[TfTensor]:
    """Return `count` vectors of random numbers in -1..1, each with one number per image."""
    tf = tensorflow_setup.tensorflow()
    numbers = tf.random.stateless_uniform(
        (pixels.shape[0], count), seed=(seed, step), minval=-1.0, maxval=1.0, alg="philox"
    )
    return list(tf.unstack(numbers, axis=1))


def _sample(
    images: TfTensor,
    rows: tuple[TfTensor, TfTensor],
    columns: tuple[TfTensor, TfTensor],
    shift: tuple[TfTensor, TfTensor],
) -> TfTensor:
    """Return images transformed by an affine map about their centre; edge pixels are repeated.

    Args:
        images: float32, shape (batch, height, width, channels).
        rows: Change of the source row per target row, and per target column.
        columns: Change of the source column per target row, and per target column.
        shift: Added to source rows and to source columns, as shares of the image.
    """
    tf = tensorflow_setup.tensorflow()
    height, width = images.shape[1:3]
    middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
    zero = tf.zeros_like(shift[0])
    transforms = tf.stack(
        [
            columns[1],
            columns[0],
            middle_x - columns[1] * middle_x - columns[0] * middle_y + shift[1] * width,
            rows[1],
            rows[0],
            middle_y - rows[1] * middle_x - rows[0] * middle_y + shift[0] * height,
            zero,
            zero,
        ],
        axis=1,
    )
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=transforms,
        output_shape=(height, width),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )
