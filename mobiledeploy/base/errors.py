"""Every error mobiledeploy raises on purpose, each with its own exit status.

They stand in one file so that no two share a status (a test checks it). A message says what
was expected and what was received, without a final period; `hint` is the next thing to try.
"""

from typing import ClassVar, Final, Literal, TypeAlias

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


Death: TypeAlias = Literal["signal", "time", "memory", "nonsense"]
"""How a runtime ends: killed by a signal; given up after too long, or with too much memory; or
after an answer that is none."""

DEATHS: Final[dict[Death, str]] = {
    "signal": "died ({})",
    "time": "took longer than {}",
    "memory": "took more memory than {}",
    "nonsense": "answered nonsense ({})",
}
"""The same in words that follow the runtime's name; what stands in braces is the detail."""


class RuntimeDiedError(ParityError):
    """A runtime died of a file: no proof that the file is damaged, and none that it is sound.

    Attributes:
        file: Its name.
        runtime: Its title.
        death: How it ended.
        detail: The signal's name, the limit, or what is wrong with the answer.
        loading: Whether it had not yet loaded the file.
        image: Number of the image in the batch, from 0, that it dies of on its own; None if that
            is not known.
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
            file: See above, as all but the last two.
            runtime: Likewise.
            death: Likewise.
            detail: Likewise.
            loading: Likewise.
            image: Likewise.
            where: On which images, in words; empty if that is not known.
            hint: What the user can do about it.
        """
        self.file, self.runtime, self.death, self.detail = file, runtime, death, detail
        self.loading, self.image = loading, image
        place = "while it loaded the file" if loading else where
        super().__init__(f"{file}: {runtime} {self.how} {place}".rstrip(), hint=hint)

    @property
    def how(self) -> str:
        """How it ended, in words that follow its name."""
        return DEATHS[self.death].format(self.detail)


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
