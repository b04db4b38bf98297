"""What calls changed, as CloudTrail records it: who, when, from where, with which members; in a chain of hashes.

A record is written in the transaction of its change. Members that the service models call sensitive are hidden, as
CloudTrail hides them; data and secrets are in no record. Source: "CloudTrail record contents".
"""

import hashlib
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import orjson

from sartor.policies.principal import Principal, iso_time
from sartor.wire.operations import service_models
from sartor.wire.sign import Caller

#: What stands in the place of what nobody shall read, in CloudTrail's words.
HIDDEN: Final = "HIDDEN_DUE_TO_SECURITY_REASONS"
_VERSION: Final = "1.11"
_SOURCE: Final = "personalize.amazonaws.com"
_OWN_SOURCE: Final = "sartor"
_MODEL: Final = "personalize"
#: How data events begin that are kept together.
LINK: Final = '{"dataEvents":'


def record_of(
    caller: Caller, operation: str, members: Mapping[str, Any], answer: Mapping[str, Any], now: float
) -> str:
    """Return the record of a call that changed something, as JSON.

    Args:
        caller: who asked.
        operation: of the control plane's service model.
        members: of the request.
        answer: its members.
        now: epoch seconds.
    """
    described = service_models()[_MODEL]["operations"][operation]
    asked = _shown(described.get("input", {}).get("shape"), members)
    answered = _shown(described.get("output", {}).get("shape"), answer)
    return _record(caller, _SOURCE, operation, asked, answered, now)


def own_record_of(
    caller: Caller, name: str, members: Mapping[str, Any], answer: Mapping[str, Any], now: float
) -> str:
    """Return the record of a change for which AWS has no operation; nothing of its members is sensitive."""
    return _record(caller, _OWN_SOURCE, name, members, answer, now)


def data_event(caller: Caller, name: str, members: Mapping[str, str], reads: bool) -> str:
    """Return what records of a caller's data events have in common: JSON that lacks its end, see ``link_of``.

    Args:
        caller: who asked.
        name: of the operation.
        members: those of the request that name a resource; the data has no place in a record.
        reads: whether the operation changes nothing.
    """
    record = {
        **_common(caller, _SOURCE, name),
        "requestParameters": members,
        "responseElements": None,
        "readOnly": reads,
        "managementEvent": False,
        "eventCategory": "Data",
    }
    return orjson.dumps(record).decode()[:-1]


def link_of(events: Iterable[tuple[str, float, str]]) -> str:
    """Return data events as they are kept together: what their records have in common once, and of each the rest.

    Args:
        events: of each how its record begins, as ``data_event`` gives it, when it was (epoch seconds), and the id of
            its request. ``Row.records`` gives the records back; their own ids count on from a random one.
    """
    begun: dict[str, int] = {}
    rest = [(begun.setdefault(start, len(begun)), int(at), request) for start, at, request in events]
    link = {"dataEvents": rest, "begun": list(begun), "firstEventID": str(uuid.uuid4())}
    return orjson.dumps(link).decode()


def _records_of(link: str) -> Iterator[str]:
    found = orjson.loads(link)
    first = uuid.UUID(found["firstEventID"]).int
    for number, (start, at, request_id) in enumerate(found["dataEvents"]):
        event_id = uuid.UUID(int=(first + number) % 2**128)
        when = iso_time(at)
        begun = found["begun"][start]
        yield f'{begun},"eventTime":"{when}","requestID":"{request_id}","eventID":"{event_id}"}}'


def _record(
    caller: Caller, source: str, name: str, members: Mapping[str, Any], answer: Mapping[str, Any], now: float
) -> str:
    record = {
        **_common(caller, source, name),
        "eventTime": iso_time(now),
        "requestParameters": members,
        "responseElements": answer or None,
        "requestID": caller.request.request_id if caller.request is not None else "",
        "eventID": str(uuid.uuid4()),
        "readOnly": False,
        "managementEvent": True,
        "eventCategory": "Management",
    }
    return orjson.dumps(record).decode()


