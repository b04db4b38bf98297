"""Recommenders through boto3: each of the ten use cases answers what its name says."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from api.conftest import Client
from api.domains import LOOKED, TASTES, Domain, name_of, pairs_bought, user_of
from sartor.demo.server import Server

VIEWED, BEST_SELLERS = "aws-ecomm-popular-items-by-views", "aws-ecomm-popular-items-by-purchases"
TOGETHER = "aws-ecomm-frequently-bought-together"
ALSO_VIEWED = "aws-ecomm-customers-who-viewed-x-also-viewed"
FOR_YOU = "aws-ecomm-recommended-for-you"
BECAUSE, MORE_LIKE = "aws-vod-because-you-watched-x", "aws-vod-more-like-x"
POPULAR, TRENDING, TOP_PICKS = "aws-vod-most-popular", "aws-vod-trending-now", "aws-vod-top-picks"
#: What each use case must be asked with.
NEEDS = {
    VIEWED: {"userId"},
    BEST_SELLERS: {"userId"},
    TOGETHER: {"itemId"},
    ALSO_VIEWED: {"userId", "itemId"},
    FOR_YOU: {"userId"},
    BECAUSE: {"userId", "itemId"},
    MORE_LIKE: {"userId", "itemId"},
    POPULAR: {"userId"},
    TRENDING: set(),
    TOP_PICKS: {"userId"},
}
ASKED = {"userId": user_of(0, 0), "itemId": name_of(0, 3)}
METRICS = {
    "coverage",
    "mean_reciprocal_rank_at_25",
    *(f"normalized_discounted_cumulative_gain_at_{k}" for k in (5, 10, 25)),
    *(f"precision_at_{k}" for k in (5, 10, 25)),
}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Give a server with Amazon's quotas that trains the linear model."""
    folder = tmp_path_factory.mktemp("recommenders")
    (folder / "bucket").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SARTOR_SEQUENCE_MODELS", "off")
        with Server(folder / "data", {"training": folder / "bucket"}) as server:
            yield Client(server, folder / "bucket")


@pytest.fixture(scope="module")
def shop(client: Client) -> Domain:
    return Domain(client, "ECOMMERCE")


@pytest.fixture(scope="module")
def television(client: Client) -> Domain:
    return Domain(client, "VIDEO_ON_DEMAND")


