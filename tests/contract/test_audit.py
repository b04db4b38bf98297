"""What calls changed: a record in the transaction of each change, in a chain that shows what was done to it."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa

from contract.conftest import ACCOUNT, REGION, Caller, Service
from sartor.policies.principal import Principal
from sartor.resources.audit import HIDDEN, Chain, verify
from sartor.resources.store import Store
from sartor.resources.tables import AUDIT_RECORD
from sartor.wire.sign import HttpRequest

ROLE = f"arn:aws:iam::{ACCOUNT}:role/reader"


WHO = Principal(
    ACCOUNT, f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/anna", "AROAX:anna", ROLE, None, 1_700_000_000.0
)
SCOPE = {"client": ("203.0.113.7", 1), "scheme": "https"}
FROM = HttpRequest("POST", "/", "", {"user-agent": "boto3"}, b"", SCOPE, "a-request-id")


@dataclass(frozen=True)
class Known(Caller):
    """A session of a role, from somewhere."""

    principal: Any = WHO
    request: Any = field(default_factory=lambda: FROM)


def records(store: Store) -> list[dict[str, Any]]:
    with store.read() as transaction:
        return [json.loads(row.record) for row in transaction.audit()]


def chains(store: Store, heads: set[str] | None = None) -> list[Chain]:
    with store.read() as transaction:
        return list(verify(transaction.audit(), set() if heads is None else heads))


def test_a_record_says_who_changed_what_from_where(service: Service, store: Store) -> None:
    answer = service(
        "CreateDatasetGroup", Known(), name="shop", tags=[{"tagKey": "team", "tagValue": "secret"}]
    )
    (record,) = records(store)
    arn = answer["datasetGroupArn"]
    assert record.pop("eventID")
    assert record.pop("eventTime").endswith("Z")
    assert record == {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": "AROAX:anna",
            "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/anna",
            "accountId": ACCOUNT,
            "accessKeyId": "AKIDEXAMPLE",
            "sessionContext": {
                "attributes": {"creationDate": "2023-11-14T22:13:20Z", "mfaAuthenticated": "false"},
                "sessionIssuer": {
                    "type": "Role",
                    "principalId": "AROAX",
                    "arn": ROLE,
                    "accountId": ACCOUNT,
                    "userName": "reader",
                },
            },
        },
        "eventSource": "personalize.amazonaws.com",
        "eventName": "CreateDatasetGroup",
        "awsRegion": REGION,
        "sourceIPAddress": "203.0.113.7",
        "userAgent": "boto3",
        "requestParameters": {"name": "shop", "tags": [{"tagKey": HIDDEN, "tagValue": HIDDEN}]},
        "responseElements": {"datasetGroupArn": arn},
        "requestID": "a-request-id",
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
    }


def test_every_change_has_a_record_and_a_read_or_a_refusal_has_none(service: Service, store: Store) -> None:
    group = service.group()
    service("DescribeDatasetGroup", datasetGroupArn=group)
    service("ListDatasetGroups")
    service.refusal("CreateDatasetGroup", name="shop")
    service("TagResource", resourceArn=group, tags=[{"tagKey": "a", "tagValue": "b"}])
    service("DeleteDatasetGroup", datasetGroupArn=group)
    found = records(store)
    assert [one["eventName"] for one in found] == ["CreateDatasetGroup", "TagResource", "DeleteDatasetGroup"]
    assert found[2]["responseElements"] is None
    (chain,) = chains(store)
    assert (chain.records, chain.fault) == (3, None)


def test_a_change_that_is_undone_leaves_no_record(service: Service, store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.write() as transaction:
        transaction.append_audit(ACCOUNT, REGION, "{}")
        raise ZeroDivisionError
    assert records(store) == []


def test_each_account_and_region_has_a_chain(service: Service, store: Store) -> None:
    for caller in (None, Caller(account="444455556666"), Caller(region="eu-west-1")):
        service("CreateDatasetGroup", caller, name="shop")
    assert [(chain.name, chain.records, chain.fault) for chain in chains(store)] == [
        (f"{ACCOUNT}/{REGION}", 1, None),
        (f"{ACCOUNT}/eu-west-1", 1, None),
        (f"444455556666/{REGION}", 1, None),
    ]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (
            sa.update(AUDIT_RECORD).where(AUDIT_RECORD.c.number == 2).values(record="{}"),
            "record 2 is not what",
        ),
        (sa.delete(AUDIT_RECORD).where(AUDIT_RECORD.c.number == 2), "record 2 is missing"),
        (sa.delete(AUDIT_RECORD).where(AUDIT_RECORD.c.number == 1), "record 1 is missing"),
        (
            sa.update(AUDIT_RECORD).where(AUDIT_RECORD.c.number == 3).values(hash="0" * 64),
            "record 3 is not what",
        ),
    ],
)
def test_what_was_done_to_a_record_shows(service: Service, store: Store, change: Any, fault: str) -> None:
    for name in ("a", "b", "c"):
        service("CreateDatasetGroup", name=name)
    with store.database.write() as connection:
        connection.execute(change)
    (chain,) = chains(store)
    assert chain.fault is not None
    assert chain.fault.startswith(fault)


def test_records_that_were_cut_off_show_against_a_hash_that_was_kept(service: Service, store: Store) -> None:
    for name in ("a", "b"):
        service("CreateDatasetGroup", name=name)
    kept = {chains(store)[0].head}
    service("CreateDatasetGroup", name="c")
    heads = set(kept)
    assert chains(store, heads)[0].fault is None
    assert heads == set()
    with store.database.write() as connection:
        connection.execute(sa.delete(AUDIT_RECORD).where(AUDIT_RECORD.c.number >= 2))
    heads = set(kept)
    assert chains(store, heads)[0].fault is None
    assert heads == kept
