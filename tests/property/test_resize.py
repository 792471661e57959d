"""The resize is what its docstring says, for any image and any two sizes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mobiledeploy.data.dataset import Pixels
from mobiledeploy.data.resize import resize, triangles

SIDES = st.integers(1, 40)


@st.composite
def images(draw: st.DrawFn) -> Pixels:
    height, width = draw(SIDES), draw(SIDES)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = draw(st.sampled_from([(0, 256), (0, 2), (254, 256), (100, 140)]))
    pixels = rng.integers(*values, (height, width, 3), dtype=np.int64).astype(np.uint8)
    return pixels * np.uint8(255) if values == (0, 2) else pixels


def weight(i: int, x: int, target: int, source: int) -> int:
    """The definition, literally."""
    return max(0, 2 * max(source, target) - abs((2 * x + 1) * target - (2 * i + 1) * source))


def literally(pixels: Pixels, height: int, width: int) -> list[list[list[int]]]:
    source_height, source_width, _ = pixels.shape
    values = pixels.tolist()
    down = [
        [weight(i, y, height, source_height) for y in range(source_height)] for i in range(height)
    ]
    across = [
        [weight(j, x, width, source_width) for x in range(source_width)] for j in range(width)
    ]
    rows = [
        [
            [sum(r * values[y][x][c] for y, r in enumerate(row) if r) for c in range(3)]
            for x in range(source_width)
        ]
        for row in down
    ]
    result = []
    for i, row in enumerate(rows):
        line = []
        for column in across:
            divisor = sum(down[i]) * sum(column)
            sums = [sum(r * row[x][c] for x, r in enumerate(column) if r) for c in range(3)]
            line.append([(2 * total + divisor) // (2 * divisor) for total in sums])
        result.append(line)
    return result


@given(images(), SIDES, SIDES)
def test_equals_the_definition(pixels: Pixels, height: int, width: int) -> None:
    assert resize(pixels, height, width).tolist() == literally(pixels, height, width)


@given(images(), SIDES, SIDES)
def test_differs_from_pillow_by_at_most_one(pixels: Pixels, height: int, width: int) -> None:
    theirs = np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))
    ours = resize(pixels, height, width)
    assert np.abs(ours.astype(int) - theirs).max() <= 1


@given(images())
def test_the_same_size_is_the_same_image(pixels: Pixels) -> None:
    assert np.array_equal(resize(pixels, *pixels.shape[:2]), pixels)


@given(SIDES, SIDES, SIDES, SIDES, st.integers(0, 255))
def test_a_plain_image_stays_plain(
    height: int, width: int, target_height: int, target_width: int, value: int
) -> None:
    resized = resize(np.full((height, width, 3), value, np.uint8), target_height, target_width)
    assert resized.shape == (target_height, target_width, 3)
    assert set(resized.flat) == {value}


@given(images(), SIDES, SIDES)
def test_stays_between_the_darkest_and_the_lightest(
    pixels: Pixels, height: int, width: int
) -> None:
    resized = resize(pixels, height, width)
    assert pixels.min() <= resized.min()
    assert resized.max() <= pixels.max()


@given(images(), SIDES, SIDES)
def test_knows_no_left_right_up_or_down(pixels: Pixels, height: int, width: int) -> None:
    resized = resize(pixels, height, width)
    assert np.array_equal(resize(pixels[:, ::-1], height, width), resized[:, ::-1])
    assert np.array_equal(resize(pixels[::-1], height, width), resized[::-1])
    turned = resize(pixels.swapaxes(0, 1), width, height)
    assert np.array_equal(turned, resized.swapaxes(0, 1))


@pytest.mark.parametrize(
    ("source", "target"),
    [
        pytest.param((1201, 1203), (97, 89), id="float64 rows"),
        pytest.param((1800, 1350), (224, 224), id="float32 rows"),
        pytest.param((3, 4000), (224, 224), id="one side grows"),
    ],
)
def test_large_images_are_exact_too(source: tuple[int, int], target: tuple[int, int]) -> None:
    """Bright images, so that the sums come near their bounds, at a few output pixels."""
    rng = np.random.default_rng(3)
    pixels = rng.integers(250, 256, (*source, 3), dtype=np.uint8)
    resized = resize(pixels, *target)
    for i, j in [(0, 0), (target[0] - 1, target[1] - 1), (target[0] // 2, target[1] // 3)]:
        down = [weight(i, y, target[0], source[0]) for y in range(source[0])]
        across = [weight(j, x, target[1], source[1]) for x in range(source[1])]
        ys, xs = np.flatnonzero(down), np.flatnonzero(across)
        block = pixels[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1, 1].tolist()
        total = sum(
            down[y] * across[x] * value
            for y, row in zip(ys.tolist(), block, strict=True)
            for x, value in zip(xs.tolist(), row, strict=True)
        )
        divisor = sum(down) * sum(across)
        assert resized[i, j, 1] == (2 * total + divisor) // (2 * divisor)


@given(st.integers(1, 700), st.integers(1, 300))
def test_the_weights_of_an_axis_are_the_definitions(source: int, target: int) -> None:
    """The weights are in windows, divided by the common divisor of both sizes."""
    axis = triangles(source, target)
    shared = math.gcd(source, target)
    dense = np.zeros((target, source), np.int64)
    for group, start in enumerate(axis.starts):
        for row, weights in enumerate(axis.weights[group]):
            if (i := group * len(axis.weights[group]) + row) < target:
                dense[i, start : start + len(weights)] = weights * shared
    j, x = np.ogrid[:target, :source]
    reach = 2 * max(source, target)
    expected = np.maximum(0, reach - np.abs((2 * x + 1) * target - (2 * j + 1) * source))
    assert np.array_equal(dense, expected)
    assert np.array_equal(axis.sums * shared, expected.sum(axis=1))
