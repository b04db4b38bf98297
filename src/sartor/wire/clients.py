"""Clients of the control plane, of a server of ours or of Amazon: signed, repeated, and no faster than is polite."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import botocore.session
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError
from botocore.loaders import Loader

from sartor.wire.call import CallError
from sartor.wire.sign import Key

#: Amazon lets an account make about ten calls a second that describe or list.
AMAZONS_CALLS_A_SECOND: Final = 10.0
#: How often a call is made until it is answered: of somebody else's service, patiently; of a server of ours.
_PATIENT: Final = {"mode": "adaptive", "total_max_attempts": 10}
_QUICK: Final = {"mode": "standard", "total_max_attempts": 3}


class CallRefusedError(CallError):
    """A call was answered with an error.

    Args:
        operation: that was asked for.
        code: such as ``ResourceInUseException``.
        message: the service's own words.
    """

    def __init__(self, operation: str, code: str, message: str) -> None:
        super().__init__(f"{operation}: {code}: {message}")
        self.code = code


@dataclass(frozen=True)
class Place:
    """Where a client asks.

    Attributes:
        url: of the service; ``None`` is Amazon's own of the region.
        region: in which the resources are.
        key: signs; ``None`` lets the profile say.
        token: of a key that is temporary.
        bundle: a file of the authorities that are trusted, if not the usual ones.
        profile: of the files that the AWS SDKs read.
    """

    url: str | None
    region: str
    key: Key | None = None
    token: str | None = None
    bundle: str | None = None
    profile: str | None = None


class Client:
    """Calls operations of the control plane by their names.

    Args:
        place: where.
        calls_a_second: at most; ``None`` for as many as are made.

    Raises:
        CallError: the profile is unknown, or has no credentials.
    """

    def __init__(self, place: Place, calls_a_second: float | None = None) -> None:
        self._pause_seconds = 0.0 if calls_a_second is None else 1 / calls_a_second
        self._due = 0.0
        key: Mapping[str, Any] = {}
        if place.key is not None:
            key = {
                "aws_access_key_id": place.key.access_key_id,
                "aws_secret_access_key": place.key.secret_access_key,
                "aws_session_token": place.token,
            }
        session = botocore.session.Session(profile=place.profile)
        session.register_component("data_loader", _loader())
        try:
            self._client = session.create_client(
                "personalize",
                region_name=place.region,
                endpoint_url=place.url,
                verify=place.bundle,
                config=Config(
                    retries=_QUICK if calls_a_second is None else _PATIENT,
                    connect_timeout=10,
                    # The caller knows where; what this shell's environment says may be of another server.
                    ignore_configured_endpoint_urls=True,
                ),
                **key,
            )
        except (BotoCoreError, ValueError) as error:
            raise CallError(str(error)) from None
        self.url: str = self._client.meta.endpoint_url

    def call(self, operation: str, **members: Any) -> dict[str, Any]:
        """Return the answer of an operation.

        Args:
            operation: such as ``DescribeDataset``.
            **members: of the request.

        Raises:
            CallRefusedError: the service answered with an error.
            CallError: it could not be asked.
        """
        now = time.monotonic()
        time.sleep(max(self._due - now, 0.0))
        self._due = max(self._due, now) + self._pause_seconds
        try:
            answer: dict[str, Any] = getattr(self._client, xform_name(operation))(**members)
        except ClientError as error:
            found = error.response.get("Error", {})
            raise CallRefusedError(operation, found.get("Code", ""), found.get("Message", "")) from None
        except EndpointConnectionError:
            raise CallError(f"No server answers at {self.url}. Is `sartor serve` running?") from None
        except (BotoCoreError, ValueError) as error:
            raise CallError(f"{operation} at {self.url}: {error}") from None
        return answer

    def every(self, operation: str, member: str, **members: Any) -> Iterator[dict[str, Any]]:
        """Yield what an operation lists, page by page.

        Args:
            operation: such as ``ListDatasets``.
            member: of its answers that holds the list.
            **members: of the request.

        Raises:
            CallError: as ``call``.
        """
        page = self.call(operation, **members)
        yield from page.get(member, ())
        while token := page.get("nextToken"):
            page = self.call(operation, **members, nextToken=token)
            yield from page.get(member, ())


@cache
def _loader() -> Loader:
    """Return what reads botocore's models, and remembers them for the next client."""
    return Loader()


def of_profile(profile: str, url: str | None, region: str | None) -> Place:
    """Return where a profile of the AWS files asks, whatever this shell's environment says.

    Args:
        profile: its name.
        url: where to ask, if not where the profile says.
        region: if not the profile's.

    Raises:
        CallError: there is no such profile, or no region is known.
    """
    session = botocore.session.Session(profile=profile)
    try:
        said = session.get_scoped_config()
    except BotoCoreError as error:
        raise CallError(f"{error} (in the files of the AWS SDKs).") from None
    services = session.full_config.get("services", {}).get(said.get("services", ""), {})
    here = services.get("personalize", {})
    region = region or said.get("region") or session.get_config_variable("region")
    if not region:
        raise CallError(f"The profile {profile} has no region: name one with --source-region.")
    found = url or (here.get("endpoint_url") if isinstance(here, dict) else None) or said.get("endpoint_url")
    return Place(found, region, profile=profile, bundle=said.get("ca_bundle"))
