"""An image in another size, each pixel a copy of the nearest one: RESIZE_NEAREST_NEIGHBOR.

Both runtimes compute in float32 which pixel is nearest, but not alike: for some sizes they take
different pixels, and such sizes are refused. Sizes that are doubled are the same.

Sources: TFLite's internal/reference/resize_nearest_neighbor.h (`GetNearestNeighbor`); ONNX
Runtime's core/providers/cpu/tensor/upsample.cc (`UpsampleNearestSetupInputMappings`).
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.formats.tflite import TfliteOperator
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.ops import one_grid, tflite, without_weights
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.certificate import Certificate, batches_of_all_codes
from mobiledeploy.ops.file_form import FileForm
from mobiledeploy.ops.grid import Grid
from mobiledeploy.ops.node import OneInput
from mobiledeploy.ops.onnx import IMAGE_AXES, OnnxInput
from mobiledeploy.ops.onnx_reader import OnnxReader
from mobiledeploy.ops.onnx_values import OnnxActivation
from mobiledeploy.ops.operator import Example, Kernel, Trials, layer_of
from mobiledeploy.ops.ranges import Interval
from mobiledeploy.ops.stored import StoredLayer
from mobiledeploy.ops.tensors import Codes, Float32, Int8, QTensor, Shape, expect
from mobiledeploy.ops.tflite import Scope, TfliteInput, Version
from mobiledeploy.ops.tflite_reading import LayerSource
from mobiledeploy.ops.weights import Weights

LAYERS: tuple[str, ...] = ("resize_nearest",)
TFLITE: Mapping[str, FileForm] = {
    "RESIZE_NEAREST_NEIGHBOR": FileForm(versions={"int8": 2, "int16": 4})
}
FIXED_RANGE: Interval | None = None
IMAGES: bool = True
SYMMETRIC: bool = False
LITERT_KERNELS: tuple[Kernel, ...] = ("x86",)
TRIALS: Trials | None = Trials(layers="resize", cases="{cases} codes in {layers}")
MOVES: str = "it copies the nearest pixel"

CENTRES: Final = ("asymmetric", "half_pixel", "align_corners")
"""Where pixels are, by ONNX's names: at their upper left corners, at their centres, or spread so
that the outermost ones of both images meet."""

SIDES: Final = 2


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ResizeNearest(OneInput):
    """The nearest pixels of an image, in the output's size.

    Attributes:
        centres: One of `CENTRES`.
    """

    centres: str = "asymmetric"

    def check(self, inputs: Sequence[QTensor]) -> None:
        """Check shapes, and that both runtimes take the same pixels; see `node.Node.check`."""
        (source,) = inputs
        name, out = self.output.name, self.output
        expect(name, "number of axes", len(source.shape), IMAGE_AXES)
        expect(name, "output shape", out.shape, (*out.shape[:SIDES], source.shape[-1]))
        if self.centres not in CENTRES:
            expect(name, "centres", self.centres, CENTRES)
        one_grid.expect_one_grid(out, inputs)
        for before, after in zip(source.shape[:SIDES], out.shape[:SIDES], strict=True):
            other = ort_places(before, after, self.centres)
            if other is None or (other != litert_places(before, after, self.centres)).any():
                raise ConversionError(
                    f"`{name}`: ONNX Runtime does not take the pixels that LiteRT takes when "
                    f"{before} become {after} ({self.centres})",
                    hint="resize to a multiple of the size",
                )


NODE: type[ResizeNearest] = ResizeNearest
kernel_shape = without_weights.kernel_shape
work = without_weights.work
scale_ratios = without_weights.scale_ratios
operand_ranges = one_grid.operand_ranges
output_range = one_grid.output_range
trials = batches_of_all_codes


def litert_places(before: int, after: int, centres: str) -> Codes:
    """Return for each pixel of an output's side the input's pixel that LiteRT takes."""
    corners = centres == "align_corners" and after > 1
    step = (
        np.float32(before - 1) / np.float32(after - 1)
        if corners
        else np.float32(before) / np.float32(after)
    )
    half = np.float32(0.5 if centres == "half_pixel" else 0)
    at = (np.arange(after, dtype=np.float32) + half) * step
    return _pixels(at, before, nearest=centres == "align_corners")


def ort_places(before: int, after: int, centres: str) -> Codes | None:
    """Return the same for ONNX Runtime; None if it would compute another size."""
    scale = ort_scale(before, after)
    if scale is None:
        return None
    if before == after:
        return np.arange(after, dtype=np.int64)
    places, half = np.arange(after, dtype=np.float32), np.float32(0.5)
    match centres:
        case "align_corners":
            width = np.float32(max(after - 1, 1))
            at = places * np.float32(before - 1) / width if after > 1 else places
        case "half_pixel":
            at = (places + half) / scale - half
        case _:
            at = places / scale
    return _pixels(at, before, nearest=centres != "asymmetric")


def ort_scale(before: int, after: int) -> np.float32 | None:
    """Return a factor by which ONNX Runtime computes a size; None if there is none nearby."""
    scale = np.float32(after) / np.float32(before)
    for _ in range(3):
        if int(np.float32(before) * scale) == after:
            return scale
        scale = np.nextafter(scale, np.float32(np.inf))
    return None


def _pixels(at: Float32, size: int, *, nearest: bool) -> Codes:
    # Halves away from zero, as in C's `round`.
    half = np.float32(0.5)
    rounded = np.where(at >= 0, np.floor(at + half), np.ceil(at - half)) if nearest else at
    pixels: Codes = np.clip(np.floor(rounded).astype(np.int64), 0, size - 1)
    return pixels


def output_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    """Return the shape of the parameter `size`, (height, width), with the input's channels.

    The parameter `centres` is one of `CENTRES`. See `operator.Operator.output_shape`.
    """
    without_weights.expect_inputs(layer, inputs, 1)
    size, centres = _parameters(layer)
    if len(inputs[0]) != IMAGE_AXES or len(size) != SIDES or min(size, default=0) < 1:
        raise RequestError(
            f"layer `{layer.name}` (resize_nearest) expects an image and a `size` of height and "
            f"width, received {inputs[0]} and {size}"
        )
    if centres not in CENTRES:
        raise RequestError(
            f"layer `{layer.name}` (resize_nearest) expects `centres` to be one of "
            f"{', '.join(CENTRES)}, received {centres}"
        )
    return (*size, inputs[0][-1])


def _parameters(layer: Layer) -> tuple[Shape, str]:
    """Return a layer's output size, and where pixels are.

    Raises:
        RequestError: The layer does not say.
    """
    given = layer.parameters
    if not {"size"} <= given.keys() <= {"size", "centres"}:
        raise RequestError(
            f"layer `{layer.name}` (resize_nearest) expects the parameters `size` and `centres`, "
            f"received {', '.join(sorted(given)) or 'none'}"
        )
    return tuple(given["size"]), str(given.get("centres", "asymmetric"))


def quantise(
    layer: Layer, inputs: Sequence[Grid], output: QTensor, weights: Weights | None
) -> ResizeNearest:
    """Return the node of a layer."""
    del inputs, weights
    return ResizeNearest(input=layer.inputs[0], output=output, centres=_parameters(layer)[1])


def float_layer(node: ResizeNearest, inputs: Sequence[QTensor]) -> Layer:
    """Return the layer of a node."""
    size = node.output.shape[:SIDES]
    return layer_of("resize_nearest", node, inputs, size=size, centres=node.centres)


def _nearest(node: ResizeNearest, inputs: Sequence[Any]) -> Any:
    rows, columns = (
        litert_places(before, after, node.centres)
        for before, after in zip(inputs[0].shape[1:3], node.output.shape, strict=False)
    )
    return np.ascontiguousarray(inputs[0][:, rows][:, :, columns])


def litert_codes(
    node: ResizeNearest, inputs: Sequence[QTensor], codes: Sequence[Int8], *, kernel: Kernel
) -> Int8:
    """Return the codes, copied."""
    del inputs, kernel
    nearest: Int8 = _nearest(node, codes)
    return nearest


def float_values(
    node: ResizeNearest, inputs: Sequence[Float32], weights: tuple[Float32, Float32] | None
) -> Float32:
    """Return the real values, copied."""
    del weights
    nearest: Float32 = _nearest(node, inputs)
    return nearest


def node_of(layer: StoredLayer, inputs: Sequence[QTensor], output: QTensor) -> ResizeNearest:
    """Return the node of a layer in a file.

    Raises:
        ConversionError: It has another number of inputs.
    """
    expect(output.name, "number of inputs", len(inputs), 1)
    shape = (*layer.parameter("size"), inputs[0].shape[-1])
    output = dataclasses.replace(output, shape=shape)
    centres: str = layer.parameter("centres")
    return ResizeNearest(input=inputs[0].name, output=output, centres=centres)


def tflite_version(node: ResizeNearest, inputs: Sequence[QTensor]) -> Version:
    """Return the version: 3 unless pixels are at their corners."""
    del inputs
    if node.centres == "asymmetric":
        return Version(number=2, runtime="1.14.0")
    return Version(number=3, runtime="2.3.0")


def write_tflite(
    model: TfliteWriter, node: ResizeNearest, inputs: Sequence[TfliteInput], output: int
) -> None:
    """Add the operator."""
    size = np.array(node.output.shape[:SIDES], np.int32)
    model.operator(
        "RESIZE_NEAREST_NEIGHBOR",
        tflite_version(node, []).number,
        [*tflite.indices(inputs), model.constant(f"{node.output.name}/size", size)],
        output,
        "ResizeNearestNeighborOptions",
        AlignCorners=node.centres == "align_corners",
        HalfPixelCenters=node.centres == "half_pixel",
    )


def read_tflite(operator: TfliteOperator, scope: Scope) -> ResizeNearest:
    """Return the node of an operator.

    Raises:
        ConversionError: Its size is no constant, or not the one that the output states.
    """
    read, size, target = tflite.ends(operator, inputs=2)
    source, output = scope.read(read, operator), scope.write(target)
    sides = tuple(scope.constant(size, operator, np.int32)[1].ravel().tolist())
    centres = _centres(operator)
    if sides != output.shape[:SIDES] or centres is None:
        raise tflite.refusal(operator, f"expected a size of {output.shape[:SIDES]}, got {sides}")
    return ResizeNearest(input=source.name, output=output, centres=centres)


def _centres(operator: TfliteOperator) -> str | None:
    corners, half = operator.option("align_corners"), operator.option("half_pixel_centers")
    if corners and half:
        return None
    return "align_corners" if corners else "half_pixel" if half else "asymmetric"


def write_onnx(
    model: OnnxWriter,
    node: ResizeNearest,
    inputs: Sequence[OnnxInput],
    output: str,
    certificate: Certificate | None,
) -> None:
    """Add a Resize of codes, by factors, so that the batch stays free."""
    del certificate
    (read,), name = inputs, node.output.name
    sides = zip(read.tensor.shape[:SIDES], node.output.shape[:SIDES], strict=True)
    factors = [ort_scale(before, after) for before, after in sides]
    scales = model.constant(f"{name}/scales", np.array([1, 1, *factors], np.float32))
    model.node(
        "Resize",
        [read.codes, "", scales],
        output,
        mode="nearest",
        coordinate_transformation_mode=node.centres,
        nearest_mode="floor" if node.centres == "asymmetric" else "round_prefer_ceil",
    )


def layer_of_tflite(source: LayerSource) -> StoredLayer | None:
    """Return a resize to a constant size."""
    size, centres = source.constant(1), _centres(source.operator)
    if size is None or size.dtype.kind != "i" or size.size != SIDES or centres is None:
        return None
    parameters = ("centres", centres), ("size", tuple(size.ravel().tolist()))
    return dataclasses.replace(source.layer, kind="resize_nearest", parameters=parameters)


def given_shape(layer: StoredLayer, shapes: Sequence[Shape]) -> Shape | None:
    """Return the shape that a layer of a file gives; see `operator.Operator.given_shape`."""
    return (*layer.parameter("size"), shapes[0][-1]) if shapes[0] else None


def _read(reader: OnnxReader, node: OnnxOperator) -> OnnxActivation | None:
    """Read a Resize that takes the same pixels as TFLite's operator."""
    value = reader.value(node, 0)
    if not isinstance(value, OnnxActivation) or value.axes not in {"NCHW", "NHWC"}:
        return None
    mode = node.attributes.get("mode", "nearest")
    centres = node.attributes.get("coordinate_transformation_mode", "half_pixel")
    rounding = node.attributes.get("nearest_mode", "round_prefer_floor")
    usual = "floor" if centres == "asymmetric" else "round_prefer_ceil"
    if mode != "nearest" or centres not in CENTRES or rounding != usual or value.pixels != 1:
        return None
    sizes, scales = reader.numbers(node, 3), reader.numbers(node, 2)
    if sizes is not None and sizes.size == len(value.sizes):
        after = [int(size) for size in sizes.ravel()]
    elif scales is not None and scales.size == len(value.sizes):
        factors = scales.ravel().astype(np.float32)
        after = [
            int(np.float32(size) * factor)
            for size, factor in zip(value.sizes, factors, strict=True)
        ]
    else:
        return None
    channels = value.channel_axis
    if after[channels] != value.sizes[channels] or min(after[1:]) < 1:
        return None
    out = dataclasses.replace(value, sizes=(value.sizes[0], *after[1:]))
    parameters = ("centres", centres), ("size", (out.size("H"), out.size("W")))
    return reader.copy(node, "resize_nearest", [value], out, parameters=parameters)


ONNX: Mapping[str, FileForm] = {"Resize": FileForm(pairs_only=True, read=_read)}


def examples() -> Iterator[Example]:
    """Yield doubled and other sizes, with pixels in all three places."""
    for name, before, size, centres in (
        ("doubled", (5, 4, 3), (10, 8), "asymmetric"),
        ("doubled, half pixels", (5, 4, 3), (10, 8), "half_pixel"),
        ("corners aligned", (5, 4, 3), (9, 7), "align_corners"),
        ("other sizes", (5, 6, 3), (12, 4), "asymmetric"),
        ("smaller, half pixels", (8, 6, 3), (4, 2), "half_pixel"),
    ):
        source = QTensor(name="image", shape=before, scale=np.float32(0.037), zero_point=4)
        out = dataclasses.replace(source, name="resized", shape=(*size, before[-1]))
        node = ResizeNearest(input="image", output=out, centres=centres)
        yield Example(name=name, node=node, inputs=(source,))
