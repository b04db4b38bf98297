"""A small shop that every page of the console has something to show of: data, faults, models, events, answers."""

import json
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from api.conftest import ROLE, Client
from api.schemas import CATEGORICAL, TEXT, schema
from console.hostile import HOSTILE, WORST
from sartor.data.attribution import Sample
from sartor.demo.server import Server
from sartor.resources.opening import open_store
from sartor.settings import load

RECIPE = "arn:aws:personalize:::recipe"
BEGAN = 1_700_000_000
DAY = 86_400
USERS, ITEMS = 40, 30
INTERACTIONS = schema(
    "Interactions", ("USER_ID", "string"), ("ITEM_ID", "string"), ("TIMESTAMP", "long"), ("EVENT_TYPE", TEXT)
)
ITEMS_SCHEMA = schema(
    "Items", ("ITEM_ID", "string"), ("TITLE", TEXT), ("GENRE", TEXT), ("IMAGE_URL", TEXT), GENRE=CATEGORICAL
)


@dataclass
class Shop:
    """A shop on a server.

    Attributes:
        client: of its server.
        arns: of what it has, by a word.
    """

    client: Client
    arns: dict[str, str] = field(default_factory=dict)

    @property
    def server(self) -> Server:
        return self.client.server

    def link(self) -> str:
        """Return an address that signs a browser in, once."""
        return self.server.url + str(self.server.post("/sartor/v1/console/links", {})["path"])

    def key(self) -> tuple[str, str]:
        """Return the access key of the shop and its secret."""
        words = self.server.environment
        return words["AWS_ACCESS_KEY_ID"], words["AWS_SECRET_ACCESS_KEY"]


def open_shop(server: Server, bucket: Path) -> Shop:
    """Return a shop with two datasets, an import that failed, a model, a campaign, and events; takes seconds."""
    client = Client(server, bucket)
    shop = Shop(client)
    _data(shop)
    _models(shop)
    _access(shop)
    _outcomes(shop)
    return shop


def _data(shop: Shop) -> None:
    client, arns = shop.client, shop.arns
    arns["group"] = client.personalize.create_dataset_group(name="shop")["datasetGroupArn"]
    client.until(
        lambda: client.personalize.describe_dataset_group(datasetGroupArn=arns["group"])["datasetGroup"]
    )
    arns["interactions"] = client.dataset(INTERACTIONS, "Interactions", group=arns["group"])
    arns["items"] = client.dataset(ITEMS_SCHEMA, "Items", group=arns["group"])
    client.write("interactions.csv", interactions())
    client.write("items.csv", items())
    client.write(
        "broken.csv", "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE\nu1,i1,1700000000,view\nu2,i2,yesterday,view\n"
    )
    for word, dataset, key in (
        ("imported", "interactions", "interactions.csv"),
        ("items-imported", "items", "items.csv"),
        ("again", "items", "items.csv"),
        ("failed", "interactions", "broken.csv"),
    ):
        arns[word] = client.personalize.create_dataset_import_job(
            jobName=word,
            datasetArn=arns[dataset],
            dataSource={"dataLocation": f"s3://training/{key}"},
            roleArn=ROLE,
            importMode="FULL",
        )["datasetImportJobArn"]
        client.until(lambda word=word: client.job(arns[word]))  # type: ignore[misc]


