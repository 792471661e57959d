"""The proof of each layer of two files, without the kernels' reasons."""

from collections.abc import Mapping

from known import image_shape

from mobiledeploy.compare.judge import judge
from mobiledeploy.formats import model_file
from mobiledeploy.verify.layers import layer_outputs
from mobiledeploy.verify.layers.layer_outputs import LayerCodes
from mobiledeploy.verify.layers.single_layer import open_single_layers
from mobiledeploy.verify.outputs import image_sets
from mobiledeploy.verify.outputs.opened_file import HERE, open_file
from mobiledeploy.verify.proof import layer_proofs
from mobiledeploy.verify.proof.certificate import certify
from mobiledeploy.verify.report import FilesCertificate, LayerProof


def proofs(first: bytes, second: bytes) -> dict[str, LayerProof]:
    """Return the proofs of all layers, by name."""
    both = (
        open_file(model_file.of_bytes("a.tflite", first), HERE),
        open_file(model_file.of_bytes("b.onnx", second), HERE),
    )
    readings = both[0].reading, both[1].reading
    judgement = judge(*readings)

    def run(
        pair: tuple[int, int], codes: Mapping[int, LayerCodes]
    ) -> tuple[LayerCodes, LayerCodes]:
        # Opened only if needed: most faults are found in the files.
        indices = range(len(readings[0].layers)), range(len(readings[1].layers))
        runs = layer_outputs.give_out_layers(both, indices, threads=1)
        images = image_sets.synthetic_extremes(image_shape(readings[0].input.shape)).pixels(0, 1)
        whole = runs[0].run(images), runs[1].run(images)
        return open_single_layers(runs, judgement.alignment).run(pair, codes, whole)

    layers = layer_proofs.prove(judgement, [()] * len(judgement.layers), run)
    return {proof.layer or proof.counterpart: proof for proof in layers}


def certificate_of(first: bytes, second: bytes, *, threads: int = 1) -> FilesCertificate:
    """The certificate of two files, run here."""
    names = ("a.tflite", "b.onnx")
    one, two = (
        open_file(model_file.of_bytes(name, data), HERE)
        for name, data in zip(names, (first, second), strict=True)
    )
    return certify((one, two), judge(one.reading, two.reading), threads=threads)
