"""Where the text of a filter goes wrong, out of what refuses it."""

import re
from typing import Final

_PLACE: Final = re.compile(r"\(character (\d+)\)")
_WORD: Final = re.compile(r"\w+|\S")


def marked(text: str, message: str) -> tuple[str, str, str] | None:
    """Return a text in three parts, of which the second is what a message is about; ``None`` if it names no place.

    Args:
        text: of a filter.
        message: which may have ``(character 35)``, counted from 1.
    """
    found = _PLACE.search(message)
    if found is None:
        return None
    begin = min(int(found[1]) - 1, len(text))
    word = _WORD.match(text, begin)
    end = begin if word is None else word.end()
    return text[:begin], text[begin:end], text[end:]
