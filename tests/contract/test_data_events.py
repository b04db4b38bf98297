"""Data events in the audit: who put records or asked, without the data, in the chain of the changes."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sartor.errors import invalid_input
from sartor.policies.principal import Principal
from sartor.resources import audit, data_events
from sartor.resources.call import lock_of
from sartor.resources.data_events import DataEvents
from sartor.resources.store import Store
from sartor.wire.handling import Handled, Request
from sartor.wire.sign import Caller, HttpRequest

ACCOUNT, REGION = "111122223333", "eu-west-1"
CAMPAIGN = f"arn:aws:personalize:{REGION}:{ACCOUNT}:campaign/shop"
USER = Principal(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/KEY", "KEY")
ANSWER = {"itemList": [{"itemId": "secret-item"}]}


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store.open(database_url)
    yield store
    store.close()


class Service:
    """Handlers of which some leave data events."""

    def __init__(self, store: Store) -> None:
        self.events = DataEvents(store, clock=lambda: 1_700_000_000.7)
        self.handled = self.events.after(
            {name: Handled(self._answer) for name in ("PutEvents", "GetRecommendations", "ListSchemas")}
        )
        self.asked = 0

    def _answer(self, _caller: Caller, request: Request) -> dict[str, Any]:
        if request.get("userId") == "refused":
            raise invalid_input("no")
        return ANSWER

    def ask(self, operation: str, account: str = ACCOUNT, **members: Any) -> Any:
        self.asked += 1
        sent = HttpRequest(
            "POST",
            "/",
            "",
            {"user-agent": 'a "client"'},
            b"{}",
            {"client": ("10.0.0.9", 5)},
            f"request-{self.asked}",
        )
        caller = Caller(account, REGION, "KEY", USER, sent)
        return self.handled[operation].handler(caller, dict(members))


def records(store: Store) -> list[dict[str, Any]]:
    with store.read() as transaction:
        return [json.loads(record) for row in transaction.audit() for record in row.records]


def chains(store: Store) -> list[audit.Chain]:
    with store.read() as transaction:
        return list(audit.verify(transaction.audit(), set()))


def test_a_record_says_who_asked_for_what_and_nothing_of_the_data(store: Store) -> None:
    service = Service(store)
    assert (
        service.ask("GetRecommendations", campaignArn=CAMPAIGN, userId="anna", context={"a": "b"}) is ANSWER
    )
    service.ask("PutEvents", trackingId="t-1", userId="anna", sessionId="s", eventList=[{"itemId": "i"}])
    service.ask("ListSchemas")
    with pytest.raises(Exception, match="no"):
        service.ask("PutEvents", trackingId="t-1", userId="refused")
    service.events.write()
    asked, put = records(store)
    assert asked == {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "IAMUser",
            "principalId": "KEY",
            "arn": USER.arn,
            "accountId": ACCOUNT,
            "accessKeyId": "KEY",
            "userName": "KEY",
        },
        "eventTime": "2023-11-14T22:13:20Z",
        "eventSource": "personalize.amazonaws.com",
        "eventName": "GetRecommendations",
        "awsRegion": REGION,
        "sourceIPAddress": "10.0.0.9",
        "userAgent": 'a "client"',
        "requestParameters": {"campaignArn": CAMPAIGN},
        "responseElements": None,
        "requestID": "request-1",
        "eventID": asked["eventID"],
        "readOnly": True,
        "eventType": "AwsApiCall",
        "managementEvent": False,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Data",
    }
    assert (put["requestParameters"], put["readOnly"], put["requestID"]) == (
        {"trackingId": "t-1"},
        False,
        "request-2",
    )
    assert put["eventID"] != asked["eventID"]


def test_data_events_and_changes_are_one_chain_that_shows_what_was_altered(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_events, "_LINK_RECORDS", 4)
    service = Service(store)
    for _ in range(10):
        service.ask("PutEvents", trackingId="t-1")
    service.ask("PutEvents", account="999988887777", trackingId="t-9")
    service.events.write()
    with store.write(lock_of(ACCOUNT, REGION)) as transaction:
        transaction.append_audit(ACCOUNT, REGION, '{"eventName": "CreateSchema"}')
    service.ask("PutEvents", trackingId="t-1")
    service.events.write()
    assert [(one.name, one.records, one.fault) for one in chains(store)] == [
        (f"{ACCOUNT}/{REGION}", 12, None),
        (f"999988887777/{REGION}", 1, None),
    ]
    assert len({one["eventID"] for one in records(store) if "eventID" in one}) == 12
    with store.read() as transaction:
        rows = list(transaction.audit())
    forged = rows[1].record.replace("request-5", "request-X")
    rows[1] = audit.Row(ACCOUNT, REGION, rows[1].number, forged, rows[1].hash)
    assert next(audit.verify(rows, set())).fault == "record 2 is not what was written"
    del rows[1]
    assert next(audit.verify(rows, set())).fault == "record 2 is missing"


def test_what_the_database_did_not_take_is_written_later_and_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_events, "MOST_WAITING", 3)
    service = Service(store)
    write = store.write
    with monkeypatch.context() as away:
        away.setattr(store, "write", lambda *_: (_ for _ in ()).throw(OSError("away")))
        service.ask("PutEvents", trackingId="t-1")
        with pytest.raises(OSError, match="away"):
            service.events.write()
    assert store.write == write
    for _ in range(5):
        service.ask("PutEvents", trackingId="t-2")
    service.events.write()
    assert [one["requestID"] for one in records(store)] == [f"request-{n}" for n in (1, 2, 3, 4)], (
        "3 wait at most"
    )
    service.events.start()
    service.ask("PutEvents", trackingId="t-3")
    service.events.stop()
    assert records(store)[-1]["requestParameters"] == {"trackingId": "t-3"}
