"""A filter expression's text, read into a tree: what it says, not yet whether the data allow it.

Source: the developer guide's "Filter expressions" and "Filter expression elements". ``check`` does the rest.
"""

from functools import lru_cache
from typing import Final, cast

from sartor.filters.tree import Condition, Filter

#: What every refusal of an expression begins with.
REFUSED: Final = "Could not create filter."


@lru_cache(maxsize=1024)
def parse(text: str) -> Filter:
    """Read a filter expression.

    Args:
        text: such as ``EXCLUDE ItemID WHERE Items.GENRE IN ("Comedy")``.

    Raises:
        ApiError: ``InvalidInputException`` that says where the text goes wrong, what stands there and what could.
    """
    read = cast(Filter, _read(text, "filter", REFUSED))
    return Filter(read.expressions, text)


def parse_conditions(text: str, refused: str) -> tuple[Condition, ...]:
    """Read conditions that must all hold, joined with AND.

    Args:
        text: such as ``Items.GENRE = "Comedy" AND Items.YEAR = 1994``.
        refused: what a refusal begins with.

    Raises:
        ApiError: as ``parse`` does.
    """
    return cast(tuple[Condition, ...], _read(text, "all_of", refused))


def _read(text: str, rule: str, refused: str) -> object:
    """Return what a rule of the grammar makes of a text."""
    from sartor.filters.grammar import read  # here: a service may have no filter, and starts without it

    return read(text, rule, refused)
