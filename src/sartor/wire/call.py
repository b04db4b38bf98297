"""A signed GET to a server of ours, for the commands that ask a running server."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sartor.wire.sign import SIGNING_NAME, Key

_TIMEOUT_SECONDS = 30.0


class CallError(Exception):
    """The server did not answer, or answered with an error; the message says which."""


def get(url: str, path: str, key: Key, region: str) -> Any:
    """Return the JSON that a server answers to a signed GET.

    Args:
        url: where the server listens.
        path: begins with ``/``.
        key: who asks.
        region: where.

    Raises:
        CallError: it cannot be reached, or answers with an error.
    """
    request = AWSRequest("GET", url.rstrip("/") + path)
    credentials = Credentials(key.access_key_id, key.secret_access_key)
    SigV4Auth(credentials, SIGNING_NAME, region).add_auth(request)
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = connect(parts.netloc, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", path, headers=dict(request.headers.items()))
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
