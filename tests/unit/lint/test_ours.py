"""Our files break no rule: every type of input and output, both heads, V1 and V2."""

from collections.abc import Callable

import graphs
import pytest

from mobiledeploy.integer.certify import certify
from mobiledeploy.spec.config import Arch, Head, Io
from mobiledeploy.targets import onnx, tflite

Ids = Callable[[bytes], set[str]]

FACTS = {"MD410"}
"""Notes that are true of every file of ours."""


@pytest.mark.parametrize(
    ("arch", "alpha", "io", "head"),
    [
        ("v1", 0.25, "int8", "logits"),
        ("v1", 0.25, "float32", "softmax"),
        ("v2", 0.35, "int8", "softmax"),
        ("v2", 0.35, "uint8", "logits"),
        ("v2", 0.35, "float32", "logits"),
    ],
)
def test_our_files_break_no_rule(io: Io, head: Head, arch: Arch, alpha: float, ids: Ids) -> None:
    graph = graphs.mobilenet(arch, alpha=alpha, image_size=32)
    assert ids(tflite.write(graph, io=io, head=head)) == set()
    assert ids(onnx.write(graph, certify(graph), io=io, head=head)) == FACTS


def test_the_first_convolution_of_large_images_breaks_no_rule(ids: Ids) -> None:
    """It is written over four pixels at a time, with transposes around it."""
    graph = graphs.mobilenet("v2", alpha=0.35, image_size=64, stem_stride=2)
    assert ids(onnx.write(graph, certify(graph))) == FACTS
