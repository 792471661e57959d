"""Bounds on the time or memory that reading a file may take.

Parts of a file may be shared: without a bound a small file could mean much work.
"""

from typing import Final

from mobiledeploy.base.errors import CorruptFileError

MOST_NAME: Final = 200
"""Characters that are kept of names that are only shown, such as those of operators: many parts of
a damaged file may share one long name."""
MOST_RANK: Final = 16
"""Most dimensions of a tensor."""


class StepLimit:
    """Counts down the steps that reading a file may still take."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    def take(self, steps: int) -> None:
        """Use up some steps.

        Raises:
            CorruptFileError: Fewer steps are left.
        """
        self._left -= steps
        if self._left < 0:
            raise CorruptFileError(
                "the file has so many parts, or shares them so often, that reading it would take "
                "too long",
                hint="no converter writes such files: it is damaged, or made to do harm",
            )
