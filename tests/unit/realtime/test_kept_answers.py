"""Kept answers: who asks again gets what a recommender that has kept nothing answers, whatever has changed."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sartor.data.put import Row
from sartor.realtime import exploration
from sartor.realtime.bulk import Only
from sartor.realtime.deployments import Deployment
from sartor.realtime.filtering import Filters
from sartor.realtime.recommend import Recommender
from unit.realtime.shops import FILTERS, NEWEST, RANKING, UP, UP2, Shop, name_of

#: Users with few and many interactions, one with events since the training, and nobody.
ASKED = ("user-1", "user-4", "user-40", "user-9", "nobody")
PLAIN = tuple(name for name in FILTERS if name != "values")
NEW = "item-new"


class Asker:
    """Asks one recommender, which keeps its answers, and one that is made for each question."""

    def __init__(self, shop: Shop, deployment: Deployment) -> None:
        self.shop, self.deployment = shop, deployment
        self.recommender = self._recommender()

    def serve(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.recommender._deployments = Only(deployment)

    def kept(self) -> list[Any]:
        return [self._answer(self.recommender, request) for request in self.requests()]

    def anew(self) -> list[Any]:
        return [self._answer(self._recommender(), request) for request in self.requests()]

    def requests(self) -> Iterator[dict[str, Any]]:
        more: dict[str, Any] = {}
        if self.deployment.version.serving.operation == "GetPersonalizedRanking":
            more = {"inputList": [name_of(5), NEW, name_of(70), name_of(2305), name_of(71)]}
        for user in ASKED:
            yield {"campaignArn": "job", "userId": user, **more}
            for name in PLAIN:
                yield {"campaignArn": "job", "userId": user, "filterArn": self.shop.filters[name], **more}

    def _answer(self, recommender: Recommender, request: dict[str, Any]) -> Any:
        caller: Any = self.shop.service.caller
        ranks = "inputList" in request
        ask = recommender.get_personalized_ranking if ranks else recommender.get_recommendations
        found = json.loads(ask(caller, request))
        assert found.pop("recommendationId").startswith("RID-")
        return found

    def _recommender(self) -> Recommender:
        store = self.shop.store
        return Recommender(Only(self.deployment), Filters(store), store.at_once)


def _filter_made_anew(shop: Shop) -> None:
    shop.service("DeleteFilter", filterArn=shop.filters["narrow"])
    shop.service.work()
    text = "INCLUDE ItemID WHERE Items.PRICE > 900"
    shop.service("CreateFilter", name="narrow", datasetGroupArn=shop.group, filterExpression=text)
    shop.service.work()


def _looked(asker: Asker) -> None:
    for one in asker.deployment.version.followers:
        one.look()


#: What may happen between two questions, and whether an answer must be another.
CHANGES: dict[str, tuple[Callable[[Asker], object], bool]] = {
    "nothing": (lambda _: None, False),
    "an event of somebody else": (
        lambda asker: asker.shop.put("INTERACTIONS", [asker.shop.event("user-2", 3)]),
        False,
    ),
    "an event": (lambda asker: asker.shop.put("INTERACTIONS", [asker.shop.event("user-4", 11)]), True),
    "another price": (
        lambda asker: asker.shop.put(
            "ITEMS", [Row(name_of(5), {"ITEM_ID": name_of(5), "PRICE": 1.0, "GENRE": "comedy", "STOCK": 0})]
        ),
        False,
    ),
    "prices of all": (
        lambda asker: asker.shop.put(
            "ITEMS",
            [
                Row(name_of(number), {"ITEM_ID": name_of(number), "PRICE": 1.0, "GENRE": "comedy"})
                for number in range(900, 1000)
            ],
        ),
        True,
    ),
    "an attribute": (
        lambda asker: asker.shop.put("USERS", [Row("user-40", {"USER_ID": "user-40", "AGE": 20})]),
        True,
    ),
    "a filter made anew": (lambda asker: _filter_made_anew(asker.shop), True),
    "a new item": (
        lambda asker: (
            asker.shop.put("ITEMS", [Row(NEW, {"ITEM_ID": NEW, "PRICE": 2.0, "GENRE": "drama", "STOCK": 1})]),
            _looked(asker),
        ),
        False,
    ),
    "another configuration": (
        lambda asker: asker.serve(
            asker.shop.deployment("logits", asker.deployment.version.recipe.name, weight="0.9")
        ),
        False,
    ),
    "a training": (
        lambda asker: asker.serve(asker.shop.deployment("blend", asker.deployment.version.recipe.name)),
        True,
    ),
}


@pytest.mark.parametrize("recipe", [UP, UP2, RANKING])
def test_the_next_answer_knows_whatever_has_changed(
    recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exploration, "hour", lambda: NEWEST // 3600)
    shop = Shop(tmp_path)
    asker = Asker(shop, shop.deployment("logits", recipe, weight="0.5"))
    before = asker.kept()
    for name, (change, changes) in CHANGES.items():
        change(asker)
        found = asker.kept()
        assert found == asker.anew(), name
        assert not changes or recipe == RANKING or found != before, name
        before = found
    shop.store.close()


def test_an_answer_is_made_once_as_long_as_nothing_of_its_user_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exploration, "hour", lambda: NEWEST // 3600)
    shop = Shop(tmp_path)
    asker = Asker(shop, shop.deployment("logits", UP, weight="0.5"))
    first = asker.kept()
    with monkeypatch.context() as patch:
        patch.setattr(Recommender, "_recommend", None)
        assert asker.kept() == first
        shop.put("INTERACTIONS", [shop.event("user-2", 3)])
        assert asker.kept() == first
    monkeypatch.setattr(exploration, "hour", lambda: NEWEST // 3600 + 1)
    assert asker.kept() == asker.anew() != first
    shop.store.close()


def test_promotions_are_mixed_anew_each_time(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    asker = Asker(shop, shop.deployment("logits", UP2))
    promotion = {"name": "p", "percentPromotedItems": 50, "filterArn": shop.filters["narrow"]}
    request = {"campaignArn": "job", "userId": "user-4", "promotions": [promotion]}
    found = [json.dumps(asker._answer(asker.recommender, request)) for _ in range(8)]
    assert len(set(found)) > 1
    shop.store.close()
