"""Photos of some brightness, and a float `.onnx` that tells them apart when fed as it was made."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper
from PIL import Image

from mobiledeploy.spec.channel_scaling import ChannelScaling

SIDE = 16


def levels(classes: int) -> np.ndarray:
    """Return the brightness of each class's photos, pixel levels."""
    return (np.arange(classes) + 0.5) * 256 / classes


def photos(
    folder: Path,
    names: Sequence[str],
    *,
    each: int = 12,
    seed: int = 0,
    colours: np.ndarray | None = None,
) -> Path:
    """Write noisy photos, the darkest of the first name, and return their folder."""
    rng = np.random.default_rng(seed)
    kinds = levels(len(names)) if colours is None else colours
    for name, level in zip(names, kinds, strict=True):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(each):
            pixels = rng.normal(level, 4, (SIDE, SIDE, 3)).clip(0, 255).round().astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def tints(classes: int) -> np.ndarray:
    """Return the colour of each class's photos from blue to yellow, shape (classes, 3)."""
    red = levels(classes)
    return np.stack([red, red, 256 - red], axis=1)


def classifier(
    path: Path, scaling: ChannelScaling, classes: int, *, colours: np.ndarray | None = None
) -> Path:
    """Write a network whose class is the nearest brightness or colour, and return its path.

    Its first convolution pads, so that a scaling cannot be folded into its weights.
    """
    mean, std = (np.array(value, np.float64) for value in (scaling.mean, scaling.std))
    colours = levels(classes)[:, None] if colours is None else colours
    centres = np.broadcast_to((colours - mean) / std, (classes, 3))
    centres = centres[:, ::-1] if scaling.bgr else centres
    kernel = np.zeros((3, 3, 3, 3), np.float32)
    kernel[range(3), range(3), 1, 1] = 1
    kernel[:, :, 0, 0] = 0.01
    arrays = {
        "kernel": kernel,
        "weight": (2 * centres).astype(np.float32),
        "bias": (-(centres**2).sum(axis=1)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["input", "kernel"], ["conv"], pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["conv"], ["pool"]),
        helper.make_node("Flatten", ["pool"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weight", "bias"], ["logits"], transB=1),
    ]
    shapes = {"input": [1, 3, SIDE, SIDE], "logits": [1, classes]}
    infos = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    ]
    graph = helper.make_graph(
        nodes, "levels", infos[:1], infos[1:],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path
