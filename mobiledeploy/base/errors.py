"""Every error mobiledeploy raises on purpose, each with its own exit status.

They stand in one file so that no two share a status (a test checks it). A message says what
was expected and what was received, without a final period; `hint` is the next thing to try.
"""

from typing import ClassVar

_GET_IT_AGAIN = (
    "the file is damaged, or not what it is taken for: fetch it again, or have the program that "
    "wrote it write it anew"
)


class MobileDeployError(Exception):
    """Base of all deliberate errors.

    Attributes:
        hint: What the user can do about it, or None.
    """

    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class RequestError(MobileDeployError, ValueError):
    """The request is impossible or contradictory: options, data and weights that do not fit."""

    exit_status = 2


class MissingDependencyError(MobileDeployError, ImportError):
    """An optional dependency is not installed."""

    exit_status = 3


class ConversionError(MobileDeployError):
    """A network cannot be expressed as int8, or a file holds what we cannot express."""

    exit_status = 4


class ParityError(MobileDeployError):
    """Two files that claim to be the same function are not, or a gate was missed."""

    exit_status = 5


class CorruptFileError(MobileDeployError):
    """A file is missing, damaged, or not the one that the manifest names."""

    exit_status = 6

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint or _GET_IT_AGAIN)


class BundleError(MobileDeployError):
    """A build does not fit into an app project."""

    exit_status = 7


class InterruptedBuildError(MobileDeployError):
    """A build was stopped from outside; it can go on from where it was."""

    exit_status = 8


class StorageError(MobileDeployError, OSError):
    """A folder cannot be written, is full, or is held by another build."""

    exit_status = 9


class DownloadError(MobileDeployError):
    """A download failed or brought other bytes than were expected."""

    exit_status = 10


class DeviceError(MobileDeployError):
    """A phone cannot be reached, or the app on it gave no answer."""

    exit_status = 11
