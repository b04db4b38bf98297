"""Rules of the guide about trainings and answers, through boto3: a shop whose items lie in a ring."""

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from api.conftest import ROLE, Client
from api.domains import INTERACTIONS as OF_DOMAIN
from api.schemas import CATEGORICAL, TEXT, schema
from api.test_recommendations import POPULARITY, RANKING, SIMILAR, SIMS, UP, UP2, Shop, refused
from sartor.demo.server import Server

ITEMS_OF_RING, USERS, STEPS = 60, 60, 20
BEGAN = 1_700_000_000
INTERACTIONS = schema(
    "Interactions",
    ("USER_ID", "string"),
    ("ITEM_ID", "string"),
    ("TIMESTAMP", "long"),
    ("EVENT_TYPE", TEXT),
)
ITEMS = schema(
    "Items",
    ("ITEM_ID", "string"),
    ("PRICE", "float"),
    ("SHELF", TEXT),
    ("CREATION_TIMESTAMP", ["null", "long"]),
    SHELF=CATEGORICAL,
)
#: Of the ring itself, without what tests put beside it.
IN_RING = 'INCLUDE ItemID WHERE Items.SHELF IN ("ring")'
PRICES = random.Random(5).sample(range(1, 1000), ITEMS_OF_RING)


def item(at: int) -> str:
    return f"item-{at % ITEMS_OF_RING:02d}"


def price(name: str) -> int:
    return PRICES[int(name.removeprefix("item-"))]


class Ring(Shop):
    """A group whose users go round one ring of items, viewing all of them and buying every third."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.personalize = client.personalize
        self.runtime: Any = client.server.client("personalize-runtime")
        self.group = client.group()
        self.interactions = client.dataset(INTERACTIONS, "Interactions", group=self.group)
        self.items = client.dataset(ITEMS, "Items", group=self.group)
        rng = random.Random(0)
        visits = ["USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE"]
        for user in range(USERS):
            first = rng.randrange(ITEMS_OF_RING)
            visits += [
                f"user-{user},{item(first + step)},{BEGAN + 60 * step + user},{'view' if step % 3 else 'buy'}"
                for step in range(STEPS)
            ]
        prices = [f"{item(at)},{PRICES[at]},ring,{BEGAN - 10**8}" for at in range(ITEMS_OF_RING)]
        client.brought(self.interactions, "visits", visits)
        client.brought(self.items, "prices", ["ITEM_ID,PRICE,SHELF,CREATION_TIMESTAMP", *prices])
        self.tracking_id = client.tracker(self.interactions)
        self.campaigns, self.versions = {}, {}
        self.in_ring = self.filter(IN_RING)

    def metrics(self, version: dict[str, Any]) -> dict[str, float]:
        arn = version["solutionVersionArn"]
        found: dict[str, float] = self.personalize.get_solution_metrics(solutionVersionArn=arn)["metrics"]
        return found

    def trained(self, recipe: str, **more: Any) -> dict[str, Any]:
        """Train a recipe with a configuration, and deploy it under the recipe's name with a star."""
        version = self.version(recipe, **more)
        assert version["status"] == "ACTIVE", version
        self.versions[f"{recipe}*"] = version["solutionVersionArn"]
        self.campaigns[f"{recipe}*"] = self.deployed(f"{recipe}*", "0" if recipe == UP else None)
        return version

    def put_item(self, name: str, **more: Any) -> None:
        cells = {"price": 5.0, "creationTimestamp": BEGAN + 10**6, **more}
        self.client.events.put_items(
            datasetArn=self.items, items=[{"itemId": name, "properties": json.dumps(cells)}]
        )

    def rank(self, user: str, *items: str, **request: Any) -> list[str]:
        answer = self.runtime.get_personalized_ranking(
            campaignArn=self.campaign(RANKING), userId=user, inputList=list(items), **request
        )
        return [one["itemId"] for one in answer["personalizedRanking"]]


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ring]:
    folder = tmp_path_factory.mktemp("rules")
    (folder / "bucket").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SARTOR_SEQUENCE_MODELS", "off")
        with Server(folder / "data", {"training": folder / "bucket"}, ("--quotas", "off")) as server:
            yield Ring(Client(server, folder / "bucket"))