def refused(call: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call()
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def of(recipe: str, request: pytest.FixtureRequest) -> Domain:
    found: Domain = request.getfixturevalue("shop" if recipe.startswith("aws-ecomm") else "television")
    return found


def ranked_by(counts: dict[str, int], ids: list[str]) -> bool:
    """Return whether items lie by falling counts, and no other has more."""
    found = [counts.get(item, 0) for item in ids]
    return found == sorted(counts.values(), reverse=True)[: len(ids)]


@pytest.mark.parametrize("recipe", NEEDS)
def test_a_use_case_is_asked_with_what_it_needs_and_answers_without_scores(
    request: pytest.FixtureRequest, recipe: str
) -> None:
    domain = of(recipe, request)
    needed = {name: ASKED[name] for name in NEEDS[recipe]}
    found = domain.ask(recipe, **needed, numResults=5)
    assert len(found) == 5
    assert all(set(one) == {"itemId"} for one in found)
    for missing in NEEDS[recipe]:
        rest = {name: value for name, value in needed.items() if name != missing}
        code, message = refused(lambda rest=rest: domain.ask(recipe, **rest))
        assert (code, message) == (
            "InvalidInputException",
            f"{missing} is required for the recipe {recipe}.",
        )
    assert domain.ids(recipe, **ASKED, numResults=5, context={"DEVICE": "tv"})


@pytest.mark.parametrize(
    ("recipe", "event"), [(VIEWED, "View"), (BEST_SELLERS, "Purchase"), (POPULAR, "Watch")]
)
def test_what_is_popular_is_what_most_users_had_these_events_with(
    request: pytest.FixtureRequest, recipe: str, event: str
) -> None:
    domain = of(recipe, request)
    counts = domain.users_by_item(event)
    assert ranked_by(counts, domain.ids(recipe, userId=user_of(1, 1), numResults=20))
    assert domain.ids(recipe, userId="nobody") == domain.ids(recipe, userId=user_of(2, 2))


def test_what_is_bought_together_lies_in_the_same_baskets(shop: Domain) -> None:
    for item, partners in pairs_bought(shop.events).items():
        (first,) = shop.ids(TOGETHER, itemId=item, numResults=1)
        assert first in partners
    assert shop.ids(TOGETHER, itemId="never heard of", numResults=1) == ["best-seller"]


@pytest.mark.parametrize(("recipe", "unasked"), [(ALSO_VIEWED, "best-seller"), (BECAUSE, "rising")])
def test_what_others_looked_at_too_is_of_the_taste_of_the_item(
    request: pytest.FixtureRequest, recipe: str, unasked: str
) -> None:
    domain = of(recipe, request)
    for taste in range(TASTES):
        item = name_of(taste, 4)
        found = domain.ids(recipe, userId="nobody", itemId=item, numResults=10)
        assert item not in found
        assert unasked not in found, "it had no such event"
        assert sum(one.startswith(item[:2]) for one in found) >= 9


@pytest.mark.parametrize("recipe", [ALSO_VIEWED, FOR_YOU, BECAUSE, MORE_LIKE, TOP_PICKS])
def test_nobody_is_shown_again_what_he_bought_or_watched(request: pytest.FixtureRequest, recipe: str) -> None:
    domain = of(recipe, request)
    for number in range(5):
        user = user_of(0, number)
        asked = {name: {"userId": user, "itemId": name_of(0, 5)}[name] for name in NEEDS[recipe]}
        found = domain.ids(recipe, **asked, numResults=500)
        assert domain.known(user)
        assert not set(found) & domain.known(user)
        assert set(found) >= {name_of(1, at) for at in range(8)} - domain.known(user)


@pytest.mark.parametrize("recipe", [FOR_YOU, TOP_PICKS])
def test_a_user_is_recommended_what_is_of_his_taste(request: pytest.FixtureRequest, recipe: str) -> None:
    domain = of(recipe, request)
    for taste in range(TASTES):
        found = domain.ids(recipe, userId=user_of(taste, 7), numResults=3)
        assert sum(one.startswith(name_of(taste, 0)[:2]) for one in found) >= 2
    looked = LOOKED[domain.domain]
    domain.put("newcomer", looked, name_of(1, 2), name_of(1, 3))
    found = domain.ids(recipe, userId="newcomer", numResults=3)
    assert sum(one.startswith("b-") for one in found) >= 2


def test_what_is_bought_is_gone_from_the_next_answer_whatever_its_case(shop: Domain) -> None:
    first, second, third = shop.ids(FOR_YOU, userId="shopper", numResults=3)
    shop.put("shopper", "View", first)
    assert first in shop.ids(FOR_YOU, userId="shopper", numResults=500)
    shop.put("shopper", "purchase", second)
    shop.put("shopper", "PURCHASE", third)
    found = shop.ids(FOR_YOU, userId="shopper", numResults=500)
    assert not {second, third} & set(found)


def test_what_is_like_a_video_shares_its_genres_and_can_be_new(television: Domain) -> None:
    found = television.ids(MORE_LIKE, userId="nobody", itemId="new-a", numResults=8)
    assert all(one.startswith("a-") for one in found)
    assert "new-a" in television.ids(MORE_LIKE, userId="nobody", itemId=name_of(0, 1), numResults=20)


def test_what_trends_rises_whoever_asks(client: Client) -> None:
    television = Domain(client, "VIDEO_ON_DEMAND")  # events that other tests put now would end what rose then
    assert television.ids(TRENDING, numResults=1) == ["rising"]
    assert television.ids(TRENDING, userId=user_of(0, 0), numResults=1) == ["rising"]


@pytest.mark.parametrize("recipe", NEEDS)
def test_every_use_case_has_metrics(request: pytest.FixtureRequest, recipe: str) -> None:
    domain = of(recipe, request)
    metrics = domain.described(domain.recommender(recipe))["modelMetrics"]
    assert set(metrics) == ({"trend_prediction_accuracy"} if recipe == TRENDING else METRICS)
    assert all(value == round(value, 4) for value in metrics.values())


@pytest.mark.parametrize("recipe", NEEDS)
def test_filters_metadata_and_promotions_work_as_for_campaigns(
    request: pytest.FixtureRequest, recipe: str
) -> None:
    domain = of(recipe, request)
    column = {"ECOMMERCE": "CATEGORY_L1", "VIDEO_ON_DEMAND": "GENRES"}[domain.domain]
    only_b = domain.filter(f'INCLUDE ItemID WHERE Items.{column} IN ("b")')
    only_c = domain.filter(f'INCLUDE ItemID WHERE Items.{column} IN ("c")')
    promotion = {"name": "sale", "percentPromotedItems": 50, "filterArn": only_c}
    asked = {"userId": user_of(1, 3), "itemId": name_of(0, 3)}
    found = domain.ask(
        recipe,
        **asked,
        numResults=6,
        filterArn=only_b,
        promotions=[promotion],
        metadataColumns={"ITEMS": [column]},
    )
    promoted = [one for one in found if one.get("promotionName") == "sale"]
    others = [one for one in found if "promotionName" not in one]
    assert {one["itemId"][0] for one in promoted} == {"c"}
    assert {one["itemId"][0] for one in others} == {"b"}
    assert len(promoted) == 3
    assert all(one["metadata"][column.lower()].startswith(one["itemId"][0]) for one in found)
    if recipe in (ALSO_VIEWED, FOR_YOU, BECAUSE, MORE_LIKE, TOP_PICKS):
        assert not {one["itemId"] for one in others} & domain.known(user_of(1, 3))


def test_a_recommender_is_no_campaign(shop: Domain) -> None:
    arn = shop.recommender(VIEWED)
    ask = shop.runtime.get_recommendations
    assert refused(lambda: ask(campaignArn=arn, userId="u"))[0] == "ResourceNotFoundException"
    unknown = arn.rpartition("/")[0] + "/none"
    assert refused(lambda: ask(recommenderArn=unknown, userId="u"))[0] == "ResourceNotFoundException"
    both = {"campaignArn": arn, "recommenderArn": arn}
    assert refused(lambda: ask(**both, userId="u"))[0] == "InvalidInputException"
    rank = shop.runtime.get_personalized_ranking
    refusal = refused(lambda: rank(campaignArn=arn, userId="u", inputList=[name_of(0, 0)]))
    assert refusal[0] == "ResourceNotFoundException"


def test_what_is_stopped_answers_nobody_until_it_is_started(client: Client, shop: Domain) -> None:
    arn = shop.recommender(BEST_SELLERS)
    before = shop.ids(BEST_SELLERS, userId="u")
    trained = shop.described(arn)["modelMetrics"]
    shop.personalize.stop_recommender(recommenderArn=arn)
    client.wait(lambda: shop.described(arn)["status"] == "INACTIVE")
    code, message = refused(lambda: shop.ids(BEST_SELLERS, userId="u"))
    assert (code, message) == (
        "InvalidInputException",
        f"Resource {arn} must be ACTIVE, but its status is INACTIVE.",
    )
    assert shop.described(arn)["modelMetrics"] == trained
    shop.personalize.start_recommender(recommenderArn=arn)
    client.wait(lambda: shop.described(arn)["status"] == "ACTIVE")
    assert shop.ids(BEST_SELLERS, userId="u") == before


def test_other_columns_make_another_model_and_the_old_one_answers_until_it_is_there(
    client: Client, television: Domain
) -> None:
    """Without the genres nothing says what the new video is like."""
    arn = television.recommender(MORE_LIKE)
    asked = {"userId": "nobody", "itemId": "new-a", "numResults": 8}
    before = television.ids(MORE_LIKE, **asked)
    excluded = {"excludedDatasetColumns": {"Items": ["GENRES", "CONTENT_OWNER"]}}
    television.personalize.update_recommender(
        recommenderArn=arn, recommenderConfig={"trainingDataConfig": excluded}
    )

    def updated() -> bool:
        answer, found = television.ids(MORE_LIKE, **asked), television.described(arn)
        assert found["status"] == "ACTIVE"
        if found["latestRecommenderUpdate"]["status"] == "ACTIVE":
            return True
        assert found["latestRecommenderUpdate"]["status"].startswith("CREATE ")
        assert "failureReason" not in found["latestRecommenderUpdate"]
        assert answer == before or television.described(arn)["latestRecommenderUpdate"]["status"] == "ACTIVE"
        return False

    client.wait(updated)
    assert television.described(arn)["recommenderConfig"]["trainingDataConfig"] == excluded
    assert television.ids(MORE_LIKE, **asked)[0] == "film-of-the-year", "what is popular"


def test_what_explains_answers_explains_those_of_recommenders(client: Client, shop: Domain) -> None:
    arn, user = shop.recommender(FOR_YOU), user_of(0, 2)
    asked = {"recommenderArn": arn, "userId": user, "numResults": 3}
    found = client.server.post("/sartor/v1/explain", asked)
    assert [one["itemId"] for one in found["items"]] == shop.ids(FOR_YOU, userId=user, numResults=3)
    assert (found["recommenderArn"], "solutionVersionArn" in found) == (arn, False)
    (removed,) = found["removed"]
    assert (removed["rule"], removed["items"]) == ("Purchase events of the user", len(shop.known(user)))
    assert set(removed["ofTheBest"]) == shop.known(user)
    training = client.server.get(f"/sartor/v1/recommenders/{arn.rpartition('/')[2]}")
    assert (training["recommenderArn"], training["status"]) == (arn, "ACTIVE")
    assert training["record"]["recipe"] == FOR_YOU


def test_the_commands_know_recommenders(client: Client, shop: Domain) -> None:
    arn = shop.recommender(VIEWED)

    def said(*words: str) -> str:
        command = [sys.executable, "-m", "sartor", *words, "--data", str(client.server.data)]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    assert f"{arn}: ACTIVE" in said("training", arn)
    assert "window-shopper" in said("explain", arn, "--user", "anybody")
    # events of other tests may have come since
    found = json.loads(said("retrain", arn, "--verify", "--force", "--json"))
    assert found["recommenderArn"] == arn
    assert found["arrays"] > 0


def test_too_few_events_of_its_type_fail_a_recommender(client: Client) -> None:
    domain = Domain(client, "ECOMMERCE")
    rows = ["USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,DEVICE"]
    rows += [f"u{n % 50},i{n % 20},{n + 1},{'Purchase' if n < 900 else 'View'},tv" for n in range(2000)]
    key = client.write(f"{client.name('few')}.csv", "\n".join(rows) + "\n")
    assert client.imported(domain.interactions, key)["status"] == "ACTIVE"
    arn = domain.personalize.create_recommender(
        name=client.name("few"),
        datasetGroupArn=domain.group,
        recipeArn=f"arn:aws:personalize:::recipe/{BEST_SELLERS}",
    )["recommenderArn"]
    found = client.until(lambda: domain.described(arn))
    assert found["status"] == "CREATE FAILED"
    reason = "Dataset has fewer than 1000 interactions after filtering by event type: Purchase"
    assert reason in found["failureReason"]
    assert "modelMetrics" not in found
    code, message = refused(lambda: domain.runtime.get_recommendations(recommenderArn=arn, userId="u"))
    assert (code, "CREATE FAILED" in message) == ("InvalidInputException", True)
    domain.personalize.delete_recommender(recommenderArn=arn)
    client.gone(lambda: domain.described(arn))


def test_a_deleted_user_is_forgotten_by_recommenders(client: Client, shop: Domain) -> None:
    arn, victim = shop.recommender(FOR_YOU), user_of(2, 49)
    shop.put(victim, "View", name_of(2, 1))
    asked = {"recommenderArn": arn, "userId": victim, "numResults": 5}
    assert len(client.server.post("/sartor/v1/explain", asked)["history"]) > 10
    job = client.deleted(shop.group, victim)
    assert (job["status"], job["numDeleted"]) == ("COMPLETED", 1)
    found = client.server.post("/sartor/v1/explain", asked)
    assert (found["history"], found["removed"]) == ([], [])
    assert [one["itemId"] for one in found["items"]] == shop.ids(FOR_YOU, userId="nobody", numResults=5)
    report = client.server.get(f"/sartor/v1/deletion-jobs/{job['jobName']}/report")
    assert {"recommenderArn": arn, "users": 1} in report["trainedWith"]
    assert len(report["trainedWith"]) == len(shop.recommenders)
