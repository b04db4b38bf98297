"""The page at the server's own address: what this is, how it is, and what to type next."""

from collections.abc import Mapping, Sequence
from html import escape
from string import Template
from typing import Final

from sartor import __version__

#: What to type next, and what it does.
_COMMANDS: Final[Mapping[str, str]] = {
    'eval "$(sartor env)"': "AWS SDKs and the AWS CLI in this shell talk to this server",
    "aws personalize list-recipes": "ask it, as any program would",
    "sartor status": "what is there, what runs, what waits and why",
    "sartor doctor": "is everything as it should be, and what is to be mended?",
}
#: Where to look, and what is there.
_PATHS: Final[Mapping[str, str]] = {
    "/health/ready": "is it well?",
    "/metrics": "its counters, for Prometheus",
    "/sartor/v1/openapi.json": "what AWS has no operation for",
}
_WHAT: Final = f"Sartor {__version__}: Amazon Personalize that runs anywhere."
_WHOSE: Final = "Sartor is not affiliated with Amazon."
_PAGE: Final = Template(
    """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sartor</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 44rem; padding: 0 1rem }
td { padding: 0 1rem .4rem 0; vertical-align: top }
</style>
<h1>Sartor</h1>
<p>$what</p>
<p><strong>$health</strong></p>
<h2>Next</h2>
<table>$commands</table>
<h2>Here</h2>
<table>$paths</table>
<p><small>$whose</small></p>
</html>
"""
)


def page(faults: Sequence[str], accept: str) -> tuple[int, str, bytes]:
    """Return the page as a route answers: HTML for who asks for it, as browsers do, else text.

    Args:
        faults: what is not well, such as ``database``.
        accept: the request's ``Accept`` header.
    """
    health = f"It is not ready: {', '.join(faults)}." if faults else "It is ready."
    if "text/html" not in accept:
        lines = [_WHAT, health, ""]
        for rows in (_COMMANDS, _PATHS):
            lines += [*(f"  {name:<30}{text}" for name, text in rows.items()), ""]
        return 200, "text/plain; charset=utf-8", "\n".join([*lines, _WHOSE, ""]).encode()
    commands = "".join(f"<tr><td><code>{escape(name)}</code><td>{text}" for name, text in _COMMANDS.items())
    paths = "".join(f'<tr><td><a href="{name}">{name}</a><td>{text}' for name, text in _PATHS.items())
    told = _PAGE.substitute(what=_WHAT, health=escape(health), commands=commands, paths=paths, whose=_WHOSE)
    return 200, "text/html; charset=utf-8", told.encode()
