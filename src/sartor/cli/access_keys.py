"""The commands about access keys."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sartor.cli.options import JSON, failures, settings_of, settings_options
from sartor.cli.policies import policy_option, read_documents, set_or_print
from sartor.cli.servers import keys_of

if TYPE_CHECKING:
    from sartor.keys import AccessKey


@click.group()
def keys() -> None:
    """Access keys, each bound to an account. A running server knows a change at once.

    \b
    Example:
      sartor keys add --account 111122223333 --data ./sartor-data --json
    """


@keys.command("add")
@click.option("--account", required=True, metavar="DIGITS", help="The account that the key signs for.")
@click.option("--access-key-id", metavar="ID", help="Take this pair, which exists already, and make none.")
@click.option("--secret-from-stdin", is_flag=True, help="Read its secret: one line of standard input.")
@policy_option
@settings_options("data", "database")
@JSON
def keys_add(
    as_json: bool,
    access_key_id: str | None,
    secret_from_stdin: bool,
    policies: tuple[Path, ...],
    **flags: Any,
) -> None:
    """Make a key pair for an account, or take one that programs have already.

    \b
    Example:
      sartor keys add --account 111122223333
      aws configure get aws_secret_access_key |
        sartor keys add --account 111122223333 --access-key-id AKIA… \\
          --secret-from-stdin
    """
    if (access_key_id is not None) is not secret_from_stdin:
        raise click.UsageError("--access-key-id and --secret-from-stdin go together.")
    settings = settings_of(flags)
    from sartor.keys import brought_key

    documents = read_documents(policies)
    with failures(OSError, ValueError):
        if access_key_id is None:
            key = keys_of(settings).add(settings.account, documents)
        else:
            key = replace(brought_key(access_key_id, _secret(), settings.account), policies=documents)
            keys_of(settings).take(key)
    _print_keys([key], as_json, with_secret=access_key_id is None, one=True)


def _secret() -> str:
    """Return the line that standard input has; a person is asked for it, and does not see it."""
    if sys.stdin.isatty():
        return str(click.prompt("Secret access key", hide_input=True, err=True))
    return sys.stdin.readline().strip()


@keys.command("policy")
@click.argument("access_key_id")
@policy_option
@click.option(
    "--none", "clear", is_flag=True, help="Take all its policies away: it may do all in its account."
)
@settings_options("data", "database")
@JSON
def keys_policy(
    access_key_id: str, policies: tuple[Path, ...], clear: bool, as_json: bool, **flags: Any
) -> None:
    """Give a key policies in the place of those that it has; without an option, print those.

    \b
    Example:
      sartor keys policy AKIAABCDEFGHIJKLMNOP --policy recommend-only.json
    """
    if policies and clear:
        raise click.UsageError("--policy and --none say two things.")
    settings = settings_of(flags)
    documents = read_documents(policies) if policies or clear else None
    set_or_print(settings, access_key_id, lambda keys: keys.get(access_key_id), "key", documents, as_json)


@keys.command("list")
@settings_options("data", "database")
@JSON
def keys_list(as_json: bool, **flags: Any) -> None:
    """List the keys, without their secrets.

    \b
    Example:
      sartor keys list --json
    """
    settings = settings_of(flags)
    with failures(OSError, ValueError):
        found = keys_of(settings).all()
    _print_keys(found, as_json)


@keys.command("revoke")
@click.argument("access_key_id")
@settings_options("data", "database")
def keys_revoke(access_key_id: str, **flags: Any) -> None:
    """Remove a key; what it signs from now on is refused.

    \b
    Example:
      sartor keys revoke AKIAABCDEFGHIJKLMNOP
    """
    settings = settings_of(flags)
    with failures(OSError, ValueError):
        revoked = keys_of(settings).revoke(access_key_id)
    if not revoked:
        raise click.ClickException(f"There is no key {access_key_id}; `sartor keys list` shows all.")


@keys.command("disable")
@click.argument("access_key_id")
@settings_options("data", "database")
def keys_disable(access_key_id: str, **flags: Any) -> None:
    """Let a key sign no more until it is enabled; its policies stay.

    \b
    Example:
      sartor keys disable AKIAABCDEFGHIJKLMNOP
    """
    _set_active(access_key_id, False, flags)


@keys.command("enable")
@click.argument("access_key_id")
@settings_options("data", "database")
def keys_enable(access_key_id: str, **flags: Any) -> None:
    """Let a disabled key sign again.

    \b
    Example:
      sartor keys enable AKIAABCDEFGHIJKLMNOP
    """
    _set_active(access_key_id, True, flags)


def _set_active(access_key_id: str, active: bool, flags: dict[str, Any]) -> None:
    settings = settings_of(flags)
    from sartor.access.administration import set_active

    with failures(OSError, ValueError):
        keys = keys_of(settings)
        key = keys.get(access_key_id)
        found = key is not None and set_active(keys, key, active)
    if not found:
        raise click.ClickException(f"There is no key {access_key_id}; `sartor keys list` shows all.")


def _print_keys(keys: list["AccessKey"], as_json: bool, with_secret: bool = False, one: bool = False) -> None:
    rows = []
    for key in keys:
        row = {
            "accessKeyId": key.access_key_id,
            "secretAccessKey": key.secret_access_key,
            "account": key.account,
        }
        shown = row if with_secret else {name: row[name] for name in ("accessKeyId", "account")}
        rows.append(shown if key.is_active else {**shown, "status": "Inactive"})
    if as_json:
        click.echo(json.dumps(rows[0] if one else rows, indent=2))
        return
    for row in rows:
        click.echo("  ".join(row.values()))
