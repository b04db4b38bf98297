"""The commands about schemas: schema draft."""

import json
import tempfile
from pathlib import Path

import click

from sartor.cli.options import failures, show


@click.group()
def schema() -> None:
    """Schemas of datasets.

    \b
    Example:
      sartor schema draft interactions.csv > interactions.json
    """


@schema.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--domain", type=click.Choice(["ECOMMERCE", "VIDEO_ON_DEMAND"]), help="The dataset group's domain."
)
def draft(file: Path, domain: str | None) -> None:
    """Guess a schema from a CSV or Parquet FILE and print its JSON; what to look at is said on stderr.

    \b
    Example:
      sartor schema draft interactions.csv > interactions.json
    """
    from sartor.data.drafts import draft as run
    from sartor.errors import ApiError, JobFailed

    with (
        failures(ApiError, JobFailed, OSError),
        tempfile.TemporaryDirectory(prefix="sartor-draft-") as scratch,
    ):
        found = run(file, str(file), Path(scratch), domain)
    click.echo(json.dumps(found.schema, indent=2))
    for note in found.notes:
        show(f"note: {note}", err=True)
