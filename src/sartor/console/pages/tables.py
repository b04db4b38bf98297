"""Tables that the server sorts, searches and parts into pages, by the parameters of the address.

``of_rows`` takes what fits in memory, up to some thousands of rows. What is larger is sorted and parted where it lies
and given to ``Table`` as the rows of one page, with the addresses of its neighbours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sartor.console.pages.page import Visit
from sartor.numbers import whole

#: The rows of a page, unless the address says otherwise.
PAGE_ROWS: Final = 50
_MOST_ROWS: Final = 500


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        key: of its values in the rows.
        title: its heading.
        sort: whether the address may ask for its order.
        end: whether it is set to the end of the cell, as numbers are.
    """

    key: str
    title: str
    sort: bool = False
    end: bool = False


@dataclass(frozen=True)
class Table:
    """One page of a table.

    Attributes:
        name: of its parameters in the address, where a page has several tables; else empty.
        caption: what it lists.
        columns: as they stand.
        rows: of this page.
        empty: what is said, and what to do next, where there is nothing.
        total: how many rows there are on all pages, as far as they were searched; ``None`` if nobody counted.
        sorted_by: the column whose order it has; with a minus in front from the largest on.
        search: what its rows were searched for; ``None`` if it cannot be searched.
        before: the address of the page before; empty on the first.
        after: the address of the next page; empty on the last.
        sort_links: the address that sorts by each column.
    """

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Any]]
    empty: str
    name: str = ""
    total: int | None = None
    sorted_by: str = ""
    search: str | None = None
    before: str = ""
    after: str = ""
    sort_links: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """What the address asks of a table.

    Attributes:
        search: the text that is searched for.
        sort: the column whose order is wanted; empty for the order in which rows come.
        descending: whether from the largest on.
        page: from 0.
        rows: of a page.
    """

    search: str
    sort: str
    descending: bool
    page: int
    rows: int


def asked_of(visit: Visit, columns: Sequence[Column], name: str = "", sort: str = "") -> Asked:
    """Return what the address asks of a table; what it cannot ask is left out.

    Args:
        visit: whose address.
        columns: of the table.
        name: of its parameters, where a page has several tables.
        sort: the order that it has unless the address says otherwise; with a minus in front from the largest on.
    """
    query = visit.query
    wanted = query.get(f"{name}sort", sort)
    key = wanted.removeprefix("-")
    if key not in {one.key for one in columns if one.sort}:
        wanted, key = sort, sort.removeprefix("-")
    page = whole(query.get(f"{name}page", "1"), 1, 10**9) or 1
    rows = whole(query.get(f"{name}rows", ""), 1, _MOST_ROWS) or PAGE_ROWS
    return Asked(query.get(f"{name}search", "").strip(), key, wanted.startswith("-"), page - 1, rows)


def of_rows(
    visit: Visit,
    caption: str,
    columns: Sequence[Column],
    rows: Sequence[Mapping[str, Any]],
    empty: str,
    name: str = "",
    sort: str = "",
    searched: Sequence[str] = (),
) -> Table:
    """Return the page of a table that the address asks for.

    Args:
        visit: whose address.
        caption: what it lists.
        columns: as they stand.
        rows: all of them.
        empty: what is said where there is nothing.
        name: of its parameters, where a page has several tables.
        sort: the order unless the address says otherwise.
        searched: the keys in whose values a search looks; without one it cannot be searched.
    """
    asked = asked_of(visit, columns, name, sort)
    word = asked.search.casefold()
    if word and searched:
        rows = [row for row in rows if any(word in str(row.get(key, "")).casefold() for key in searched)]
        empty = f"Nothing has “{asked.search}”."
    if asked.sort:
        rows = sorted(rows, key=lambda row: _order(row.get(asked.sort)), reverse=asked.descending)
    first = asked.page * asked.rows
    shown = rows[first : first + asked.rows]
    return Table(
        caption,
        columns,
        shown,
        empty,
        name,
        len(rows),
        f"{'-' if asked.descending else ''}{asked.sort}",
        asked.search if searched else None,
        **neighbours(visit, asked, first + asked.rows < len(rows), name),
        sort_links=sort_links(visit, asked, columns, name),
    )


def neighbours(visit: Visit, asked: Asked, has_more: bool, name: str = "") -> dict[str, str]:
    """Return the addresses of the pages before and after one, as ``Table`` takes them."""
    return {
        "before": visit.link(**{f"{name}page": asked.page if asked.page > 1 else None}) if asked.page else "",
        "after": visit.link(**{f"{name}page": asked.page + 2}) if has_more else "",
    }


def sort_links(visit: Visit, asked: Asked, columns: Sequence[Column], name: str = "") -> dict[str, str]:
    """Return the address that sorts by each column: the other way round for the one that sorts now."""
    return {
        one.key: visit.link(
            **{f"{name}sort": f"{'-' if one.key == asked.sort and not asked.descending else ''}{one.key}"},
            **{f"{name}page": None},
        )
        for one in columns
        if one.sort
    }


def _order(value: Any) -> tuple[int, Any]:
    """Return what sorts values of all sorts: nothing first, then numbers, then texts in any case."""
    if value is None or value == "":
        return 0, 0
    if isinstance(value, int | float):
        return 1, value
    return 2, str(value).casefold()