def test_an_answer_has_25_items_unless_the_request_says_otherwise_and_50_with_metadata(ring: Ring) -> None:
    asked = {"userId": "user-1"}
    assert len(ring.ids(UP2, **asked)) == 25
    assert len(ring.ids(UP2, **asked, numResults=7)) == 7
    assert len(ring.ids(UP2, **asked, numResults=500, filterArn=ring.in_ring)) == ITEMS_OF_RING
    with_metadata = {**asked, "metadataColumns": {"ITEMS": ["PRICE"]}}
    assert len(ring.ids(UP2, **with_metadata)) == 25
    assert len(ring.ids(UP2, **with_metadata, numResults=50)) == 50
    code, words = refused(lambda: ring.ask(UP2, **with_metadata, numResults=51))
    assert (code, "at most 50" in words) == ("InvalidInputException", True)
    code, words = refused(lambda: ring.ask(UP2, **asked, metadataColumns={"ITEMS": ["PRICE"] * 11}))
    assert (code, "at most 10 columns" in words) == ("InvalidInputException", True)


@pytest.mark.parametrize("recipe", [UP, UP2, POPULARITY])
def test_the_item_of_a_request_says_nothing_where_no_related_items_are_asked_for(
    ring: Ring, recipe: str
) -> None:
    usual = ring.ask(recipe, userId="user-1")
    assert ring.ask(recipe, userId="user-1", itemId=item(40)) == usual
    assert ring.ask(recipe, userId="user-1", itemId="never heard of") == usual


@pytest.mark.parametrize(
    ("recipe", "first", "second"),
    [
        (POPULARITY, item(33), item(33)),
        (SIMS, item(5), item(35)),
        (SIMILAR, item(17), item(47)),
    ],
)
def test_events_change_no_list_of_everybody_or_of_an_item_before_a_training(
    ring: Ring, recipe: str, first: str, second: str
) -> None:
    asked = {"userId": f"{recipe}-fan-0", **({} if recipe == POPULARITY else {"itemId": first})}
    before = ring.ids(recipe, **asked)
    for user in range(60):
        ring.watch(f"{recipe}-fan-{user}", first, second)
    assert ring.ids(recipe, **asked) == before
    ring.trained(recipe)
    assert (before[0] == second, ring.ids(f"{recipe}*", **asked)[0]) == (False, second)


@pytest.mark.parametrize("recipe", [UP, UP2])
def test_an_event_changes_the_answers_of_its_user_alone(ring: Ring, recipe: str) -> None:
    mine, other = f"mine-{recipe}", f"other-{recipe}"
    for user in (mine, other):
        ring.watch(user, item(10), item(11))
    before = [ring.ask(recipe, userId=user, numResults=500) for user in (mine, other)]
    assert before[0][0]["itemId"] == before[1][0]["itemId"] == item(12)
    ring.watch(mine, item(41), at=BEGAN + 10**7)
    after = [ring.ask(recipe, userId=user, numResults=500) for user in (mine, other)]
    ranks = [[one["itemId"] for one in answer].index(item(42)) for answer in (before[0], after[0])]
    assert ranks[1] < 3 < ranks[0]
    assert after[1] == before[1]


def test_a_ranking_follows_the_very_next_event(ring: Ring) -> None:
    asked = [item(at) for at in (5, 25, 45)]
    for at in (24, 44, 4):
        ring.watch("ranker", item(at), at=BEGAN + 10**6 + at)
        ring.watch("ranker", item(at), at=BEGAN + 10**7 + 100 * (24, 44, 4).index(at))
        assert ring.rank("ranker", *asked)[0] == item(at + 1)


def test_a_filter_takes_items_out_of_a_ranking_and_leaves_the_order_of_the_others(ring: Ring) -> None:
    asked = [item(at) for at in range(0, 60, 4)]
    cheap = ring.filter("INCLUDE ItemID WHERE Items.PRICE < $MOST")
    whole = ring.rank("user-2", *asked)
    assert sorted(whole) == sorted(asked)
    found = ring.rank("user-2", *asked, filterArn=cheap, filterValues={"MOST": "500"})
    assert found == [name for name in whole if price(name) < 500]
    assert 0 < len(found) < len(whole)


