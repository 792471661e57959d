"""How a runtime failed on a file: facts for the report, and the same in words."""

import dataclasses
from typing import Literal, TypeAlias

from mobiledeploy.base.errors import DEATHS, CorruptFileError, RuntimeDiedError

Kind: TypeAlias = Literal["signal", "time", "memory", "nonsense", "refusal"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeFailure:
    """A runtime that died of a file, or refused it, where what apps use may have run it.

    Attributes:
        kind: `signal`: it was killed by one. `time`, `memory`: it took more than it may.
            `nonsense`: its process answered what is no answer. `refusal`: it said that it cannot
            run the file.
        detail: The signal's name, the limit, or what it said.
        inputs: The set of images that it died on; empty where it did not come so far.
        images: How many images of that set it was to run.
        number: Which of those it dies of on its own, from 1; None if that is not known.
        image: Name of that image; empty if it is not known.
    """

    kind: Kind
    detail: str
    inputs: str = ""
    images: int = 0
    number: int | None = None
    image: str = ""

    @property
    def words(self) -> str:
        """What happened and where, in words that follow the runtime's name."""
        return self.how if self.kind == "refusal" else f"{self.how} {self.place}"

    @property
    def how(self) -> str:
        """What happened."""
        if self.kind == "refusal":
            return f"refused the file ({self.detail})"
        return DEATHS[self.kind].format(self.detail)

    @property
    def place(self) -> str:
        """Where it died."""
        if not self.inputs:
            return "while it loaded the file"
        if self.number is None:
            return f"on {self.images} {self.inputs}"
        return f"on image {self.number} of {self.images} {self.inputs}, `{self.image}`"


def of(
    error: RuntimeDiedError | CorruptFileError,
    *,
    inputs: str = "",
    images: int = 0,
    number: int | None = None,
    image: str = "",
) -> RuntimeFailure:
    """Return the facts of what a session raised; see `RuntimeFailure` for the other arguments."""
    if isinstance(error, CorruptFileError):
        return RuntimeFailure(kind="refusal", detail=str(error))
    return RuntimeFailure(
        kind=error.death,
        detail=error.detail,
        inputs=inputs,
        images=images,
        number=number,
        image=image,
    )
