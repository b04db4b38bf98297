"""Event trackers and the five Put operations through boto3: what is stored, what is refused, what is noted."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from api.conftest import Client
from api.schemas import (
    ACTION_INTERACTIONS,
    ACTIONS,
    CATEGORICAL,
    INTERACTIONS,
    ITEMS,
    TEXT,
    USERS,
    schema,
)
from sartor.demo.server import Server

AT = 1_700_000_000


def event(item: str | None = "i1", **more: Any) -> dict[str, Any]:
    """Return an event; ``properties`` may be given as an object."""
    if not isinstance(more.get("properties", ""), str):
        more["properties"] = json.dumps(more["properties"])
    itself = {"eventType": "watch", "sentAt": AT}
    return itself | ({} if item is None else {"itemId": item}) | more


class Shop:
    """A dataset of interactions with its tracker."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.dataset = client.dataset(INTERACTIONS, "Interactions")
        self.tracking_id = client.tracker(self.dataset)

    def put(self, *events: dict[str, Any], user: str | None = "u1", session: str = "s1") -> None:
        who = {} if user is None else {"userId": user}
        self.client.events.put_events(
            trackingId=self.tracking_id, sessionId=session, eventList=list(events), **who
        )

    def refusal(self, *events: dict[str, Any], **who: Any) -> str:
        with pytest.raises(ClientError) as refused:
            self.put(*events, **who)
        error = refused.value.response["Error"]
        assert error["Code"] == "InvalidInputException"
        return str(error["Message"])

    def rows(self) -> list[dict[str, str | None]]:
        return self.client.exported(self.dataset, "PUT")

    def rejected(self) -> dict[str, Any]:
        return self.client.server.get(f"/sartor/v1/events/rejected?datasetArn={self.dataset}")

    def history(self, key: str) -> list[dict[str, Any]]:
        path = f"/sartor/v1/datasets/{self.dataset}/records?id={key}"
        return [one["record"] for one in self.client.server.get(path)["records"]]


@pytest.fixture
def shop(client: Client) -> Shop:
    return Shop(client)


def test_every_member_of_an_event_becomes_the_column_of_its_name(shop: Shop) -> None:
    shop.put(
        event(
            "i1",
            eventValue=4.5,
            recommendationId="RID-1",
            impression=["i1", "i2"],
            metricAttribution={"eventAttributionSource": "mail"},
            sentAt=datetime.fromtimestamp(AT, UTC),
            properties={"numRatings": 12, "dstCity": "Köln"},
        )
    )
    assert shop.rows() == [
        {
            "USER_ID": "u1",
            "ITEM_ID": "i1",
            "TIMESTAMP": str(AT),
            "EVENT_TYPE": "watch",
            "EVENT_VALUE": "4.5",
            "RECOMMENDATION_ID": "RID-1",
            "IMPRESSION": "i1|i2",
            "EVENT_ATTRIBUTION_SOURCE": "mail",
            "NUM_RATINGS": "12",
            "DSTCity": "Köln",
        }
    ]
    assert shop.rejected()["total"] == 0


def test_the_item_and_the_value_may_stand_in_the_properties(shop: Shop) -> None:
    shop.put(event(None, properties={"itemId": "old-style", "eventValue": "4"}))
    (row,) = shop.rows()
    assert (row["ITEM_ID"], row["EVENT_VALUE"]) == ("old-style", "4.0")


@pytest.mark.parametrize("text", ["[1]", "no json", '"a text"', '{"a": NaN}', "3"])
def test_properties_that_are_no_json_object_are_refused(shop: Shop, text: str) -> None:
    assert shop.refusal(event(properties=text)) == "Error parsing properties json"
    assert shop.history("u1") == []


@pytest.mark.parametrize(
    "key", ["userId", "USER_ID", "sessionId", "eventType", "timestamp", "recommendationId", "Impression"]
)
def test_forbidden_keys_are_refused_in_any_spelling(shop: Shop, key: str) -> None:
    assert key in shop.refusal(event(properties={key: "x"}))


