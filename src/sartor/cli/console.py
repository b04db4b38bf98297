"""``sartor console``: the console in a browser that is signed in already."""

import json
import os
import sys
import webbrowser
from typing import Any

import click

from sartor.cli.options import JSON, settings_options
from sartor.cli.servers import asked_for


@click.command()
@click.option("--no-browser", is_flag=True, help="Print the link alone, and open nothing.")
@settings_options("data", "host", "port")
@JSON
def console(no_browser: bool, as_json: bool, **flags: Any) -> None:
    """Open the console in a browser that is signed in already, and print the link that does it.

    The link may be followed once, in the next two minutes.

    \b
    Example:
      sartor console
    """
    server = asked_for(flags)
    link = server.url.rstrip("/") + server.ask("/sartor/v1/console/links", {})["path"]
    click.echo(json.dumps({"link": link}) if as_json else link)
    if not no_browser and not as_json and _has_screen():
        webbrowser.open(link)


def _has_screen() -> bool:
    """Return whether a browser has a screen: without one a browser for terminals would take this one."""
    named = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return sys.platform in ("darwin", "win32") or bool(named)
