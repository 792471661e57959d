"""Download files by the registries' own programs, Maven and npm.

They know the user's mirrors, proxies and credentials; this file names no host.
"""

import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from mobiledeploy.base import programs
from mobiledeploy.base.errors import DownloadError

COPY: Final = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
CONNECT_TIMEOUT: Final = 20_000
"""Milliseconds that Maven waits for an answer."""
TIMEOUT: Final = 1800.0
"""Seconds after which a download is stopped."""
_PURPOSE: Final = "downloads the Android tools"
_OFFLINE: Final = (
    "check that the network and the registry can be reached. Without a network, copy the cache "
    "folder of a machine where `mobiledeploy tools --fetch PART` was run; MOBILEDEPLOY_CACHE "
    "names it"
)


def from_maven(coordinates: Sequence[str], folder: Path) -> None:
    """Download artifacts into a folder under Maven's file names, without their dependencies.

    Args:
        coordinates: One `group:artifact:version[:type[:classifier]]` an artifact.
        folder: An empty folder.

    Raises:
        MissingDependencyError: Maven is not installed.
        DownloadError: An artifact cannot be downloaded.
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


def from_npm(package: str, member: str, target: Path) -> None:
    """Download a package and keep one of its files.

    Args:
        package: `name@version`.
        member: Path of the file in the package's archive.
        target: The file to write; temporary files go into its folder.

    Raises:
        MissingDependencyError: npm is not installed.
        DownloadError: The package cannot be downloaded, or does not hold the file.
    """
    program = programs.find("npm", purpose=_PURPOSE, package="npm")
    by_hand = f"npm pack {package}"
    _run(
        program, "pack", "--loglevel=error", "--fetch-retries=1", package,
        folder=target.parent, what=package, by_hand=by_hand,
    )  # fmt: skip
    packed = sorted(target.parent.glob("*.tgz"))
    if len(packed) != 1:
        raise DownloadError(f"`npm pack {package}`: expected one archive, received {len(packed)}")
    try:
        with tarfile.open(packed[0]) as archive:
            source = archive.extractfile(member)
            if source is None:
                raise DownloadError(f"{package}: {member} is not a file")
            with source, target.open("wb") as out:
                shutil.copyfileobj(source, out)
    except KeyError as error:
        raise DownloadError(f"{package} holds no {member}") from error
    except (tarfile.TarError, EOFError) as error:
        raise DownloadError(f"{package} arrived damaged: {error}", hint="try again") from error
    packed[0].unlink()


def _run(*command: str | Path, folder: Path, what: str, by_hand: str) -> None:
    def failed(message: str) -> DownloadError:
        return DownloadError(message, hint=f"try `{by_hand}`; {_OFFLINE}")

    programs.run(*command, failed=failed, what=f"download of {what}", cwd=folder, timeout=TIMEOUT)


def _pom(coordinates: Sequence[str], folder: Path) -> str:
    """Return a Maven project that does nothing but copy files."""
    tags = ("groupId", "artifactId", "version", "type", "classifier")
    items = "".join(
        "<artifactItem>"
        + "".join(
            f"<{tag}>{escape(value)}</{tag}>"
            for tag, value in zip(tags, split_coordinate(text), strict=True)
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


def split_coordinate(text: str) -> tuple[str, str, str, str, str]:
    """Split a Maven coordinate into group, artifact, version, type and classifier.

    >>> split_coordinate("junit:junit:4.13.2")
    ('junit', 'junit', '4.13.2', 'jar', '')
    """
    group, artifact, version, *rest = text.split(":")
    kind, classifier = (*rest, *("jar", "")[len(rest) :])
    return group, artifact, version, kind, classifier