def test_an_event_may_be_dated_ahead_as_in_the_guides_sample(shop: Shop) -> None:
    ahead = int(time.time()) + 600
    shop.put(event("i1", sentAt=ahead))
    assert [row["TIMESTAMP"] for row in shop.rows()] == [str(ahead)]


def test_one_bad_event_refuses_the_whole_call(shop: Shop) -> None:
    shop.refusal(event("good"), event("bad", properties="no json"))
    assert shop.history("u1") == []


def test_an_event_larger_than_ten_kilobytes_is_refused(shop: Shop) -> None:
    impression = ["ü" * 250] * 25
    assert "10240" in shop.refusal(event(impression=impression)).replace(",", "")


def test_what_cannot_be_used_is_noted_with_its_reason(shop: Shop) -> None:
    shop.put(event("i1", properties={"numRatings": "many", "colour": "red"}), event(None))
    shop.put(event("i2"), session="null")
    shop.put(event("i3", eventId="e1"), event("i4", eventId="e1"))
    shop.put(event("i5", eventId="e1"))
    found = shop.rejected()
    expected = {"INVALID_VALUE": 1, "UNKNOWN_KEY": 1, "NO_ITEM": 1, "NULL_SESSION": 1, "REPEATED_EVENT_ID": 2}
    assert found["counts"] == expected
    reasons = {one["code"]: one["reason"] for one in found["rejected"]}
    assert "NUM_RATINGS" in reasons["INVALID_VALUE"]
    assert "colour" in reasons["UNKNOWN_KEY"]
    assert "e1" in reasons["REPEATED_EVENT_ID"]
    assert [row["ITEM_ID"] for row in shop.history("u1")] == ["i1", "i3"]
    assert found["rejected"][0]["record"]["ITEM_ID"] == "i5"
    newest = found["rejected"][0]["number"]
    path = f"/sartor/v1/events/rejected?datasetArn={shop.dataset}&limit=2&before={newest}"
    assert [one["number"] for one in shop.client.server.get(path)["rejected"]] == [
        one["number"] for one in found["rejected"][1:3]
    ]


