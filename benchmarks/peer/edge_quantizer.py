"""Google's `ai-edge-quantizer`, or its successor `litert-quantizer`: a float `.tflite` to int8."""

import importlib

from peer import float_tflite
from peer.record import Made, Stopwatch, describe_tflite
from peer.task import Task, keras_input


def make(task: Task, watch: Stopwatch, package: str = "ai_edge_quantizer") -> list[Made]:
    """Write `<package>.tflite` from `float.tflite`."""
    with watch.step("import"):
        quantizers = importlib.import_module(package)
        recipes = importlib.import_module(f"{package}.recipe")
        from ai_edge_litert.interpreter import Interpreter
    with watch.step("read"):
        source = str(task.folder / float_tflite.FILE)
        (key, signature), *_ = Interpreter(source).get_signature_list().items()
        quantizer = quantizers.Quantizer(source)
        quantizer.load_quantization_recipe(recipes.static_wi8_ai8())
    with watch.step("calibrate"):
        images = keras_input(task.calibration())
        samples = [{signature["inputs"][0]: image[None]} for image in images]
        ranges = quantizer.calibrate({key: samples})
    with watch.step("convert"):
        path = task.folder / f"{package}.tflite"
        path.write_bytes(quantizer.quantize(ranges).quantized_model)
    return [describe_tflite(path)]
