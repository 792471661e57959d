"""mobiledeploy: one integer graph, both files, proven equal to each other."""

import os

from mobiledeploy.spec.config import Effort
from peer.record import Made, Stopwatch
from peer.task import Task

VERIFIED = 4
"""Images on which the two files are compared, logit by logit."""


def make(task: Task, watch: Stopwatch, effort: Effort = "quick") -> list[Made]:
    """Write `ours.tflite`, `ours.onnx` and, only to be timed, `ours_float_io.onnx`.

    With another effort than plain ranges the files are `ours_<effort>.tflite` and `.onnx`.
    """
    stem = "ours" if effort == "quick" else f"ours_{effort}"
    with watch.step("import"):
        import ai_edge_litert.interpreter  # noqa: F401
        import h5py  # noqa: F401
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401

        from mobiledeploy.formats.model_file import of_bytes
        from mobiledeploy.integer.certify import certify
        from mobiledeploy.integer.quantise import quantise
        from mobiledeploy.models import registry  # noqa: F401
        from mobiledeploy.network import fold, weight_matching  # noqa: F401
        from mobiledeploy.pipeline import ladder
        from mobiledeploy.targets import onnx as onnx_file
        from mobiledeploy.targets import tflite as tflite_file
        from mobiledeploy.verify.int8_pair import prove
        from mobiledeploy.verify.outputs.image_sets import ImageSet
        from mobiledeploy.verify.outputs.int8_files import Options
        from mobiledeploy.verify.outputs.opened_file import HERE, open_file
    with watch.step("read"):
        network = task.network()
    images = task.calibration()
    with watch.step("calibrate"):
        made = ladder.climb(network, images, effort, threads=os.cpu_count() or 1)
    with watch.step("convert"):
        graph = quantise(network, made.ranges) if effort == "quick" else made.integers
        certificates = certify(graph)
        tflite, onnx_model = tflite_file.write(graph), onnx_file.write(graph, certificates)
        (task.folder / f"{stem}.tflite").write_bytes(tflite)
        (task.folder / f"{stem}.onnx").write_bytes(onnx_model)
    with watch.step("verify"):
        inputs = ImageSet(
            name="photos",
            names=[str(index) for index in range(VERIFIED)],
            pixels=lambda start, stop: images[start:stop],
        )
        files = of_bytes(f"{stem}.tflite", tflite), of_bytes(f"{stem}.onnx", onnx_model)
        both = open_file(files[0], HERE), open_file(files[1], HERE)
        report, _ = prove(both, [inputs], Options(only_main=True))
        if not report.holds:
            raise SystemExit(report.verdict)
    scale, zero_point = float(graph.input.scale), graph.input.zero_point
    scaling = network.architecture.scaling
    pair = [
        Made(file=f"{stem}{end}", scale=scale, zero_point=zero_point, scaling=scaling)
        for end in (".tflite", ".onnx")
    ]
    if effort != "quick":
        return pair
    float_io = onnx_file.write(graph, certificates, io="float32")
    (task.folder / "ours_float_io.onnx").write_bytes(float_io)
    return [*pair, Made(file="ours_float_io.onnx", scaling=scaling)]
