"""A shop and a video service with planted structure, and the recommenders of their ten use cases."""

import random
import time
from collections import Counter, defaultdict
from typing import Any

from api.conftest import Client
from api.schemas import schema

RECIPE = "arn:aws:personalize:::recipe"
DAY = 86_400
BEGAN = 1_700_000_000
TASTES, ITEMS_EACH, USERS_EACH = 3, 12, 50
INTERACTIONS = schema(
    "Interactions",
    ("USER_ID", "string"),
    ("ITEM_ID", "string"),
    ("TIMESTAMP", "long"),
    ("EVENT_TYPE", "string"),
    ("DEVICE", ["null", "string"]),
    DEVICE={"categorical": True},
)
ITEMS = {
    "ECOMMERCE": schema(
        "Items",
        ("ITEM_ID", "string"),
        ("PRICE", "float"),
        ("CATEGORY_L1", "string"),
        ("CREATION_TIMESTAMP", ["null", "long"]),
        CATEGORY_L1={"categorical": True},
    ),
    "VIDEO_ON_DEMAND": schema(
        "Items",
        ("ITEM_ID", "string"),
        ("GENRES", "string"),
        ("CREATION_TIMESTAMP", "long"),
        ("CONTENT_OWNER", ["null", "string"]),
        GENRES={"categorical": True},
        CONTENT_OWNER={"categorical": True},
    ),
}
#: The types of events that a user of each domain has with what he knows already, and with what he only looks at.
KNOWN = {"ECOMMERCE": "Purchase", "VIDEO_ON_DEMAND": "Watch"}
LOOKED = {"ECOMMERCE": "View", "VIDEO_ON_DEMAND": "Click"}


def name_of(taste: int, at: int) -> str:
    return f"{'abc'[taste]}-{at % ITEMS_EACH:02d}"


def user_of(taste: int, number: int) -> str:
    return f"{'abc'[taste]}-fan-{number}"


class Domain:
    """A dataset group of a domain, and its recommenders, each made when it is first asked for.

    Attributes:
        events: who did what with which item, as imported: ``(user, item, event type)``.
    """

    def __init__(self, client: Client, domain: str) -> None:
        self.client = client
        self.domain = domain
        self.personalize: Any = client.personalize
        self.runtime: Any = client.server.client("personalize-runtime")
        self.group = client.group(domain)
        self.interactions = client.dataset(INTERACTIONS, "Interactions", domain, self.group)
        self.items = client.dataset(ITEMS[domain], "Items", domain, self.group)
        self.events: list[tuple[str, str, str]] = []
        self.recommenders: dict[str, str] = {}
        self._import()
        self.tracking_id = client.tracker(self.interactions)

    def _import(self) -> None:
        rows, catalogue = SHOP_OR_TV[self.domain]()
        self.events = [(user, item, event) for user, item, _, event in rows]
        lines = [f"{user},{item},{at},{event},{_device(user)}" for user, item, at, event in rows]
        for dataset, header, content in (
            (self.interactions, "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,DEVICE", lines),
            (self.items, catalogue[0], catalogue[1:]),
        ):
            self.client.brought(dataset, self.domain, [header, *content])

    def recommender(self, recipe: str, **config: Any) -> str:
        """Return the recommender of a use case, which explores nothing unless it is told to."""
        if recipe not in self.recommenders:
            explores = recipe.endswith(("for-you", "top-picks"))
            still = {"itemExplorationConfig": {"explorationWeight": "0"}} if explores else {}
            arn = self.personalize.create_recommender(
                name=self.client.name(recipe[:40]),
                datasetGroupArn=self.group,
                recipeArn=f"{RECIPE}/{recipe}",
                recommenderConfig={**still, "enableMetadataWithRecommendations": True, **config},
            )["recommenderArn"]
            found = self.client.until(lambda: self.described(arn))
            assert found["status"] == "ACTIVE", found
            self.recommenders[recipe] = arn
        return self.recommenders[recipe]

    def described(self, arn: str) -> dict[str, Any]:
        found: dict[str, Any] = self.personalize.describe_recommender(recommenderArn=arn)["recommender"]
        return found

    def ask(self, recipe: str, **request: Any) -> list[dict[str, Any]]:
        answer = self.runtime.get_recommendations(recommenderArn=self.recommender(recipe), **request)
        assert answer["recommendationId"].startswith("RID-")
        return list(answer["itemList"])

    def ids(self, recipe: str, **request: Any) -> list[str]:
        return [one["itemId"] for one in self.ask(recipe, **request)]

    def filter(self, expression: str) -> str:
        return self.client.filter(self.group, expression)

    def put(self, user: str, event: str, *items: str) -> None:
        self.client.events.put_events(
            trackingId=self.tracking_id,
            userId=user,
            sessionId=f"session-{user}",
            eventList=[{"eventType": event, "itemId": item, "sentAt": time.time()} for item in items],
        )

    def users_by_item(self, event: str) -> Counter[str]:
        """Return how many users had an event of a type with each item."""
        pairs = {(user, item) for user, item, of_type in self.events if of_type.lower() == event.lower()}
        return Counter(item for _, item in pairs)

    def known(self, user: str) -> set[str]:
        """Return what a user has bought, or watched."""
        wanted = KNOWN[self.domain].lower()
        return {item for who, item, event in self.events if who == user and event.lower() == wanted}


