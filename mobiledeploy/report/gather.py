"""Make the document: what `verify` observed, and what else there is to say about the two files."""

import datetime as dt
from pathlib import Path

from mobiledeploy import manifest
from mobiledeploy.errors import RequestError
from mobiledeploy.lint import inspection
from mobiledeploy.network import network_file
from mobiledeploy.progress import Event, Progress, silent
from mobiledeploy.report import classification, graph_report, latency, shown
from mobiledeploy.report.document import FileCheck, Report
from mobiledeploy.verify import build, pair
from mobiledeploy.verify.int8 import Options
from mobiledeploy.verify.observed import Observed


def build_report(
    root: Path,
    *,
    data: str | None = None,
    samples: int | None = None,
    options: Options,
    progress: Progress = silent,
) -> Report:
    """Verify a build and return the whole report; arguments are those of `verify.build.observe`.

    Where the stage folders are still there, the float network in them is the reference of the
    layers' noise.
    """
    observed = build.observe(root, data=data, samples=samples, options=options, progress=progress)
    network = root / "train" / "network.npz"
    return _report(
        observed,
        [root / name for name in build.FILES],
        title=root.resolve().name,
        options=options,
        progress=progress,
        root=root,
        network=network if network.is_file() else None,
    )


def pair_report(
    first: Path,
    second: Path,
    *,
    data: str | None = None,
    samples: int | None = None,
    options: Options,
    progress: Progress = silent,
) -> Report:
    """Verify two files and return the whole report; see `verify.pair.observe`."""
    observed = pair.observe(
        first, second, data=data, samples=samples, options=options, progress=progress
    )
    names = " and ".join(file.name for file in observed.files)
    return _report(observed, [first, second], title=names, options=options, progress=progress)


def _report(
    observed: Observed,
    paths: list[Path],
    *,
    title: str,
    options: Options,
    progress: Progress,
    root: Path | None = None,
    network: Path | None = None,
) -> Report:
    if not options.keep:
        raise RequestError("expected options with `keep`: the report counts what was answered")
    graph = graph_report.of(
        observed,
        None if network is None else network_file.load(network),
        threads=options.threads,
        progress=progress,
    )
    progress(Event("report", "latency on this machine, in turns", 0, None))
    return Report(
        created=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        title=title,
        verdict=observed.report.verdict,
        verify=observed.report,
        classification=classification.of(observed),
        shown=shown.of(observed),
        activations=graph.activations,
        activations_missing=graph.activations_missing,
        cost=graph.cost,
        latency=latency.measure(observed.files),
        checks=tuple(
            _check(path, file.name) for path, file in zip(paths, observed.files, strict=True)
        ),
        manifest=None if root is None else manifest.read(root),
    )


def _check(path: Path, name: str) -> FileCheck:
    found = inspection.inspect_file(path)
    needed = found.runtime
    return FileCheck(
        file=name,
        kind=found.kind,
        runtime=f"{needed.name}, release not known"
        if needed.minimum is None
        else f"{needed.name} {needed.minimum} or later",
        producer=found.producer,
        weight_bytes=found.weight_bytes,
        findings=found.findings,
    )
