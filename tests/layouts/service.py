"""A small service with something of every kind that is stored, and what it answers; any Sartor runs it."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sartor.demo.server import Server

ROLE = "arn:aws:iam::000000000000:role/import"
AT = 1_700_000_000
USERS, ITEMS, ROUNDS = 40, 12, 30
#: Kinds of resources, as operations call them, and what names one in its summary.
KINDS = (
    *("dataset_group", "schema", "dataset", "dataset_import_job", "event_tracker", "filter", "solution"),
    *("solution_version", "campaign"),
)
SETTLED = ("ACTIVE", "CREATE FAILED")


def schema(record: str, *fields: tuple[str, Any]) -> str:
    columns = [{"name": name, "type": kind} for name, kind in fields]
    space = "com.amazonaws.personalize.schema"
    return json.dumps(
        {"type": "record", "name": record, "namespace": space, "fields": columns, "version": "1.0"}
    )


def interactions() -> str:
    """Return what users did, as CSV: they go round the items, each from another beginning."""
    rows = (f"u{n % USERS},i{(n * 7 + n // USERS) % ITEMS},{AT + n}" for n in range(USERS * ROUNDS))
    return "\n".join(["USER_ID,ITEM_ID,TIMESTAMP", *rows]) + "\n"


def items() -> str:
    return "\n".join(["ITEM_ID,PRICE", *(f"i{n},{n}.5" for n in range(ITEMS))]) + "\n"


def until_settled(describe: Callable[[], dict[str, Any]]) -> None:
    deadline = time.monotonic() + 120
    while (found := describe()).get("status") not in SETTLED:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    assert found["status"] == "ACTIVE", found


def _member(kind: str) -> str:
    """Return what answers call a resource of a kind: ``dataset_group`` is ``datasetGroup``."""
    first, *more = kind.split("_")
    return "".join([first, *(word.title() for word in more)])


class Caller:
    """Makes what the service has, with boto3."""

    def __init__(self, server: Server) -> None:
        self.personalize: Any = server.client()
        self.runtime: Any = server.client("personalize-runtime")
        self.events: Any = server.client("personalize-events")

    def made(self, kind: str, **members: Any) -> str:
        """Create a resource and return its ARN once it is ACTIVE."""
        arn: str = getattr(self.personalize, f"create_{kind}")(**members)[f"{_member(kind)}Arn"]
        if kind != "schema":
            until_settled(lambda: self.described(kind, arn))
        return arn

    def described(self, kind: str, arn: str) -> dict[str, Any]:
        name = _member(kind)
        answer: dict[str, Any] = getattr(self.personalize, f"describe_{kind}")(**{f"{name}Arn": arn})
        return dict(answer[name])

    def put(self, tracking_id: str, first: int, count: int) -> None:
        for n in range(first, first + count):
            event = {
                "eventType": "watch",
                "itemId": f"i{n % ITEMS}",
                "sentAt": AT + 9_000 + n,
                "eventId": f"e{n}",
            }
            self.events.put_events(
                trackingId=tracking_id, sessionId=f"s{n}", userId=f"live{n % 3}", eventList=[event]
            )


def make(data: Path, bucket: Path, options: tuple[str, ...]) -> None:
    """Make the service in a data folder; the first records that calls put are drained, the last are not."""
    (bucket / "interactions.csv").write_text(interactions())
    (bucket / "items.csv").write_text(items())
    os.environ["SARTOR_DRAIN_SECONDS"] = "0.1"
    with Server(data, {"training": bucket}, options) as server:
        call = Caller(server)
        group = call.made("dataset_group", name="shop")
        columns = (("USER_ID", "string"), ("ITEM_ID", "string"), ("TIMESTAMP", "long"))
        texts = {
            "Interactions": schema("Interactions", *columns),
            "Items": schema("Items", ("ITEM_ID", "string"), ("PRICE", "float")),
        }
        for name, text in texts.items():
            arn = call.made("schema", name=name, schema=text)
            dataset = call.made(
                "dataset", name=name, schemaArn=arn, datasetGroupArn=group, datasetType=name.upper()
            )
            source = {"dataLocation": f"s3://training/{name.lower()}.csv"}
            call.made("dataset_import_job", jobName=name, datasetArn=dataset, dataSource=source, roleArn=ROLE)
        tracker = call.made("event_tracker", name="tracker", datasetGroupArn=group)
        tracking_id = call.described("event_tracker", tracker)["trackingId"]
        call.put(tracking_id, 0, 6)
        items_arn = dataset
        call.events.put_items(
            datasetArn=items_arn, items=[{"itemId": "new", "properties": json.dumps({"price": 3.5})}]
        )
        call.made(
            "filter",
            name="cheap",
            datasetGroupArn=group,
            filterExpression="INCLUDE ItemID WHERE Items.PRICE < 6",
        )
        recipe = "arn:aws:personalize:::recipe/aws-sims"
        solution = call.made(
            "solution", name="similar", datasetGroupArn=group, recipeArn=recipe, performAutoTraining=False
        )
        version = call.made("solution_version", solutionArn=solution)
        call.made("campaign", name="similar", solutionVersionArn=version, minProvisionedTPS=1)
        call.personalize.tag_resource(resourceArn=group, tags=[{"tagKey": "for", "tagValue": "upgrades"}])
        time.sleep(3)  # until what was put is drained
    os.environ["SARTOR_DRAIN_SECONDS"] = "3600"
    with Server(data, {"training": bucket}, options) as server:
        Caller(server).put(tracking_id, 6, 6)


def answers(server: Server) -> dict[str, Any]:
    """Return what the service answers, by a name for each question."""
    call = Caller(server)
    found: dict[str, Any] = {}
    for kind in KINDS:
        for arn in _arns(call, kind):
            found[f"describe {arn}"] = call.described(kind, arn)
    (campaign,), (cheap,) = _arns(call, "campaign"), _arns(call, "filter")
    for n in range(ITEMS):
        for of_filter in ({}, {"filterArn": cheap}):
            asked = {"campaignArn": campaign, "itemId": f"i{n}", "numResults": 5, **of_filter}
            found[f"similar to i{n} {bool(of_filter)}"] = [
                one["itemId"] for one in call.runtime.get_recommendations(**asked)["itemList"]
            ]
    (group,) = _arns(call, "dataset_group")
    found["tags"] = call.personalize.list_tags_for_resource(resourceArn=group)["tags"]
    return dict(json.loads(json.dumps(found, default=str)))


def _arns(call: Caller, kind: str) -> list[str]:
    """Return the ARNs of every resource of a kind."""
    pages = call.personalize.get_paginator(f"list_{kind}s").paginate()
    summaries = (one for page in pages for value in page.values() if isinstance(value, list) for one in value)
    return sorted(one[f"{_member(kind)}Arn"] for one in summaries)


def exported(server: Server, bucket: Path) -> list[str]:
    """Return every row of every dataset, as exports write them."""
    call = Caller(server)
    rows = []
    for arn in _arns(call, "dataset"):
        name = f"rows-{time.time_ns()}"
        call.made(
            "dataset_export_job",
            jobName=name,
            datasetArn=arn,
            ingestionMode="ALL",
            roleArn=ROLE,
            jobOutput={"s3DataDestination": {"path": "s3://training/exports/"}},
        )
        for file in (bucket / "exports" / name).glob("*.csv"):
            rows += [f"{arn} {line}" for line in file.read_text().splitlines()[1:]]
    return sorted(rows)