def test_every_rejection_counts_in_the_metrics(shop: Shop) -> None:
    def counted() -> float:
        import urllib.request

        with urllib.request.urlopen(shop.client.server.url + "/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.split()[1]) for line in lines if line.startswith("sartor_put_rejected_total{"))

    before = counted()
    shop.put(event(None), event(properties={"unknown": 1}))
    assert counted() == before + 2


def test_an_unknown_tracking_id_is_refused(client: Client) -> None:
    with pytest.raises(ClientError) as refused:
        client.events.put_events(trackingId="nobody", sessionId="s", eventList=[event()])
    assert refused.value.response["Error"]["Code"] == "InvalidInputException"


def test_what_a_session_did_before_it_was_known_belongs_to_its_user(shop: Shop) -> None:
    shop.put(event("before"), user=None, session="s-a")
    shop.put(event("never known"), user=None, session="s-b")
    shop.put(event("link"), user="anna", session="s-a")
    shop.put(event("after"), user=None, session="s-a")
    found = {(row["USER_ID"], row["ITEM_ID"]) for row in shop.rows()}
    assert found == {("anna", "before"), ("anna", "link"), ("anna", "after")}
    assert [row["ITEM_ID"] for row in shop.history("s-b")] == ["never known"]


def test_equal_events_are_one_and_different_ones_are_all_there(shop: Shop) -> None:
    shop.put(event("i1"), event("i1"), event("i1", sentAt=AT + 1))
    assert sorted(str(row["TIMESTAMP"]) for row in shop.client.exported(shop.dataset)) == [
        str(AT),
        str(AT + 1),
    ]


def test_a_users_history_is_there_at_once_and_in_order(shop: Shop) -> None:
    for number in range(12):
        shop.put(*(event(f"i{number}-{at}") for at in range(10)))
    found = [row["ITEM_ID"] for row in shop.history("u1")]
    assert found == [f"i{number}-{at}" for number in range(2, 12) for at in range(10)]


def test_live_records_survive_a_full_import(shop: Shop) -> None:
    shop.put(event("live"))
    header = "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,EVENT_VALUE,RECOMMENDATION_ID,IMPRESSION,"
    header += "EVENT_ATTRIBUTION_SOURCE,NUM_RATINGS,DSTCity"
    lines = [f"b{row},bulk,{AT + row},watch,,,,,," for row in range(1000)]
    key = shop.client.write("live-and-bulk.csv", "\n".join([header, *lines]) + "\n")
    assert shop.client.imported(shop.dataset, key)["status"] == "ACTIVE"
    assert shop.client.imported(shop.dataset, key)["status"] == "ACTIVE"
    assert len(shop.client.exported(shop.dataset, "BULK")) == 1000
    items = [row["ITEM_ID"] for row in shop.client.exported(shop.dataset, "ALL")]
    assert (items.count("bulk"), items.count("live")) == (1000, 1)


def test_a_group_has_one_tracker_and_keeps_its_events_without_it(client: Client) -> None:
    shop = Shop(client)
    group = client.group_of(shop.dataset)
    with pytest.raises(ClientError) as refused:
        client.personalize.create_event_tracker(name="second", datasetGroupArn=group)
    assert refused.value.response["Error"]["Code"] == "ResourceAlreadyExistsException"
    shop.put(event("kept"))
    (listed,) = client.personalize.list_event_trackers(datasetGroupArn=group)["eventTrackers"]
    assert "trackingId" not in listed
    client.personalize.delete_event_tracker(eventTrackerArn=listed["eventTrackerArn"])
    assert "tracking id" in _gone(shop)
    again = client.tracker(shop.dataset)
    assert again != shop.tracking_id
    assert [row["ITEM_ID"] for row in shop.rows()] == ["kept"]


def _gone(shop: Shop) -> str:
    """Return the refusal of events once the tracker's deletion has gone through."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            shop.put(event("kept"))  # equal events are one
        except ClientError as error:
            message = str(error.response["Error"]["Message"])
            if "no event tracker" in message:
                return message
        time.sleep(0.02)
    raise AssertionError("the tracker never went")


def test_a_tracker_needs_an_interactions_dataset(client: Client) -> None:
    with pytest.raises(ClientError) as refused:
        client.personalize.create_event_tracker(name="early", datasetGroupArn=client.group())
    assert refused.value.response["Error"]["Code"] == "InvalidInputException"


def test_a_tracker_brings_the_hidden_dataset_that_can_be_deleted_on_its_own(shop: Shop) -> None:
    client = shop.client.personalize
    group = shop.client.group_of(shop.dataset)
    hidden = shop.dataset.replace("/INTERACTIONS", "/EVENT_INTERACTIONS")
    assert client.describe_dataset(datasetArn=hidden)["dataset"]["name"] == "EVENT_INTERACTIONS"
    for listed in (client.list_datasets(datasetGroupArn=group), client.list_datasets(maxResults=100)):
        assert hidden not in [one["datasetArn"] for one in listed["datasets"]]
    client.delete_dataset(datasetArn=hidden)
    shop.client.gone(lambda: client.describe_dataset(datasetArn=hidden))
    shop.put(event("still"))
    assert [row["ITEM_ID"] for row in shop.rows()] == ["still"]


def test_a_newer_item_replaces_the_older_one_as_a_whole(client: Client) -> None:
    dataset = client.dataset(ITEMS, "Items")
    put = client.events.put_items
    first = {"genre": "Drama|Comedy", "price": "9.5", "description": "<b>Two</b> words"}
    put(datasetArn=dataset, items=[{"itemId": "a", "properties": json.dumps(first)}])
    put(datasetArn=dataset, items=[{"itemId": "b"}, {"itemId": "a", "properties": '{"PRICE": 3}'}])
    newest = sorted(client.exported(dataset, "ALL"), key=lambda row: str(row["ITEM_ID"]))
    empty = {"GENRE": None, "PRICE": None, "DESCRIPTION": None}
    assert newest == [{"ITEM_ID": "a", **empty, "PRICE": "3.0"}, {"ITEM_ID": "b", **empty}]
    every = client.exported(dataset, "PUT")
    assert len(every) == 3, "every stored version is there"
    assert {"ITEM_ID": "a", "GENRE": "Drama|Comedy", "PRICE": "9.5", "DESCRIPTION": "Two words"} in every


def test_what_came_last_counts_be_it_imported_or_put(client: Client) -> None:
    dataset = client.dataset(USERS, "Users")
    put = client.events.put_users

    def age(user: str) -> str | None:
        (found,) = [row["AGE"] for row in client.exported(dataset) if row["USER_ID"] == user]
        return found

    put(datasetArn=dataset, users=[{"userId": "u", "properties": '{"age": 1}'}])
    assert age("u") == "1"
    assert (
        client.imported(dataset, client.write("last.csv", "USER_ID,AGE,CITY\nu,2,\n"))["status"] == "ACTIVE"
    )
    assert age("u") == "2"
    put(datasetArn=dataset, users=[{"userId": "u", "properties": '{"age": 3}'}])
    assert age("u") == "3"


@pytest.mark.parametrize(
    ("properties", "word"),
    [
        ('{"age": "old"}', "AGE"),
        ('{"age": 2147483648}', "AGE"),
        ("[]", "Error parsing properties json"),
        ('{"city": {"a": 1}}', "CITY"),
    ],
)
def test_properties_that_do_not_match_the_schema_are_refused(
    client: Client, properties: str, word: str
) -> None:
    dataset = client.dataset(USERS, "Users")
    with pytest.raises(ClientError) as refused:
        client.events.put_users(
            datasetArn=dataset, users=[{"userId": "good"}, {"userId": "u", "properties": properties}]
        )
    assert refused.value.response["Error"]["Code"] == "InvalidInputException"
    assert word in refused.value.response["Error"]["Message"]
    assert client.exported(dataset) == []


def test_records_for_a_dataset_of_another_type_or_of_nobody_are_refused(client: Client) -> None:
    users = client.dataset(USERS, "Users")
    for arn, code in [
        (users, "InvalidInputException"),
        (users.replace("USERS", "ITEMS"), "ResourceNotFoundException"),
        (users.replace("000000000000", "111122223333"), "ResourceNotFoundException"),
    ]:
        with pytest.raises(ClientError) as refused:
            client.events.put_items(datasetArn=arn, items=[{"itemId": "a"}])
        assert refused.value.response["Error"]["Code"] == code


def test_a_dataset_that_was_made_anew_takes_records_by_its_new_schema(client: Client) -> None:
    group = client.group()
    dataset = client.dataset(USERS, "Users", group=group)
    put = client.events.put_users
    put(datasetArn=dataset, users=[{"userId": "u", "properties": '{"age": 5}'}])
    client.personalize.delete_dataset(datasetArn=dataset)
    client.gone(lambda: client.personalize.describe_dataset(datasetArn=dataset))
    with pytest.raises(ClientError) as refused:
        put(datasetArn=dataset, users=[{"userId": "u", "properties": '{"age": 5}'}])
    assert refused.value.response["Error"]["Code"] == "ResourceNotFoundException"
    texts = schema("Users", ("USER_ID", "string"), ("AGE", TEXT), AGE=CATEGORICAL)
    assert client.dataset(texts, "Users", group=group) == dataset
    put(datasetArn=dataset, users=[{"userId": "u", "properties": '{"age": "of consent"}'}])
    assert client.exported(dataset) == [{"USER_ID": "u", "AGE": "of consent"}]


def test_actions_and_what_users_do_with_them(client: Client) -> None:
    group = client.group()
    actions = client.dataset(ACTIONS, "Actions", group=group)
    interactions = client.dataset(ACTION_INTERACTIONS, "Action_Interactions", group=group)
    client.events.put_actions(datasetArn=actions, actions=[{"actionId": "a1", "properties": '{"value": 5}'}])
    tracking = client.personalize.describe_dataset(datasetArn=interactions)["dataset"]["trackingId"]
    one = {"actionId": "a1", "sessionId": "s", "eventType": "Taken", "timestamp": AT}
    client.events.put_action_interactions(
        trackingId=tracking, actionInteractions=[{**one, "userId": "u1"}, {**one, "actionId": "a2"}]
    )
    path = f"/sartor/v1/datasets/{interactions}/records?id=u1"
    (record,) = client.server.get(path)["records"]
    assert record["record"] == {
        "USER_ID": "u1",
        "ACTION_ID": "a1",
        "EVENT_TYPE": "Taken",
        "TIMESTAMP": AT,
    }
    statistics = client.server.get(f"/sartor/v1/datasets/{interactions}/statistics")
    assert (statistics["rows"], statistics["users"], statistics["actions"]) == (2, 1, 2)
    with pytest.raises(ClientError) as refused:
        client.events.put_action_interactions(trackingId="nobody", actionInteractions=[one])
    assert refused.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_action_interactions_forbid_the_same_keys_and_take_impressions_without_using_them(
    client: Client,
) -> None:
    acted = [(field["name"], field["type"]) for field in ACTION_INTERACTIONS["fields"]]
    of = schema("ActionInteractions", *acted, ("IMPRESSION", TEXT), ("CHANNEL", TEXT))
    dataset = client.dataset(of, "Action_Interactions")
    tracking = client.personalize.describe_dataset(datasetArn=dataset)["dataset"]["trackingId"]
    one = {"actionId": "a1", "userId": "u1", "sessionId": "s", "eventType": "TAKEN", "timestamp": AT}
    for key in ("userId", "sessionId", "eventType", "timestamp", "recommendationId", "impression"):
        refused = {**one, "properties": json.dumps({key: "x"})}
        with pytest.raises(ClientError, match=key):
            client.events.put_action_interactions(trackingId=tracking, actionInteractions=[refused])
    taken = {**one, "impression": ["a1", "a2"], "properties": '{"channel": "mail"}'}
    client.events.put_action_interactions(trackingId=tracking, actionInteractions=[taken])
    (record,) = client.server.get(f"/sartor/v1/datasets/{dataset}/records?id=u1")["records"]
    assert (record["record"].get("IMPRESSION"), record["record"]["CHANNEL"]) == (None, "mail")


def test_events_are_for_a_tracker_that_is_active(tmp_path: Path) -> None:
    """Without a worker nothing becomes so."""
    with Server(tmp_path / "data", {}) as server:
        client = Client(server, tmp_path)
        dataset = client.dataset(INTERACTIONS, "Interactions")
    with Server(tmp_path / "data", {}, ("--workers", "0")) as server:
        client = Client(server, tmp_path)
        made = client.personalize.create_event_tracker(
            name="pending", datasetGroupArn=client.group_of(dataset)
        )
        with pytest.raises(ClientError, match="must be ACTIVE, but its status is CREATE PENDING") as refused:
            client.events.put_events(trackingId=made["trackingId"], sessionId="s", eventList=[event()])
        assert refused.value.response["Error"]["Code"] == "InvalidInputException"


def test_a_rate_beyond_amazons_is_throttled_and_lifted_without_quotas(aws: Client) -> None:
    from botocore.config import Config

    dataset = aws.dataset(ITEMS, "Items")
    import boto3

    words = aws.server.environment
    once = boto3.client(
        "personalize-events",
        endpoint_url=aws.server.url,
        region_name=words["AWS_DEFAULT_REGION"],
        aws_access_key_id=words["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=words["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"total_max_attempts": 1}),
    )
    with pytest.raises(ClientError) as refused:
        for number in range(1000):
            once.put_items(datasetArn=dataset, items=[{"itemId": f"i{number}"}])
    assert refused.value.response["Error"]["Code"] == "ThrottlingException"
    assert number >= 10
    aws.events.put_items(datasetArn=dataset, items=[{"itemId": "boto3 tries again by itself"}])