def test_a_ranking_is_of_500_items_at_most_and_of_50_with_metadata(ring: Ring) -> None:
    assert len(ring.rank("user-2", *(f"x{at}" for at in range(500)))) == 500
    with_metadata = ring.personalize.create_campaign(
        name=ring.client.name("ranks"),
        solutionVersionArn=ring.versions[RANKING],
        campaignConfig={"enableMetadataWithRecommendations": True},
    )["campaignArn"]
    ring.client.until(lambda: ring.personalize.describe_campaign(campaignArn=with_metadata)["campaign"])

    def ranked(count: int) -> Any:
        return ring.runtime.get_personalized_ranking(
            campaignArn=with_metadata,
            userId="user-2",
            inputList=[item(at) for at in range(count)],
            metadataColumns={"ITEMS": ["PRICE"]},
        )["personalizedRanking"]

    assert {one["itemId"]: float(one["metadata"]["price"]) for one in ranked(50)} == {
        item(at): PRICES[at] for at in range(50)
    }
    code, words = refused(lambda: ranked(51))
    assert (code, "at most 50" in words) == ("InvalidInputException", True)


def test_who_is_unknown_has_a_ranking_and_the_known_items_come_first(ring: Ring) -> None:
    found = ring.rank("nobody at all", "no item", item(3), item(30))
    assert (sorted(found[:2]), found[2]) == ([item(3), item(30)], "no item")


def test_a_new_item_has_no_score_in_a_ranking_before_the_next_training(ring: Ring) -> None:
    ring.campaign(RANKING)
    ring.put_item("late")
    ring.watch("late-fan", item(7), "late")
    answer = ring.runtime.get_personalized_ranking(
        campaignArn=ring.campaign(RANKING), userId="late-fan", inputList=["late", item(50), item(8)]
    )["personalizedRanking"]
    assert [one["itemId"] for one in answer] == [item(8), item(50), "late"]
    assert ["score" in one for one in answer] == [True, True, False]


def test_excluded_columns_can_be_filtered_by_and_come_as_metadata(ring: Ring) -> None:
    excluded = {"excludedDatasetColumns": {"Items": ["PRICE"]}}
    ring.trained(UP2, solutionConfig={"trainingDataConfig": excluded})
    dear = ring.filter("INCLUDE ItemID WHERE Items.PRICE > 500")
    found = ring.ask(
        f"{UP2}*", userId="user-1", filterArn=dear, metadataColumns={"ITEMS": ["PRICE"]}, numResults=20
    )
    assert len(found) == 20
    assert all(float(one["metadata"]["price"]) == price(one["itemId"]) > 500 for one in found)


def test_every_deployed_version_considers_new_items_also_an_older_one_and_stays_as_it_is(ring: Ring) -> None:
    old = ring.version(UP2)
    solution, describe = old["solutionArn"], ring.personalize.describe_solution_version
    new = ring.personalize.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    ring.client.until(lambda: describe(solutionVersionArn=new)["solutionVersion"])
    arns = {"old": old["solutionVersionArn"], "new": new}
    ring.versions |= arns
    ring.campaigns |= {name: ring.deployed(name, None) for name in arns}

    def state() -> tuple[Any, ...]:
        versions = ring.personalize.list_solution_versions(solutionArn=solution)["solutionVersions"]
        metrics = ring.personalize.get_solution_metrics
        shown = [describe(solutionVersionArn=arn)["solutionVersion"] for arn in arns.values()]
        return (
            versions,
            [metrics(solutionVersionArn=arn)["metrics"] for arn in arns.values()],
            [(one["status"], one["lastUpdatedDateTime"]) for one in shown],
        )

    before = state()
    ring.put_item("new-to-both")
    for name in arns:
        ring.client.wait(lambda name=name: "new-to-both" in ring.ids(name, userId="user-8", numResults=500))
    assert state() == before


def test_a_batch_job_explores_new_items(ring: Ring) -> None:
    ring.campaign(UP)
    ring.put_item("new-in-batch")
    lines = "\n".join(json.dumps({"userId": f"user-{user}"}) for user in range(50))
    describe = ring.personalize.describe_batch_inference_job

    def answers(weight: str) -> str:
        name = ring.client.name("explores")
        key = ring.client.write(f"{name}.json", lines)
        arn = ring.personalize.create_batch_inference_job(
            jobName=name,
            solutionVersionArn=ring.versions[UP],
            jobInput={"s3DataSource": {"path": f"s3://training/{key}"}},
            jobOutput={"s3DataDestination": {"path": "s3://training/explored/"}},
            roleArn=ROLE,
            numResults=10,
            batchInferenceJobConfig={"itemExplorationConfig": {"explorationWeight": weight}},
        )["batchInferenceJobArn"]
        job = ring.client.until(lambda: describe(batchInferenceJobArn=arn)["batchInferenceJob"])
        assert job["status"] == "ACTIVE", job
        return (ring.client.bucket / "explored" / f"{key}.out").read_text()

    assert "new-in-batch" not in answers("0")
    assert "new-in-batch" in answers("1.0")


