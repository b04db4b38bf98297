"""From import to recommendations through boto3, as a team with Amazon Personalize does it."""

import json
import random
import re
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from api.conftest import Client
from api.schemas import schema
from sartor.demo.server import Server
from sartor.measures import MEASURES

#: Two tastes: users of one kind go round the items of their kind in one order.
TASTES, ITEMS_EACH, USERS_EACH, STEPS = 2, 12, 40, 24
GENRES = ("comedy", "drama")
INTERACTIONS = schema(
    "Interactions",
    ("USER_ID", "string"),
    ("ITEM_ID", "string"),
    ("TIMESTAMP", "long"),
    ("EVENT_TYPE", ["null", "string"]),
    ("DEVICE", ["null", "string"]),
    ("WARMTH", ["null", "float"]),
    ("IMPRESSION", ["null", "string"]),
    DEVICE={"categorical": True},
)
#: Where each taste is watched, and how warm it is outside.
DEVICES, WARMTHS = ("phone", "tv"), (25.0, 5.0)
ITEMS = schema(
    "Items",
    ("ITEM_ID", "string"),
    ("GENRE", ["null", "string"]),
    ("PRICE", ["null", "float"]),
    ("CREATION_TIMESTAMP", ["null", "long"]),
    GENRE={"categorical": True},
)
USERS = schema(
    "Users",
    ("USER_ID", "string"),
    ("TIER", ["null", "string"]),
    ("GENERATION", ["null", "string"]),
    GENERATION={"categorical": True},
)
GENERATIONS = ("young", "old")
BEGAN = 1_700_000_000


def name_of(taste: int, at: int) -> str:
    return f"{GENRES[taste]}-{at % ITEMS_EACH:02d}"


