"""In what two files' inputs and outputs differ: type, shape, grid, the layer that gives them."""

import dataclasses
from typing import Final

from mobiledeploy.compare.align import Alignment
from mobiledeploy.compare.difference import Difference, Field, FieldDifference
from mobiledeploy.compare.layer_fields import grid
from mobiledeploy.reading import INPUT, Reading, StoredTensor

STEPS: Final = 2.5
"""Steps by which the ends of two calibrated grids may differ and still be one range."""


def input_differences(a: Reading, b: Reading, *, same_readers: bool) -> list[Difference]:
    """Return the differences of two files' inputs.

    Args:
        a: A file.
        b: Another one.
        same_readers: Whether the layers that read the input give the same codes for its codes.
    """
    mine, other = a.input, b.input

    def difference(
        field: Field,
        detail: str,
        expected: str,
        received: str,
        *,
        same: bool,
        method: str = "",
    ) -> Difference:
        return Difference(
            position=INPUT,
            layer=mine.name,
            other=other.name,
            kind="input",
            field=field,
            detail=detail,
            expected=expected,
            received=received,
            lsb=0 if same else None,
            equivalent=same,
            method=method,
        )

    differences = []
    if mine.dtype != other.dtype:
        differences.append(
            difference(
                "input type",
                f"the files take {mine.dtype} and {other.dtype}; inside, both have codes",
                mine.dtype,
                other.dtype,
                same=mine.scale is not None and other.scale is not None,
                method="the border only converts",
            )
        )
    if mine.shape != other.shape:
        differences.append(
            difference(
                "input shape",
                "the files take images of another size or layout",
                str(mine.shape),
                str(other.shape),
                same=False,
            )
        )
    elif mine.axes != other.axes:
        differences.append(
            difference(
                "input shape",
                f"the files take an image in the order {mine.axes} and {other.axes}",
                mine.axes,
                other.axes,
                same=True,
                method="the same numbers in another order",
            )
        )
    # A file with a float input quantises real values to the input's grid. A file that takes codes
    # passes them on unchanged: a scale with other last digits then only affects the first layer.
    codes = "float32" not in {mine.dtype, other.dtype}
    for one in grid(mine, other):
        same = same_readers and codes and one.field == "scale" and one.change == "last place"
        nearly = _nearly(a.input, b.input)
        detail = f"{one.detail}; the files take {_interval(a)} and {_interval(b)}"
        detail += ", which is the same range but for some steps" if nearly else ""
        method = "the first layers give the same codes" if same else ""
        put = difference(
            "input grid", detail, one.expected, one.received, same=same, method=method
        )
        differences.append(dataclasses.replace(put, change=one.change, nearly=nearly))
    return differences


def output_differences(a: Reading, b: Reading, alignment: Alignment) -> list[Difference]:
    """Return the differences of two files' outputs that are not differences of their layers."""
    mine, other = a.output, b.output
    kind, operator = "output", ""
    if a.output_of != INPUT:
        kind, operator = a.layers[a.output_of].kind, a.layers[a.output_of].op
    differences = []

    def difference(
        field: Field,
        detail: str,
        expected: str,
        received: str,
        *,
        same: bool,
        like: FieldDifference | None = None,
    ) -> None:
        differences.append(
            Difference(
                position=a.output_of,
                layer=mine.name,
                other=other.name,
                kind=kind,
                operator=operator,
                field=field,
                detail=detail,
                expected=expected,
                received=received,
                lsb=0 if same else None,
                equivalent=same,
                method="the border only converts" if same else "",
                change=None if like is None else like.change,
            )
        )

    if mine.dtype != other.dtype:
        difference(
            "output type",
            f"the files give {mine.dtype} and {other.dtype}; inside, both have codes",
            mine.dtype,
            other.dtype,
            same=mine.holds_codes and other.holds_codes,
        )
    if alignment.seen_from_second(b, b.output_of) != alignment.seen_from_first(a, a.output_of):
        difference("joints", "another layer gives the output", mine.name, other.name, same=False)
        return differences
    inside = [
        reading.input if reading.output_of == INPUT else reading.layers[reading.output_of].output
        for reading in (a, b)
    ]
    for one in grid(mine, other):
        # A difference of the layer's own grids is reported with the layer.
        if (mine.scale, mine.zero_point) == (inside[0].scale, inside[0].zero_point) and (
            other.scale, other.zero_point
        ) == (inside[1].scale, inside[1].zero_point):  # fmt: skip
            continue
        detail = f"where the output is converted, {one.detail}"
        difference(one.field, detail, one.expected, one.received, same=False, like=one)
    return differences


def _nearly(a: StoredTensor, b: StoredTensor) -> bool:
    """Whether the ranges of two grids differ by at most `STEPS` at either end."""
    if None in (a.scale, a.zero_point, b.scale, b.zero_point):
        return False
    ends = [
        [(code - int(tensor.zero_point or 0)) * float(tensor.scale or 0) for code in (-128, 127)]
        for tensor in (a, b)
    ]
    return all(abs(x - y) <= STEPS * float(a.scale or 0) for x, y in zip(*ends, strict=True))


def _interval(reading: Reading) -> str:
    """Return the range of an input's real values in words."""
    scale, zero = reading.input.scale, reading.input.zero_point
    if scale is None or zero is None:
        return "floats"
    low, high = (-128 - zero) * float(scale), (127 - zero) * float(scale)
    return f"{low:.3g}..{high:.3g}"
