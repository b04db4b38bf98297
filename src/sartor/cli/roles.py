"""The commands about roles."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from sartor.cli.options import JSON, failures, settings_of, settings_options, show
from sartor.cli.policies import policy_option, read_documents, set_or_print
from sartor.cli.servers import keys_of, server_of
from sartor.settings import Settings

if TYPE_CHECKING:
    from sartor.keys import Role

_ARN: Final = re.compile(r"arn:aws:iam::[0-9]{12}:role/(.+)")
_ACCOUNT: Final = settings_options("account", "data", "database")


@click.group()
def roles() -> None:
    """Roles, which programs assume for a while by STS. A running server knows a change at once.

    \b
    Example:
      sartor roles add shop-reader --policy recommend-only.json
    """


@roles.command("add")
@click.argument("role")
@click.option(
    "--trust",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with the trust policy: who may assume it.  [default: whoever may in its account]",
)
@policy_option
@click.option(
    "--max-session-seconds",
    type=click.IntRange(3600, 43_200),
    default=3600,
    show_default=True,
    help="The longest life of its sessions.",
)
@_ACCOUNT
@JSON
def roles_add(
    role: str,
    trust: Path | None,
    policies: tuple[Path, ...],
    max_session_seconds: int,
    as_json: bool,
    **flags: Any,
) -> None:
    """Make a role; without a policy it may do nothing.

    \b
    Example:
      sartor roles add shop-reader --trust trust.json --policy recommend-only.json
    """
    settings = settings_of(flags)
    arn = _arn(role, settings, flags)
    from sartor.access.administration import trust_of_account
    from sartor.keys import new_role

    documents = read_documents(policies)
    trusted = read_documents([trust], "trust")[0] if trust else trust_of_account(arn.split(":")[4])
    made = new_role(arn, trusted, documents, max_session_seconds)
    with failures(OSError, ValueError):
        keys_of(settings).add_role(made)
    _print(made, as_json)


@roles.command("list")
@settings_options("data", "database")
@JSON
def roles_list(as_json: bool, **flags: Any) -> None:
    """List the roles.

    \b
    Example:
      sartor roles list --json
    """
    with failures(OSError, ValueError):
        found = keys_of(settings_of(flags)).roles()
    if as_json:
        from sartor.access.administration import shown_role

        click.echo(json.dumps([shown_role(role) for role in found], indent=2))
        return
    for role in found:
        _print(role, as_json=False)


@roles.command("policy")
@click.argument("role")
@policy_option
@click.option("--none", "clear", is_flag=True, help="Take all its policies away: it may do nothing.")
@_ACCOUNT
@JSON
def roles_policy(role: str, policies: tuple[Path, ...], clear: bool, as_json: bool, **flags: Any) -> None:
    """Give a role policies in the place of those that it has; without an option, print those.

    \b
    Example:
      sartor roles policy shop-reader --policy recommend-only.json
    """
    if policies and clear:
        raise click.UsageError("--policy and --none say two things.")
    settings = settings_of(flags)
    arn = _arn(role, settings, flags)
    documents = read_documents(policies) if policies or clear else None
    set_or_print(settings, arn, lambda keys: keys.role(arn), "role", documents, as_json)


@roles.command("remove")
@click.argument("role")
@_ACCOUNT
def roles_remove(role: str, **flags: Any) -> None:
    """Remove a role; its sessions are refused from now on, also if one of its name is made anew.

    \b
    Example:
      sartor roles remove shop-reader --account 111122223333
    """
    settings = settings_of(flags)
    arn = _arn(role, settings, flags)
    with failures(OSError, ValueError):
        removed = keys_of(settings).remove_role(arn)
    if not removed:
        raise click.ClickException(f"There is no role {arn}; `sartor roles list` shows all.")


def _arn(role: str, settings: Settings, flags: dict[str, Any]) -> str:
    """Return the ARN of a role that is given by it, or by its name in an account."""
    from sartor.access.administration import ROLE_NAME, role_arn

    of_arn = _ARN.fullmatch(role)
    if not ROLE_NAME.fullmatch(role if of_arn is None else of_arn[1]):
        raise click.UsageError(f"{role} is no role: a name has up to 64 letters, digits and _+=,.@-")
    if of_arn is not None:
        return role
    return role_arn(role, flags["account"] or server_of(settings).get("account", settings.account))


def _print(role: "Role", as_json: bool) -> None:
    if as_json:
        from sartor.access.administration import shown_role

        click.echo(json.dumps(shown_role(role), indent=2))
    else:
        show(f"{role.arn}  {len(role.policies)} policies")