class Shop:
    """A dataset group with a planted order of items, and what is made in it."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.personalize: Any = client.personalize
        self.runtime: Any = client.server.client("personalize-runtime")
        self.group = client.group()
        self.interactions = client.dataset(INTERACTIONS, "Interactions", group=self.group)
        self.items = client.dataset(ITEMS, "Items", group=self.group)
        self.users = client.dataset(USERS, "Users", group=self.group)
        self._import()
        self.tracking_id = client.tracker(self.interactions)
        self.campaigns: dict[str, str] = {}
        self.versions: dict[str, str] = {}

    def _import(self) -> None:
        rng = random.Random(0)
        lines = ["USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,DEVICE,WARMTH,IMPRESSION"]
        for taste in range(TASTES):
            for user in range(USERS_EACH):
                first = rng.randrange(ITEMS_EACH)
                for step in range(STEPS):
                    at = BEGAN + 60 * step + user
                    where = f"{DEVICES[taste]},{WARMTHS[taste] + rng.uniform(-4, 4):.1f},"
                    lines.append(
                        f"{GENRES[taste]}-fan-{user},{name_of(taste, first + step)},{at},watch,{where}"
                    )
        items = ["ITEM_ID,GENRE,PRICE,CREATION_TIMESTAMP"]
        for taste in range(TASTES):
            items += [
                f"{name_of(taste, at)},{GENRES[taste]},{at + 0.5},{BEGAN - 10**8}" for at in range(ITEMS_EACH)
            ]
        users = ["USER_ID,TIER,GENERATION"] + [
            f"{GENRES[taste]}-fan-{user},{'' if user else 'gold'},{GENERATIONS[taste]}"
            for taste in range(TASTES)
            for user in range(USERS_EACH)
        ]
        users += [f"newcomer-{one}-{recipe},,{one}" for one in GENERATIONS for recipe in (UP, UP2)]
        for dataset, word, content in (
            (self.interactions, "interactions", lines),
            (self.items, "items", items),
            (self.users, "users", users),
        ):
            self.client.brought(dataset, word, content)

    def version(self, recipe: str, **more: Any) -> dict[str, Any]:
        """Train a recipe in a solution of its own, and return the settled version."""
        solution = self.personalize.create_solution(
            name=self.client.name(recipe),
            datasetGroupArn=self.group,
            recipeArn=f"arn:aws:personalize:::recipe/{recipe}",
            **more,
        )["solutionArn"]
        arn = self.personalize.create_solution_version(solutionArn=solution)["solutionVersionArn"]
        return self.client.until(
            lambda: self.personalize.describe_solution_version(solutionVersionArn=arn)["solutionVersion"]
        )

    def campaign(self, recipe: str) -> str:
        """Return the campaign of a recipe, trained at its first use."""
        if recipe not in self.campaigns:
            version = self.version(recipe)
            assert version["status"] == "ACTIVE", version
            self.versions[recipe] = version["solutionVersionArn"]
            self.campaigns[recipe] = self.deployed(recipe, "0" if recipe == UP else None)
        return self.campaigns[recipe]

    def deployed(self, recipe: str, exploration: str | None) -> str:
        """Return a new campaign of a recipe's version."""
        config = {"itemExplorationConfig": {"explorationWeight": exploration}} if exploration else {}
        arn = self.personalize.create_campaign(
            name=self.client.name("campaign"),
            solutionVersionArn=self.versions[recipe],
            campaignConfig=config,
        )["campaignArn"]
        self.client.until(lambda: self.personalize.describe_campaign(campaignArn=arn)["campaign"])
        return str(arn)

    def filter(self, expression: str) -> str:
        return self.client.filter(self.group, expression)

    def ask(self, recipe: str, **request: Any) -> list[dict[str, Any]]:
        answer = self.runtime.get_recommendations(campaignArn=self.campaign(recipe), **request)
        assert answer["recommendationId"].startswith("RID-")
        return list(answer["itemList"])

    def ids(self, recipe: str, **request: Any) -> list[str]:
        return [one["itemId"] for one in self.ask(recipe, **request)]

    def watch(self, user: str, *items: str, at: int | None = None) -> None:
        client: Any = self.client.events
        client.put_events(
            trackingId=self.tracking_id,
            userId=user,
            sessionId=f"session-{user}",
            eventList=[
                {"eventType": "watch", "itemId": item, "sentAt": (at or BEGAN + 10**6) + number}
                for number, item in enumerate(items)
            ],
        )


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Give a shop on a server that trains the linear model."""
    folder = tmp_path_factory.mktemp("recommendations")
    (folder / "bucket").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SARTOR_SEQUENCE_MODELS", "off")
        with Server(folder / "data", {"training": folder / "bucket"}, ("--quotas", "off")) as server:
            yield Shop(Client(server, folder / "bucket"))


UP, UP2, RANKING = "aws-user-personalization", "aws-user-personalization-v2", "aws-personalized-ranking"
SIMILAR, SIMS = "aws-similar-items", "aws-sims"
POPULARITY, TRENDING = "aws-popularity-count", "aws-trending-now"


def refused(call: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call()
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


@pytest.mark.parametrize("recipe", [UP, UP2])
def test_a_user_is_recommended_what_comes_next_in_the_order_of_his_taste(shop: Shop, recipe: str) -> None:
    shop.watch("newcomer", name_of(0, 3), name_of(0, 4), name_of(0, 5))
    found = shop.ask(recipe, userId="newcomer", numResults=5)
    assert found[0]["itemId"] == name_of(0, 6)
    scores = [one["score"] for one in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score < 1 for score in scores)


def test_the_scores_of_a_whole_catalogue_sum_to_one(shop: Shop) -> None:
    shop.watch("summer", name_of(1, 1))
    found = shop.ask(UP, userId="summer", numResults=TASTES * ITEMS_EACH)
    assert len(found) == TASTES * ITEMS_EACH
    assert sum(one["score"] for one in found) == pytest.approx(1.0, abs=1e-4)


def test_the_next_answer_follows_the_very_next_event(shop: Shop) -> None:
    shop.watch("turner", name_of(0, 1))
    before = shop.ids(UP, userId="turner", numResults=3)
    assert before[0] == name_of(0, 2)
    shop.watch("turner", name_of(1, 7), at=BEGAN + 2 * 10**6)
    after = shop.ids(UP, userId="turner", numResults=3)
    assert after[0] == name_of(1, 8)


@pytest.mark.parametrize("recipe", [UP, UP2])
def test_an_unknown_user_gets_an_answer(shop: Shop, recipe: str) -> None:
    assert len(shop.ids(recipe, userId="never seen", numResults=10)) == 10


def share_of_comedy(ids: list[str]) -> float:
    return sum(one.startswith("comedy") for one in ids) / len(ids)


@pytest.mark.parametrize("recipe", [UP, UP2])
def test_who_is_unknown_is_recommended_by_the_context_of_the_request(shop: Shop, recipe: str) -> None:
    def ids(**context: str) -> list[str]:
        return shop.ids(recipe, userId="nobody", numResults=10, context=context)

    for phone, tv in (({"DEVICE": "phone"}, {"DEVICE": "tv"}), ({"WARMTH": "26.5"}, {"WARMTH": "3"})):
        assert share_of_comedy(ids(**phone)) >= 0.8
        assert share_of_comedy(ids(**tv)) <= 0.2
    usual = shop.ids(recipe, userId="nobody", numResults=10)
    for says_nothing in (
        {"DEVICE": "fridge"},
        {"WARMTH": "warm"},
        {"WEATHER": "rain"},
        {"EVENT_TYPE": "watch"},
    ):
        assert ids(**says_nothing) == usual


@pytest.mark.parametrize("recipe", [UP, UP2])
def test_a_new_user_is_recommended_what_users_like_him_choose(shop: Shop, recipe: str) -> None:
    def ids(generation: str) -> list[str]:
        return shop.ids(recipe, userId=f"newcomer-{generation}-{recipe}", numResults=10)

    assert share_of_comedy(ids("young")) >= 0.8
    assert share_of_comedy(ids("old")) <= 0.2
    shop.watch(f"newcomer-young-{recipe}", *(name_of(1, at) for at in range(6)))
    assert share_of_comedy(ids("young")[:4]) == 0  # what he does says more than who he is


@pytest.mark.parametrize("recipe", [UP, UP2])
def test_what_is_put_of_a_user_counts_without_a_training(shop: Shop, recipe: str) -> None:
    shop.campaign(recipe)
    for generation, least, most in (("young", 0.8, 1.0), ("old", 0.0, 0.2)):
        properties = json.dumps({"generation": generation})
        shop.client.events.put_users(
            datasetArn=shop.users, users=[{"userId": f"put-{recipe}", "properties": properties}]
        )
        found = share_of_comedy(shop.ids(recipe, userId=f"put-{recipe}", numResults=10))
        assert least <= found <= most


def test_a_context_moves_a_ranking_and_scores_still_sum_to_one(shop: Shop) -> None:
    everything = [name_of(taste, at) for taste in range(TASTES) for at in range(ITEMS_EACH)]
    shares = []
    for device in DEVICES:
        found = shop.runtime.get_personalized_ranking(
            campaignArn=shop.campaign("aws-personalized-ranking"),
            userId="nobody",
            inputList=everything,
            context={"DEVICE": device},
        )["personalizedRanking"]
        shares.append(share_of_comedy([one["itemId"] for one in found[:ITEMS_EACH]]))
        assert sum(one["score"] for one in found) == pytest.approx(1, abs=1e-5)
    assert shares[0] >= 0.8
    assert shares[1] <= 0.2


def test_a_column_that_a_solution_leaves_out_says_nothing(shop: Shop) -> None:
    config = {"trainingDataConfig": {"excludedDatasetColumns": {"INTERACTIONS": ["DEVICE"]}}}
    shop.versions["without"] = shop.version(UP, solutionConfig=config)["solutionVersionArn"]
    shop.campaigns["without"] = shop.deployed("without", "0")
    usual = shop.ids("without", userId="nobody", numResults=10)
    assert shop.ids("without", userId="nobody", numResults=10, context={"DEVICE": "tv"}) == usual
    assert shop.ids("without", userId="nobody", numResults=10, context={"WARMTH": "3"}) != usual


def test_popularity_is_the_same_for_everybody_and_needs_nobody(shop: Shop) -> None:
    anybody = shop.ask(POPULARITY, numResults=7)
    assert [one["itemId"] for one in anybody] == shop.ids(POPULARITY, userId="comedy-fan-1", numResults=7)
    assert all("score" not in one for one in anybody)


@pytest.mark.parametrize("recipe", [SIMILAR, SIMS])
def test_related_items_are_of_the_same_taste_and_never_the_item_itself(shop: Shop, recipe: str) -> None:
    found = shop.ask(recipe, itemId=name_of(1, 4), numResults=8)
    assert all(one["itemId"].startswith("drama") for one in found)
    assert name_of(1, 4) not in [one["itemId"] for one in found]
    assert all("score" not in one for one in found)
    assert len(shop.ids(recipe, itemId="unknown", numResults=5)) == 5


def test_a_ranking_orders_the_items_of_the_request_and_leaves_unknown_ones_last(shop: Shop) -> None:
    shop.watch("ranker", name_of(0, 1), name_of(0, 2))
    wanted = ["nobody's", name_of(1, 3), name_of(0, 3), "nothing", name_of(0, 9), name_of(1, 3)]
    answer = shop.runtime.get_personalized_ranking(
        campaignArn=shop.campaign(RANKING), userId="ranker", inputList=wanted
    )
    found = answer["personalizedRanking"]
    assert [one["itemId"] for one in found[:1]] == [name_of(0, 3)]
    assert [one["itemId"] for one in found[-2:]] == ["nobody's", "nothing"]
    assert len(found) == 5
    assert sum(one.get("score", 0.0) for one in found) == pytest.approx(1.0, abs=1e-5)
    assert all("score" not in one for one in found[-2:])


def test_trends_follow_a_burst_without_a_new_training(shop: Shop) -> None:
    shop.campaign(TRENDING)
    newest = BEGAN + 3 * 10**6
    for user in range(30):
        shop.watch(f"trend-{user}", name_of(1, 11), at=newest)
    deadline = time.monotonic() + 20
    while shop.ids(TRENDING, numResults=1) != [name_of(1, 11)]:
        assert time.monotonic() < deadline, shop.ids(TRENDING, numResults=5)
        time.sleep(0.2)


def test_filters_keep_and_remove_by_metadata_parameters_and_history(shop: Shop) -> None:
    include = shop.filter("INCLUDE ItemID WHERE Items.GENRE IN ($GENRE) AND Items.PRICE < $PRICE")
    found = shop.ids(
        UP,
        userId="comedy-fan-1",
        filterArn=include,
        filterValues={"GENRE": '"drama"', "PRICE": "4"},
    )
    assert sorted(found) == [name_of(1, at) for at in range(4)]
    seen = shop.filter('EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("watch")')
    shop.watch("excluder", name_of(0, 5), name_of(0, 6))
    found = shop.ids(UP, userId="excluder", filterArn=seen)
    assert len(found) == TASTES * ITEMS_EACH - 2
    assert not {name_of(0, 5), name_of(0, 6)} & set(found)
    shop.watch("excluder", name_of(0, 7))
    assert name_of(0, 7) not in shop.ids(UP, userId="excluder", filterArn=seen)
    gold = shop.filter('EXCLUDE ItemID WHERE Items.GENRE IN ("drama") IF CurrentUser.TIER = "gold"')
    assert not [one for one in shop.ids(UP, userId="comedy-fan-0", filterArn=gold) if one.startswith("drama")]
    assert [one for one in shop.ids(UP, userId="comedy-fan-1", filterArn=gold) if one.startswith("drama")]
    current = shop.filter("INCLUDE ItemID WHERE Items.GENRE IN CurrentItem.GENRE")
    found = shop.ids(SIMILAR, itemId=name_of(0, 0), filterArn=current)
    assert found
    assert all(one.startswith("comedy") for one in found)


def live(shop: Shop) -> list[Metric]:
    """Return what the server says at ``/metrics``."""
    with urllib.request.urlopen(shop.client.server.url + "/metrics") as answer:
        return list(text_string_to_metric_families(answer.read().decode()))


@pytest.mark.parametrize("recipe", [UP, UP2])
def test_answers_are_counted_by_how_they_came_about(shop: Shop, recipe: str) -> None:
    nothing = shop.filter('INCLUDE ItemID WHERE Items.GENRE IN ("opera")')
    campaign = shop.campaign(recipe)

    def counted() -> Counter[str]:
        samples = [
            one for family in live(shop) for one in family.samples if one.name == "sartor_answers_total"
        ]
        return Counter(
            {one.labels["how"]: int(one.value) for one in samples if one.labels["deployment"] == campaign}
        )

    before = counted()
    for _ in range(2):  # the second one is kept
        shop.ask(recipe, userId="comedy-fan-1", numResults=3)
        shop.ask(recipe, userId="nobody knows", numResults=3)
    assert shop.ask(recipe, userId="comedy-fan-2", filterArn=nothing) == []
    assert counted() - before == {"model": 2, "popular": 2, "empty": 1}


#: What PromQL calls the samples of a family.
ENDINGS = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}


def test_the_board_and_the_alerts_ask_for_what_a_server_tells(shop: Shop) -> None:
    shop.watch("listener", name_of(0, 5))
    shop.ask(UP, userId="listener")
    families, labels = live(shop), {one.name: set(one.labels) for one in MEASURES}
    assert {family.name: family.type for family in families} == {one.name: one.sort for one in MEASURES}
    for family in families:
        assert all(sample.labels.keys() - {"le"} == labels[family.name] for sample in family.samples)
    told = {f"{one.name}{ending}": labels[one.name] for one in families for ending in ENDINGS[one.type]}
    deploy = Path(__file__).parents[2] / "deploy"
    board = json.loads((deploy / "grafana" / "sartor.json").read_text())
    rules = yaml.safe_load((deploy / "prometheus" / "sartor.rules.yml").read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    asked += [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    assert len(asked) == len(MEASURES) + sum(len(one.alerts) for one in MEASURES)
    for expression in asked:
        names = re.findall(r"sartor_\w+", expression)
        assert names and told.keys() >= set(names), expression
        by = {word for words in re.findall(r"by \(([^)]*)\)", expression) for word in words.split(", ")}
        chosen = set(re.findall(r"(\w+)=", expression))
        assert by | chosen <= told[names[0]] | {"le"}, expression


def test_put_items_change_a_filter_at_once(shop: Shop) -> None:
    cheap = shop.filter("INCLUDE ItemID WHERE Items.PRICE > 1000")
    assert shop.ids(UP, userId="comedy-fan-1", filterArn=cheap) == []
    shop.client.events.put_items(
        datasetArn=shop.items,
        items=[{"itemId": name_of(0, 2), "properties": json.dumps({"genre": "comedy", "price": 5000})}],
    )
    assert shop.ids(UP, userId="comedy-fan-1", filterArn=cheap) == [name_of(0, 2)]
    shop.client.events.put_items(
        datasetArn=shop.items,
        items=[{"itemId": name_of(0, 2), "properties": json.dumps({"genre": "comedy", "price": 2.5})}],
    )


def test_promotions_stand_among_the_others_in_their_share(shop: Shop) -> None:
    dramas = shop.filter('INCLUDE ItemID WHERE Items.GENRE IN ("drama")')
    found = shop.ask(
        UP2,
        userId="comedy-fan-1",
        numResults=8,
        promotions=[{"name": "dramas", "percentPromotedItems": 25, "filterArn": dramas}],
    )
    promoted = [one["itemId"] for one in found if one.get("promotionName") == "dramas"]
    assert len(promoted) == 2
    assert len({one["itemId"] for one in found}) == 8
    assert [
        one for one in shop.ids(UP2, userId="comedy-fan-1", filterArn=dramas) if one in promoted
    ] == promoted
    assert all(one["reason"] == ["Promoted item"] for one in found if "promotionName" in one)


def test_a_campaign_is_asked_right_after_its_creation(shop: Shop) -> None:
    shop.campaign(POPULARITY)
    made = shop.personalize.create_campaign(
        name=shop.client.name("hasty"), solutionVersionArn=shop.versions[POPULARITY]
    )
    assert shop.runtime.get_recommendations(campaignArn=made["campaignArn"], numResults=3)["itemList"]


def test_metadata_comes_with_the_items_where_it_is_on(shop: Shop) -> None:
    for columns in (["GENRE", "PRICE"], ["genre", "Price"]):  # asked for in any case, answered in lower case
        found = shop.ask(UP2, userId="comedy-fan-1", numResults=3, metadataColumns={"ITEMS": columns})
        for one in found:
            genre, _, number = one["itemId"].partition("-")
            assert one["metadata"] == {"genre": genre, "price": str(int(number) + 0.5)}
    code, message = refused(lambda: shop.ask(UP2, userId="u", metadataColumns={"ITEMS": ["GENRES"]}))
    assert (code, message) == ("InvalidInputException", "The Items dataset has no metadata column GENRES.")
    code, message = refused(lambda: shop.ask(UP, userId="comedy-fan-1", metadataColumns={"ITEMS": ["GENRE"]}))
    assert code == "InvalidInputException"
    assert "enableMetadataWithRecommendations" in message


def test_metrics_are_amazons_and_rounded(shop: Shop) -> None:
    shop.campaign(UP)
    metrics = shop.personalize.get_solution_metrics(solutionVersionArn=shop.versions[UP])["metrics"]
    assert set(metrics) == {
        "coverage",
        "mean_reciprocal_rank_at_25",
        *(f"normalized_discounted_cumulative_gain_at_{k}" for k in (5, 10, 25)),
        *(f"precision_at_{k}" for k in (5, 10, 25)),
    }
    assert all(value == round(value, 4) for value in metrics.values())
    assert metrics["mean_reciprocal_rank_at_25"] > 0.3


@pytest.mark.parametrize(
    ("recipe", "request_", "code", "words"),
    [
        (UP, {}, "InvalidInputException", "userId is required"),
        (SIMILAR, {}, "InvalidInputException", "itemId is required"),
        (RANKING, {"userId": "u"}, "InvalidInputException", "GetPersonalizedRanking"),
        (UP, {"userId": "u", "numResults": 501}, "InvalidInputException", "at most 500"),
        (
            UP2,
            {"userId": "u", "numResults": 51, "metadataColumns": {"ITEMS": ["GENRE"]}},
            "InvalidInputException",
            "at most 50",
        ),
        (
            UP2,
            {"userId": "u", "metadataColumns": {"ITEMS": ["COLOUR"]}},
            "InvalidInputException",
            "COLOUR",
        ),
    ],
)
def test_what_a_campaign_cannot_answer_is_refused_with_the_reason(
    shop: Shop, recipe: str, request_: dict[str, Any], code: str, words: str
) -> None:
    found, message = refused(lambda: shop.ask(recipe, **request_))
    assert found == code
    assert words in message


def test_an_unknown_campaign_is_not_found_and_an_unknown_filter_is_invalid_input(shop: Shop) -> None:
    none = shop.group.replace("dataset-group", "filter") + "-none"
    campaign, runtime = shop.campaign(UP), shop.runtime
    promoted = [{"name": "p", "percentPromotedItems": 50, "filterArn": none}]
    calls = [
        (404, "ResourceNotFoundException", runtime.get_recommendations, {"campaignArn": f"{campaign}-none"}),
        (400, "InvalidInputException", runtime.get_recommendations, {"filterArn": none}),
        (400, "InvalidInputException", runtime.get_recommendations, {"promotions": promoted}),
        (
            400,
            "InvalidInputException",
            runtime.get_personalized_ranking,
            {"filterArn": none, "inputList": ["a"]},
        ),
    ]
    for status, code, call, members in calls:
        with pytest.raises(ClientError) as caught:
            call(**{"campaignArn": campaign, "userId": "u", **members})
        answer = caught.value.response
        assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]) == (status, code)


def test_an_optimization_tells_the_values_it_found(shop: Shop) -> None:
    ranges = {
        "integerHyperParameterRanges": [{"name": "min_cointeraction_count", "minValue": 0, "maxValue": 2}],
        "continuousHyperParameterRanges": [],
        "categoricalHyperParameterRanges": [],
    }
    resources = {"maxNumberOfTrainingJobs": "4", "maxParallelTrainingJobs": "2"}
    version = shop.version(
        SIMS,
        performHPO=True,
        solutionConfig={
            "hpoConfig": {"hpoResourceConfig": resources, "algorithmHyperParameterRanges": ranges}
        },
    )
    assert version["status"] == "ACTIVE", version
    found = version["tunedHPOParams"]["algorithmHyperParameters"]
    assert set(found) == {"popularity_discount_factor", "min_cointeraction_count"}
    assert 0 <= float(found["popularity_discount_factor"]) <= 1


def test_an_objective_moves_what_is_worth_more_up(shop: Shop) -> None:
    prices = {}
    for sensitivity in ("OFF", "HIGH"):
        objective = {"itemAttribute": "PRICE", "objectiveSensitivity": sensitivity}
        code, message = refused(
            lambda objective=objective: shop.version(UP, solutionConfig={"optimizationObjective": objective})
        )
        prices[code] = message
    assert set(prices) == {"InvalidInputException"}  # PRICE may be null, which an objective must not be
    assert "PRICE" in prices["InvalidInputException"]


def test_a_training_without_interactions_fails_with_the_reason(shop: Shop) -> None:
    version = shop.version(UP, eventType="never")
    assert version["status"] == "CREATE FAILED"
    assert "after filtering by event type: never. There are none" in version["failureReason"]


def test_filters_see_what_an_import_brings_after_the_training(shop: Shop) -> None:
    seen = shop.filter('EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("watch")')
    assert name_of(0, 4) in shop.ids(UP, userId="imported later", filterArn=seen)
    header = "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,DEVICE,WARMTH,IMPRESSION"
    content = f"{header}\nimported later,{name_of(0, 4)},{BEGAN},watch,,,\n"
    key = shop.client.write(f"{shop.client.name('later')}.csv", content)
    assert shop.client.imported(shop.interactions, key, "INCREMENTAL")["status"] == "ACTIVE"
    deadline = time.monotonic() + 30
    while name_of(0, 4) in shop.ids(UP, userId="imported later", filterArn=seen):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_an_anonymous_visitor_is_recommended_by_his_session(shop: Shop) -> None:
    client: Any = shop.client.events
    client.put_events(
        trackingId=shop.tracking_id,
        sessionId="nobody's session",
        eventList=[{"eventType": "watch", "itemId": name_of(1, 2), "sentAt": BEGAN + 10**6}],
    )
    assert shop.ids(UP, userId="nobody's session", numResults=1) == [name_of(1, 3)]


def test_new_items_are_explored_as_much_as_the_campaign_says(shop: Shop) -> None:
    shop.campaign(UP)
    campaigns = {weight: shop.deployed(UP, weight) for weight in ("0", "1.0")}
    new = {f"new-{number}" for number in range(5)}
    properties = json.dumps({"genre": "comedy", "creationTimestamp": BEGAN + 10**6})
    shop.client.events.put_items(
        datasetArn=shop.items, items=[{"itemId": name, "properties": properties} for name in sorted(new)]
    )
    shown = {
        weight: Counter(
            one["itemId"]
            for user in range(20)
            for one in shop.runtime.get_recommendations(
                campaignArn=arn, userId=f"comedy-fan-{user}", numResults=10
            )["itemList"]
            if one["itemId"] in new
        )
        for weight, arn in campaigns.items()
    }
    # by then the model may know some of them by their metadata, and recommend them for what they are
    assert shown["0"].total() < shown["1.0"].total()
    assert set(shown["1.0"]) == new


def test_what_was_shown_in_vain_is_explored_less(shop: Shop) -> None:
    properties = json.dumps({"genre": "seen", "creationTimestamp": BEGAN + 10**6})
    new = ["seen-often", "seen-never"]
    shop.client.events.put_items(
        datasetArn=shop.items, items=[{"itemId": name, "properties": properties} for name in new]
    )
    for number in range(4):
        shop.client.events.put_events(
            trackingId=shop.tracking_id,
            userId="somebody",
            sessionId="somebody",
            eventList=[
                {
                    "eventType": "watch",
                    "itemId": name_of(0, 1),
                    "sentAt": BEGAN + 10**6 + 10 * number + at,
                    "impression": ["seen-often", name_of(0, 1)],
                }
                for at in range(10)
            ],
        )
    shop.versions["after"] = shop.version(UP)["solutionVersionArn"]
    campaign = shop.deployed("after", "1.0")

    def shown() -> Counter[str]:
        return Counter(
            one["itemId"]
            for user in range(200)
            for one in shop.runtime.get_recommendations(
                campaignArn=campaign, userId=f"visitor-{user}", numResults=1
            )["itemList"]
        )

    deadline = time.monotonic() + 20
    while (found := shown())["seen-never"] <= 5 * found["seen-often"]:
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


def test_an_event_that_names_an_answer_brings_what_was_shown(shop: Shop) -> None:
    shop.campaign(UP)
    exploring = shop.deployed(UP, "0.5")
    answer = shop.runtime.get_recommendations(campaignArn=exploring, userId="named", numResults=5)
    event = {"eventType": "watch", "itemId": name_of(0, 1), "recommendationId": answer["recommendationId"]}
    shop.client.events.put_events(
        trackingId=shop.tracking_id,
        userId="named",
        sessionId="named",
        eventList=[
            {**event, "sentAt": BEGAN + 1},
            {**event, "sentAt": BEGAN + 2, "impression": ["its own"]},
            {**event, "sentAt": BEGAN + 3, "recommendationId": "RID-nobody-knows"},
        ],
    )
    rows = [row for row in shop.client.exported(shop.interactions, "PUT") if row["USER_ID"] == "named"]
    found = [row["IMPRESSION"] for row in sorted(rows, key=lambda row: str(row["TIMESTAMP"]))]
    assert found == ["|".join(one["itemId"] for one in answer["itemList"]), "its own", None]


def test_an_answer_is_explained_by_its_model_its_rules_and_the_users_history(shop: Shop) -> None:
    shop.watch("asker", name_of(0, 3), name_of(0, 4))
    no_drama = shop.filter('EXCLUDE ItemID WHERE Items.GENRE IN ("drama")')
    found = shop.client.server.post(
        "/sartor/v1/explain",
        {"campaignArn": shop.campaign(UP), "userId": "asker", "numResults": 2, "filterArn": no_drama},
    )
    assert found["solutionVersionArn"] == shop.versions[UP]
    assert found["history"] == [name_of(0, 3), name_of(0, 4)]
    assert found["items"][0]["itemId"] == name_of(0, 5)
    assert found["items"][0]["evidence"][0]["itemId"] == name_of(0, 4)
    (rule,) = found["removed"]
    assert rule["rule"] == 'EXCLUDE ItemID WHERE Items.GENRE IN ("drama")'
    assert rule["items"] == ITEMS_EACH


def test_a_filter_is_tried_before_it_is_made(shop: Shop) -> None:
    found = shop.client.server.post(
        "/sartor/v1/filters/test",
        {
            "datasetGroupArn": shop.group,
            "filterExpression": "INCLUDE ItemID WHERE Items.GENRE IN ($GENRE)",
            "filterValues": {"GENRE": '"drama"'},
        },
    )
    assert found["kept"] == ITEMS_EACH
    assert found["items"] == found["kept"] + found["removed"] >= TASTES * ITEMS_EACH
    assert all(one.startswith("drama") for one in found["keptExamples"])


def test_a_version_says_what_made_it(shop: Shop) -> None:
    shop.campaign(UP)
    found = shop.client.server.get(f"/sartor/v1/solution-versions/{shop.versions[UP]}")
    assert found["status"] == "ACTIVE"
    assert found["record"]["recipe"] == UP
    assert found["record"]["tables"]["INTERACTIONS"]["bulkVersion"] >= 0
    assert found["record"]["libraries"]["numpy"]
    assert found["metrics"]["coverage"] > 0


def test_a_campaign_that_follows_serves_each_new_version_by_itself(shop: Shop) -> None:
    version = shop.version(POPULARITY)
    solution = version["solutionArn"]
    campaign = shop.personalize.create_campaign(
        name=shop.client.name("follower"),
        solutionVersionArn=f"{solution}/$LATEST",
        campaignConfig={"syncWithLatestSolutionVersion": True},
    )["campaignArn"]

    def look() -> dict[str, Any]:
        return dict(shop.personalize.describe_campaign(campaignArn=campaign)["campaign"])

    assert shop.client.until(look)["solutionVersionArn"] == version["solutionVersionArn"]
    new = shop.personalize.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    deadline = time.monotonic() + 30
    while look()["solutionVersionArn"] != new:
        assert time.monotonic() < deadline, look()
        assert shop.runtime.get_recommendations(campaignArn=campaign, numResults=3)["itemList"]
        time.sleep(0.05)
    assert look()["latestCampaignUpdate"]["status"] == "ACTIVE"
    found = shop.client.server.post("/sartor/v1/explain", {"campaignArn": campaign})
    assert found["solutionVersionArn"] == new


def test_a_training_that_waits_is_stopped_at_once(shop: Shop) -> None:
    solution = shop.version(POPULARITY)["solutionArn"]
    made = [shop.personalize.create_solution_version(solutionArn=solution) for _ in range(4)]
    last = made[-1]["solutionVersionArn"]
    shop.personalize.stop_solution_version_creation(solutionVersionArn=last)

    def status(arn: str) -> str:
        found = shop.personalize.describe_solution_version(solutionVersionArn=arn)["solutionVersion"]
        return str(found["status"])

    deadline = time.monotonic() + 30
    while status(last) != "CREATE STOPPED":
        assert time.monotonic() < deadline, status(last)
        time.sleep(0.05)
    code, _ = refused(lambda: shop.personalize.get_solution_metrics(solutionVersionArn=last))
    assert code == "ResourceInUseException"


def test_what_is_deleted_answers_no_more(shop: Shop) -> None:
    shop.campaign(UP)
    campaign = shop.deployed(UP, "0")
    shop.personalize.delete_campaign(campaignArn=campaign)
    deadline = time.monotonic() + 30
    while True:
        code, _ = refused(lambda: shop.runtime.get_recommendations(campaignArn=campaign, userId="u"))
        if code == "ResourceNotFoundException":
            break
        assert code == "InvalidInputException"
        assert time.monotonic() < deadline
