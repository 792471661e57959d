"""Download files through the registries' own clients, Maven and npm.

The clients know the user's mirrors, proxies and credentials; this file names no host.
"""

import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from mobiledeploy.base import programs
from mobiledeploy.base.errors import DownloadError
from mobiledeploy.deploy.pins import coordinate

COPY: Final = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
CONNECT_TIMEOUT: Final = 20_000
"""Milliseconds without an answer after which Maven gives up."""
TIMEOUT: Final = 1800.0
"""Seconds after which a client is stopped."""
_PURPOSE: Final = "downloads the Android tools"
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
    program = programs.find("mvn", purpose=_PURPOSE, package="maven")
    pom = folder / "pom.xml"
    pom.write_text(_pom(coordinates, folder), encoding="utf-8")
    by_hand = f"mvn dependency:get -Dtransitive=false -Dartifact={coordinates[0]}"
    _run(
        program, "-B", "-q", "-f", pom,
        f"-Daether.connector.connectTimeout={CONNECT_TIMEOUT}",
        f"-Dmaven.wagon.http.connectionTimeout={CONNECT_TIMEOUT}",
        COPY,
        folder=folder, what=", ".join(coordinates), by_hand=by_hand,
    )  # fmt: skip
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
    program = programs.find("npm", purpose=_PURPOSE, package="npm")
    by_hand = f"npm pack {package}"
    _run(
        program, "pack", "--loglevel=error", "--fetch-retries=1", package,
        folder=target.parent, what=package, by_hand=by_hand,
    )  # fmt: skip
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


def _run(*command: str | Path, folder: Path, what: str, by_hand: str) -> None:
    def failed(message: str) -> DownloadError:
        return DownloadError(message, hint=f"try `{by_hand}`; {_OFFLINE}")

    programs.run(*command, failed=failed, what=f"download of {what}", cwd=folder, timeout=TIMEOUT)


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
