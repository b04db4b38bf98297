"""Policy documents on the command line: read, checked and printed."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sartor.cli.options import failures
from sartor.cli.servers import keys_of
from sartor.settings import Settings

if TYPE_CHECKING:
    from sartor.keys import AccessKey, Keys, Role
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
    from sartor.access.administration import checked

    found = []
    for file in files:
        with failures(OSError):
            text = file.read_text(encoding="utf-8")
        try:
            found.append(checked(text, sort))
        except ValueError as error:
            raise click.ClickException(f"{file}: MalformedPolicyDocument: {error}") from None
    return tuple(found)


def set_or_print(
    settings: Settings,
    principal: str,
    find: "Callable[[Keys], AccessKey | Role | None]",
    noun: str,
    documents: tuple[str, ...] | None,
    as_json: bool,
) -> None:
    """Give a key or role policies in the place of those that it has; without any, print those that it has.

    Args:
        settings: of the service.
        principal: the key's id or the role's ARN.
        find: returns it.
        noun: what it is.
        documents: the policies; ``None`` prints.
        as_json: whether they are printed as one list.
    """
    with failures(OSError, ValueError):
        keys = keys_of(settings)
        found = find(keys)
        if found is None:
            raise click.ClickException(f"There is no {noun} {principal}; `sartor {noun}s list` shows all.")
        if documents is None:
            print_documents(found.documents, as_json)
        else:
            from sartor.access.administration import give

            give(keys, found, documents)


def print_documents(documents: Iterable[str], as_json: bool) -> None:
    """Print policy documents: as one list, or each by itself."""
    found = [json.loads(text) for text in documents]
    for one in [found] if as_json else found:
        click.echo(json.dumps(one, indent=2))
