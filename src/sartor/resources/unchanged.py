"""Whether resources are what they were: asked in the transaction that relies on it."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa


class Unchanged:
    """Whether some resources are what they were: ARN, ``seq``, status and ``updated_at`` of those that exist.

    Args:
        arns: which resources.
        stamps: what they were.
        query: selects the same, as the database's driver takes it, and lets nobody change them meanwhile.

    Attributes:
        was: false once it has been seen that one of them has changed.
    """

    def __init__(self, arns: tuple[str, ...], stamps: Sequence[Sequence[Any]], query: str) -> None:
        self._arns = arns
        self._stamps = [tuple(row) for row in stamps]
        self._query = query
        self.was = True

    def __call__(self, connection: sa.Connection) -> bool:
        """Return whether they are; until the transaction ends no other one changes them."""
        if self.was:
            cursor = connection.connection.cursor()  # SQLAlchemy takes longer than this statement
            cursor.execute(self._query, self._arns)
            self.was = [tuple(row) for row in cursor.fetchall()] == self._stamps
        return self.was
