"""Makes the files in `exports/`: small networks of torchvision's own blocks, exported by PyTorch.

It is run by hand, with PyTorch 1.13 and torchvision 0.14 (Debian 12 has both): no test needs them.

    python make_torch_exports.py

Weights are random, and so are the statistics of batch normalisation: fresh ones of 0 and 1 would
hide mistakes.
"""

import functools
import pathlib
import sys
from typing import Any

import torch
from torch import nn
from torchvision.models import (
    densenet,
    efficientnet,
    mobilenetv2,
    mobilenetv3,
    regnet,
    resnet,
    shufflenetv2,
    squeezenet,
)
from torchvision.models.googlenet import BasicConv2d, Inception

FOLDER = pathlib.Path(__file__).parent / "exports"
CLASSES = 5


def randomise(model: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(1)
    for part in model.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            size = part.num_features
            part.running_mean.data = torch.randn(size, generator=generator) * 0.3
            part.running_var.data = torch.rand(size, generator=generator) + 0.5
            part.weight.data = torch.rand(size, generator=generator) * 0.6 + 0.7
            part.bias.data = torch.randn(size, generator=generator) * 0.3
    return model.eval()


def head(channels: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES)]


def mobilenet_v2() -> nn.Module:
    model = mobilenetv2.MobileNetV2(
        num_classes=CLASSES,
        width_mult=0.25,
        inverted_residual_setting=[[1, 8, 1, 1], [6, 16, 2, 2]],
    )
    wide = model.features[-1][0]
    model.features[-1] = mobilenetv2.Conv2dNormActivation(
        wide.in_channels, 24, kernel_size=1, activation_layer=nn.ReLU6
    )
    model.classifier[1] = nn.Linear(24, CLASSES)
    return model


def mobilenet_v3() -> nn.Module:
    row = functools.partial(mobilenetv3.InvertedResidualConfig, width_mult=0.5)
    rows = [
        row(16, 3, 16, 16, True, "RE", 2, 1), row(16, 5, 24, 16, True, "HS", 1, 1),
        row(16, 5, 24, 24, False, "HS", 2, 2),
    ]  # fmt: skip
    return mobilenetv3.MobileNetV3(rows, last_channel=24, num_classes=CLASSES)


def efficientnet_b0() -> nn.Module:
    rows = [
        efficientnet.MBConvConfig(1, 3, 1, 8, 8, 1),
        efficientnet.MBConvConfig(6, 5, 2, 8, 12, 2),
    ]
    return efficientnet.EfficientNet(rows, 0.2, num_classes=CLASSES)


def resnet18() -> nn.Module:
    def half() -> nn.Module:
        return nn.Sequential(nn.Conv2d(8, 12, 1, 2, bias=False), nn.BatchNorm2d(12))

    return nn.Sequential(
        nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
        nn.MaxPool2d(3, 2, 1), resnet.BasicBlock(8, 8),
        resnet.BasicBlock(8, 12, 2, downsample=half()), *head(12),
    )  # fmt: skip


def shufflenet_v2() -> nn.Module:
    model = shufflenetv2.ShuffleNetV2([2, 2, 1], [8, 16, 24, 32, 24], num_classes=CLASSES)
    return model


def squeezenet1_1() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True),
        squeezenet.Fire(8, 4, 8, 8), nn.MaxPool2d(3, 2, ceil_mode=True),
        squeezenet.Fire(16, 4, 8, 8), nn.Dropout(), nn.Conv2d(16, CLASSES, 1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )  # fmt: skip


def densenet121() -> nn.Module:
    return densenet.DenseNet(4, (2, 2), 8, bn_size=2, num_classes=CLASSES)


def googlenet_block() -> nn.Module:
    return nn.Sequential(
        BasicConv2d(3, 8, kernel_size=3, stride=2, padding=1),
        nn.MaxPool2d(3, 2, ceil_mode=True), Inception(8, 4, 4, 8, 4, 4, 4),
        nn.AvgPool2d(3, 2, 1, ceil_mode=True), nn.AvgPool2d(3, 1, 1, count_include_pad=False),
        *head(20),
    )  # fmt: skip


