"""Charts as SVG that the server draws: no script, no style of their own, and a table that says the same in words.

Colours and fonts come from the style sheet by class, so that they follow dark and light.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

#: The size of the drawing, in its own units; the page scales it.
_WIDTH: Final = 640
_HEIGHT: Final = 220
#: Room for the words at its left and below it.
_LEFT: Final = 64
_BOTTOM: Final = 28
_TOP: Final = 12
_RIGHT: Final = 12
_GRID_LINES: Final = 4
#: So many words fit below it, in characters altogether.
_FITTING_CHARACTERS: Final = 90
_SPARK_WIDTH: Final = 120
_SPARK_HEIGHT: Final = 28
_NOTHING: Final = Markup("")


@dataclass(frozen=True)
class Series:
    """The values of one line, one for each word at the axis; ``None`` is a gap."""

    name: str
    values: Sequence[float | None]


def bars(title: str, pairs: Sequence[tuple[str, float]], unit: str = "") -> Markup:
    """Return a chart of columns, which is a histogram where the words are ranges.

    Args:
        title: what it shows, in words.
        pairs: a word and a value for each column, none negative.
        unit: of the values, for the words beside it.
    """
    top = _ceiling([value for _, value in pairs])
    step = _plot_width() / max(len(pairs), 1)
    gap = min(step * 0.15, 8)
    columns = Markup("").join(
        Markup(
            '<rect class="column" x="{}" y="{}" width="{}" height="{}"><title>{}: {}</title></rect>'
        ).format(
            _at(_LEFT + step * at + gap / 2),
            _at(_y(value, top)),
            _at(step - gap),
            _at(_y(0, top) - _y(value, top)),
            word,
            _number(value),
        )
        for at, (word, value) in enumerate(pairs)
    )
    words = [word for word, _ in pairs]
    table = _table(title, words, [Series(unit or "value", [value for _, value in pairs])])
    return _figure(title, _grid(top) + columns + _axis(words, step / 2), table)


def lines(title: str, words: Sequence[str], series: Sequence[Series]) -> Markup:
    """Return a chart of lines over the same words, such as days or rounds of a training.

    Args:
        title: what it shows, in words.
        words: along the axis, one for each value.
        series: the lines, none with negative values; a legend names them if they are several.
    """
    values = [value for one in series for value in one.values if value is not None]
    top = _ceiling(values)
    step = _plot_width() / max(len(words) - 1, 1)
    drawn = Markup("").join(
        Markup('<polyline class="line series-{}" points="{}"><title>{}</title></polyline>').format(
            at % 6, points, one.name
        )
        for at, one in enumerate(series)
        for points in _stretches(one.values, step, top)
    )
    return _figure(title, _grid(top) + drawn + _axis(words, 0), _table(title, words, series), _legend(series))


def sparkline(title: str, values: Sequence[float]) -> Markup:
    """Return a small line without axes, for a cell of a table."""
    top = max(values, default=0.0) or 1.0
    step = _SPARK_WIDTH / max(len(values) - 1, 1)
    points = " ".join(
        f"{_at(step * at)},{_at(_SPARK_HEIGHT - 2 - (_SPARK_HEIGHT - 4) * value / top)}"
        for at, value in enumerate(values)
    )
    return Markup(
        '<svg class="spark" role="img" viewBox="0 0 {} {}"><title>{}</title><polyline class="line series-0" '
        'points="{}"></polyline></svg>'
    ).format(_SPARK_WIDTH, _SPARK_HEIGHT, title, points)


def interval(
    title: str, value: float, low: float, high: float, marks: Sequence[tuple[str, float]], top: float
) -> Markup:
    """Return a value with its interval, beside marks of others, for a cell of a table.

    Args:
        title: what it shows, in words.
        value: between ``low`` and ``high``.
        low: where the interval begins.
        high: where it ends.
        marks: a name and a value of each of the others.
        top: the value at the end of the line, the same for all cells that are compared; none is negative.
    """

    def x(of: float) -> str:
        return _at(4 + (_SPARK_WIDTH - 8) * of / (top or 1.0))

    middle = _SPARK_HEIGHT // 2
    ticks = Markup("").join(
        Markup('<line class="mark series-{}" x1="{}" x2="{}" y1="4" y2="{}"></line>').format(
            at % 6 + 1, x(of), x(of), _SPARK_HEIGHT - 4
        )
        for at, (_, of) in enumerate(marks)
    )
    others = "".join(f", {name} {_number(of)}" for name, of in marks)
    return Markup(
        '<svg class="spark" role="img" viewBox="0 0 {} {}"><title>{}: {}, from {} to {}{}</title>'
        '<line class="grid" x1="4" x2="{}" y1="{}" y2="{}"></line>{}'
        '<line class="range" x1="{}" x2="{}" y1="{}" y2="{}"></line>'
        '<circle class="dot" cx="{}" cy="{}" r="4"></circle></svg>'
    ).format(
        *(_SPARK_WIDTH, _SPARK_HEIGHT, title, _number(value), _number(low), _number(high), others),
        *(_SPARK_WIDTH - 4, middle, middle, ticks),
        *(x(low), x(high), middle, middle, x(value), middle),
    )


def _figure(title: str, drawn: Markup, table: Markup, legend: Markup = _NOTHING) -> Markup:
    return Markup(
        '<figure class="chart"><figcaption>{}</figcaption>{}<svg role="img" viewBox="0 0 {} {}" '
        'preserveAspectRatio="xMidYMid meet"><title>{}</title><desc>The table below the chart has its numbers.</desc>'
        "{}</svg><details><summary>The numbers</summary>{}</details></figure>"
    ).format(title, legend, _WIDTH, _HEIGHT, title, drawn, table)


def _legend(series: Sequence[Series]) -> Markup:
    if len(series) < 2:
        return _NOTHING
    names = Markup("").join(
        Markup('<li class="series-{}">{}</li>').format(at % 6, one.name) for at, one in enumerate(series)
    )
    return Markup('<ul class="legend">{}</ul>').format(names)


def _table(title: str, words: Sequence[str], series: Sequence[Series]) -> Markup:
    """Return the same as a table."""
    heads = Markup("").join(Markup('<th scope="col" class="end">{}</th>').format(one.name) for one in series)
    rows = Markup("").join(
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(
            word,
            Markup("").join(
                Markup('<td class="end">{}</td>').format(
                    "" if one.values[at] is None else _number(one.values[at])
                )
                for one in series
            ),
        )
        for at, word in enumerate(words)
    )
    return Markup(
        '<div class="scroll" tabindex="0" role="region" aria-label="Numbers: {}"><table><thead><tr><td></td>{}</tr>'
        "</thead><tbody>{}</tbody></table></div>"
    ).format(title, heads, rows)


def _grid(top: float) -> Markup:
    """Return the lines at round values, with their values."""
    return Markup("").join(
        Markup(
            '<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"></line><text class="tick end" x="{}" y="{}">{}</text>'
        ).format(_LEFT, _WIDTH - _RIGHT, _at(y), _at(y), _LEFT - 8, _at(y + 4), _number(value))
        for value in (top * part / _GRID_LINES for part in range(_GRID_LINES + 1))
        for y in (_y(value, top),)
    )


def _axis(words: Sequence[str], offset: float) -> Markup:
    """Return the words below the drawing: as many as fit."""
    longest = max(map(len, words), default=1) + 2
    every = max(1, -(-len(words) * longest // _FITTING_CHARACTERS))
    step = _plot_width() / max(len(words) - (0 if offset else 1), 1)
    return Markup("").join(
        Markup('<text class="tick {}" x="{}" y="{}">{}</text>').format(
            "middle" if offset or at < len(words) - 1 else "end",
            _at(_LEFT + offset + step * at),
            _HEIGHT - 8,
            word,
        )
        for at, word in enumerate(words)
        if at % every == 0
    )


def _stretches(values: Sequence[float | None], step: float, top: float) -> list[str]:
    """Return the points of each stretch without a gap."""
    stretches: list[list[str]] = [[]]
    for at, value in enumerate(values):
        if value is None:
            stretches.append([])
        else:
            stretches[-1].append(f"{_at(_LEFT + step * at)},{_at(_y(value, top))}")
    return [" ".join(points) for points in stretches if points]


def _plot_width() -> int:
    return _WIDTH - _LEFT - _RIGHT


def _y(value: float, top: float) -> float:
    """Return the height of a value, from the top of the drawing."""
    return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - value / top)


def _ceiling(values: Sequence[float]) -> float:
    """Return the least round number of which no value is above: 1, 2, 4 or 8 times a power of ten."""
    largest = max(values, default=0.0)
    if largest <= 0:
        return 1.0
    power = 1.0
    while power * 10 <= largest:
        power *= 10
    while power > largest:
        power /= 10
    return next(power * step for step in (1, 2, 4, 8, 10) if power * step >= largest)


def _at(place: float) -> str:
    """Return a place in the drawing, short."""
    return f"{place:.1f}".removesuffix(".0")


def _number(value: float | None) -> str:
    """Return a value as people read it."""
    if value is None:
        return ""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if letter == 'k' else size):.3g} {letter}"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.3g}"
