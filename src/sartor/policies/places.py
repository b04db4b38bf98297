"""Where something lies in the text of a JSON document."""

import json
import re
from typing import Final

#: The way to a value: names of members, and places in lists.
Path = tuple[str | int, ...]

_SPACE: Final = re.compile(r"[ \t\n\r]*")
_DECODER: Final = json.JSONDecoder()


def place_of(text: str, path: Path) -> tuple[int, int]:
    """Return line and column, from 1, of a member's name or a list's value; of what holds it, where there is none.

    Args:
        text: JSON without a fault.
        path: to what is looked for.
    """
    shown = at = _after_space(text, 0)
    for step in path:
        if isinstance(step, int) and text[at] != "[":
            continue  # what stands alone is its own first
        found = _step(text, at, step)
        if found is None:
            break
        shown, at = found
    before = text[:shown]
    return before.count("\n") + 1, shown - (before.rfind("\n") + 1) + 1


def _step(text: str, at: int, step: str | int) -> tuple[int, int] | None:
    """Return where a member or a value of a list is named, and where its value begins; ``None``: it is not there."""
    if text[at] not in "{[" or (text[at] == "{") is not isinstance(step, str):
        return None
    number, at = 0, _after_space(text, at + 1)
    while text[at] not in "}]":
        named, key = at, step
        if isinstance(step, str):
            key, at = _DECODER.raw_decode(text, at)
            at = _after_space(text, _after_space(text, at) + 1)
        if key == step and (isinstance(step, str) or number == step):
            return named, at
        at = _after_space(text, _DECODER.raw_decode(text, at)[1])
        number += 1
        if text[at] == ",":
            at = _after_space(text, at + 1)
    return None


def _after_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    assert match is not None  # it matches nothing too
    return match.end()
