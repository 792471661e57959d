"""Make the report of a verification.

The report holds the results of `verify` and of `inspect`, with measurements of the two files.
"""

import datetime as dt
from pathlib import Path
from typing import Final

from mobiledeploy.base import codec, files
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.lint import inspection
from mobiledeploy.network.network import Network, load_network
from mobiledeploy.report import classification, example_images, int8_graph, latency, page
from mobiledeploy.report.document import FileCheck, Report
from mobiledeploy.spec import manifest
from mobiledeploy.spec.manifest import Manifest
from mobiledeploy.verify import build
from mobiledeploy.verify.pair import Observed

CERTIFICATE: Final = "certificate.json"


def of_build(
    observed: Observed, root: Path, *, threads: int = 1, progress: Progress = silent
) -> Report:
    """Return the report of a build.

    The int8 activations are compared with those of the float network, if the build folder still
    holds it.

    Args:
        observed: Result of `verify` with `Options.keep`, without which it holds no single images.
        root: The build folder.
        threads: Images that run at a time.
        progress: Called with what is being done.

    Raises:
        CorruptFileError: A file cannot be read, or a runtime crashes on it.
    """
    network = root / "train" / "network.npz"
    return _report(
        observed,
        (root / build.FILES[0], root / build.FILES[1]),
        title=root.resolve().name,
        made=manifest.read(root),
        network=load_network(network) if network.is_file() else None,
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
    graph = int8_graph.report_on_graph(observed, network, threads=threads, progress=progress)
    progress(Event("report", "latency of both files on this machine", 0, None))
    return Report(
        created=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        title=title,
        verdict=observed.report.verdict,
        verify=observed.report,
        classification=classification.classify(observed),
        shown=example_images.choose(observed),
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
    inspected = inspection.inspect_file(path)
    needed = inspected.runtime
    return FileCheck(
        file=name,
        format=inspected.format,
        size=inspected.size,
        sha256=inspected.sha256,
        kind=inspected.kind,
        runtime=f"{needed.name}, release not known"
        if needed.minimum is None
        else f"{needed.name} {needed.minimum} or later",
        producer=inspected.producer,
        weight_bytes=inspected.weight_bytes,
        findings=inspected.findings,
    )


def write(folder: Path, report: Report) -> None:
    """Write `report.html`, `report.json` and, if there is a certificate, `certificate.json`.

    A certificate of an earlier report is deleted. All files are made before the first is written.

    Raises:
        StorageError: A file cannot be written.
    """
    contents = {"report.html": page.render(report).encode(), "report.json": codec.to_json(report)}
    if report.verify.certificate is not None:
        contents[CERTIFICATE] = codec.to_json(report.verify.certificate)
    with files.storage_errors(folder):
        (folder / CERTIFICATE).unlink(missing_ok=True)
    for name, data in contents.items():
        files.write_atomic(folder / name, data)
