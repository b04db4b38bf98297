"""A dataset's statistics as pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from markupsafe import Markup

from sartor.console.pages import charts

#: So many points of time are drawn at most, and so many bars.
_POINTS: Final = 100
_BARS: Final = 12
#: So many letters of a value stand below its bar.
_WORD_CHARACTERS: Final = 20
#: A point of time is so many days, and what that is called.
_WIDTHS: Final = ((1, "day"), (7, "week"), (28, "four weeks"), (91, "13 weeks"), (364, "52 weeks"))
_COUNTED: Final = ("rows", "users", "items", "actions")


@dataclass(frozen=True)
class Pictures:
    """What a dataset's rows look like.

    Attributes:
        figures: what was counted, and how much of it there is.
        columns: of each, its name, its type, the share of missing values, distinct values, least and greatest.
        charts: the pictures.
    """

    figures: Sequence[tuple[str, float]]
    columns: Sequence[Mapping[str, Any]]
    charts: Sequence[Markup]


def pictures_of(found: Mapping[str, Any]) -> Pictures:
    """Return the pictures of statistics.

    Args:
        found: as ``/sartor/v1/datasets/ARN/statistics`` has them.
    """
    rows = found["rows"]
    columns = [{**one, "missing": one["nulls"] / rows if rows else None} for one in found["columns"]]
    drawn = [
        _over_time(found.get("eventsByDay") or ()),
        _bars(
            "Events by type",
            [(one["eventType"] or "(none)", one["events"]) for one in found.get("eventsByType", ())],
        ),
        _bars(
            "Histories: users by their number of events",
            [(one["events"], one["users"]) for one in found.get("usersByEvents", ())],
            "users",
        ),
        *(
            _bars(
                f"The long tail: {target} by their number of events",
                [(one["events"], one[target]) for one in found.get(f"{target}ByEvents", ())],
                target,
            )
            for target in ("items", "actions")
        ),
        _bars(
            "Missing values, % of the rows",
            [(one["name"], 100 * one["missing"]) for one in columns if one["nulls"]],
            "% missing",
        ),
        *(
            _bars(f"{one['name']}: the largest of {one['categories']:,} categories", _top(one), "rows")
            for one in columns
            if one.get("categories")
        ),
    ]
    figures = [(name, found[name]) for name in _COUNTED if name in found]
    return Pictures(figures, columns, [one for one in drawn if one])


def _top(column: Mapping[str, Any]) -> list[tuple[str, float]]:
    return [(one["category"], one["rows"]) for one in column.get("topCategories", ())]


def _bars(title: str, pairs: Sequence[tuple[str, float]], unit: str = "events") -> Markup:
    """Return the largest as columns; nothing of nothing."""
    shown = [(_cut(word), value) for word, value in pairs[:_BARS]]
    if not any(value for _, value in shown):
        return Markup("")
    if len(pairs) > _BARS:
        title = f"{title}, the first {_BARS} of {len(pairs):,}"
    return charts.bars(title, shown, unit)


def _cut(word: str) -> str:
    return word if len(word) <= _WORD_CHARACTERS else f"{word[: _WORD_CHARACTERS - 1]}…"


def _over_time(days: Sequence[Mapping[str, Any]]) -> Markup:
    """Return the events over time, of days or of several days at a time; where there were none, the line is at zero."""
    if len(days) < 2:
        return Markup("")
    first, last = date.fromisoformat(days[0]["day"]), date.fromisoformat(days[-1]["day"])
    span = (last - first).days + 1
    width, called = next((one for one in _WIDTHS if span <= one[0] * _POINTS), (-(-span // _POINTS), ""))
    counts = [0.0] * -(-span // width)
    for one in days:
        counts[(date.fromisoformat(one["day"]) - first).days // width] += one["events"]
    words = [(first + timedelta(days=width * at)).isoformat() for at in range(len(counts))]
    each = called or f"{width:,} days"
    return charts.lines(f"Interactions over time, each {each}", words, [charts.Series("events", counts)])