def _models(shop: Shop) -> None:
    client, arns = shop.client, shop.arns
    api = client.personalize
    arns["solution"] = api.create_solution(
        name="for-you",
        datasetGroupArn=arns["group"],
        recipeArn=f"{RECIPE}/aws-user-personalization-v2",
        performAutoTraining=False,
    )["solutionArn"]
    client.until(lambda: api.describe_solution(solutionArn=arns["solution"])["solution"])
    arns["version"] = api.create_solution_version(solutionArn=arns["solution"])["solutionVersionArn"]
    client.until(lambda: api.describe_solution_version(solutionVersionArn=arns["version"])["solutionVersion"])
    arns["newer"] = api.create_solution_version(solutionArn=arns["solution"])["solutionVersionArn"]
    client.until(lambda: api.describe_solution_version(solutionVersionArn=arns["newer"])["solutionVersion"])
    arns["campaign"] = api.create_campaign(name="for-you", solutionVersionArn=arns["version"])["campaignArn"]
    client.until(lambda: api.describe_campaign(campaignArn=arns["campaign"])["campaign"])
    similar = api.create_solution(
        name="similar",
        datasetGroupArn=arns["group"],
        recipeArn=f"{RECIPE}/aws-sims",
        performAutoTraining=False,
    )["solutionArn"]
    client.until(lambda: api.describe_solution(solutionArn=similar)["solution"])
    version = api.create_solution_version(solutionArn=similar)["solutionVersionArn"]
    client.until(lambda: api.describe_solution_version(solutionVersionArn=version)["solutionVersion"])
    arns["similar"] = api.create_campaign(name="similar", solutionVersionArn=version)["campaignArn"]
    client.until(lambda: api.describe_campaign(campaignArn=arns["similar"])["campaign"])
    arns["filter"] = api.create_filter(
        name="no-drama",
        datasetGroupArn=arns["group"],
        filterExpression='EXCLUDE ItemID WHERE Items.GENRE IN ("Drama")',
    )["filterArn"]
    client.until(lambda: api.describe_filter(filterArn=arns["filter"])["filter"])
    made = api.create_event_tracker(name="clicks", datasetGroupArn=arns["group"])
    arns["tracker"], arns["trackingId"] = made["eventTrackerArn"], made["trackingId"]
    client.until(lambda: api.describe_event_tracker(eventTrackerArn=arns["tracker"])["eventTracker"])
    event: dict[str, Any] = {"eventType": WORST[:250], "itemId": "i1", "sentAt": BEGAN}
    useless = {"eventType": "view", "sentAt": BEGAN, "properties": json.dumps({WORST: "red"})}
    client.events.put_events(
        trackingId=made["trackingId"], userId="u1", sessionId="s1", eventList=[event, useless]
    )


def _access(shop: Shop) -> None:
    """Make a key that may ask and put, and a role that may ask."""
    may = {"Effect": "Allow", "Action": ["personalize:Get*", "personalize:PutEvents"], "Resource": "*"}
    policies = [json.dumps({"Version": "2012-10-17", "Statement": [may]})]
    made = shop.server.post("/sartor/v1/access/keys", {"policies": policies})
    shop.arns["key"] = made["accessKeyId"]
    shop.server.post("/sartor/v1/access/roles", {"name": "shop-reader", "policies": policies})


def _outcomes(shop: Shop) -> None:
    """Measure views and buys, and plant a week of what campaign, mail and others brought."""
    client, arns = shop.client, shop.arns
    arns["attribution"] = client.personalize.create_metric_attribution(
        name="revenue",
        datasetGroupArn=arns["group"],
        metrics=[
            {"eventType": "view", "metricName": "views", "expression": "SAMPLECOUNT()"},
            {"eventType": "buy", "metricName": "buys", "expression": "SAMPLECOUNT()"},
        ],
        metricsOutputConfig={"roleArn": ROLE},
    )["metricAttributionArn"]
    client.until(
        lambda: client.personalize.describe_metric_attribution(metricAttributionArn=arns["attribution"])[
            "metricAttribution"
        ]
    )
    chance, now = random.Random(7), int(time.time())
    sources = (arns["campaign"], "mail", "front-page", HOSTILE[0], "SOURCE_NAME_UNDEFINED")
    samples = [
        Sample(name, event, float(chance.randrange(1, 9 - rank)), "samplecount", source, hour // 900 * 900)
        for hour in range(now - 7 * DAY, now, 6 * 3600)
        for rank, source in enumerate(sources)
        for name, event in (("VIEWS", "VIEW"), ("BUYS", "BUY"))
    ]
    store = open_store(load({"data": shop.server.data}, {}))
    store.samples.add(arns["attribution"], "planted", samples, 0, None)
    store.close()


def interactions() -> str:
    """Return a CSV of who liked what: each user likes one genre."""
    chance = random.Random(16)
    rows = [
        f"u{user},i{item},{BEGAN + chance.randrange(90) * DAY},{chance.choice(('view', 'buy'))}"
        for user in range(USERS)
        for item in range(ITEMS)
        if chance.random() < (0.7 if item % 3 == user % 3 else 0.1)
    ]
    return "\n".join(["USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE", *rows]) + "\n"


def items() -> str:
    """Return a CSV of items, some with hostile titles."""
    genres = ("Drama", "Comedy", "Action")
    lines = ["ITEM_ID,TITLE,GENRE,IMAGE_URL"]
    for item in range(ITEMS):
        title = (
            HOSTILE[item].replace('"', '""').replace("\n", " ").replace("\r", " ")[:900]
            if item < len(HOSTILE)
            else f"Item {item}"
        )
        lines.append(f'i{item},"{title}",{genres[item % 3]},https://images.example/{item}.png')
    return "\n".join(lines) + "\n"
