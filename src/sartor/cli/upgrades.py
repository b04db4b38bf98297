"""The command that takes over what an earlier Sartor left: upgrade."""

import json
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import click

from sartor.cli.options import JSON, failures, settings_of, settings_options, show
from sartor.cli.servers import with_database

if TYPE_CHECKING:
    from sartor.resources.upgrades import Found
    from sartor.settings import Settings


@click.command()
@click.option(
    "--check", "only_check", is_flag=True, help="Say what would be done; exit code 1 if there is something."
)
@click.option("--no-copy", is_flag=True, help="Keep no copy of the database: there is one elsewhere.")
@settings_options("data", "database")
@JSON
def upgrade(only_check: bool, no_copy: bool, as_json: bool, **flags: Any) -> None:
    """Take over what an earlier Sartor left, as `sartor serve` does at its start; a copy is kept before.

    \b
    Example:
      sartor upgrade --check --data ./sartor-data
    """
    settings = with_database(settings_of(flags))
    from sartor.errors import Unavailable
    from sartor.logs import log_to_stderr

    with failures(OSError, ValueError, Unavailable):
        found = _found(settings)
        due = bool(found.steps)
        if due and not only_check:
            log_to_stderr(settings.log_level, settings.log_format)
            _upgrade(settings, not no_copy)
    _show(found, only_check, as_json)
    raise click.exceptions.Exit(1 if due and only_check else 0)


def _found(settings: "Settings") -> "Found":
    """Return what is there.

    Raises:
        ValueError: there is no service.
    """
    from sartor.resources.store import stored_versions

    found = stored_versions(settings.database)
    if found is None:
        place = settings.database.rpartition("@")[2].removeprefix("sqlite:///")
        raise ValueError(f"There is no service in {place}: name its folder with --data, or --database.")
    return found


def _upgrade(settings: "Settings", keep_copy: bool) -> None:
    """Open the database once, which upgrades it, while no server of this data folder runs."""
    from sartor.resources.opening import open_store
    from sartor.serve import only_server

    with only_server(settings) if settings.data.exists() else nullcontext():
        open_store(settings, keep_copy).close()


def _show(found: "Found", only_check: bool, as_json: bool) -> None:
    """Print what was there, and what was done or would be."""
    if as_json:
        steps = [{"version": step.version, "what": step.what} for step in found.steps]
        said = {"schemaVersion": found.schema_version, "storageLayout": found.storage_layout, "steps": steps}
        click.echo(json.dumps(said, indent=2))
        return
    show(f"database: tables of version {found.schema_version}; storage: layout {found.storage_layout}")
    for step in found.steps:
        show(f"  {'would become' if only_check else 'is now'} {step.version}: {step.what}")
    if not found.steps:
        click.echo("  nothing to do")
