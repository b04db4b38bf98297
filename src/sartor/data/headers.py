"""What a header that lacks columns has instead, in words that help."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

from sartor.data.schema import Schema, folded

#: What parts cells elsewhere; only a comma does here.
_DELIMITERS: Final = {";": ";", "\t": "a tab", "|": "|"}
_SHOWN_NAMES: Final = 20
_SHOWN_CHARACTERS: Final = 300
#: How alike two names are that may mean the same, from 0 to 1.
_ALIKE: Final = 0.75


def missing_columns(names: Sequence[str], schema: Schema) -> list[str]:
    """Return the schema's columns that a header does not have; case does not count."""
    there = {name.casefold() for name in names}
    return [field.name for field in schema.fields if field.name.casefold() not in there]


def in_words(names: Sequence[str], missing: Sequence[str]) -> str:
    """Return the header that a file has, and what may be wrong with it.

    Args:
        names: its names.
        missing: the columns that it lacks.
    """
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    header = f"{', '.join(names[:_SHOWN_NAMES])}{more}"
    if len(header) > _SHOWN_CHARACTERS:
        header = f"{header[:_SHOWN_CHARACTERS]}…"
    return "; ".join([f"the header is {header}", *_guesses(names, missing)])


def _guesses(names: Sequence[str], missing: Sequence[str]) -> list[str]:
    if len(names) == 1:
        for delimiter, word in _DELIMITERS.items():
            if delimiter in names[0]:
                return [f"is the delimiter {word}? It must be a comma"]
    others = {folded(name): name for name in names}
    found = ((column, get_close_matches(folded(column), others, 1, _ALIKE)) for column in missing)
    return [f"is {others[match[0]]} meant for {column}?" for column, match in found if match]
