"""A report in files, `report.json`, `report.html`, `certificate.json`: all made, then written."""

from pathlib import Path

from mobiledeploy.base import codec, files
from mobiledeploy.report import page
from mobiledeploy.report.document import Report

CERTIFICATE = "certificate.json"


def write(folder: Path, report: Report) -> None:
    """Write a report's files; an older certificate that is not this report's goes.

    Raises:
        StorageError: A file cannot be written.
    """
    found = {"report.html": page.render(report).encode(), "report.json": codec.to_json(report)}
    if report.verify.certificate is not None:
        found[CERTIFICATE] = codec.to_json(report.verify.certificate)
    with files.storage_errors(folder):
        (folder / CERTIFICATE).unlink(missing_ok=True)
    for name, data in found.items():
        files.write_atomic(folder / name, data)
