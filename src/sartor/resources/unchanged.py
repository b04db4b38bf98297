"""Whether resources are what they were: asked in the transaction that relies on it."""

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa

#: What changes with resources; how many is filled in.
STAMPS: Final = "SELECT arn, seq, status, updated_at FROM resource WHERE arn IN ({}) ORDER BY arn"


class Unchanged:
    """Whether some resources are what they were: ARN, ``seq``, status and ``updated_at`` of those that exist.

    Args:
        arns: which resources.
        stamps: what they were.

    Attributes:
        was: false once it has been seen that one of them has changed.
    """

    def __init__(self, arns: tuple[str, ...], stamps: Sequence[Sequence[Any]]) -> None:
        self._arns = arns
        self._stamps = [tuple(row) for row in stamps]
        self.was = True

    def __call__(self, connection: sa.Connection) -> bool:
        """Return whether they are; until the transaction ends no other one changes them."""
        if self.was:
            local = connection.dialect.name == "sqlite"
            query = STAMPS.format(marks("?" if local else "%s", self._arns)) + ("" if local else " FOR SHARE")
            cursor = connection.connection.cursor()  # SQLAlchemy takes longer than this statement
            cursor.execute(query, self._arns)
            self.was = [tuple(row) for row in cursor.fetchall()] == self._stamps
        return self.was


def marks(mark: str, values: Sequence[Any]) -> str:
    """Return so many marks for values of a statement, with commas."""
    return ", ".join([mark] * len(values))
