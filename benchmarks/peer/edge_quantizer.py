"""Google's `ai-edge-quantizer`, or its successor `litert-quantizer`: a float `.tflite` to int8.

Static int8 by extremes, or by another algorithm of the package for the operators that have it.
"""

import importlib

from peer import float_tflite
from peer.record import Made, Stopwatch, describe_tflite
from peer.task import Task

OPERATORS = {
    "OCTAV": ("*",),
    "MSE": ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"),
    "GPTQ": ("FULLY_CONNECTED",),
    "OSCAR": ("FULLY_CONNECTED",),
}
"""The operators for which litert-quantizer 0.11.0 has an algorithm; the others get extremes."""

MOMENTS = {"GPTQ": ("hessian", "num_samples"), "OSCAR": ("mu2", "num_samples")}
"""What an algorithm measures of its operators' inputs, besides extremes.

Calibration takes each tensor's statistics from the first operator that has it: the one that
writes it, by its own algorithm. GPTQ then finds no Hessian of its input, does not quantise its
weights, and the file has float32 values in a tensor of int8. They are measured apart, by a recipe
for its operators alone.
"""


def make(
    task: Task, watch: Stopwatch, package: str = "ai_edge_quantizer", algorithm: str = ""
) -> list[Made]:
    """Write `<package>.tflite`, or `<package>_<algorithm>.tflite`, from `float.tflite`."""
    with watch.step("import"):
        quantizers = importlib.import_module(package)
        recipes = importlib.import_module(f"{package}.recipe")
        from ai_edge_litert.interpreter import Interpreter
    with watch.step("read"):
        source = str(task.folder / float_tflite.FILE)
        (key, signature), *_ = Interpreter(source).get_signature_list().items()
        quantizer = quantizers.Quantizer(source)
        quantizer.load_quantization_recipe(recipes.static_wi8_ai8())
        for operator in OPERATORS.get(algorithm, ()):
            quantizer.add_static_config(".*", operator, 8, 8, algorithm_key=algorithm)
    with watch.step("calibrate"):
        images = task.inputs(task.calibration())
        samples = [{signature["inputs"][0]: image[None]} for image in images]
        ranges = quantizer.calibrate({key: samples})
        if algorithm in MOMENTS:
            alone = quantizers.Quantizer(source)
            for operator in OPERATORS[algorithm]:
                alone.add_static_config(".*", operator, 8, 8, algorithm_key=algorithm)
            for tensor, measured in alone.calibrate({key: samples}).items():
                ranges[tensor] |= {name: measured[name] for name in MOMENTS[algorithm]}
    with watch.step("convert"):
        name = "_".join(filter(None, (package, algorithm.lower())))
        path = task.folder / f"{name}.tflite"
        path.write_bytes(quantizer.quantize(ranges).quantized_model)
    return [describe_tflite(path)]