def regnet_y() -> nn.Module:
    norm = functools.partial(nn.BatchNorm2d, eps=1e-5)
    block = regnet.ResBottleneckBlock
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(),
        block(8, 16, 2, norm, nn.ReLU, group_width=8, se_ratio=0.25), *head(16),
    )  # fmt: skip


class Vgg(nn.Module):
    """A flattened image in front of a matrix, behind pads that differ at each side."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.ZeroPad2d((0, 1, 2, 1)), nn.Conv2d(3, 6, 3, 2), nn.LeakyReLU(0.1),
            nn.MaxPool2d(2), nn.Conv2d(6, 8, 3, padding=1, dilation=2, groups=2), nn.PReLU(8),
        )  # fmt: skip
        self.classifier = nn.Sequential(nn.LazyLinear(12), nn.ELU(), nn.Linear(12, CLASSES))

    def forward(self, x: Any) -> Any:
        return self.classifier(torch.flatten(self.features(x), 1))


class Odd(nn.Module):
    """Activations as arithmetic, a gate of space, pixels as channels, two softmaxes."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(12, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.gate = nn.Conv2d(2, 1, 3, padding=1)
        self.last = nn.Linear(8, CLASSES)

    def forward(self, x: Any) -> Any:
        x = (x - 0.45) / 0.225
        x = nn.functional.pixel_unshuffle(x, 2)
        x = nn.functional.gelu(self.first(x))
        x = x * nn.functional.relu6(x + 3) / 6
        x = nn.functional.interpolate(x, scale_factor=2, mode="nearest")
        gate = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
        x = x * torch.sigmoid(self.gate(gate))
        x = nn.functional.mish(self.second(x)) + nn.functional.softplus(x)
        x = nn.functional.pixel_shuffle(x, 2).mean((2, 3)).repeat(1, 1)
        x = torch.cat([x, -x, x * 2, 1 - x], 1)
        return torch.softmax(self.last(x), 1)


MODELS = {
    "densenet121": (densenet121, 64, 13), "efficientnet_b0": (efficientnet_b0, 32, 15),
    "googlenet": (googlenet_block, 41, 14), "mobilenet_v2": (mobilenet_v2, 33, 11),
    "mobilenet_v3": (mobilenet_v3, 32, 16), "mobilenet_v3_opset9": (mobilenet_v3, 32, 9),
    "odd": (Odd, 16, 16), "regnet_y": (regnet_y, 32, 12), "resnet18": (resnet18, 45, 10),
    "shufflenet_v2": (shufflenet_v2, 64, 9), "shufflenet_v2_opset16": (shufflenet_v2, 64, 16),
    "squeezenet1_1": (squeezenet1_1, 39, 13), "vgg": (Vgg, 17, 13),
}  # fmt: skip
UNFUSED = {"mobilenet_v3", "shufflenet_v2_opset16", "regnet_y"}
"""Exported with batch normalisation as operators of its own, as new exporters do."""
FREE = {"mobilenet_v2", "efficientnet_b0", "densenet121"}
"""Exported with a free batch; `mobilenet_v2` also with a free height and width."""


def export(name: str) -> None:
    build, size, opset = MODELS[name]
    torch.manual_seed(3)
    model = build()
    model(torch.zeros(1, 3, size, size))
    randomise(model)
    keep = torch._C._jit_pass_onnx_eval_peephole
    if name in UNFUSED:
        torch._C._jit_pass_onnx_eval_peephole = lambda graph, parameters: parameters
    axes = {0: "batch", **({2: "height", 3: "width"} if name == "mobilenet_v2" else {})}
    try:
        torch.onnx.export(
            model, torch.randn(1, 3, size, size), str(FOLDER / f"{name}.onnx"),
            opset_version=opset, input_names=["image"], output_names=["classes"],
            dynamic_axes={"image": axes, "classes": {0: "batch"}} if name in FREE else None,
            do_constant_folding=name not in UNFUSED,
        )  # fmt: skip
    finally:
        torch._C._jit_pass_onnx_eval_peephole = keep


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for chosen in sys.argv[1:] or MODELS:
        export(chosen)
