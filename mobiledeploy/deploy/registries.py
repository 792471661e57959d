"""Download files through the registries' own clients, Maven and npm.

The clients know the user's mirrors, proxies and credentials; this file names no host.
"""

import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from mobiledeploy.deploy.pins import coordinate
from mobiledeploy.errors import DownloadError, MissingDependencyError

COPY: Final = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
CONNECT_TIMEOUT: Final = 20_000
"""Milliseconds without an answer after which Maven gives up."""
TIMEOUT: Final = 1800.0
"""Seconds after which a client is stopped."""
_OFFLINE: Final = (
    "is the network reachable, and the registry served there? "
    "On a machine that has the files, `mobiledeploy tools --fetch PART` fills a cache folder "
    "that can be copied; MOBILEDEPLOY_CACHE names it"
)


def maven(coordinates: Sequence[str], folder: Path) -> None:
    """Copy artifacts into a folder under Maven's file names, without what they depend on.

    Args:
        coordinates: `group:artifact:version[:type[:classifier]]` each.
        folder: An empty folder.

    Raises:
        MissingDependencyError: There is no Maven.
        DownloadError: An artifact cannot be had.
    """
    program = _program("mvn", "maven")
    pom = folder / "pom.xml"
    pom.write_text(_pom(coordinates, folder), encoding="utf-8")
    command = [
        program, "-B", "-q", "-f", str(pom),
        f"-Daether.connector.connectTimeout={CONNECT_TIMEOUT}",
        f"-Dmaven.wagon.http.connectionTimeout={CONNECT_TIMEOUT}",
        COPY,
    ]  # fmt: skip
    by_hand = f"mvn dependency:get -Dtransitive=false -Dartifact={coordinates[0]}"
    _run(command, folder, what=", ".join(coordinates), by_hand=by_hand)
    pom.unlink()


def npm(package: str, member: str, target: Path) -> None:
    """Download a package and keep one of its files.

    Args:
        package: `name@version`.
        member: Path of the file in the package's archive.
        target: Where to put it; its folder is used as scratch space.

    Raises:
        MissingDependencyError: There is no npm.
        DownloadError: The package cannot be had, or does not hold the file.
    """
    program = _program("npm", "npm")
    command = [program, "pack", "--silent", package]
    _run(command, target.parent, what=package, by_hand=f"npm pack {package}")
    packed = sorted(target.parent.glob("*.tgz"))
    if len(packed) != 1:
        raise DownloadError(f"npm gave {len(packed)} archives for {package}, expected one")
    try:
        with tarfile.open(packed[0]) as archive:
            source = archive.extractfile(member)
            if source is None:
                raise DownloadError(f"{package}: {member} is no file")
            with source, target.open("wb") as out:
                shutil.copyfileobj(source, out)
    except KeyError as error:
        raise DownloadError(f"{package} holds no {member}") from error
    except (tarfile.TarError, EOFError) as error:
        raise DownloadError(f"{package} came damaged: {error}", hint="try again") from error
    packed[0].unlink()


def _program(name: str, debian: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise MissingDependencyError(
            f"`{name}` is not installed: it downloads the Android tools",
            hint=f"on Debian or Ubuntu: `apt-get install {debian}`",
        )
    return found


def _run(command: list[str], folder: Path, *, what: str, by_hand: str) -> None:
    try:
        run = subprocess.run(
            command, cwd=folder, capture_output=True, timeout=TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise DownloadError(f"{what} did not come within {TIMEOUT:.0f} s") from error
    if run.returncode:
        said = (run.stdout + run.stderr).decode(errors="replace").splitlines()
        reason = next((line for line in said if "ERR" in line), f"exit status {run.returncode}")
        raise DownloadError(
            f"cannot download {what}: {reason.strip()}", hint=f"try `{by_hand}`; {_OFFLINE}"
        )


def _pom(coordinates: Sequence[str], folder: Path) -> str:
    """Return a project whose only content is the list of files to copy."""
    tags = ("groupId", "artifactId", "version", "type", "classifier")
    items = "".join(
        "<artifactItem>"
        + "".join(
            f"<{tag}>{escape(value)}</{tag}>"
            for tag, value in zip(tags, coordinate(text), strict=True)
            if value
        )
        + "</artifactItem>"
        for text in coordinates
    )
    group, artifact, version, _ = COPY.split(":")
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>mobiledeploy</groupId><artifactId>tools</artifactId><version>1</version>"
        "<packaging>pom</packaging><build><plugins><plugin>"
        f"<groupId>{group}</groupId><artifactId>{artifact}</artifactId>"
        f"<version>{version}</version><configuration>"
        f"<outputDirectory>{escape(str(folder))}</outputDirectory>"
        f"<useBaseVersion>true</useBaseVersion><artifactItems>{items}</artifactItems>"
        "</configuration></plugin></plugins></build></project>"
    )
