"""How a statement is spelled where SQLAlchemy takes longer than its driver: once for each database."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Dialect:
    """The words in which databases differ.

    Attributes:
        mark: stands for a value.
        joined: the function that joins texts, with what stands between them.
        shared: ends a SELECT whose rows nobody else changes until the transaction ends.
    """

    mark: str
    joined: str
    shared: str

    def sql(self, text: str, n: int = 0) -> str:
        """Return a statement as the driver takes it.

        Args:
            text: SQL in which ``?`` is a value, ``{values}`` are ``n`` of them, and ``{joined}`` and ``{shared}`` are
                the words above.
            n: how many values a list in it has.
        """
        filled = text.format(values=", ".join("?" * n), joined=self.joined, shared=self.shared)
        return filled.replace("?", self.mark)


class Listing(dict[int, str]):
    """A statement with a list of values, by how many there are; each is spelled once.

    Args:
        dialect: of the database.
        text: as ``Dialect.sql`` takes it.
    """

    def __init__(self, dialect: Dialect, text: str) -> None:
        super().__init__()
        self._dialect = dialect
        self._text = text

    def __missing__(self, n: int) -> str:
        self[n] = self._dialect.sql(self._text, n)
        return self[n]


#: SQLite has one writer at a time, so what a writer reads stays as it is.
SQLITE: Final = Dialect("?", "group_concat", "")
POSTGRESQL: Final = Dialect("%s", "string_agg", "FOR SHARE")
