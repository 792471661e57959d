"""Rules on what runtime a file needs, and on what it says about that."""

from collections.abc import Iterator
from typing import Final

from mobiledeploy.lint import runtime
from mobiledeploy.lint.finding import Rule, Sight
from mobiledeploy.lint.graph import Graph


def _no_claim(graph: Graph) -> Iterator[Sight]:
    if graph.model.format == "tflite" and not graph.model.min_runtime:
        yield Sight(where="the file", found="no min_runtime_version")


def _false_claim(graph: Graph) -> Iterator[Sight]:
    needs = runtime.of(graph)
    if needs.claimed is None or needs.known is None:
        return
    # Where something is in no table, at least this release is needed.
    if runtime.parse(needs.claimed) < runtime.parse(needs.known):
        yield Sight(
            where="the file",
            found=f"claims to run on {needs.claimed}",
            expected=f"{needs.known} ({needs.needed_by[0]})",
        )


def _silent_trap(graph: Graph) -> Iterator[Sight]:
    for layer in runtime.trapped(graph):
        yield Sight(where=layer.where, found=f"version {layer.operator.version}")


def _unknown(graph: Graph) -> Iterator[Sight]:
    for name in runtime.of(graph).unknown:
        yield Sight(where=name, found="in no table of versions")


def _too_new(graph: Graph) -> Iterator[Sight]:
    needs = runtime.of(graph)
    if graph.model.format != "onnx" or needs.minimum is None:
        return
    if runtime.parse(needs.minimum) > runtime.parse(runtime.OLDEST_PHONE):
        yield Sight(where="the file", found=f"needs ONNX Runtime {', '.join(needs.reasons)}")


def _understated(graph: Graph) -> Iterator[Sight]:
    for operator, version in runtime.understated(graph):
        yield Sight(
            where=graph.model.named(operator),
            found=f"version {operator.version}",
            expected=f"version {version}, which takes its types",
        )


RULES: Final = (
    Rule(
        id="MD301",
        severity="note",
        title="no minimum runtime stated",
        expected="metadata entry min_runtime_version",
        hint="apps that read it cannot warn before they load the model",
        look=_no_claim,
    ),
    Rule(
        id="MD302",
        severity="warning",
        title="minimum runtime stated too low",
        expected="the release that its operators need",
        hint="do not trust the entry: older runtimes refuse the file, or compute it wrongly",
        look=_false_claim,
    ),
    Rule(
        id="MD303",
        severity="warning",
        title="silent trap: dense layer that TFLite 2.7 to 2.9 computes wrongly",
        expected=f"one weight scale, or version {runtime.GUARDED_DENSE}, which they refuse",
        hint="quantise the dense layer per tensor, or run it on TFLite 2.10 or newer only",
        look=_silent_trap,
    ),
    Rule(
        id="MD304",
        severity="note",
        title="version that no table knows",
        expected="nothing: the minimum runtime stays unknown",
        hint="try the file on the oldest runtime that the app ships with",
        look=_unknown,
    ),
    Rule(
        id="MD305",
        severity="warning",
        title="newer than the runtimes on phones",
        expected=f"operator set and IR version that ONNX Runtime {runtime.OLDEST_PHONE} takes: "
        "20 and 9 at most",
        hint="export with an older opset and set model.ir_version: few files need a new one",
        look=_too_new,
    ),
    Rule(
        id="MD306",
        severity="warning",
        title="operator version too low for its types",
        expected="the version from which the operator takes its types",
        hint="older runtimes take the file and fail when it runs; `runs on` allows for that",
        look=_understated,
    ),
)
