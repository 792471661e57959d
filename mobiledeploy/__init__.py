"""Take an image classifier to a phone, with proof.

The whole way, as the program does it:

    import mobiledeploy

    config = mobiledeploy.decide(arch="v2", data="digits")
    report = mobiledeploy.build(config, "build")
    proof = mobiledeploy.verify_build("build")
    mobiledeploy.bundle("build", "android_demo")

and its steps one by one, from the papers' tables to the two files:

    architecture = mobiledeploy.architecture("v2", alpha=0.35, image_size=96, classes=10)
    matched = mobiledeploy.read_weights("model.weights.h5", architecture)
    network = mobiledeploy.fold(architecture, matched.variables)
    ranges = mobiledeploy.calibrate(network, pixels)
    graph = mobiledeploy.quantise(network, ranges)
    tflite = mobiledeploy.write_tflite(graph)
    onnx = mobiledeploy.write_onnx(graph, mobiledeploy.certify(graph))

A Keras model of yours, or a file of one, in one step:

    quantised = mobiledeploy.quantize(model, pixels, input_range="-1..1", out="build")

Files and folders are named by a `str` or a `Path`. Nothing is imported before it is used: only
`build` needs TensorFlow.
"""

import importlib
from typing import TYPE_CHECKING, Any

from mobiledeploy._version import __version__

if TYPE_CHECKING:
    from mobiledeploy.deploy.bundle import bundle
    from mobiledeploy.integer.certify import certify
    from mobiledeploy.integer.quantise import quantise
    from mobiledeploy.integer.tflite_reader import read_file as read_tflite
    from mobiledeploy.models.registry import architecture
    from mobiledeploy.network.cost import cost
    from mobiledeploy.network.fold import fold
    from mobiledeploy.network.weight_matching import load as read_weights
    from mobiledeploy.pipeline.build import build
    from mobiledeploy.pipeline.calibrate import calibrate
    from mobiledeploy.pipeline.explain import explain
    from mobiledeploy.pipeline.in_memory import quantize
    from mobiledeploy.spec.defaults import decide
    from mobiledeploy.targets.onnx import write as write_onnx
    from mobiledeploy.targets.tflite import write as write_tflite
    from mobiledeploy.verify.build import verify as verify_build

_HOMES = {
    "architecture": "models.registry:architecture",
    "build": "pipeline.build:build",
    "bundle": "deploy.bundle:bundle",
    "calibrate": "pipeline.calibrate:calibrate",
    "certify": "integer.certify:certify",
    "cost": "network.cost:cost",
    "decide": "spec.defaults:decide",
    "explain": "pipeline.explain:explain",
    "fold": "network.fold:fold",
    "quantise": "integer.quantise:quantise",
    "quantize": "pipeline.in_memory:quantize",
    "read_tflite": "integer.tflite_reader:read_file",
    "read_weights": "network.weight_matching:load",
    "verify_build": "verify.build:verify",
    "write_onnx": "targets.onnx:write",
    "write_tflite": "targets.tflite:write",
}

__all__ = [
    "__version__",
    "architecture",
    "build",
    "bundle",
    "calibrate",
    "certify",
    "cost",
    "decide",
    "explain",
    "fold",
    "quantise",
    "quantize",
    "read_tflite",
    "read_weights",
    "verify_build",
    "write_onnx",
    "write_tflite",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its home when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module `mobiledeploy` has no attribute `{name}`")
    module, _, attribute = _HOMES[name].partition(":")
    value = getattr(importlib.import_module(f"mobiledeploy.{module}"), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
