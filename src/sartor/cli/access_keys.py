"""The commands about access keys."""

import json
from typing import TYPE_CHECKING, Any

import click

from sartor.cli.options import JSON, failures, settings_of, settings_options
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
@settings_options("data", "database")
@JSON
def keys_add(as_json: bool, **flags: Any) -> None:
    """Make a key pair for an account.

    \b
    Example:
      sartor keys add --account 111122223333
    """
    settings = settings_of(flags)
    with failures(OSError, ValueError):
        key = keys_of(settings).add(settings.account)
    _print_keys([key], as_json, with_secret=True, one=True)


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


def _print_keys(keys: list["AccessKey"], as_json: bool, with_secret: bool = False, one: bool = False) -> None:
    rows = []
    for key in keys:
        row = {
            "accessKeyId": key.access_key_id,
            "secretAccessKey": key.secret_access_key,
            "account": key.account,
        }
        rows.append(row if with_secret else {name: row[name] for name in ("accessKeyId", "account")})
    if as_json:
        click.echo(json.dumps(rows[0] if one else rows, indent=2))
        return
    for row in rows:
        click.echo("  ".join(row.values()))
