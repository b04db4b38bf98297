"""From what a page shows to its HTML. All texts are escaped, whoever they are from."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

import jinja2
from markupsafe import Markup

from sartor import __version__
from sartor.console.pages import static

_UNITS: Final = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3))
_SPANS: Final = (("d", 86_400), ("h", 3_600), ("min", 60))


@cache
def environment() -> jinja2.Environment:
    """Return the templates; each is compiled once, at its first use."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("sartor.console.pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals.update(static=static.address, version=__version__)
    made.filters.update(
        moment=moment, number=number, size=size, lasted=lasted, percent=percent, pretty=pretty, short=short
    )
    return made


def rendered(template: str, words: Mapping[str, Any], part: str = "") -> str:
    """Return a page's HTML, or that of one block of it.

    Raises:
        KeyError: the template has no such block.
    """
    found = environment().get_template(template)
    components = environment().get_template("components.html")
    named = {**words, "ui": components.make_module(dict(words))}
    if not part:
        return found.render(named)
    return "".join(found.blocks[part](found.new_context(named)))


def moment(epoch_seconds: float | None) -> Markup:
    """Return a time: of UTC as it stands, which the script shows in the browser's time zone."""
    if epoch_seconds is None:
        return Markup("")
    at = datetime.fromtimestamp(epoch_seconds, UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        at.isoformat(timespec="seconds"), at.strftime("%Y-%m-%d %H:%M:%S UTC")
    )


def number(value: float | None, digits: int = 3) -> Markup:
    """Return a number, which the script shows as the browser's language writes it."""
    if value is None:
        return Markup("")
    whole = isinstance(value, int) or float(value).is_integer()
    text = f"{int(value):,}" if whole else f"{value:,.{digits}g}" if abs(value) < 1000 else f"{value:,.1f}"
    exact = str(int(value)) if whole else repr(round(float(value), 12))
    return Markup('<data value="{}">{}</data>').format(exact, text)


def size(count: float | None) -> str:
    """Return a number of bytes in the largest unit of which there is one."""
    if count is None:
        return ""
    for unit, bytes_of in _UNITS:
        if count >= bytes_of:
            return f"{count / bytes_of:.3g} {unit}"
    return f"{count:.0f} bytes"


def lasted(seconds: float | None) -> str:
    """Return how long something lasts in the largest unit of which there are two."""
    if seconds is None:
        return ""
    for unit, length in _SPANS:
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def percent(share: float | None) -> str:
    """Return a share of one."""
    return "" if share is None else f"{100 * share:.3g} %"


def pretty(value: Any) -> str:
    """Return a value as JSON over several lines."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def short(arn: str) -> str:
    """Return the end of an ARN, which is what people call it."""
    return arn.rpartition(":")[2].partition("/")[2] if arn.startswith("arn:") else arn
