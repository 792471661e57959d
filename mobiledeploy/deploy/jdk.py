"""Find the Java development kit (JDK) of this machine."""

import dataclasses
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mobiledeploy.base import programs
from mobiledeploy.base.errors import MissingDependencyError

OLDEST: Final = 17
"""The oldest version that works: the Android API's class files are of Java 17."""
QUICK: Final = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""Options for a JVM that runs for seconds: they halve its CPU time, most of which the optimising
compiler would take."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Jdk:
    """A Java development kit.

    Attributes:
        java: The program that runs classes.
        javac: The Java compiler.
        keytool: The program that makes keys.
        home: The JDK's folder, which holds the classes of Java itself.
    """

    java: Path
    javac: Path
    keytool: Path
    home: Path


def installed() -> Jdk:
    """Return the JDK that `JAVA_HOME` names, else the one on the `PATH`.

    Raises:
        MissingDependencyError: There is none, or it is too old.
    """
    home = os.environ.get("JAVA_HOME")
    package = f"openjdk-{OLDEST}-jdk-headless"
    java, javac, keytool = (
        programs.find(
            name,
            purpose="comes with a Java development kit",
            package=package,
            folder=Path(home, "bin") if home else None,
        )
        for name in ("java", "javac", "keytool")
    )
    printed = programs.run(javac, "-version", failed=MissingDependencyError, what="javac -version")
    version = re.search(r"javac (\d+)", printed)
    if version is None or int(version[1]) < OLDEST:
        raise MissingDependencyError(
            f"expected a JDK of version {OLDEST} or newer, {javac} prints `{printed.strip()}`",
            hint=f"on Debian or Ubuntu: `apt-get install {package}`; JAVA_HOME chooses a JDK",
        )
    return Jdk(java=java, javac=javac, keytool=keytool, home=javac.resolve().parents[1])


def class_path_argument(files: Sequence[Path]) -> str:
    """Return files and folders as the value of Java's option `-cp`."""
    return os.pathsep.join(map(str, files))
