"""From actions and what users did with them to the next best action through boto3."""

import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from api.conftest import Client
from api.schemas import ACTION_INTERACTIONS, CATEGORICAL, TEXT, schema
from sartor.demo.server import Server

NBA = "arn:aws:personalize:::recipe/aws-next-best-action"
DAY = 86_400
BEGAN = 1_700_000_000
USERS, ITEMS_EACH = 100, 8
INTERACTIONS = schema("Interactions", ("USER_ID", "string"), ("ITEM_ID", "string"), ("TIMESTAMP", "long"))
NUMBER = ["null", "long"]
ACTIONS = schema(
    "Actions",
    ("ACTION_ID", "string"),
    ("VALUE", NUMBER),
    ("LEVEL", TEXT),
    ("EXPIRATION_TIMESTAMP", NUMBER),
    ("REPEAT_FREQUENCY", NUMBER),
    LEVEL=CATEGORICAL,
)
USERS_SCHEMA = schema("Users", ("USER_ID", "string"), ("TIER", TEXT), TIER=CATEGORICAL)
#: How likely users of either taste take each action when it is shown to them.
CHANCES = {
    "join": (0.9, 0.2),
    "app": (0.2, 0.9),
    "weekly": (0.6, 0.6),
    "twin-cheap": (0.4, 0.4),
    "twin-dear": (0.4, 0.4),
}
#: Their columns: value, level, expiry, days between repetitions. One has too few events, one none, one is over.
TERMS = {
    "join": "5,gold,,",
    "app": "5,silver,,",
    "weekly": "5,silver,,7",
    "twin-cheap": "2,gold,,",
    "twin-dear": "9,gold,,",
    "rare": "1,gold,,",
    "new": "8,silver,,",
    "over": f"10,gold,{BEGAN},",
}
SCORED = set(CHANCES)


