"""Rules on the runtime that a file needs or claims to need."""

from collections.abc import Iterator
from typing import Final

from mobiledeploy.lint import required_runtime
from mobiledeploy.lint.graph import Graph
from mobiledeploy.lint.required_runtime import OLDEST_PHONE, parse
from mobiledeploy.lint.rule import Place, Rule


def _no_claim(graph: Graph) -> Iterator[Place]:
    if graph.model.format == "tflite" and not graph.model.min_runtime:
        yield Place(where="the file", found="no min_runtime_version")


def _false_claim(graph: Graph) -> Iterator[Place]:
    needs = required_runtime.of(graph)
    if needs.claimed is None or needs.known is None:
        return
    # If something is in no table, a newer release may be needed than this one.
    if parse(needs.claimed) < parse(needs.known):
        yield Place(
            where="the file",
            found=f"claims to run on {needs.claimed}",
            expected=f"{needs.known} ({needs.needed_by[0]})",
        )


def _misread(graph: Graph) -> Iterator[Place]:
    for layer, scales in required_runtime.misread_layers(graph):
        yield Place(
            where=layer.where,
            found=f"version {layer.operator.version}",
            expected=f"one weight scale, or version {scales.refused_from}, which they refuse",
        )


def _unknown(graph: Graph) -> Iterator[Place]:
    for name in required_runtime.of(graph).unknown:
        yield Place(where=name, found="not in the table of versions")


def _too_new(graph: Graph) -> Iterator[Place]:
    needs = required_runtime.of(graph)
    if graph.model.format != "onnx" or needs.minimum is None:
        return
    if parse(needs.minimum) > parse(OLDEST_PHONE):
        yield Place(where="the file", found=f"needs ONNX Runtime {', '.join(needs.reasons)}")


def _too_low(graph: Graph) -> Iterator[Place]:
    for operator, version in required_runtime.too_low_versions(graph):
        yield Place(
            where=graph.model.named(operator),
            found=f"version {operator.version}",
            expected=f"version {version}, which supports its types",
        )


RULES: Final = (
    Rule(
        id="MD301",
        severity="note",
        title="no minimum runtime stated",
        expected="metadata entry min_runtime_version",
        hint="apps cannot warn about an old runtime before they load the model",
        find=_no_claim,
    ),
    Rule(
        id="MD302",
        severity="warning",
        title="minimum runtime stated too low",
        expected="the release that its operators need",
        hint="do not trust the entry: older runtimes refuse the file, or compute it wrongly",
        find=_false_claim,
    ),
    Rule(
        id="MD303",
        severity="warning",
        title="silent trap: dense layer that TFLite 2.7 to 2.9 computes wrongly",
        expected="one weight scale, or a version that these releases refuse",
        hint="quantise the dense layer per tensor, or run it on TFLite 2.10 or newer only",
        find=_misread,
    ),
    Rule(
        id="MD304",
        severity="note",
        title="version that no table knows",
        expected="a known version: without it the minimum runtime stays unknown",
        hint="try the file on the oldest runtime that the app ships with",
        find=_unknown,
    ),
    Rule(
        id="MD305",
        severity="warning",
        title="newer than the runtimes on phones",
        expected=f"operator set and IR version that ONNX Runtime {OLDEST_PHONE} supports: "
        "20 and 9 at most",
        hint="export with an older opset and set model.ir_version: few files need a new one",
        find=_too_new,
    ),
    Rule(
        id="MD306",
        severity="warning",
        title="operator version too low for its types",
        expected="the version from which the operator supports its types",
        hint="older runtimes load the file but fail when it runs; `runs on` accounts for that",
        find=_too_low,
    ),
)