def _device(user: str) -> str:
    return {"a": "phone", "b": "tv", "c": "tablet"}[user[0]]


Rows = list[tuple[str, str, int, str]]


def _shop() -> tuple[Rows, list[str]]:
    """Users view what is of their taste, and buy pairs of it at once; some buy what sells best, on another day."""
    rng = random.Random(1)
    rows: Rows = []
    for taste in range(TASTES):
        for number in range(USERS_EACH):
            user, at = user_of(taste, number), BEGAN + number
            for step, item in enumerate(rng.sample(range(ITEMS_EACH), 8)):
                # writers of events do not agree on their case
                rows.append((user, name_of(taste, item), at + 60 * step, "View" if number % 2 else "view"))
            if number % 3:
                rows.append((user, "window-shopper", at + 600, "View"))
            for basket, pair in enumerate(rng.sample(range(ITEMS_EACH // 2 - 1), 3)):
                when = at + (basket + 1) * DAY
                rows += [(user, name_of(taste, 2 * pair + one), when + one, "Purchase") for one in (0, 1)]
            rows.append((user, "best-seller", at + 9 * DAY, "Purchase"))
    items = ["ITEM_ID,PRICE,CATEGORY_L1,CREATION_TIMESTAMP"]
    items += [
        f"{name_of(taste, at)},{at + 1.5},{'abc'[taste]},{BEGAN - 400 * DAY}"
        for taste in range(TASTES)
        for at in range(ITEMS_EACH)
    ]
    return rows, [*items, f"best-seller,1.0,all,{BEGAN}", f"window-shopper,900.0,all,{BEGAN}"]


def _television() -> tuple[Rows, list[str]]:
    """Users watch what is of their taste, and click about; what is clicked in the last hours trends."""
    rng = random.Random(2)
    rows: Rows = []
    for taste in range(TASTES):
        for number in range(USERS_EACH):
            user, at = user_of(taste, number), BEGAN + number
            for step, item in enumerate(rng.sample(range(ITEMS_EACH), 7)):
                rows.append((user, name_of(taste, item), at + 60 * step, "Watch" if number % 2 else "WATCH"))
            for step, item in enumerate(rng.sample(range(ITEMS_EACH), 3)):
                rows.append((user, name_of(taste, item), at + 60 * step + 30, "Click"))
            if number % 4:
                rows.append((user, "film-of-the-year", at + 900, "Watch"))
    end = BEGAN + 30 * DAY
    for number in range(30):
        rows.append((user_of(number % TASTES, number), "rising", end - 60 * number, "Click"))
    items = ["ITEM_ID,GENRES,CREATION_TIMESTAMP,CONTENT_OWNER"]
    items += [
        f"{name_of(taste, at)},{'abc'[taste]}|film,{BEGAN - 400 * DAY},studio-{at % 4}"
        for taste in range(TASTES)
        for at in range(ITEMS_EACH)
    ]
    items += [f"film-of-the-year,film,{BEGAN},studio-9", f"rising,series,{BEGAN},studio-9"]
    return rows, [*items, f"new-a,a|film,{end},studio-of-its-own"]


SHOP_OR_TV = {"ECOMMERCE": _shop, "VIDEO_ON_DEMAND": _television}


def pairs_bought(events: list[tuple[str, str, str]]) -> dict[str, set[str]]:
    """Return what lies in one basket with each item, as it is planted."""
    found: dict[str, set[str]] = defaultdict(set)
    for _, item, event in events:
        if event == "Purchase" and item[1] == "-":
            at = int(item[2:])
            found[item].add(f"{item[:2]}{at + 1 if at % 2 == 0 else at - 1:02d}")
    return found
