"""All errors that mobiledeploy raises, each with its own exit status.

They are in one file so that no two share a status (a test checks it); docs/exit-statuses.md lists
them with the first line of each docstring. A message says what was
expected and what was received, without a final full stop; `hint` says what to try next.
"""

from typing import ClassVar, Final, Literal, TypeAlias

_GET_IT_AGAIN = (
    "the file is damaged, or not of the expected kind: get it again, or write it again with the "
    "program that made it"
)


class MobileDeployError(Exception):
    """Base of all errors that mobiledeploy raises.

    Attributes:
        hint: What the user can do about it, or None.
    """

    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class RequestError(MobileDeployError, ValueError):
    """The request is impossible: a path that does not exist, or options that do not fit."""

    exit_status = 2


class MissingDependencyError(MobileDeployError, ImportError):
    """An optional dependency is not installed."""

    exit_status = 3


class ConversionError(MobileDeployError):
    """A network cannot be expressed as int8, or a file holds what is not supported."""

    exit_status = 4


class ParityError(MobileDeployError):
    """Two files differ that should compute the same, or a required limit is exceeded."""

    exit_status = 5


Death: TypeAlias = Literal["signal", "time", "memory", "nonsense"]
"""How a runtime ended: by a signal, after too long a time, with too much memory, or with an answer
that cannot be read."""

DEATHS: Final[dict[Death, str]] = {
    "signal": "died ({})",
    "time": "took longer than {}",
    "memory": "took more memory than {}",
    "nonsense": "answered nonsense ({})",
}
"""How a runtime ended, to follow its name in a sentence; `{}` is replaced by the detail."""


class RuntimeDiedError(ParityError):
    """A runtime crashed while it ran a file, which need not mean that the file is damaged.

    Attributes:
        file: The file's name.
        runtime: The runtime's title.
        death: How it ended.
        detail: The signal's name, the limit, or what is wrong with the answer.
        loading: Whether it crashed while it loaded the file.
        image: Position in the batch, from 0, of an image on which it crashes; None if unknown.
    """

    def __init__(
        self,
        *,
        file: str,
        runtime: str,
        death: Death,
        detail: str,
        loading: bool = False,
        image: int | None = None,
        where: str = "",
        hint: str | None = None,
    ) -> None:
        """Make the message.

        Args:
            file: See the class.
            runtime: See the class.
            death: See the class.
            detail: See the class.
            loading: See the class.
            image: See the class.
            where: On which images it crashed, in words; empty if unknown.
            hint: What the user can do about it.
        """
        self.file, self.runtime, self.death, self.detail = file, runtime, death, detail
        self.loading, self.image = loading, image
        place = "while it loaded the file" if loading else where
        super().__init__(f"{file}: {runtime} {self.how} {place}".rstrip(), hint=hint)

    @property
    def how(self) -> str:
        """How the runtime ended, to follow its name in a sentence."""
        return DEATHS[self.death].format(self.detail)


class CorruptFileError(MobileDeployError):
    """A file is damaged, or missing from a build, or not the one that is expected."""

    exit_status = 6

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint or _GET_IT_AGAIN)


class BundleError(MobileDeployError):
    """A build does not fit into an app project."""

    exit_status = 7


class InterruptedBuildError(MobileDeployError):
    """A build was interrupted; the next one resumes it."""

    exit_status = 8


class StorageError(MobileDeployError, OSError):
    """A folder cannot be written, its disk is full, or another build is using it."""

    exit_status = 9


class DownloadError(MobileDeployError):
    """A download failed, or brought other bytes than expected."""

    exit_status = 10


class DeviceError(MobileDeployError):
    """A phone cannot be reached, or the app on it gave no answer."""

    exit_status = 11
