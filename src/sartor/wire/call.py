"""Signed requests to a server of ours, for the commands that ask a running server."""

import http.client
import json
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sartor.wire.sign import SIGNING_NAME, Key

_TIMEOUT_SECONDS = 300.0


class CallError(Exception):
    """The server did not answer, or answered with an error; the message says which."""


def get(
    url: str, path: str, key: Key, region: str, bundle: str | None = None, token: str | None = None
) -> Any:
    """Return the JSON that a server answers to a signed GET.

    Args:
        url: where the server listens.
        path: begins with ``/``.
        key: who asks.
        region: where.
        bundle: a file of the authorities that are trusted, if not the usual ones.
        token: of temporary credentials.

    Raises:
        CallError: it cannot be reached, or answers with an error.
    """
    return _ask("GET", url, path, key, region, b"", bundle, token)


def post(
    url: str,
    path: str,
    key: Key,
    region: str,
    members: Mapping[str, Any],
    bundle: str | None = None,
    token: str | None = None,
) -> Any:
    """Return the JSON that a server answers to a signed POST of a JSON object.

    Args:
        url: where the server listens.
        path: begins with ``/``.
        key: who asks.
        region: where.
        members: of the object.
        bundle: a file of the authorities that are trusted, if not the usual ones.
        token: of temporary credentials.

    Raises:
        CallError: it cannot be reached, or answers with an error.
    """
    return _ask("POST", url, path, key, region, json.dumps(members).encode(), bundle, token)


def _ask(
    method: str,
    url: str,
    path: str,
    key: Key,
    region: str,
    body: bytes,
    bundle: str | None,
    token: str | None,
) -> Any:
    headers = {"Content-Type": "application/json"} if body else {}
    request = AWSRequest(method, url.rstrip("/") + path, data=body, headers=headers)
    credentials = Credentials(key.access_key_id, key.secret_access_key, token)
    SigV4Auth(credentials, SIGNING_NAME, region).add_auth(request)
    parts = urlsplit(url)
    connection = (
        http.client.HTTPSConnection(
            parts.netloc, timeout=_TIMEOUT_SECONDS, context=ssl.create_default_context(cafile=bundle)
        )
        if parts.scheme == "https"
        else http.client.HTTPConnection(parts.netloc, timeout=_TIMEOUT_SECONDS)
    )
    try:
        connection.request(method, path, body=body or None, headers=dict(request.headers.items()))
        response = connection.getresponse()
        body = response.read()
    except OSError as error:
        raise CallError(f"No server answers at {url}: {error}. Is `sartor serve` running?") from error
    finally:
        connection.close()
    try:
        answer = json.loads(body)
    except ValueError:
        raise CallError(f"{url}{path} answered {response.status} and no JSON.") from None
    if response.status != 200:
        raise CallError(answer.get("message", f"{url}{path} answered {response.status}."))
    return answer
