"""A large catalogue is answered from a shortlist, and with a narrow filter as if every item were scored."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from sartor.models.base import Float32, Int32, Query
from sartor.models.best import top
from sartor.models.sequence import SequenceModel
from sartor.realtime import scoring
from sartor.realtime.deployments import Deployment
from sartor.realtime.filtering import Filters
from sartor.realtime.recommend import Recommender
from sartor.realtime.scoring import Scores
from unit.realtime.shops import UP, Shop

#: So many items the index finds, and a search of all of them is not needed for.
LISTED = 60


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    found = Shop(tmp_path_factory.mktemp("large"))
    yield found
    found.store.close()


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> list[Query]:
    """Let the shop's model have a shortlist; the questions of which all items were scored."""
    scored: list[Query] = []
    score = SequenceModel.score

    def shortlist(model: SequenceModel, query: Query, _size: int) -> tuple[Int32, Float32]:
        values = score(model, query)
        best = top(values, LISTED)
        return best, values[best]

    def counted(model: SequenceModel, query: Query) -> Float32:
        scored.append(query)
        return score(model, query)

    monkeypatch.setattr(scoring, "LARGE_CATALOGUE", 1_000)
    monkeypatch.setattr(scoring, "_DEPTH", LISTED)
    monkeypatch.setattr(SequenceModel, "shortlist", shortlist)
    monkeypatch.setattr(SequenceModel, "score", counted)
    return scored


def rows(shop: Shop, deployment: Deployment, of: str | None, n: int) -> list[int]:
    request: dict[str, Any] = {"campaignArn": "arn:c", "userId": "user-1", "numResults": n}
    if of is not None:
        request["filterArn"] = shop.filters[of]

    class Only:
        def of(self, _caller: object, _arn: str) -> Deployment:
            return deployment

    _, picked = Recommender(Only(), Filters(shop.store)).recommend(shop.service.caller, request)
    return [one.row for one in picked]


@pytest.mark.parametrize(("of", "n"), [(None, 25), ("metadata", 25), ("narrow", 10), ("nothing", 5)])
def test_an_answer_is_that_of_all_scores_without_a_look_at_all(
    shop: Shop, whole: list[Query], monkeypatch: pytest.MonkeyPatch, of: str | None, n: int
) -> None:
    deployment = shop.deployment("logits", UP, new_items=False)
    found = rows(shop, deployment, of, n)
    assert whole == []
    monkeypatch.setattr(scoring, "LARGE_CATALOGUE", 1_000_000)
    assert found == rows(shop, deployment, of, n)


def test_what_too_many_are_for_and_a_shortlist_lacks_is_looked_for_among_all(
    shop: Shop, whole: list[Query], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "_FEW", 3)
    deployment = shop.deployment("logits", UP, new_items=False)
    assert len(rows(shop, deployment, "narrow", 10)) == 10
    assert len(whole) == 1


def test_a_shortlist_takes_what_another_has_besides() -> None:
    one = Scores(np.array([7, 3], np.int32), np.array([2, 1], np.float32), True)
    other = Scores(np.array([3, 5, 9], np.int32), np.array([1, 1.5, 0], np.float32), True)
    found = one.joined(other)
    assert found.items is not None
    assert found.items.tolist() == [7, 5, 3, 9]
    assert found.values.tolist() == [2, 1.5, 1, 0]
