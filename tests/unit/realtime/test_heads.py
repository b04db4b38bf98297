"""The heads of users' answers: the best items of all, found before anybody asks."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sartor.data.put import Row
from sartor.models.base import Histories, Query
from sartor.models.best import top
from sartor.realtime import heads
from sartor.realtime.deployments import Deployment
from sartor.realtime.filtering import Filters
from sartor.realtime.recommend import Recommender
from sartor.realtime.scoring import Scores
from sartor.recipes import BY_ARN
from unit.realtime.shops import BLEND_HEADS, HEADS, ITEMS, SERVING, UP, USERS, Shop, model_of, name_of


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    found = Shop(tmp_path_factory.mktemp("heads"))
    yield found
    found.store.close()


class Only:
    """One deployment, whatever is asked."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment

    def of(self, _caller: object, _arn: str) -> Deployment:
        return self.deployment


def asked(shop: Shop, deployment: Deployment, user: str, of: str | None, n: int) -> list[Any]:
    request = {"campaignArn": "arn:c", "userId": user, "numResults": n}
    if of is not None:
        request["filterArn"] = shop.filters[of]
    _, picked = Recommender(Only(deployment), Filters(shop.store)).recommend(shop.service.caller, request)
    return picked


@pytest.mark.parametrize("kind", ["logits", "blend"])
def test_they_are_the_best_of_all_scores_with_their_shares_of_the_softmax(kind: str) -> None:
    rng, model = np.random.default_rng(5), model_of(kind)
    lengths = rng.integers(0, 30, 40)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    histories = Histories(
        rng.integers(0, ITEMS, offsets[-1]).astype(np.int32), offsets, np.arange(offsets[-1])
    )
    found = heads.made(model, histories, model.states(histories), SERVING)
    assert found is not None
    asked_with = [histories.of(user) for user in range(40)] + [np.zeros(0, np.int32)]
    assert len(found) == len(asked_with), "the last is of who has no history"
    for head, history in zip(found, asked_with, strict=True):
        values = model.score(Query(history))
        shares = Scores(None, values, model.has_logits).shares(np.arange(ITEMS))
        np.testing.assert_allclose(values[head["row"]], values[top(values, 128)], atol=1e-5)
        np.testing.assert_allclose(head["share"], shares[head["row"]], rtol=1e-4)


@pytest.mark.parametrize("kind", [HEADS, BLEND_HEADS])
@pytest.mark.parametrize("of", [None, "metadata", "narrow", "had", "nothing"])
@pytest.mark.parametrize("n", [5, 60, 300])
def test_an_answer_from_a_head_is_that_of_all_scores(shop: Shop, kind: str, of: str | None, n: int) -> None:
    with_heads = shop.deployment(kind, UP, "0.5", new_items=False)
    version = with_heads.version
    without = replace(version.histories._artifact, heads=None)
    scored = shop.deployment(kind, UP, "0.5", new_items=False)
    scored.version.histories._artifact = without
    for user in ("user-1", "user-3", "user-9", "active", "nobody"):
        one, other = (asked(shop, deployment, user, of, n) for deployment in (with_heads, scored))
        assert [picked.row for picked in one] == [picked.row for picked in other]
        np.testing.assert_allclose(
            [picked.score for picked in one], [picked.score for picked in other], atol=3e-7, rtol=1e-4
        )


def test_nothing_is_scored_for_who_has_a_head_until_a_new_item_has_a_say(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = shop.deployment(HEADS, UP, new_items=False)
    scored: list[Query] = []
    model = type(deployment.version.model)
    score = model.score

    def counted(self: Any, query: Query) -> Any:
        scored.append(query)
        return score(self, query)

    monkeypatch.setattr(model, "score", counted)
    for user in ("user-1", "nobody"):
        assert len(asked(shop, deployment, user, "metadata", 25)) == 25
    assert scored == []
    asked(shop, deployment, "active", "metadata", 25)
    assert len(scored) == 1, "events of after the training count"
    for one in deployment.version.followers:
        one.look()
    asked(shop, deployment, "user-1", "metadata", 25)
    assert len(scored) == 2, "a new item may be among the best"


def test_a_filter_that_says_the_same_to_all_sees_a_price_that_changes(shop: Shop) -> None:
    deployment = shop.deployment(HEADS, UP, new_items=False)
    shown = asked(shop, deployment, "user-1", "narrow", 5)[0].row
    cells = {"ITEM_ID": name_of(shown), "PRICE": 900.0, "GENRE": "drama", "STOCK": 1}
    shop.put("ITEMS", [Row(name_of(shown), cells)])
    assert shown not in [one.row for one in asked(shop, deployment, "user-1", "narrow", 5)]


def test_they_are_as_long_as_their_room_allows_or_not_kept() -> None:
    assert heads.size_of(1_000, 4_000, is_product=False) == 128
    assert heads.size_of(1_000, 20, is_product=False) == 20, "all there are"
    room = [heads.size_of(users, 400, is_product=True) for users in (100_000, 300_000, 1_000_000)]
    assert room[0] == 128
    assert 48 <= room[1] < 128
    assert room[2] == 0
    assert heads.size_of(1_000, 100_000, is_product=True) == 0, "a large catalogue has a shortlist"
    of_product, of_others = (heads.size_of(100_000, 4_000, is_product=one) for one in (True, False))
    assert (of_product, of_others) == (128, 0), "so many scores of a blend take too long"


@pytest.mark.parametrize(
    "recipe", ["aws-personalized-ranking", "aws-sims", "aws-popularity-count", "aws-item-affinity"]
)
def test_who_is_not_asked_for_the_best_items_of_a_user_keeps_none(recipe: str) -> None:
    serving = BY_ARN[f"arn:aws:personalize:::recipe/{recipe}"].serving
    histories = Histories(np.zeros(0, np.int32), np.zeros(USERS + 1, np.int64), np.zeros(0, np.int64))
    assert heads.made(model_of("logits"), histories, None, serving) is None
