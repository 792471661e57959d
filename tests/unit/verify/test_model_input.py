"""One image becomes the input that each file expects, for every type, layout and grid."""

import numpy as np
import pytest

from mobiledeploy.base.errors import ParityError
from mobiledeploy.reading import StoredTensor
from mobiledeploy.runtimes import TensorInfo
from mobiledeploy.verify.outputs.model_input import feeds, image_shape, scaling_of

PIXELS = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=-1)
UNIT, HALF = (1 / 128, 0), (2 / 255, -1)


def tensor(grid: tuple[float, int] | None, axes: str = "NHWC") -> StoredTensor:
    scale, zero = (None, None) if grid is None else (np.float32(grid[0]), grid[1])
    return StoredTensor(
        name="image", shape=(16, 16, 3), dtype="int8", scale=scale, zero_point=zero, axes=axes
    )


def info(dtype: str = "int8", shape: tuple[int, ...] = (16, 16, 3)) -> TensorInfo:
    return TensorInfo(name="image", dtype=np.dtype(dtype), shape=shape)


@pytest.mark.parametrize("grid", [UNIT, HALF, (1 / 255, -128), (1 / 256, -128), (1.0, -128)])
def test_a_grid_that_spans_the_pixels_has_one_code_per_pixel_value(
    grid: tuple[float, int],
) -> None:
    (codes,) = feeds([(tensor(grid), info())])
    np.testing.assert_array_equal(codes(PIXELS), PIXELS.astype(np.int16) - 128)
    assert codes.words.startswith("int8 code = pixel - 128")
    assert ("(pixel - 128) / 128" in codes.words) == (grid == UNIT)


def test_types_and_layouts_of_one_grid_get_the_same_codes() -> None:
    inputs = [(tensor(UNIT), info("int8")), (tensor(UNIT), info("uint8")),
              (tensor(UNIT), info("float32", (3, 16, 16)))]  # fmt: skip
    int8, uint8, floats = (feed(PIXELS) for feed in feeds(inputs))
    assert [array.dtype for array in (int8, uint8, floats)] == [np.int8, np.uint8, np.float32]
    np.testing.assert_array_equal(uint8, int8.astype(np.int16) + 128)
    np.testing.assert_array_equal(floats.transpose(0, 2, 3, 1) * 128, int8.astype(np.float32))


@pytest.mark.parametrize(
    ("grid", "name"),
    [
        (UNIT, "pixel / 127.5 - 1"),
        ((0.0077, 3), "pixel / 127.5 - 1"),
        ((1 / 255, -128), "pixel / 255"),
        ((0.0186, -14), "(pixel / 255 - mean) / std with ImageNet's mean and std"),
        ((1.0, -128), "pixel"),
    ],
)
def test_the_scaling_is_inferred_from_the_grid(grid: tuple[float, int], name: str) -> None:
    scaling = scaling_of(tensor(grid))
    assert scaling is not None
    assert scaling.name == name


def test_an_imagenet_grid_gets_normalised_channels() -> None:
    (feed,) = feeds([(tensor((0.0186, -14)), info())])
    expected = (PIXELS / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225] / 0.0186 - 14
    np.testing.assert_allclose(feed(PIXELS), np.clip(expected, -128, 127), atol=0.51)


def test_a_float_input_without_a_grid_takes_its_partners_scaling() -> None:
    _, floats = feeds([(tensor((1 / 255, -128)), info()), (tensor(None), info("float32"))])
    np.testing.assert_allclose(floats(PIXELS), PIXELS / np.float32(255), rtol=1e-6)


def test_grey_inputs_get_luma() -> None:
    (feed,) = feeds([(tensor(UNIT), info(shape=(16, 16, 1)))])
    red = np.zeros((1, 16, 16, 3), np.uint8)
    red[..., 0] = 255
    assert set(feed(red).ravel().tolist()) == {76 - 128}
    assert feed(red).shape == (1, 16, 16, 1)


@pytest.mark.parametrize("shape", [(16, 16), (16, 16, 5), (0, 16, 3), (0,)])
def test_inputs_that_are_not_images_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ParityError, match="expected images"):
        image_shape(info(shape=shape))
