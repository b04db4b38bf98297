"""Whether resources are what they were: asked in the transaction that relies on it."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import sqlalchemy as sa

_STAMPS: Final = "SELECT arn, seq, status, updated_at FROM resource WHERE arn IN ({}) ORDER BY arn"


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
            query = stamps_of(len(self._arns))
            if not local:
                query = query.replace("?", "%s") + " FOR SHARE"
            cursor = connection.connection.cursor()  # SQLAlchemy takes longer than this statement
            cursor.execute(query, self._arns)
            self.was = [tuple(row) for row in cursor.fetchall()] == self._stamps
        return self.was


@lru_cache(maxsize=64)
def stamps_of(n: int) -> str:
    """Return the SELECT of what changes with ``n`` resources, with ``?``: rows as ``Resource.stamp``, by ARN."""
    return _STAMPS.format(marks(n))


def marks(n: int) -> str:
    """Return ``n`` marks for values of a statement, with commas."""
    return ", ".join(["?"] * n)
