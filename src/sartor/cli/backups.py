"""The commands that keep a service elsewhere and bring it back: backup, restore."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from sartor.cli.options import JSON, failures, settings_of, settings_options, show
from sartor.cli.servers import with_database

if TYPE_CHECKING:
    from sartor.backup.manifest import Manifest


@click.command()
@click.argument("destination")
@click.option(
    "--verify", "only_verify", is_flag=True, help="Read the backup that is there, and copy nothing."
)
@settings_options("data", "database", "storage", "s3_endpoint")
@JSON
def backup(destination: str, only_verify: bool, as_json: bool, **flags: Any) -> None:
    """Keep everything of a service elsewhere, while it goes on: database, tables, models and keys.

    DESTINATION is a folder or s3://bucket/prefix. What it has already is not copied again.

    \b
    Example:
      sartor backup /mnt/backup --data ./sartor-data
    """
    settings = settings_of(flags)
    from sartor.backup.take import back_up

    with _failures():
        if only_verify:
            from sartor.backup.bring_back import verify

            manifest, faults = verify(settings, destination)
            for fault in faults:
                show(f"FAIL: {fault}", err=True)
            _show("read", manifest, as_json, {"faults": faults})
            raise click.exceptions.Exit(1 if faults else 0)
        taken = back_up(with_database(settings), destination)
    _show(
        f"{taken.copied_files:,} files ({taken.copied_bytes:,} bytes) copied",
        taken.manifest,
        as_json,
        {"copiedFiles": taken.copied_files, "copiedBytes": taken.copied_bytes},
    )


@click.command()
@click.argument("source")
@settings_options("data", "database", "storage", "s3_endpoint")
@JSON
def restore(source: str, as_json: bool, **flags: Any) -> None:
    """Bring a backup back into an empty data folder; every file is checked.

    SOURCE is what `sartor backup` was given.

    \b
    Example:
      sartor restore /mnt/backup --data ./restored
    """
    settings = settings_of(flags)
    from sartor.backup.bring_back import restore as run

    with _failures():
        manifest = run(settings, source)
    _show("brought back and checked", manifest, as_json, {"data": str(settings.data)})


@contextmanager
def _failures() -> Iterator[None]:
    """Turn what can go wrong, at an S3 service too, into exit code 1 and the reason."""
    with failures(OSError, ValueError):
        yield


def _show(done: str, manifest: "Manifest", as_json: bool, more: dict[str, Any]) -> None:
    """Print what was done to a backup."""
    if as_json:
        found = {
            "takenAt": manifest.taken_at,
            "files": len(manifest.files),
            "bytes": manifest.size_bytes,
            **more,
        }
        click.echo(json.dumps(found, indent=2))
        return
    show(f"{manifest.taken_at}  {len(manifest.files):,} files, {manifest.size_bytes:,} bytes: {done}")
