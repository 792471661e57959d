"""A bound on what a file may cost: parts may be shared, and small files then mean much work."""

from mobiledeploy.base.errors import CorruptFileError


class Work:
    """Steps that are left."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    def take(self, steps: int) -> None:
        """Do so many steps.

        Raises:
            CorruptFileError: There are not so many left.
        """
        self._left -= steps
        if self._left < 0:
            raise CorruptFileError(
                "the file has so many parts, or shares them so often, that reading it would take "
                "too long",
                hint="no converter writes such files: it is damaged, or made to do harm",
            )