def _common(caller: Caller, source: str, name: str) -> dict[str, Any]:
    """Return the fields that every record has, of any category."""
    request = caller.request
    return {
        "eventVersion": _VERSION,
        "userIdentity": _identity(caller),
        "eventSource": source,
        "eventName": name,
        "awsRegion": caller.region,
        "sourceIPAddress": request.client if request is not None else "",
        "userAgent": request.headers.get("user-agent", "") if request is not None else "",
        "eventType": "AwsApiCall",
        "recipientAccountId": caller.account,
    }


def _identity(caller: Caller) -> dict[str, Any]:
    """Return CloudTrail's ``userIdentity``."""
    principal = caller.principal
    if principal is None:
        return {"type": "Unknown", "accountId": caller.account}
    found = {
        "type": "IAMUser" if principal.role_arn is None else "AssumedRole",
        "principalId": principal.user_id,
        "arn": principal.arn,
        "accountId": principal.account,
        "accessKeyId": caller.access_key_id,
    }
    if principal.role_arn is None:
        found["userName"] = principal.arn.rpartition("/")[2]
    return found | ({} if principal.issued_at is None else {"sessionContext": _session(principal)})


def _session(principal: Principal) -> dict[str, Any]:
    created = iso_time(principal.issued_at or 0.0)
    found: dict[str, Any] = {"attributes": {"creationDate": created, "mfaAuthenticated": "false"}}
    if principal.role_arn is not None:
        found["sessionIssuer"] = {
            "type": "Role",
            "principalId": principal.user_id.partition(":")[0],
            "arn": principal.role_arn,
            "accountId": principal.account,
            "userName": principal.role_arn.rpartition("/")[2],
        }
    return found


def _shown(shape: str | None, value: Any) -> Any:
    """Return members with what is sensitive hidden; what the shape does not have is left out."""
    return {} if shape is None else _hidden(shape, value)


def _hidden(name: str, value: Any) -> Any:
    shape = _shape(name)
    if shape.get("sensitive"):
        return HIDDEN
    if shape["type"] == "structure":
        members = shape["members"]
        return {key: _hidden(members[key]["shape"], one) for key, one in value.items() if key in members}
    if shape["type"] == "list":
        return [_hidden(shape["member"]["shape"], one) for one in value]
    if shape["type"] == "map":
        return {key: _hidden(shape["value"]["shape"], one) for key, one in value.items()}
    return value


@cache
def _shape(name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = service_models()[_MODEL]["shapes"][name]
    return found


def chained(before: str, record: str) -> str:
    """Return the hash of a record in its chain.

    Args:
        before: the hash of the record before it, empty for the first.
        record: as JSON.
    """
    return hashlib.sha256(f"{before}\n{record}".encode()).hexdigest()


@dataclass(frozen=True)
class Row:
    """A record in its chain, as it is kept; or data events that are kept together."""

    account: str
    region: str
    number: int
    record: str
    hash: str

    @property
    def records(self) -> list[str]:
        """Its records, each as JSON."""
        return list(_records_of(self.record)) if self.record.startswith(LINK) else [self.record]

    @property
    def chain(self) -> str:
        """The name of its chain."""
        return f"{self.account}/{self.region}"


@dataclass
class Chain:
    """What was found of one chain.

    Attributes:
        name: ``ACCOUNT/REGION``.
        records: how many it has, data events too.
        head: the hash of the newest.
        fault: the first thing that is wrong with it.
    """

    name: str
    records: int = 0
    head: str = ""
    fault: str | None = None


def verify(rows: Iterable[Row], heads: set[str]) -> Iterator[Chain]:
    """Yield every chain, verified.

    Args:
        rows: of all chains, one chain after another, each by its numbers.
        heads: hashes of earlier records; loses those of records that are as they were.
    """
    chain: Chain | None = None
    newest = 0
    for row in rows:
        if chain is None or chain.name != row.chain:
            if chain is not None:
                yield chain
            chain, newest = Chain(row.chain), 0
        if chain.fault is None and row.number != newest + 1:
            chain.fault = f"record {newest + 1} is missing"
        elif chain.fault is None and row.hash != chained(chain.head, row.record):
            chain.fault = f"record {row.number} is not what was written"
        newest, chain.head = row.number, row.hash
        chain.records += len(row.records)
        if chain.fault is None:
            heads.discard(row.hash)
    if chain is not None:
        yield chain
