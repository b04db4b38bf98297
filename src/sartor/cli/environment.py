"""``sartor env``: what lets the AWS SDKs and the AWS CLI of a shell, or of a profile, talk to a server."""

import os
import re
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import click

from sartor.cli import shells
from sartor.cli.options import JSON, failures, settings_of, settings_options, show
from sartor.cli.servers import ENDPOINTS, key_of, keys_of, listening, server_of
from sartor.settings import Settings

#: How long a server that starts is waited for: of a folder that was named, and of the default one.
WAIT_SECONDS: Final = 30.0
UNNAMED_WAIT_SECONDS: Final = 5.0
#: Where the services are after a failure: nowhere, so that nothing goes to Amazon by mistake (RFC 6761).
NOWHERE: Final = "http://sartor-env-failed.invalid"
#: Foreign credentials, or a word to look at no endpoint, which would lead a client elsewhere.
_CREDENTIALS: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_FOREIGN: Final = ("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
_OVER_PROFILE: Final = (*_CREDENTIALS, "AWS_DEFAULT_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", *ENDPOINTS)
_PROFILE: Final = re.compile(r"[A-Za-z0-9_.@+-]{1,64}")


@click.command()
@settings_options("data", "database", "host", "port", "region", "account")
@click.option("--profile", metavar="NAME", help="Write an AWS profile, and print what makes it this shell's.")
@click.option(
    "--format",
    "form",
    type=click.Choice([*shells.FORMATS, shells.JSON]),
    default="sh",
    show_default=True,
    help="How it is printed: for which shell, as a file of variables, or as JSON.",
)
@click.option(
    "--wait",
    type=click.FloatRange(0, 3600),
    metavar="SECONDS",
    help=f"How long to wait for a server that starts.  [default: {WAIT_SECONDS:.0f} where a data folder is named, "
    f"else {UNNAMED_WAIT_SECONDS:.0f}]",
)
@JSON
def env(as_json: bool, profile: str | None, form: str, wait: float | None, **flags: Any) -> None:
    """Print what makes any AWS SDK or CLI in this shell talk to the server.

    \b
    Example:
      eval "$(sartor env --data ./sartor-data)"
      sartor env --data ./sartor-data --profile shop
    """
    form = shells.JSON if as_json else form
    if profile is not None and not _PROFILE.fullmatch(profile):
        raise click.UsageError("A profile's name is up to 64 letters, digits and _.@+-")
    settings = settings_of(flags)
    if wait is None:
        named = flags["data"] or os.environ.get("SARTOR_DATA")
        wait = WAIT_SECONDS if named else UNNAMED_WAIT_SECONDS
    try:
        url = listening(settings, time.monotonic() + wait)
        found = (
            _environment(settings, flags, url) if profile is None else _profile(settings, flags, url, profile)
        )
    except click.ClickException:
        line = shells.failed(
            form,
            dict.fromkeys(ENDPOINTS, NOWHERE),
            "sartor env failed: until it succeeds, this shell's calls to Personalize lead nowhere.",
        )
        if line is not None:
            click.echo(line)
        raise
    over = _CREDENTIALS if profile is None else _OVER_PROFILE
    unset = [name for name in (*_FOREIGN, *over) if name in os.environ and name not in found]
    click.echo(shells.written(form, found, unset))


def _environment(settings: Settings, flags: Mapping[str, Any], url: str) -> dict[str, str]:
    """Return the variables of a shell whose clients talk to a server."""
    server = server_of(settings)
    key = key_of(settings, flags["account"] or server.get("account", settings.account))
    region = flags["region"] or server.get("region", settings.region)
    return {
        **dict.fromkeys(ENDPOINTS, url),
        "AWS_ACCESS_KEY_ID": key.access_key_id,
        "AWS_SECRET_ACCESS_KEY": key.secret_access_key,
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,  # the JavaScript SDK v3 reads no other
        **_trusted(server),
        **_past_proxies(url),
    }


def _trusted(server: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables that let clients trust a server whose authority is its own."""
    if "bundle" not in server:
        return {}
    return {"AWS_CA_BUNDLE": server["bundle"], "NODE_EXTRA_CA_CERTS": server["authority"]}


def _profile(settings: Settings, flags: Mapping[str, Any], url: str, name: str) -> dict[str, str]:
    """Write a profile; return the variables of a shell that has it."""
    from sartor.cli import profiles

    server = server_of(settings)
    account = flags["account"] or server.get("account", settings.account)
    region = flags["region"] or server.get("region", settings.region)
    key = key_of(settings, account)
    with failures(OSError, ValueError):
        wanted = profiles.Profile(name, url, region, key)
        config, _ = profiles.write(
            wanted, os.environ, lambda key_id: keys_of(settings).get(key_id) is not None
        )
    show(f"The profile {name} is in {config}.", err=True)
    return {"AWS_PROFILE": name, **_trusted(server), **_past_proxies(url)}


def _past_proxies(url: str) -> dict[str, str]:
    """Return the variables that let no proxy of this shell come between."""
    spelled = [name for name in ("NO_PROXY", "no_proxy") if os.environ.get(name)] or ["NO_PROXY"]
    host = urlsplit(url).hostname or ""
    found = {}
    for name in spelled:
        hosts = [one for one in os.environ.get(name, "").split(",") if one]
        found[name] = ",".join(hosts if host in hosts else [*hosts, host])
    return found
