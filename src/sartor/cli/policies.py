"""Policy documents on the command line: read, checked and printed."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sartor.cli.options import failures

if TYPE_CHECKING:
    from sartor.policies.documents import Sort

#: The option of commands that attach policies.
policy_option = click.option(
    "--policy",
    "policies",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="A file with an IAM policy document; can be repeated.",
)


def read_documents(files: Iterable[Path], sort: "Sort" = "identity") -> tuple[str, ...]:
    """Return the documents in files; one that IAM would not take ends the command."""
    from sartor.policies.documents import compile_document

    found = []
    for file in files:
        with failures(OSError):
            text = file.read_text(encoding="utf-8")
        try:
            compile_document(text, sort)
        except ValueError as error:
            raise click.ClickException(f"{file}: MalformedPolicyDocument: {error}") from None
        found.append(json.dumps(json.loads(text)))
    return tuple(found)


def print_documents(documents: Iterable[str], as_json: bool) -> None:
    """Print policy documents: as one list, or each by itself."""
    found = [json.loads(text) for text in documents]
    for one in [found] if as_json else found:
        click.echo(json.dumps(one, indent=2))
