"""`mobiledeploy cost`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from mobiledeploy.cli import _options, _output
from mobiledeploy.spec.config import ALPHAS

if TYPE_CHECKING:
    from mobiledeploy.network.cost import Cost
    from mobiledeploy.ops.architecture import Architecture
    from mobiledeploy.ops.tensors import Shape
    from mobiledeploy.spec.config import Arch

_WIDTHS = "; ".join(f"{arch}: {', '.join(map(str, widths))}" for arch, widths in ALPHAS.items())


def cost(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(help="A float network, in place of --arch: .keras, .h5, .onnx or .tflite"),
    ] = None,
    arch: Annotated[
        str, typer.Option(metavar=f"[{'|'.join(ALPHAS)}]", help="MobileNet V1 or V2")
    ] = "v2",
    alpha: Annotated[float, typer.Option(metavar="X", help=f"Width multiplier. {_WIDTHS}")] = 1.0,
    image_size: Annotated[
        int, typer.Option(metavar="N", help="Height and width of the input, pixels")
    ] = 224,
    classes: Annotated[int, typer.Option(metavar="N", help="Number of classes")] = 1000,
    layers: Annotated[
        bool,
        typer.Option(
            "--layers", help="Also each layer, as standard and as depthwise separable convolution"
        ),
    ] = False,
    json: _options.Json = False,
    quiet: _options.Quiet = False,
) -> None:
    """Count what a network costs: operations, bytes, memory.

    Multiplications are multiply-accumulate operations (MACs) for one image. A k x k convolution
    with N filters, split into depthwise and pointwise, needs 1/N + 1/k^2 of them.
    """
    del quiet  # There is no progress to silence.
    from mobiledeploy.network.cost import cost as count

    if file is None:
        architecture = _architecture(arch, alpha, image_size, classes)
    else:
        from mobiledeploy.base import files
        from mobiledeploy.pipeline import prepare

        used = {"file", "image_size", "layers", "json", "quiet"}
        _options.refuse_unused(context, used=used, with_="a file")
        asked = "image_size" in dict(_options.given(context))
        architecture = prepare.architecture_of(
            files.user_path(file), image_size=(image_size, image_size) if asked else None
        )
    counted = count(architecture)
    if json:
        _output.emit(_json(counted, layers=layers))
        return
    if layers:
        _output.emit(_layers(counted) + "\n")
    _output.emit(_summary(counted, "classes" if file is None else "outputs"))


def _architecture(arch: str, alpha: float, image_size: int, classes: int) -> "Architecture":
    from mobiledeploy.models import registry
    from mobiledeploy.spec.config import ModelConfig

    model = ModelConfig(arch=cast("Arch", arch), alpha=alpha, image_size=image_size)
    return registry.architecture(
        model.arch,
        alpha=model.alpha,
        image_size=model.image_size,
        classes=classes,
        stem_stride=model.stem_stride,
    )


def _json(network: "Cost", *, layers: bool) -> str:
    import dataclasses
    import json

    document = dataclasses.asdict(network)
    if not layers:
        del document["layers"]
    return json.dumps(document, indent=2)


def _summary(network: "Cost", outputs: str) -> str:
    saved = network.standard_macs / network.macs
    rows = [
        (network.name, f"{_by(network.input_shape)}, {network.classes} {outputs}"),
        ("MACs", f"{network.macs:,}"),
        ("as standard convolutions", f"{network.standard_macs:,} ({saved:.1f} times as many)"),
        ("parameters", f"{network.parameters:,}"),
        ("int8 weights", f"{network.int8_bytes:,} bytes"),
        ("peak activation memory", f"{network.peak_bytes:,} bytes (int8)"),
        ("  while running", network.peak_layer),
        ("  in memory", ", ".join(network.peak_tensors)),
    ]
    joined = network.projection
    if joined:
        rows += [
            ("largest tensor between blocks", f"{joined.joint_bytes:,} bytes"),
            ("  without the projection", f"{joined.expanded_joint_bytes:,} bytes"),
            ("  and the peak would be", f"{joined.expanded_peak_bytes:,} bytes"),
        ]
    return _output.table(rows)


def _layers(network: "Cost") -> str:
    head = ("layer", "op", "output", "MACs", "parameters", "int8 bytes", "live bytes")
    rows: list[tuple[str, ...]] = [(*head, "standard", "separable", "ratio")]
    for layer in network.layers:
        split = layer.factorisation
        rows.append(
            (
                layer.name,
                layer.op,
                _by(layer.output_shape),
                f"{layer.macs:,}",
                f"{layer.parameters:,}",
                f"{layer.int8_bytes:,}",
                f"{layer.live_bytes:,}",
                *(
                    (f"{split.standard:,}", f"{split.separable:,}", f"{split.ratio:.3f}")
                    if split
                    else ("", "", "")
                ),
            )
        )
    return _output.table(rows, right=range(3, 10))


def _by(shape: "Shape") -> str:
    return "x".join(map(str, shape))
