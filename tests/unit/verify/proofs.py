"""What a certificate says of each layer of two files, kernels aside."""

from collections.abc import Mapping

from mobiledeploy.compare.judge import judge
from mobiledeploy.formats import model_file
from mobiledeploy.verify import inputs, layer_proofs, tapped
from mobiledeploy.verify.alone import cut_pairs
from mobiledeploy.verify.certificate import certify_sides
from mobiledeploy.verify.layer_codes import Codes
from mobiledeploy.verify.proof import FilesCertificate, LayerProof
from mobiledeploy.verify.side import HERE, open_side


def proofs(first: bytes, second: bytes) -> dict[str, LayerProof]:
    """Of all layers by name."""
    sides = (
        open_side(model_file.of_bytes("a.tflite", first), HERE),
        open_side(model_file.of_bytes("b.onnx", second), HERE),
    )
    readings = sides[0].reading, sides[1].reading
    judgement = judge(*readings)

    def run(pair: tuple[int, int], codes: Mapping[int, Codes]) -> tuple[Codes, Codes]:
        # Opened where it is needed only: most faults are seen in the files.
        indices = range(len(readings[0].layers)), range(len(readings[1].layers))
        runs = tapped.tap(sides, indices, threads=1)
        images = inputs.synthetic_extremes(readings[0].input.shape).pixels(0, 1)
        whole = runs[0].run(images), runs[1].run(images)
        return cut_pairs(runs, judgement.alignment).run(pair, codes, whole)

    found = layer_proofs.prove(judgement, [()] * len(judgement.layers), run)
    return {proof.layer or proof.counterpart: proof for proof in found}


def certificate_of(first: bytes, second: bytes, *, threads: int = 1) -> FilesCertificate:
    """The certificate of two files, run here."""
    names = ("a.tflite", "b.onnx")
    one, two = (
        open_side(model_file.of_bytes(name, data), HERE)
        for name, data in zip(names, (first, second), strict=True)
    )
    return certify_sides((one, two), judge(one.reading, two.reading), threads=threads)
