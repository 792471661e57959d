"""ONNX Runtime's `quantize_static` in QDQ form.

Its variants: defaults; per channel; per channel with uint8 activations, which its documentation
advises where the defaults are slow; the last with other ranges: the mean of the images' extremes,
the 99.999th or the 99.99th percentile, or by entropy.
"""

from peer import float_onnx
from peer.record import Made, Stopwatch
from peer.task import Task


def make(task: Task, watch: Stopwatch, variant: str = "") -> list[Made]:
    """Write `ort_static<variant>.onnx` from `float.onnx`."""
    with watch.step("import"):
        import onnxruntime
        from onnxruntime import quantization
        from onnxruntime.quantization.shape_inference import quant_pre_process
    unsigned = {"per_channel": True, "activation_type": quantization.QuantType.QUInt8}
    methods = quantization.CalibrationMethod
    options = {
        "": {},
        "_per_channel": {"per_channel": True},
        "_per_channel_u8": unsigned,
        "_moving_average": {**unsigned, "extra_options": {"CalibMovingAverage": True}},
        "_percentile": {**unsigned, "calibrate_method": methods.Percentile},
        "_percentile_9999": {
            **unsigned,
            "calibrate_method": methods.Percentile,
            "extra_options": {"CalibPercentile": 99.99},
        },
        "_entropy": {**unsigned, "calibrate_method": methods.Entropy},
    }[variant]
    with watch.step("read"):
        source = str(task.folder / float_onnx.FILE)
        prepared = str(task.folder / f"prepared{variant}.onnx")
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        name = onnxruntime.InferenceSession(prepared).get_inputs()[0].name
    images = task.inputs(task.calibration())
    file = f"ort_static{variant}.onnx"

    class Images(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.samples = iter(images)

        def get_next(self) -> dict[str, object] | None:
            image = next(self.samples, None)
            return None if image is None else {name: image[None]}

    with watch.step("convert"):
        quantization.quantize_static(prepared, str(task.folder / file), Images(), **options)
    return [Made(file=file)]
