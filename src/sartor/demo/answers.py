"""What the demo shows of models and their answers: what was trained, and lists of items beside each other."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text


class Item(NamedTuple):
    """One item of the catalogue as people see it.

    Attributes:
        id: its id.
        title: its title.
        category: its first category.
    """

    id: str
    title: str
    category: str


_NONE = Item("", "", "")


def show_trainings(
    console: Console, records: Mapping[str, Mapping[str, Any]], seconds: Mapping[str, float]
) -> None:
    """Print a line for each training.

    Args:
        console: where to.
        records: what made each model, by recipe.
        seconds: how long each took, by recipe.
    """
    table = Table("recipe", "model", title="Trained", title_justify="left")
    for heading in ("rows", "users", "items", "seconds"):
        table.add_column(heading, justify="right")
    for recipe, record in records.items():
        counts = [f"{record[name]:,}" for name in ("interactions", "users", "items")]
        table.add_row(recipe.removeprefix("aws-"), record["model"], *counts, f"{seconds[recipe]:,.1f}")
    console.print(table)


def show_beside(
    console: Console, title: str, left: tuple[str, Sequence[Item]], right: tuple[str, Sequence[Item]]
) -> None:
    """Print two lists of items beside each other, each with its heading."""
    table = Table("", title=title, title_justify="left")
    for heading, _ in (left, right):
        table.add_column(Text(heading))
        table.add_column("category")
    rows = zip_longest(left[1], right[1], fillvalue=_NONE)
    for place, (one, other) in enumerate(rows, 1):
        table.add_row(str(place), *map(Text, (*one[1:], *other[1:])))
    console.print(table)


def show_moved(console: Console, title: str, before: Sequence[Item], after: Sequence[Item]) -> None:
    """Print an answer before and after something happened, and how each item moved."""
    table = Table("", title=title, title_justify="left")
    for heading in ("before", "category", "after", "category", "moved"):
        table.add_column(heading)
    places = {item: place for place, item in reversed(list(enumerate(before)))}
    rows = zip_longest(before, after, fillvalue=_NONE)
    for place, (one, other) in enumerate(rows):
        moved = _moved(places.get(other), place) if other.id else ""
        style = "bold" if moved == "new" else ""
        table.add_row(str(place + 1), *map(Text, (*one[1:], *other[1:])), Text(moved), style=style)
    console.print(table)
    new = sum(item not in places for item in after)
    console.print(f"{new} of {len(after)} items are new after one event.", highlight=False)


def _moved(before: int | None, after: int) -> str:
    """Return how an item moved: up, down, not, or it was not there."""
    if before is None:
        return "new"
    if before == after:
        return "="
    return f"up {before - after}" if before > after else f"down {after - before}"
