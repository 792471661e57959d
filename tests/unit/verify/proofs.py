"""What a certificate says of each layer of two files."""

from mobiledeploy.comparison.align import align
from mobiledeploy.reading import read_onnx, read_tflite
from mobiledeploy.verify import layer_proofs
from mobiledeploy.verify.proof import LayerProof


def proofs(first: bytes, second: bytes) -> dict[str, LayerProof]:
    """Of all layers by name, kernels aside."""
    readings = read_tflite(first), read_onnx(second)
    alignment = align(*readings)
    found = layer_proofs.prove(*readings, alignment, [()] * len(alignment.pairs))
    return {proof.layer or proof.counterpart: proof for proof in found}
