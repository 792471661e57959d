"""Random variations of training images: pure functions of (seed, step, row of the batch).

A variation is one affine map with bilinear sampling, which covers zoom, crop, shift, rotation and
flip at once, and a change of brightness and contrast. Images come in as 8-bit pixels and leave
on the network's input scale.
"""

from typing import Final, Literal, TypeAlias, assert_never, get_args

from mobiledeploy.base.errors import RequestError
from mobiledeploy.spec.config import Scaling
from mobiledeploy.training import session
from mobiledeploy.training.graph import Tensor
from mobiledeploy.training.input_grid import SIGNED, from_signed, limits, to_input
from mobiledeploy.training.step import Prepare

Augmentation: TypeAlias = Literal["digits", "photos", "none"]
NAMES: Final = get_args(Augmentation)

ROTATION: Final = 10.0
"""Of a digit, degrees to either side."""
SHIFT: Final = 0.08
"""Of a digit, share of the image to either side."""
ZOOM: Final = 0.1
"""Of a digit: height and width are scaled by up to `exp(0.1)` either way, each on its own."""

SMALLEST_CROP: Final = 0.5
"""Of a photo: the least share of its area that remains."""
ASPECT: Final = 4 / 3
"""Of a photo's crop: the largest ratio of its sides."""
BRIGHTNESS: Final = 0.1
"""Of a photo: added to values in -1..1, either way."""
CONTRAST: Final = 0.2
"""Of a photo: values are scaled by up to this share more or less."""


def augmentation(name: Augmentation, *, seed: int, scaling: Scaling) -> Prepare:
    """Return a variation of images for the training loop.

    Args:
        name: `digits` shifts, turns and zooms a little, and never flips; `photos` crops, flips
            and changes the light; `none` leaves images as they are.
        seed: Another seed, other variations.
        scaling: What the network takes for pixels; the variations do not depend on it.

    Raises:
        RequestError: There is no such augmentation.
    """
    if name not in NAMES:
        raise RequestError(f"expected an augmentation of {', '.join(NAMES)}; received {name}")

    def prepare(pixels: Tensor, step: Tensor) -> Tensor:
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


def _digits(pixels: Tensor, seed: int, step: Tensor) -> Tensor:
    tf = session.tensorflow()
    angle, zoom_y, zoom_x, shift_y, shift_x = _draws(pixels, 5, seed, step)
    angle *= ROTATION * 3.141592653589793 / 180
    zoom_y, zoom_x = tf.exp(ZOOM * zoom_y), tf.exp(ZOOM * zoom_x)
    rows = (tf.cos(angle) * zoom_y, tf.sin(angle) * zoom_x)
    columns = (-tf.sin(angle) * zoom_y, tf.cos(angle) * zoom_x)
    return _sample(to_input(pixels, SIGNED), rows, columns, (SHIFT * shift_y, SHIFT * shift_x))


def _photos(pixels: Tensor, seed: int, step: Tensor) -> Tensor:
    tf = session.tensorflow()
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
    return tf.clip_by_value(images * scale + offset, *limits(SIGNED))


def _draws(pixels: Tensor, count: int, seed: int, step: Tensor) -> list[Tensor]:
    """Return `count` vectors of random numbers in -1..1, one number an image."""
    tf = session.tensorflow()
    numbers = tf.random.stateless_uniform(
        (pixels.shape[0], count), seed=(seed, step), minval=-1.0, maxval=1.0, alg="philox"
    )
    return list(tf.unstack(numbers, axis=1))


def _sample(
    images: Tensor,
    rows: tuple[Tensor, Tensor],
    columns: tuple[Tensor, Tensor],
    shift: tuple[Tensor, Tensor],
) -> Tensor:
    """Return images sampled along an affine map about their centre; edges are repeated.

    Args:
        images: float32, shape (batch, height, width, channels).
        rows: How the source row grows with the target row and with the target column.
        columns: The same for the source column.
        shift: Of source rows and columns, as shares of the image.
    """
    tf = session.tensorflow()
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