def refused(call: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    assert caught.value.response["Error"]["Code"] == "InvalidInputException", caught.value
    return str(caught.value.response["Error"]["Message"])


class Shop:
    """A dataset group with users of two tastes, and a campaign that recommends actions."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.personalize: Any = client.personalize
        self.runtime: Any = client.server.client("personalize-runtime")
        self.group = client.group()
        self.interactions = client.dataset(INTERACTIONS, "Interactions", group=self.group)
        self.actions = client.dataset(ACTIONS, "Actions", group=self.group)
        self.acted = client.dataset(ACTION_INTERACTIONS, "Action_Interactions", group=self.group)
        self.users = client.dataset(USERS_SCHEMA, "Users", group=self.group)
        self._import()
        self.tracking_id = client.tracker(self.interactions)
        described = self.personalize.describe_dataset(datasetArn=self.acted)["dataset"]
        self.action_tracking_id = described["trackingId"]
        self.version = self.trained()
        self.campaign = self.deployed(self.version["solutionVersionArn"])

    def _import(self) -> None:
        rng = random.Random(0)
        items, acted = ["USER_ID,ITEM_ID,TIMESTAMP"], ["USER_ID,ACTION_ID,EVENT_TYPE,TIMESTAMP"]
        for user in range(USERS):
            liked = [item(user % 2, rng.randrange(ITEMS_EACH)) for _ in range(12)]
            items += [f"u{user},{one},{BEGAN + step * DAY + user}" for step, one in enumerate(liked)]
            for action, chances in CHANCES.items():
                if action == "twin-dear":  # is shown with its twin, and taken with it
                    acted += [line.replace("twin-cheap", action) for line in acted[-4:]]
                    continue
                for shown in (0, 16):
                    at = BEGAN + (20 + shown) * DAY + 60 * user
                    end = "Taken" if rng.random() < chances[user % 2] else "Not taken"
                    acted += [f"u{user},{action},Viewed,{at}", f"u{user},{action},{end},{at + 5}"]
        acted += [f"u{user},rare,VIEWED,{BEGAN + 20 * DAY}" for user in range(20)]
        actions = ["ACTION_ID,VALUE,LEVEL,EXPIRATION_TIMESTAMP,REPEAT_FREQUENCY"]
        actions += [f"{name},{terms}" for name, terms in TERMS.items()]
        users = ["USER_ID,TIER", "u0,plain", "u1,plain", "rich,gold"]
        for dataset, word, lines in (
            (self.interactions, "items", items),
            (self.acted, "acted", acted),
            (self.actions, "actions", actions),
            (self.users, "users", users),
        ):
            self.client.brought(dataset, word, lines)

    def trained(self, **more: Any) -> dict[str, Any]:
        """Train a solution of its own, and return the settled version."""
        return trained(self.client, self.group, **more)

    def deployed(self, version: str) -> str:
        return deployed(self.client, version)

    def filter(self, expression: str) -> str:
        return self.client.filter(self.group, expression)

    def ask(self, user: str, n: int = 100, **request: Any) -> dict[str, float]:
        """Return the actions and scores that answer, best first."""
        answer = self.runtime.get_action_recommendations(
            campaignArn=self.campaign, userId=user, numResults=n, **request
        )
        assert answer["recommendationId"].startswith("RID-")
        return {one["actionId"]: one["score"] for one in answer["actionList"]}

    def like(self, user: str, taste: int) -> None:
        """Let a user interact with items of a taste."""
        events: Any = self.client.events
        listed = [
            {"eventType": "view", "itemId": item(taste, number), "sentAt": BEGAN + 50 * DAY + number}
            for number in range(6)
        ]
        events.put_events(trackingId=self.tracking_id, userId=user, sessionId=user, eventList=listed)

    def act(self, user: str, action: str, kind: str, at: float | None = None, **more: Any) -> None:
        """Let a user do something with an action."""
        self.client.events.put_action_interactions(
            trackingId=self.action_tracking_id,
            actionInteractions=[
                {
                    "actionId": action,
                    "userId": user,
                    "sessionId": f"s-{user}",
                    "eventType": kind,
                    "timestamp": time.time() if at is None else at,
                    **more,
                }
            ],
        )

    def put(self, action: str, **properties: int) -> None:
        """Make an action other than it was."""
        text = "{" + ", ".join(f'"{name}": {value}' for name, value in properties.items()) + "}"
        self.client.events.put_actions(
            datasetArn=self.actions, actions=[{"actionId": action, "properties": text}]
        )


def item(taste: int, number: int) -> str:
    return f"{('tea', 'coffee')[taste]}-{number}"


def trained(client: Client, group: str, **more: Any) -> dict[str, Any]:
    solution = client.personalize.create_solution(
        name=client.name("nba"), datasetGroupArn=group, recipeArn=NBA, **more
    )["solutionArn"]
    arn = client.personalize.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    return client.until(
        lambda: client.personalize.describe_solution_version(solutionVersionArn=arn)["solutionVersion"]
    )


def deployed(client: Client, version: str) -> str:
    arn = client.personalize.create_campaign(name=client.name("campaign"), solutionVersionArn=version)
    client.until(lambda: client.personalize.describe_campaign(campaignArn=arn["campaignArn"])["campaign"])
    return str(arn["campaignArn"])


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Give a shop with a campaign for actions; its rows are enough for Amazon's minimums."""
    folder = tmp_path_factory.mktemp("actions")
    (folder / "bucket").mkdir()
    with Server(folder / "data", {"training": folder / "bucket"}) as server:
        yield Shop(Client(server, folder / "bucket"))


def test_users_are_recommended_what_those_of_their_taste_take(shop: Shop) -> None:
    shop.like("tea-drinker", 0)
    shop.like("coffee-drinker", 1)
    first, second = shop.ask("tea-drinker"), shop.ask("coffee-drinker")
    assert (next(iter(first)), next(iter(second))) == ("join", "app")
    for found in (first, second):
        scores = list(found.values())
        assert scores == sorted(scores, reverse=True)
        assert all(0 < found[name] < 1 for name in SCORED)
        assert {name for name, score in found.items() if score == 0} == {"new", "rare"}
    assert first["join"] > 0.6 > second["join"]
    assert sum(first.values()) > 1.2  # each is a propensity of its own


def test_a_user_of_the_training_is_known_at_once(shop: Shop) -> None:
    assert next(iter(shop.ask("u0"))) == "join"
    assert next(iter(shop.ask("u1"))) == "app"


def test_of_two_equally_likely_actions_the_more_valuable_is_first(shop: Shop) -> None:
    found = shop.ask("u2")
    assert found["twin-dear"] == found["twin-cheap"]
    names = list(found)
    assert names.index("twin-dear") < names.index("twin-cheap")
    assert names.index("new") < names.index("rare")


def test_five_actions_are_recommended_unless_the_request_says_otherwise(shop: Shop) -> None:
    answer = shop.runtime.get_action_recommendations(campaignArn=shop.campaign, userId="u4")
    assert len(answer["actionList"]) == 5
    assert len(shop.ask("u4", n=0)) == 5
    assert len(shop.ask("u4", n=2)) == 2
    assert "numResults must be at most 100" in refused(lambda: shop.ask("u4", n=101))


def test_who_is_unknown_gets_an_answer(shop: Shop) -> None:
    assert set(shop.ask("never seen")) == set(TERMS) - {"over"}


def test_an_expired_action_is_not_recommended_and_one_that_is_put_expires_at_once(shop: Shop) -> None:
    assert "over" not in shop.ask("u6")
    shop.put("rare", expirationTimestamp=int(time.time()) - 1)
    assert "rare" not in shop.ask("u6")
    shop.put("rare", expirationTimestamp=int(time.time()) + 10 * DAY)
    assert "rare" in shop.ask("u6")
    shop.put("rare", value=1)
    assert "rare" in shop.ask("u6")


@pytest.mark.parametrize("kind", ["Taken", "NOT_TAKEN", "viewed"])
def test_an_action_is_not_repeated_before_its_days_are_over(shop: Shop, kind: str) -> None:
    user = f"repeats-{kind}"
    shop.act(user, "weekly", kind, at=time.time() - 8 * DAY)
    assert "weekly" in shop.ask(user)
    shop.act(user, "weekly", kind, at=time.time() - 6 * DAY, recommendationId="RID-1", impression=["app"])
    assert "weekly" not in shop.ask(user)
    shop.act(user, "app", kind)
    assert "app" in shop.ask(user)  # it says nothing of being repeated


def test_a_new_action_is_recommended_without_a_score_as_soon_as_it_is_put(shop: Shop) -> None:
    shop.put("brand-new", value=10)
    found = shop.ask("u8")
    assert found["brand-new"] == 0
    assert next(name for name, score in found.items() if score == 0) == "brand-new"
    shop.put("brand-new", value=1, expirationTimestamp=1)


def test_actions_without_a_score_are_explored_at_the_last_place(shop: Shop) -> None:
    explored = 0
    for number in range(40):
        found = shop.ask(f"u{number}", n=2)
        scores = list(found.values())
        assert scores[0] > 0
        explored += scores[1] == 0
    assert 0 < explored < 30


def test_what_a_user_does_with_actions_changes_the_next_answer(shop: Shop) -> None:
    before = shop.ask("changing")
    for _ in range(3):
        shop.act("changing", "join", "Not taken", at=BEGAN + 60 * DAY)
        shop.act("changing", "app", "Taken", at=BEGAN + 60 * DAY)
    after = shop.ask("changing")
    assert after["app"] - after["join"] > before["app"] - before["join"] + 0.05


def test_filters_look_at_what_the_user_did_with_actions_and_at_their_columns(shop: Shop) -> None:
    user = "filtered"
    for action, kind in (("join", "Taken"), ("app", "Not Taken"), ("new", "VIEWED")):
        shop.act(user, action, kind, at=BEGAN + 60 * DAY)

    def gone(expression: str, **request: Any) -> set[str]:
        return set(shop.ask(user)) - set(shop.ask(user, filterArn=shop.filter(expression), **request))

    assert gone('EXCLUDE ActionID WHERE Action_Interactions.EVENT_TYPE IN ("Taken")') == {"join"}
    assert gone('EXCLUDE ActionID WHERE Action_Interactions.event_type IN ("not_taken", "viewed")') == {
        "app",
        "new",
    }
    assert gone('EXCLUDE ActionID WHERE Action_Interactions.EVENT_TYPE IN ("*")') == {"join", "app", "new"}
    silver = {name for name, terms in TERMS.items() if "silver" in terms}
    by_level = "EXCLUDE ActionID WHERE Actions.LEVEL IN ($LEVEL)"
    assert gone(by_level, filterValues={"LEVEL": '"silver"'}) == silver
    assert gone("EXCLUDE ActionID WHERE Actions.VALUE < 3") == {"twin-cheap", "rare"}
    of_rich = 'EXCLUDE ActionID WHERE Actions.LEVEL IN ("silver") IF CurrentUser.TIER IN ("gold")'
    assert gone(of_rich) == set()
    assert not silver & set(shop.ask("rich", filterArn=shop.filter(of_rich)))


def test_a_filter_of_actions_can_be_tried_before_it_is_made(shop: Shop) -> None:
    expression = 'EXCLUDE ActionID WHERE Action_Interactions.EVENT_TYPE IN ("Not taken")'
    shop.act("trying", "app", "NOT_TAKEN", at=BEGAN)
    asked = {"datasetGroupArn": shop.group, "filterExpression": expression, "userId": "trying"}
    found = shop.client.server.post("/sartor/v1/filters/test", asked)
    assert found["removedExamples"] == ["app"]
    assert found["kept"] == found["items"] - 1


def test_requests_that_do_not_fit_are_refused(shop: Shop) -> None:
    of_users = shop.filter('INCLUDE UserID WHERE Users.TIER IN ("gold")')
    assert "GetActionRecommendations needs ActionID" in refused(lambda: shop.ask("u1", filterArn=of_users))
    get = shop.runtime.get_action_recommendations
    assert "userId is required" in refused(lambda: get(campaignArn=shop.campaign))
    assert "campaignArn is required" in refused(lambda: get(userId="u1"))
    asked = refused(lambda: shop.runtime.get_recommendations(campaignArn=shop.campaign, userId="u1"))
    assert "which GetActionRecommendations asks, not GetRecommendations" in asked


def test_an_event_type_that_is_none_is_refused(shop: Shop) -> None:
    said = refused(lambda: shop.act("u1", "join", "Clicked"))
    assert (
        said == "The eventType of an action interaction must be one of TAKEN, NOT_TAKEN, VIEWED, not Clicked."
    )


def test_the_metrics_are_those_of_actions(shop: Shop) -> None:
    metrics = shop.personalize.get_solution_metrics(solutionVersionArn=shop.version["solutionVersionArn"])[
        "metrics"
    ]
    gains = {f"normalized_discounted_cumulative_gain_at_{k}" for k in (5, 10, 25)}
    assert set(metrics) == {"coverage", "precision", "recall", "auc"} | gains
    assert metrics["coverage"] == round(len(SCORED) / len(TERMS), 4)


def test_what_the_recipe_does_not_know_is_refused(shop: Shop) -> None:
    def config(**members: Any) -> str:
        return refused(lambda: shop.trained(solutionConfig=members))

    assert "action_optimization_period" in config(
        featureTransformationParameters={"action_optimization_period": "6"}
    )
    excluded = config(trainingDataConfig={"excludedDatasetColumns": {"Interactions": ["TIMESTAMP"]}})
    assert "trainingDataConfig is not supported" in excluded
    assert "performHPO is not supported" in refused(lambda: shop.trained(performHPO=True))

    def campaign(**members: Any) -> str:
        arn = shop.version["solutionVersionArn"]
        create = shop.personalize.create_campaign
        return refused(lambda: create(name="c", solutionVersionArn=arn, campaignConfig=members))

    assert "is not supported by recipe" in campaign(enableMetadataWithRecommendations=True)
    assert "is not supported by recipe" in campaign(itemExplorationConfig={"explorationWeight": "0.5"})


def test_without_action_interactions_every_action_has_a_score_of_nothing(shop: Shop) -> None:
    client = shop.client
    group = client.group()
    interactions = client.dataset(INTERACTIONS, "Interactions", group=group)
    lines = [f"u{n % 50},i{n % 7},{BEGAN + n}" for n in range(1000)]
    key = client.write("plain.csv", "\n".join(["USER_ID,ITEM_ID,TIMESTAMP", *lines]) + "\n")
    assert client.imported(interactions, key)["status"] == "ACTIVE"
    missing = refused(lambda: trained(client, group))
    assert missing == f"Dataset group {group} must have an Actions dataset."
    actions = client.dataset(ACTIONS, "Actions", group=group)
    empty = refused(lambda: trained(client, group))
    assert empty == (
        "Dataset group must contain an ACTIONS dataset with successfully completed dataset import job"
    )
    for name, value in (("low", 1), ("high", 9)):
        client.events.put_actions(
            datasetArn=actions, actions=[{"actionId": name, "properties": f'{{"value": {value}}}'}]
        )
    version = trained(client, group)
    assert version["status"] == "ACTIVE", version
    found = shop.runtime.get_action_recommendations(
        campaignArn=deployed(client, version["solutionVersionArn"]), userId="u1"
    )
    assert found["actionList"] == [{"actionId": "high", "score": 0.0}, {"actionId": "low", "score": 0.0}]


def test_a_deleted_user_is_forgotten_and_the_others_are_not(shop: Shop) -> None:
    known, unknown = shop.ask("u10"), shop.ask("never there")
    assert known != unknown
    job = shop.client.deleted(shop.group, "u10")
    assert job["status"] == "COMPLETED", job
    assert shop.ask("u10") == unknown
    assert next(iter(shop.ask("u12"))) == "join"
