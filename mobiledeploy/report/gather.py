"""Make the document: what `verify` observed, and what else there is to say about the two files."""

import datetime as dt
from pathlib import Path

from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.lint import inspection
from mobiledeploy.network import network_file
from mobiledeploy.network.network import Network
from mobiledeploy.report import classification, graph_report, latency, shown
from mobiledeploy.report.document import FileCheck, Report
from mobiledeploy.spec import manifest
from mobiledeploy.spec.manifest import Manifest
from mobiledeploy.verify import build
from mobiledeploy.verify.pair import Observed


def of_build(
    observed: Observed, root: Path, *, threads: int = 1, progress: Progress = silent
) -> Report:
    """Return the report of a build.

    Where its stage folders are still there, the float network in them is the reference of the
    layers' noise.

    Args:
        observed: Made with `Options.keep`, or nothing is known of single images.
        root: The build folder.
        threads: Images that run at a time.
        progress: Told after every step.

    Raises:
        CorruptFileError: A file cannot be read, or a runtime dies of it.
    """
    network = root / "train" / "network.npz"
    return _report(
        observed,
        (root / build.FILES[0], root / build.FILES[1]),
        title=root.resolve().name,
        made=manifest.read(root),
        network=network_file.load(network) if network.is_file() else None,
        threads=threads,
        progress=progress,
    )


def of_pair(
    observed: Observed, paths: tuple[Path, Path], *, threads: int = 1, progress: Progress = silent
) -> Report:
    """Return the report of two files at `paths`; see `of_build`."""
    return _report(
        observed,
        paths,
        title=" and ".join(file.name for file in observed.files),
        made=None,
        network=None,
        threads=threads,
        progress=progress,
    )


def _report(
    observed: Observed,
    paths: tuple[Path, Path],
    *,
    title: str,
    made: Manifest | None,
    network: Network | None,
    threads: int,
    progress: Progress,
) -> Report:
    graph = graph_report.of(observed, network, threads=threads, progress=progress)
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
        manifest=made,
    )


def _check(path: Path, name: str) -> FileCheck:
    found = inspection.inspect_file(path)
    needed = found.runtime
    return FileCheck(
        file=name,
        format=found.format,
        size=found.size,
        sha256=found.sha256,
        kind=found.kind,
        runtime=f"{needed.name}, release not known"
        if needed.minimum is None
        else f"{needed.name} {needed.minimum} or later",
        producer=found.producer,
        weight_bytes=found.weight_bytes,
        findings=found.findings,
    )
