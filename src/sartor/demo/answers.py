"""What the demo shows of models and their answers: what was trained, and lists of items beside each other."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

from sartor.console import terminal, texts


class Item(NamedTuple):
    """One item of the catalogue as people see it.

    Attributes:
        id: its id.
        title: its title.
        category: its first category, or the one that is asked for.
        categories: all of them.
    """

    id: str
    title: str
    category: str
    categories: tuple[str, ...] = ()


_NONE = Item("", "", "")


def trainings(provenances: Mapping[str, Mapping[str, Any]], seconds: Mapping[str, float]) -> str:
    """Return a table with a line for each training.

    Args:
        provenances: what made each model, by recipe.
        seconds: how long each took, by recipe.
    """
    rows = []
    for recipe, provenance in provenances.items():
        counts = [f"{provenance[name]:,}" for name in ("interactions", "users", "items")]
        rows.append((recipe.removeprefix("aws-"), provenance["model"], *counts, f"{seconds[recipe]:,.1f}"))
    headings = ("recipe", "model", "rows", "users", "items", "seconds")
    return terminal.table(headings, rows, title="Trained", align="<<>>>>")


def beside_baselines(recipe: str, training: Mapping[str, Any]) -> str:
    """Return how a recipe's version ranks beside plain baselines, and what its training warns of.

    Args:
        recipe: its name.
        training: what ``/sartor/v1`` answers about it.
    """
    parts = [f"{recipe} beside what needs no model, on the same users, with 95 % intervals:"]
    parts += filter(None, map(texts.bars, training["evaluation"]))
    return "\n\n".join([*parts, *training["record"]["warnings"]])


def beside(title: str, left: tuple[str, Sequence[Item]], right: tuple[str, Sequence[Item]]) -> str:
    """Return a table of two lists of items beside each other, each with its heading."""
    pairs = zip_longest(left[1], right[1], fillvalue=_NONE)
    rows = [(str(place), *_shown(one), *_shown(other)) for place, (one, other) in enumerate(pairs, 1)]
    return terminal.table(("", left[0], "category", right[0], "category"), rows, title=title)


def _shown(item: Item) -> tuple[str, str]:
    return item.title, item.category


def moved(title: str, before: Sequence[Item], after: Sequence[Item]) -> str:
    """Return a table of an answer before and after something happened, and how each item moved."""
    places = {item: place for place, item in reversed(list(enumerate(before)))}
    rows = []
    for place, (one, other) in enumerate(zip_longest(before, after, fillvalue=_NONE)):
        move = _move(places.get(other), place) if other.id else ""
        rows.append((str(place + 1), *_shown(one), *_shown(other), move))
    new = [place for place, item in enumerate(after) if item not in places]
    headings = ("", "before", "category", "after", "category", "moved")
    shown = terminal.table(headings, rows, title=title, bold_rows=new)
    return f"{shown}\n\n{len(new)} of {len(after)} items are new after one event."


def _move(before: int | None, after: int) -> str:
    """Return how an item moved: up, down, not, or it was not there."""
    if before is None:
        return "new"
    if before == after:
        return "="
    return f"up {before - after}" if before > after else f"down {after - before}"
