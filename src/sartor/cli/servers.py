"""Which server a command asks, with which key, and how."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

import click

from sartor.cli.options import failures, settings_of
from sartor.settings import Settings

if TYPE_CHECKING:
    from sartor.keys import AccessKey, Keys

#: The environment variables that `sartor env` prints, one for each service.
ENDPOINTS = (
    "AWS_ENDPOINT_URL_PERSONALIZE",
    "AWS_ENDPOINT_URL_PERSONALIZE_RUNTIME",
    "AWS_ENDPOINT_URL_PERSONALIZE_EVENTS",
)

#: How often a server that starts is looked for, and how long one look takes at least, in seconds.
_LOOK_SECONDS: Final = 0.1
_LEAST_LOOK_SECONDS: Final = 1.0


def keys_of(settings: Settings) -> "Keys":
    """Return the keys of the service: of the data folder, or of the database that its server shares with others."""
    from sartor.keys import KEY_FILE, KeyFile

    found = with_database(settings)
    if not found.shares_database:
        return KeyFile(settings.data / KEY_FILE)
    from sartor.app import open_keys

    return open_keys(found)


def with_database(settings: Settings) -> Settings:
    """Return the settings with the database of the data folder's server, which it may share with others."""
    from sartor.keys import KEY_FILE, KeyFile

    if settings.shares_database:
        return settings
    database = KeyFile(settings.data / KEY_FILE).database
    return settings if database is None else replace(settings, database=database)


def key_of(settings: Settings, account: str) -> "AccessKey":
    """Return the oldest key of an account in the data folder that may sign."""
    with failures(OSError, ValueError):
        found: list[AccessKey] = keys_of(settings).all()
    for key in found:
        if key.account == account and key.is_active:
            return key
    raise click.ClickException(
        f"There is no key of account {account} in {settings.data}: start `sartor serve --data {settings.data}` "
        "once, make one with `sartor keys add`, or name the server's folder with --data."
    )


def server_of(settings: Settings) -> dict[str, Any]:
    """Return what the data folder's server wrote of itself."""
    try:
        found: dict[str, Any] = json.loads((settings.data / "server.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def server_url(settings: Settings) -> str:
    """Return where the data folder's server answers, or would."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return str(server_of(settings).get("url") or f"http://{host}:{settings.port}")


def listening(settings: Settings, until: float) -> str:
    """Return where the data folder's server answers, once it does.

    Args:
        settings: name the folder, or an address where another machine's server is.
        until: when to give up, of the monotonic clock in seconds.

    Raises:
        click.ClickException: nobody answers there.
    """
    while True:
        url = server_url(settings)
        if _is_live(url, min(max(until - time.monotonic(), _LEAST_LOOK_SECONDS), 5.0)):
            return url
        if time.monotonic() >= until:
            raise click.ClickException(
                f"No server answers at {url}: start `sartor serve --data {settings.data}`, or name the folder of "
                "the one that runs with --data."
            )
        time.sleep(_LOOK_SECONDS)


def _is_live(url: str, seconds: float) -> bool:
    """Return whether a server of ours answers at an address; it is told nothing, so its certificate is no matter."""
    import http.client
    import ssl

    parts = urlsplit(url)
    connection = (
        http.client.HTTPSConnection(parts.netloc, timeout=seconds, context=ssl._create_unverified_context())
        if parts.scheme == "https"
        else http.client.HTTPConnection(parts.netloc, timeout=seconds)
    )
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().read(100) == b"live\n"
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def asked_server(settings: Settings, data: str | None, account: str) -> tuple[str, "AccessKey"]:
    """Return the address to ask and the key to sign with.

    Args:
        settings: name the data folder.
        data: the ``--data`` option; a folder that was named comes first, then the environment's server, then
            the default folder.
        account: whose resource is asked for.
    """
    from sartor.keys import KEY_FILE, AccessKey

    url = os.environ.get(ENDPOINTS[0])
    key_id, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    named = data or os.environ.get("SARTOR_DATA")
    if not named and url and key_id and secret:
        return url, AccessKey(key_id, secret, account)
    if named or settings.shares_database or (settings.data / KEY_FILE).exists():
        return server_url(settings), key_of(settings, account)
    raise click.ClickException(
        f"No server is known: {settings.data} has none, and {ENDPOINTS[0]} with AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY is not set. Name the server's folder with --data."
    )


@dataclass(frozen=True)
class Asked:
    """A running server, and who asks it.

    Attributes:
        url: where it listens.
        key: signs.
        region: of what is asked for.
        bundle: a file of the authorities that are trusted, if not the usual ones.
    """

    url: str
    key: "AccessKey"
    region: str
    bundle: str | None = None

    @property
    def token(self) -> str | None:
        """The token of this shell's credentials, if it is they that sign."""
        from_here = self.key.access_key_id == os.environ.get("AWS_ACCESS_KEY_ID")
        return os.environ.get("AWS_SESSION_TOKEN") if from_here else None

    def ask(self, path: str, members: Mapping[str, Any] | None = None) -> Any:
        """Return what it answers to a GET; with members, to a POST of them. A refusal ends the command."""
        from sartor.wire import call

        trust = (self.bundle, self.token)
        with failures(call.CallError):
            if members is None:
                return call.get(self.url, path, self.key, self.region, *trust)
            return call.post(self.url, path, self.key, self.region, members, *trust)


def asked_about(name: str, kinds: Sequence[str], noun: str, flags: dict[str, Any]) -> tuple[Asked, str]:
    """Return the server to ask about a resource, and the resource's ARN.

    Args:
        name: its ARN, or what it is called: a name, ``GROUP/TYPE`` for a dataset.
        kinds: what it may be.
        noun: that in words.
        flags: of the command.
    """
    if not name.startswith("arn:"):
        server = asked_for(flags)
        return server, _called(server, name, kinds, noun)
    from sartor.resources.kinds import kind_of

    settings = settings_of(flags)
    parts = name.split(":", 5)
    kind = kind_of(name, parts[3], parts[4]) if len(parts) == 6 else None
    if kind is None or kind.name not in kinds:
        raise click.UsageError(f"{name} is not the ARN of {noun}.")
    url, key = asked_server(settings, flags["data"], parts[4])
    return Asked(url, key, parts[3], bundle_of(settings)), name


def _called(server: Asked, name: str, kinds: Sequence[str], noun: str) -> str:
    """Return the ARN of the one resource that is called so."""
    query = urlencode({"kinds": ",".join(kinds), "name": name})
    found = server.ask(f"/sartor/v1/resources?{query}")["resources"]
    if not found:
        raise click.ClickException(
            f"There is no {noun.partition(' ')[2]} {name}. `sartor list` shows what there is."
        )
    if len(found) > 1:
        arns = "".join(f"\n  {one['arn']}" for one in found)
        raise click.ClickException(f"More than one is called {name}; name its ARN:{arns}")
    return str(found[0]["arn"])


def asked_for(flags: dict[str, Any]) -> Asked:
    """Return the server to ask about what has a name only: in its own region, for its own account."""
    settings = settings_of(flags)
    server = server_of(settings)
    url, key = asked_server(settings, flags["data"], server.get("account", settings.account))
    region = server.get("region") or os.environ.get("AWS_DEFAULT_REGION") or settings.region
    return Asked(url, key, region, bundle_of(settings))


def bundle_of(settings: Settings) -> str | None:
    """Return the file of the authorities that vouch for the server: its own, or the environment's."""
    return server_of(settings).get("bundle") or os.environ.get("AWS_CA_BUNDLE")