def test_an_objective_moves_what_is_dear_up_and_brings_its_metric(ring: Ring) -> None:
    worth, relevance = [], []
    for sensitivity in ("OFF", "HIGH"):
        objective = {"itemAttribute": "PRICE", "objectiveSensitivity": sensitivity}
        version = ring.trained(UP, solutionConfig={"optimizationObjective": objective})
        lists = [
            ring.ids(f"{UP}*", userId=f"user-{user}", numResults=10, filterArn=ring.in_ring)
            for user in range(20)
        ]
        worth.append(sum(price(name) for one in lists for name in one))
        metrics = ring.metrics(version)
        assert 0 < metrics["average_rewards_at_k"] <= 1
        relevance.append(metrics["mean_reciprocal_rank_at_25"])
    assert worth[0] < worth[1]
    assert relevance[0] > relevance[1]
    ring.campaign(UP)
    usual = ring.personalize.get_solution_metrics(solutionVersionArn=ring.versions[UP])["metrics"]
    assert "average_rewards_at_k" not in usual


def test_weights_of_event_types_bring_their_metric_and_leave_out_types_without_one(ring: Ring) -> None:
    weighted = "normalized_discounted_cumulative_gain_with_event_weights_at_k"
    listed = [{"eventType": "buy", "weight": 1.0}, {"eventType": "view", "weight": 0.1}]
    both = ring.trained(UP2, solutionConfig={"eventsConfig": {"eventParametersList": listed}})
    assert 0 <= ring.metrics(both)[weighted] <= 1
    ring.campaign(UP2)
    usual = ring.personalize.get_solution_metrics(solutionVersionArn=ring.versions[UP2])["metrics"]
    assert weighted not in usual
    alone = ring.trained(UP2, solutionConfig={"eventsConfig": {"eventParametersList": listed[:1]}})
    by_arn = {
        arn: ring.client.server.get(f"/sartor/v1/solution-versions/{arn}")["record"]["interactions"]
        for arn in (both["solutionVersionArn"], alone["solutionVersionArn"], ring.versions[UP2])
    }
    every, bought, usual_count = by_arn.values()
    assert bought == USERS * len(range(0, STEPS, 3))
    assert bought < every <= usual_count


def test_a_version_says_how_long_its_training_took_once_it_is_done(ring: Ring) -> None:
    describe = ring.personalize.describe_solution_version
    solution = ring.version(POPULARITY)["solutionArn"]
    arn = ring.personalize.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    shown = describe(solutionVersionArn=arn)["solutionVersion"]
    assert shown["status"] == "ACTIVE" or "trainingHours" not in shown
    done = ring.client.until(lambda: describe(solutionVersionArn=arn)["solutionVersion"])
    assert 0 <= done["trainingHours"] < 1
    assert "tunedHPOParams" not in done


@pytest.mark.parametrize("recipe", ["aws-hrnn", "aws-hrnn-metadata", "aws-hrnn-coldstart"])
def test_the_recipes_of_old_are_still_trained_and_answer_with_scores(ring: Ring, recipe: str) -> None:
    ring.trained(recipe)
    ring.watch(f"newcomer-{recipe}", item(10), item(11), item(12))
    found = ring.ask(f"{recipe}*", userId=f"newcomer-{recipe}", numResults=5)
    assert found[0]["itemId"] == item(13)
    assert [one["score"] for one in found] == sorted((one["score"] for one in found), reverse=True)


def test_an_update_training_brings_what_came_after_the_full_one(ring: Ring) -> None:
    full = ring.version(UP)
    ring.put_item("after-the-full-one")
    ring.watch("updater", item(1), "after-the-full-one", "after-the-full-one")
    arn = ring.personalize.create_solution_version(solutionArn=full["solutionArn"], trainingMode="UPDATE")[
        "solutionVersionArn"
    ]
    describe = ring.personalize.describe_solution_version
    done = ring.client.until(lambda: describe(solutionVersionArn=arn)["solutionVersion"])
    assert (done["status"], done["trainingMode"]) == ("ACTIVE", "UPDATE")
    latest = ring.personalize.describe_solution(solutionArn=full["solutionArn"])["solution"]
    assert latest["latestSolutionVersion"]["trainingMode"] == "UPDATE"
    before, after = (
        ring.client.server.get(f"/sartor/v1/solution-versions/{one}")["record"]
        for one in (full["solutionVersionArn"], arn)
    )
    assert after["items"] == before["items"] + 1
    assert after["interactions"] == before["interactions"] + 3


