"""The commands about what calls changed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sartor.cli.options import JSON, failures, settings_of, settings_options, show
from sartor.cli.servers import with_database

if TYPE_CHECKING:
    from sartor.resources.store import Transaction


@click.group()
def audit() -> None:
    """Who changed what: a record of every changing call, in CloudTrail's shape, in a chain of hashes.

    \b
    Example:
      sartor audit verify --data ./sartor-data
    """


@audit.command("list")
@settings_options("data", "database")
@JSON
def audit_list(as_json: bool, **flags: Any) -> None:
    """Print the records, by account and region, oldest first: one a line, or as one of CloudTrail's files.

    \b
    Example:
      sartor audit list | jq 'select(.eventName == "DeleteCampaign")'
    """
    with _reading(flags) as transaction:
        records = (record for row in transaction.audit() for record in row.records)
        if not as_json:
            for record in records:
                click.echo(record)
            return
        click.echo('{"Records": [')
        for at, record in enumerate(records):
            click.echo(f"{',' if at else ''}{record}")
        click.echo("]}")


@audit.command("verify")
@click.option(
    "--head",
    "heads",
    multiple=True,
    metavar="HASH",
    help="A hash that an earlier run printed: its record must still be there; can be repeated.",
)
@settings_options("data", "database")
@JSON
def audit_verify(heads: tuple[str, ...], as_json: bool, **flags: Any) -> None:
    """Check that no record was changed, taken out or put in; exit code 1 if one was.

    Keep the printed hashes elsewhere: whoever can write to the database can write a chain anew, but not to that hash.

    \b
    Example:
      sartor audit verify --head 4f6a… --json
    """
    from sartor.resources.audit import verify

    missing = set(heads)
    with _reading(flags) as transaction:
        chains = list(verify(transaction.audit(), missing))
    if as_json:
        click.echo(
            json.dumps({"chains": [vars(chain) for chain in chains], "missing": sorted(missing)}, indent=2)
        )
    else:
        for chain in chains:
            verdict = "as written" if chain.fault is None else f"FAIL: {chain.fault}"
            show(f"{chain.name}  {chain.records:,} records  {verdict}\n  {chain.head}")
    for head in sorted(missing):
        show(f"FAIL: no record has the hash {head}", err=True)
    raise click.exceptions.Exit(1 if missing or any(chain.fault for chain in chains) else 0)


@contextmanager
def _reading(flags: dict[str, Any]) -> "Iterator[Transaction]":
    """Give a transaction on the service's database, which must be there."""
    settings = settings_of(flags)
    from sartor.resources.opening import open_store

    with failures(OSError, ValueError):
        found = with_database(settings)
        if not found.shares_database and not Path(found.database.removeprefix("sqlite:///")).exists():
            raise click.ClickException(
                f"There is no service in {settings.data}: name its folder with --data."
            )
        store = open_store(found)
        try:
            with store.read() as transaction:
                yield transaction
        finally:
            store.close()
