"""The commands about what there is: list, status."""

import json
from typing import Any

import click

from sartor.cli.options import JSON, settings_options
from sartor.cli.servers import asked_for
from sartor.console import standing
from sartor.resources.kinds import KINDS


class _Kind(click.ParamType[str]):
    """A kind of resource, in the singular or the plural, with dashes or spaces."""

    name = "kind"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the kind's name."""
        folded = str(value).lower().replace("_", "-").replace(" ", "-")
        for kind in KINDS:
            if folded in (kind, f"{kind}s"):
                return kind
        return self.fail(f"there is no kind {value!r}; it is one of {', '.join(KINDS)}.", param, ctx)


@click.command("list")
@click.argument("kind", required=False, type=_Kind())
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=100,
    show_default=True,
    help="How many of a kind, the newest.",
)
@settings_options("data", "host", "port")
@JSON
def list_resources(kind: str | None, limit: int, as_json: bool, **flags: Any) -> None:
    """List what there is, of one KIND or of all: datasets, solutions, campaigns, import jobs and so on.

    \b
    Example:
      sartor list campaigns
    """
    of_kind = f"&kinds={kind}" if kind is not None else ""
    found = asked_for(flags).ask(f"/sartor/v1/resources?limit={limit}{of_kind}")
    if as_json:
        click.echo(json.dumps(found["resources"], indent=2, ensure_ascii=False))
        return
    click.echo(standing.listed(found["resources"]))


@click.command()
@settings_options("data", "host", "port")
@JSON
def status(as_json: bool, **flags: Any) -> None:
    """Show what there is, what runs, what waits and why.

    \b
    Example:
      sartor status
    """
    server = asked_for(flags)
    found = server.ask("/sartor/v1/status")
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    click.echo(standing.status(server.url, found))