def test_promoted_items_keep_their_scores_and_too_few_of_them_leave_room_for_others(ring: Ring) -> None:
    least = sorted(PRICES)[-3]
    dear = ring.filter(f"INCLUDE ItemID WHERE Items.PRICE >= {least}")
    whole = {one["itemId"]: one["score"] for one in ring.ask(UP, userId="user-5", numResults=500)}
    promotion = {"name": "dear", "percentPromotedItems": 50, "filterArn": dear}
    found = ring.ask(UP, userId="user-5", numResults=20, promotions=[promotion])
    promoted = [one for one in found if "promotionName" in one]
    assert {one["itemId"] for one in promoted} == {
        item(at) for at in range(ITEMS_OF_RING) if PRICES[at] >= least
    }
    assert len(found) == len({one["itemId"] for one in found}) == 20
    assert all(one["score"] == whole[one["itemId"]] for one in found)
    assert all(one["score"] == round(one["score"], 7) for one in found)
    assert all("reason" not in one for one in found)  # only the second version gives reasons


def test_the_filter_of_a_promotion_has_values_of_its_own(ring: Ring) -> None:
    dearer = ring.filter(f"{IN_RING} AND Items.PRICE >= $LEAST")
    promotion = {
        "name": "dear",
        "percentPromotedItems": 30,
        "filterArn": dearer,
        "filterValues": {"LEAST": '"800"'},
    }
    found = ring.ask(
        UP,
        userId="user-7",
        numResults=20,
        filterArn=dearer,
        filterValues={"LEAST": '"300"'},
        promotions=[promotion],
    )
    prices = {one["itemId"]: price(one["itemId"]) for one in found}
    promoted = [one["itemId"] for one in found if "promotionName" in one]
    assert len(promoted) == 6
    assert all(prices[name] >= 800 for name in promoted)
    assert 300 <= min(prices.values()) < 800
    code, words = refused(
        lambda: ring.ask(UP, userId="user-7", promotions=[{**promotion, "filterValues": {}}])
    )
    assert (code, "LEAST is missing" in words) == ("InvalidInputException", True)


def test_a_filter_leaves_a_shorter_list_and_no_item_that_it_forbids(ring: Ring) -> None:
    most = sorted(PRICES)[3]
    few = ring.filter(f"{IN_RING} AND Items.PRICE <= {most}")
    wanted = {item(at) for at in range(ITEMS_OF_RING) if PRICES[at] <= most} - {item(1)}
    for recipe, asked in (
        (UP, {"userId": "user-6"}),
        (UP2, {"userId": "user-6"}),
        (POPULARITY, {}),
        (SIMS, {"itemId": item(1)}),
    ):
        assert set(ring.ids(recipe, **asked, filterArn=few)) - {item(1)} == wanted


def test_custom_resources_can_be_made_in_a_group_of_a_domain(ring: Ring) -> None:
    client, api = ring.client, ring.personalize
    group = client.group("ECOMMERCE")
    dataset = client.dataset(OF_DOMAIN, "Interactions", "ECOMMERCE", group)
    rows = [f"u{n % 40},i{n * n % 30},{BEGAN + n},View,tv" for n in range(800)]
    client.brought(dataset, "views", ["USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,DEVICE", *rows])
    solution = api.create_solution(
        name=client.name("custom"),
        datasetGroupArn=group,
        recipeArn=f"arn:aws:personalize:::recipe/{POPULARITY}",
    )["solutionArn"]
    version = api.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    describe = api.describe_solution_version
    done = client.until(lambda: describe(solutionVersionArn=version)["solutionVersion"])
    assert done["status"] == "ACTIVE", done
    campaign = api.create_campaign(name=client.name("custom"), solutionVersionArn=version)["campaignArn"]
    assert ring.runtime.get_recommendations(campaignArn=campaign, numResults=5)["itemList"]
