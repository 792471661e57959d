"""Finished int8 files of other tools, small enough to convert in a test."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

KINDS = ("residual", "gated", "joined", "hard")


def float_model(kind: str) -> onnx.ModelProto:
    """A float network of 12 by 12 pixels, NCHW.

    `residual`: an Add with a Relu. `gated`: SiLU, squeeze and excite. `joined`: pools, a Concat
    and a leaky ReLU. `hard`: a hard sigmoid. `averaged`: an AveragePool.
    """
    random = np.random.default_rng(0)
    nodes: list[Any] = []
    constants: dict[str, np.ndarray] = {}

    def add(op: str, inputs: list[str], name: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(op, inputs, [name], **attributes))
        return name

    def conv(source: str, name: str, inputs: int, outputs: int, size: int, **more: Any) -> str:
        fan_in = inputs // more.get("group", 1) * size * size
        kernel = (outputs, inputs // more.get("group", 1), size, size)
        constants[f"{name}/kernel"] = random.normal(0, (2 / fan_in) ** 0.5, kernel)
        constants[f"{name}/bias"] = random.normal(0, 0.1, outputs)
        names = [source, f"{name}/kernel", f"{name}/bias"]
        return add("Conv", names, name, pads=[size // 2] * 4, **more)

    x = add("Relu", [conv("x", "stem", 3, 8, 3, strides=[2, 2])], "stem/relu")
    if kind == "residual":
        y = add("Relu", [conv(x, "depthwise", 8, 8, 3, group=8)], "depthwise/relu")
        y = add("Add", [x, conv(y, "pointwise", 8, 8, 1)], "sum")
        x = add("Relu", [y], "sum/relu")
    elif kind == "gated":
        y = conv(x, "wide", 8, 8, 1)
        y = add("Mul", [y, add("Sigmoid", [y], "sigmoid")], "swish")
        gate = conv(add("GlobalAveragePool", [y], "squeezed"), "gate", 8, 8, 1)
        x = add("Mul", [y, add("Sigmoid", [gate], "gate/sigmoid")], "gated")
    elif kind == "hard":
        x = add("HardSigmoid", [conv(x, "wide", 8, 8, 1)], "hard", alpha=0.17)
    elif kind == "averaged":
        x = add("AveragePool", [x], "pool", kernel_shape=[2, 2], strides=[2, 2])
    else:
        pool = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
        x = add("MaxPool", [x], "pool", **pool)
        a = add("LeakyRelu", [conv(x, "a", 8, 4, 1)], "a/leaky", alpha=0.1)
        b = add("Relu", [conv(x, "b", 8, 4, 3)], "b/relu")
        x = add("Concat", [a, b], "joined", axis=1)
    flat = add("Flatten", [add("GlobalAveragePool", [x], "mean")], "flat")
    constants["dense/kernel"] = random.normal(0, 0.5, (8, 5))
    constants["dense/bias"] = random.normal(0, 0.1, 5)
    add("Gemm", [flat, "dense/kernel", "dense/bias"], "logits")
    graph = helper.make_graph(
        nodes,
        kind,
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, (1, 3, 12, 12))],
        [helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, (1, 5))],
        [numpy_helper.from_array(v.astype(np.float32), name) for name, v in constants.items()],
    )
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


def quantised(kind: str, folder: Path, form: str, **options: Any) -> Path:
    """What ONNX Runtime's `quantize_static` makes of a network, calibrated on noise.

    Args:
        kind: One of `KINDS`.
        folder: Where to write it.
        form: `QDQ` or `QOperator`.
        options: Of `quantize_static`; types by their names.
    """
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    random = np.random.default_rng(1)
    images = iter(random.uniform(-1, 1, (4, 1, 3, 12, 12)).astype(np.float32))

    class Images(CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> dict[str, Any] | None:
            image = next(images, None)
            return None if image is None else {"x": image}

    for key in ("activation_type", "weight_type"):
        options[key] = QuantType[options.get(key, "QInt8")]
    source, target = folder / f"{kind}.float.onnx", folder / f"{kind}.onnx"
    onnx.save(float_model(kind), source)
    logging.disable(logging.WARNING)
    try:
        quantize_static(source, target, Images(), quant_format=QuantFormat[form], **options)
    finally:
        logging.disable(logging.NOTSET)
    return target


def with_float_biases(data: bytes) -> bytes:
    """A QDQ file with biases in float32, as tools have it that train with fake quantisation."""
    model = onnx.load_model_from_string(data)
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    writers = {node.output[0]: node for node in model.graph.node}
    random = np.random.default_rng(7)
    for node in model.graph.node:
        if node.op_type not in {"Conv", "Gemm"}:
            continue
        pair = writers[node.input[2]]
        codes, scale = (numpy_helper.to_array(constants[name]) for name in pair.input[:2])
        moved = (codes + random.uniform(-0.5, 0.5, codes.shape)) * scale
        name = f"{node.output[0]}/float bias"
        tensor = numpy_helper.from_array(moved.astype(np.float32), name)
        model.graph.initializer.append(tensor)
        model.graph.node.remove(pair)
        node.input[2] = name
    written: bytes = model.SerializeToString()
    return written


def by_tensorflow(kind: str) -> bytes:
    """What TensorFlow's converter makes of a small Keras model, with int8 input and output.

    Args:
        kind: `residual`, `gated` with SiLU, PReLU and tanh, or `joined` with pools.
    """
    import tensorflow as tf

    layers = tf.keras.layers
    tf.keras.utils.set_random_seed(0)
    image = layers.Input((12, 12, 3))
    x = layers.Conv2D(8, 3, 2, "same")(image)
    if kind == "residual":
        x = layers.ReLU()(x)
        y = layers.DepthwiseConv2D(3, padding="same")(x)
        y = layers.Conv2D(8, 1)(layers.ReLU(6.0)(y))
        x = layers.ReLU()(layers.Add()([x, y]))
    elif kind == "gated":
        x = layers.Activation("silu")(x)
        gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
        x = layers.Multiply()([x, layers.Conv2D(8, 1, activation="sigmoid")(gate)])
        x = layers.LeakyReLU(0.2)(layers.Conv2D(8, 1)(x))
        x = layers.Activation("tanh")(layers.PReLU(shared_axes=[1, 2])(layers.Conv2D(8, 1)(x)))
    else:
        x = layers.ReLU()(x)
        scores = layers.Conv2D(8, 1, 2, activation="sigmoid")(x)
        parts = [layers.AveragePooling2D(2)(x), layers.MaxPooling2D(2)(x), scores]
        x = layers.Conv2D(8, 2)(layers.ZeroPadding2D(1)(layers.Concatenate()(parts)))
    x = layers.Dense(5)(layers.GlobalAveragePooling2D()(x))
    model = tf.keras.Model(image, x)
    images = np.random.default_rng(0).uniform(-1, 1, (8, 1, 12, 12, 3)).astype(np.float32)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([each] for each in images)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    written: bytes = converter.convert()
    return written


def requantised(ratio: float) -> bytes:
    """A `.tflite` that moves codes to another grid, as those of joined tensors are."""
    from mobiledeploy.formats.tflite.writer import TfliteWriter

    model, out = TfliteWriter(), np.float32(0.05)
    grids = (("a", np.float32(ratio) * out, 7), ("b", out, -20), ("c", out, -20))
    a, b, c = (
        model.activation(name, np.int8, (1, 16, 16, 1), scale=scale, zero_point=zero)
        for name, scale, zero in grids
    )
    one = {"StrideW": 1, "StrideH": 1, "FilterWidth": 1, "FilterHeight": 1, "Padding": 1}
    model.operator("QUANTIZE", 1, [a], b, "QuantizeOptions")
    model.operator("MAX_POOL_2D", 2, [b], c, "Pool2DOptions", **one)
    return model.finish(
        description="requantised", min_runtime="1.14.0", inputs={"a": a}, outputs={"c": c}
    )


def legacy_uint8() -> bytes:
    """A `.tflite` of uint8, as converters of 2018 wrote them: weights with a zero point each."""
    from mobiledeploy.formats.tflite import schema
    from mobiledeploy.formats.tflite.writer import TfliteWriter

    random = np.random.default_rng(5)
    model = TfliteWriter()
    relu6 = {"FusedActivationFunction": schema.ACTIVATIONS.index("relu6")}

    def activation(name: str, shape: tuple[int, ...], scale: float, zero: int) -> int:
        return model.activation(
            name, np.uint8, (1, *shape), scale=np.float32(scale), zero_point=zero
        )

    def weights(name: str, shape: tuple[int, ...], source: float, zero: int) -> list[int]:
        scale = np.array([0.8 / np.prod(shape[1:3]) / 60], np.float32)
        codes = random.integers(0, 256, shape).astype(np.uint8)
        channels = shape[3] if shape[0] == 1 else shape[0]
        bias = random.integers(-500, 500, channels).astype(np.int32)
        zeros = np.array([zero])
        return [
            model.constant(f"{name}/kernel", codes, scale=scale, zero_point=zeros),
            model.constant(f"{name}/bias", bias, scale=np.float32(source) * scale),
        ]

    image = activation("image", (13, 13, 3), 1 / 128, 128)
    stem = activation("stem", (7, 7, 8), 6 / 255, 0)
    ends = [image, *weights("stem", (8, 3, 3, 3), 1 / 128, 121)]
    stride = {"StrideH": 2, "StrideW": 2, "DilationHFactor": 1, "DilationWFactor": 1}
    model.operator("CONV_2D", 1, ends, stem, "Conv2DOptions", **stride, **relu6)
    deep = activation("deep", (7, 7, 8), 6 / 255, 0)
    ends = [stem, *weights("deep", (1, 3, 3, 8), 6 / 255, 140)]
    one = {"StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}
    options = {"DepthMultiplier": 1, **one, **relu6}
    model.operator("DEPTHWISE_CONV_2D", 1, ends, deep, "DepthwiseConv2DOptions", **options)
    narrow = activation("narrow", (7, 7, 8), 0.07, 117)
    ends = [deep, *weights("narrow", (8, 1, 1, 8), 6 / 255, 0)]
    model.operator("CONV_2D", 1, ends, narrow, "Conv2DOptions", **one)
    total = activation("sum", (7, 7, 8), 0.073, 101)
    model.operator("ADD", 1, [stem, narrow], total, "AddOptions")
    pooled = activation("pooled", (1, 1, 8), 0.073, 101)
    pool = {"StrideH": 1, "StrideW": 1, "FilterHeight": 7, "FilterWidth": 7, "Padding": 1}
    model.operator("AVERAGE_POOL_2D", 1, [total], pooled, "Pool2DOptions", **pool)
    logits = activation("logits", (1, 1, 5), 0.09, 130)
    ends = [pooled, *weights("logits", (5, 1, 1, 8), 0.073, 125)]
    model.operator("CONV_2D", 1, ends, logits, "Conv2DOptions", **one)
    flat = activation("flat", (5,), 0.09, 130)
    shape = model.constant("shape", np.array([1, 5], np.int32))
    model.operator("RESHAPE", 1, [logits, shape], flat, "ReshapeOptions")
    return model.finish(
        description="legacy", min_runtime="1.5.0", inputs={"image": image}, outputs={"flat": flat}
    )


Grid = tuple[float, int]
"""Scale, and zero point as an int8 code."""


def of_one_operator(
    operator: str,
    dtype: type[np.integer[Any]],
    grids: tuple[Grid, Grid],
    *,
    shape: tuple[int, ...] = (16, 16, 3),
    out: tuple[int, ...] = (),
    constant: tuple[np.ndarray, Grid] | None = None,
    options: str = "",
    **fields: Any,
) -> bytes:
    """A `.tflite` of int8 or uint8 with one operator, and a pool of single pixels behind it.

    Args:
        operator: Its name in `BuiltinOperator`.
        dtype: Of the codes.
        grids: Of input and output.
        shape: Of the input.
        out: Of the output, if it is another.
        constant: Its second operand, int8 codes, on a grid.
        options: Name of its options table.
        fields: Its options.
    """
    from mobiledeploy.formats.tflite.writer import TfliteWriter

    model, offset = TfliteWriter(), 128 if dtype == np.uint8 else 0
    (scale, zero), (out_scale, out_zero) = grids
    target = out or shape

    def activation(name: str, size: tuple[int, ...], step: float, code: int) -> int:
        return model.activation(
            name, dtype, (1, *size), scale=np.float32(step), zero_point=code + offset
        )

    image = activation("image", shape, scale, zero)
    result = activation("result", target, out_scale, out_zero)
    inputs = [image]
    if constant is not None:
        codes, (step, code) = constant
        values = np.array(codes.astype(np.int16) + offset, dtype)
        steps, zeros = np.array([step], np.float32), np.array([code + offset])
        inputs.append(model.constant("operand", values, scale=steps, zero_point=zeros))
    if operator == "MEAN":
        inputs.append(model.constant("axes", np.array([1, 2], np.int32)))
    version = 1 if dtype == np.uint8 else 2
    own = 1 if operator == "HARD_SWISH" else version
    model.operator(operator, own, inputs, result, options, **fields)
    last = activation("last", target, out_scale, out_zero)
    one = {"StrideW": 1, "StrideH": 1, "FilterWidth": 1, "FilterHeight": 1, "Padding": 1}
    model.operator("MAX_POOL_2D", version, [result], last, "Pool2DOptions", **one)
    return model.finish(
        description="one", min_runtime="1.14.0", inputs={"image": image}, outputs={"last": last}
    )


def _one_pixel(model: Any, source: int, target: int, version: int) -> None:
    one = {"StrideW": 1, "StrideH": 1, "FilterWidth": 1, "FilterHeight": 1, "Padding": 1}
    model.operator("MAX_POOL_2D", version, [source], target, "Pool2DOptions", **one)


def joined_uint8(seed: int) -> bytes:
    """A `.tflite` of uint8 that joins channels on two grids, as converters of 2018 wrote them."""
    from mobiledeploy.formats.tflite.writer import TfliteWriter

    random, model = np.random.default_rng(seed), TfliteWriter()

    def activation(name: str, channels: int, grid: tuple[np.float32, int]) -> int:
        scale, zero = grid
        return model.activation(
            name, np.uint8, (1, 16, 16, channels), scale=scale, zero_point=zero
        )

    grids = [
        (np.float32(random.uniform(0.01, 0.05)), int(random.integers(0, 256))) for _ in range(3)
    ]
    image, other = activation("image", 3, grids[0]), activation("other", 3, grids[1])
    joined, last = (activation(name, 6, grids[2]) for name in ("joined", "last"))
    model.operator("QUANTIZE", 1, [image], other, "QuantizeOptions")
    model.operator("CONCATENATION", 1, [image, other], joined, "ConcatenationOptions", Axis=3)
    _one_pixel(model, joined, last, 1)
    return model.finish(
        description="joined", min_runtime="1.14.0", inputs={"image": image}, outputs={"last": last}
    )


def of_another_type(
    before: type[np.integer[Any]], after: type[np.integer[Any]], first: Grid, second: Grid
) -> bytes:
    """A `.tflite` that goes on in uint8 after int8, or the other way round, on another grid."""
    from mobiledeploy.formats.tflite.writer import TfliteWriter

    model = TfliteWriter()

    def activation(name: str, dtype: type[np.integer[Any]], grid: Grid) -> int:
        offset = 128 if dtype == np.uint8 else 0
        return model.activation(
            name, dtype, (1, 16, 16, 1), scale=np.float32(grid[0]), zero_point=grid[1] + offset
        )

    image, pooled = activation("image", before, first), activation("pooled", before, first)
    other, last = activation("other", after, second), activation("last", after, second)
    _one_pixel(model, image, pooled, 2)
    model.operator("QUANTIZE", 2, [pooled], other, "QuantizeOptions")
    _one_pixel(model, other, last, 2)
    return model.finish(
        description="types", min_runtime="1.14.0", inputs={"image": image}, outputs={"last": last}
    )


def with_computed_shape() -> bytes:
    """A `.tflite` that flattens an image to the size of its batch, as a Keras Reshape does."""
    from mobiledeploy.formats.tflite.writer import TfliteWriter

    model = TfliteWriter()

    def activation(name: str, shape: tuple[int, ...]) -> int:
        return model.activation(name, np.int8, shape, scale=np.float32(0.05), zero_point=3)

    def number(name: str, value: int | list[int]) -> int:
        return model.constant(name, np.array(value, np.int32))

    image, pooled = activation("image", (1, 4, 4, 3)), activation("pooled", (1, 4, 4, 3))
    flat, logits = activation("flat", (1, 48)), activation("logits", (1, 6))
    sizes = model.activation("sizes", np.int32, (4,))
    batch = model.activation("batch", np.int32, ())
    wanted = model.activation("wanted", np.int32, (2,))
    _one_pixel(model, image, pooled, 2)
    model.operator("SHAPE", 1, [pooled], sizes, "ShapeOptions", OutType=2)
    ends = [sizes, number("first", [0]), number("last", [1]), number("step", [1])]
    model.operator("STRIDED_SLICE", 1, ends, batch, "StridedSliceOptions", ShrinkAxisMask=1)
    model.operator("PACK", 1, [batch, number("rest", 48)], wanted, "PackOptions", ValuesCount=2)
    model.operator("RESHAPE", 1, [pooled, wanted], flat, "ReshapeOptions")
    kernel = np.random.default_rng(1).integers(-99, 99, (6, 48)).astype(np.int8)
    scale = np.array([0.002], np.float32)
    weights = model.constant("kernel", kernel, scale=scale)
    bias = model.constant("bias", np.zeros(6, np.int32), scale=np.float32(0.05) * scale)
    model.operator("FULLY_CONNECTED", 4, [flat, weights, bias], logits, "FullyConnectedOptions")
    return model.finish(
        description="shapes", min_runtime="1.14.0", inputs={"x": image}, outputs={"y": logits}
    )


def dilated(
    border: list[list[int]],
    cut: list[list[int]],
    out: tuple[int, int],
    *,
    depthwise: bool = False,
    back: tuple[int, int] = (2, 3),
) -> bytes:
    """A `.tflite` of 9 by 13 pixels with a convolution whose window skips every second row.

    TensorFlow's converter writes it so: SPACE_TO_BATCH_ND, the convolution, BATCH_TO_SPACE_ND.

    Args:
        border: What is added around the image: above and below, left and right.
        cut: What is cut off the result.
        out: Height and width of the result.
        depthwise: Whether the convolution is.
        back: The block of BATCH_TO_SPACE_ND; that of SPACE_TO_BATCH_ND is (2, 3).
    """
    from mobiledeploy.formats.tflite.writer import TfliteWriter

    random, model = np.random.default_rng(3), TfliteWriter()
    (top, bottom), (left, right) = border
    high, wide = (9 + top + bottom) // 2, (13 + left + right) // 3

    def activation(name: str, shape: tuple[int, ...], scale: float, zero: int) -> int:
        return model.activation(name, np.int8, shape, scale=np.float32(scale), zero_point=zero)

    def numbers(name: str, values: object) -> int:
        return model.constant(name, np.array(values, np.int32))

    image = activation("image", (1, 9, 13, 3), 0.02, -7)
    batch = activation("batch", (6, high, wide, 3), 0.02, -7)
    inner = activation("inner", (6, high - 2, wide - 2, 3), 0.05, 11)
    result = activation("result", (1, *out, 3), 0.05, 11)
    shape = (1, 3, 3, 3) if depthwise else (3, 3, 3, 3)
    scales = random.uniform(0.002, 0.004, 3).astype(np.float32)
    kernel = model.constant(
        "kernel",
        random.integers(-127, 128, shape).astype(np.int8),
        scale=scales,
        axis=3 if depthwise else 0,
    )
    bias = model.constant(
        "bias", random.integers(-900, 900, 3).astype(np.int32), scale=np.float32(0.02) * scales
    )
    one = {"StrideH": 1, "StrideW": 1, "Padding": 1, "DilationHFactor": 1, "DilationWFactor": 1}
    block = numbers("block", [2, 3])
    ends = [image, block, numbers("border", border)]
    model.operator("SPACE_TO_BATCH_ND", 2, ends, batch, "SpaceToBatchNDOptions")
    if depthwise:
        options = {"DepthMultiplier": 1, **one}
        ends = [batch, kernel, bias]
        model.operator("DEPTHWISE_CONV_2D", 3, ends, inner, "DepthwiseConv2DOptions", **options)
    else:
        model.operator("CONV_2D", 3, [batch, kernel, bias], inner, "Conv2DOptions", **one)
    ends = [inner, numbers("back", back), numbers("cut", cut)]
    model.operator("BATCH_TO_SPACE_ND", 2, ends, result, "BatchToSpaceNDOptions")
    return model.finish(
        description="dilated", min_runtime="1.14.0", inputs={"x": image}, outputs={"y": result}
    )


def float_parts(
    operators: Sequence[str], *, moved: bool = False, out: Grid = (0.05, -20)
) -> bytes:
    """A `.tflite` of int8 that computes operators of one element in float32.

    Args:
        operators: Their names. PRELU and ADD get a constant for each of three channels, and MUL
            what the first operator reads.
        moved: Whether a REDUCE_MAX of each channel follows, also in float32.
        out: The output's grid; the input's is (0.05, -20).
    """
    from mobiledeploy.formats.tflite.writer import TfliteWriter

    model, shape = TfliteWriter(), (1, 16, 16, 3)

    def codes(name: str, grid: Grid, size: tuple[int, ...] = shape) -> int:
        scale, zero = grid
        return model.activation(name, np.int8, size, scale=np.float32(scale), zero_point=zero)

    def operator(name: str, version: int, ends: list[int], target: int) -> int:
        options = {"ADD": "AddOptions", "MUL": "MulOptions", "REDUCE_MAX": "ReducerOptions"}
        model.operator(name, version, ends, target, options.get(name, ""))
        return target

    image, pooled = codes("image", (0.05, -20)), codes("pooled", (0.05, -20))
    _one_pixel(model, image, pooled, 2)
    real = model.activation("real", np.float32, shape)
    last = operator("DEQUANTIZE", 2, [pooled], real)
    for number, name in enumerate(operators):
        ends = [last]
        if name in {"PRELU", "ADD"}:
            values = np.array([[[0.11, -0.3, 0.57]]], np.float32)
            ends.append(model.constant(f"{number}/constant", values))
        elif name == "MUL":
            ends.append(real)
        last = operator(name, 1, ends, model.activation(f"{number}/{name}", np.float32, shape))
    if moved:
        axes = model.constant("axes", np.array([1, 2], np.int32))
        last = operator("REDUCE_MAX", 1, [last, axes], model.activation("max", np.float32, (1, 3)))
    size = (1, 3) if moved else shape
    result, end = codes("result", out, size), codes("end", out, size)
    operator("QUANTIZE", 1, [last], result)
    if moved:
        kernel = np.random.default_rng(1).integers(-99, 99, (6, 3)).astype(np.int8)
        scale = np.array([0.002], np.float32)
        ends = [
            result,
            model.constant("kernel", kernel, scale=scale),
            model.constant("bias", np.zeros(6, np.int32), scale=np.float32(out[0]) * scale),
        ]
        end = codes("logits", (0.002, 3), (1, 6))
        model.operator("FULLY_CONNECTED", 4, ends, end, "FullyConnectedOptions")
    else:
        _one_pixel(model, result, end, 2)
    return model.finish(
        description="floats", min_runtime="1.14.0", inputs={"x": image}, outputs={"y": end}
    )
