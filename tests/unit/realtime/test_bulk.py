"""Lines of a batch job: whoever is answered together with others gets the answer that he gets alone."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sartor.data.json_lines import Answered, Block, Line
from sartor.models.base import Histories
from sartor.realtime import exploration, scoring
from sartor.realtime.blocks import Blocks
from sartor.realtime.bulk import Bulk
from sartor.realtime.filtering import Filters
from unit.realtime.shops import BLEND_HEADS, FILTERS, HEADS, RANKING, UP, UP2, USERS, Shop, name_of


def bulk_of(
    shop: Shop,
    kind: str,
    recipe: str,
    results: int,
    of: str | None,
    weight: str = "0",
    new_items: bool = True,
) -> Bulk:
    caller: Any = shop.service.caller
    filter_arn = None if of is None else shop.filters[of]
    deployment = shop.deployment(kind, recipe, weight, new_items)
    return Bulk(deployment, caller, Filters(shop.store), filter_arn, results)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    found = Shop(tmp_path_factory.mktemp("bulk"))
    yield found
    found.store.close()


#: Users with and without histories, one with very many interactions, two with events since, and nobody.
ASKED = [*(f"user-{number}" for number in range(0, USERS, 3)), "user-9", "active", "nobody", "user-3"]


def block_of(asked: Sequence[Any]) -> Block:
    return Block(1, b"".join(json.dumps(one).encode() + b"\n" for one in asked))


def asked_of(of: str | None) -> list[dict[str, Any]]:
    asked: list[dict[str, Any]] = [{"userId": user} for user in ASKED]
    if of == "values":
        values = [
            {},
            {"GENRE": '"drama"'},
            {"GENRE": '"comedy","drama"', "PRICE": "700"},
            {"GENRE": '"drama"', "PRICE": "dear"},
        ]
        asked = [{**one, "filterValues": values[at % 4]} for at, one in enumerate(asked)]
    return asked


def answered(
    bulk: Bulk, asked: Sequence[Any], monkeypatch: pytest.MonkeyPatch, together: bool
) -> list[dict[str, Any]]:
    with monkeypatch.context() as patch:
        if not together:
            patch.setattr(Blocks, "able", property(lambda _self: False))
        written = bulk.answer(block_of(asked))
    found = [json.loads(one) for one in written.answers.splitlines()]
    assert [one["input"] for one in found] == asked
    assert written.lines == len(asked)
    assert len(written.faults.splitlines()) == sum(one["output"] is None for one in found)
    return found


@pytest.mark.parametrize("of", [None, *FILTERS])
@pytest.mark.parametrize(
    ("kind", "recipe", "weight", "new_items"),
    [
        ("logits", UP, "0", True),
        ("logits", UP, "0.5", False),
        ("logits", UP2, "0", False),
        ("blend", UP, "0.8", True),
        ("blend", UP2, "0", False),
        (HEADS, UP, "0.5", False),
        (HEADS, UP, "0", True),
        (BLEND_HEADS, UP2, "0", False),
    ],
)
def test_users_who_are_answered_together_get_what_each_gets_alone(
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    recipe: str,
    weight: str,
    new_items: bool,
    of: str | None,
) -> None:
    bulk, lines = bulk_of(shop, kind, recipe, 25, of, weight, new_items), asked_of(of)
    together = answered(bulk, lines, monkeypatch, together=True)
    alone = answered(bulk, lines, monkeypatch, together=False)
    for one, other in zip(together, alone, strict=True):
        found, expected = one["output"], other["output"]
        assert one["error"] == other["error"]
        if expected is None:
            assert found is None
            continue
        assert found["recommendedItems"] == expected["recommendedItems"]
        assert found.get("reasons") == expected.get("reasons")
        assert [one is None for one in found["scores"]] == [one is None for one in expected["scores"]]
        scores = [(one, two) for one, two in zip(found["scores"], expected["scores"], strict=True) if two]
        np.testing.assert_allclose(
            [one for one, _ in scores], [two for _, two in scores], atol=3e-7, rtol=1e-4
        )


@pytest.mark.parametrize("together", [True, False])
def test_what_the_second_version_does_not_score_is_filled_with_popular_items_that_pass_the_filter(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, together: bool
) -> None:
    monkeypatch.setattr(scoring, "BEST", 40)
    monkeypatch.setattr(exploration, "share_of", lambda *_: 0.0)  # in some hours a place is explored
    (whole,) = answered(bulk_of(shop, "logits", UP2, 100, None), asked_of(None)[:1], monkeypatch, together)
    scores = whole["output"]["scores"]
    assert sum(scores[:40]) == pytest.approx(1, abs=1e-5)
    assert scores[40:] == [None] * 60
    assert whole["output"]["reasons"] == [[]] * 40 + [["Popular item"]] * 60
    counts = bulk_of(shop, "logits", UP2, 1, None)._blocks._version.counts
    popular = [counts[int(name.rpartition("-")[2])] for name in whole["output"]["recommendedItems"][40:]]
    assert popular == sorted(popular, reverse=True)
    bulk = bulk_of(shop, "logits", UP2, 100, "narrow")
    (narrow,) = answered(bulk, asked_of("narrow")[:1], monkeypatch, together)
    prices = [int(name.rpartition("-")[2]) % 1100 for name in narrow["output"]["recommendedItems"]]
    assert set(prices) == set(range(8))
    assert ["Popular item"] in narrow["output"]["reasons"]


def test_most_users_are_answered_together(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    alone: list[str] = []
    for of in (None, "metadata", "values", "narrow", "had", "bought", "old"):
        bulk = bulk_of(shop, "logits", UP2, 25, of)

        def answered_alone(line: Line) -> Answered:
            alone.append(json.loads(line.text)["userId"])
            return Answered(line, b"{}")

        monkeypatch.setattr(bulk, "_alone", answered_alone)
        said = ((one, one.get("filterValues", {"": ""})) for one in asked_of(of))
        bulk.answer(block_of([one for one, values in said if values and "dear" not in values.values()]))
        assert set(alone) <= {"active", "user-9"}, of


def test_a_user_of_whom_something_is_new_is_one_with_records_that_the_training_has_not_seen(
    shop: Shop,
) -> None:
    histories = bulk_of(shop, "logits", UP, 5, None)._blocks._version.histories
    found = histories.changed(["user-1", "user-9", "active", "nobody"])
    assert found == {"user-9", "active"}


def test_a_ranking_is_of_the_items_of_the_line(shop: Shop) -> None:
    items = [name_of(5), "unknown", name_of(9), name_of(5)]
    written = bulk_of(shop, "logits", RANKING, 25, None).answer(
        block_of([{"userId": "user-4", "itemList": items}])
    )
    output = json.loads(written.answers)["output"]
    assert sorted(output["recommendedItems"][:2]) == [name_of(5), name_of(9)]
    assert output["recommendedItems"][2:] == ["unknown"]
    assert sum(output["scores"][:2]) == pytest.approx(1.0, abs=1e-6)
    assert output["scores"][2] is None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ({"userId": "user-1"}, "itemList must be a list"),
        ({"userId": "user-1", "itemList": []}, "itemList must be a list"),
        ({"userId": "user-1", "itemList": ["a"] * 501}, "1 to 500"),
        ({"userId": "user-1", "itemList": [7]}, "itemList must have strings"),
        ({"itemList": ["a"]}, "userId is required"),
    ],
)
def test_a_ranking_of_nothing_says_what_it_lacks(shop: Shop, line: dict[str, Any], words: str) -> None:
    found = json.loads(bulk_of(shop, "logits", RANKING, 25, None).answer(block_of([line])).answers)
    assert found["output"] is None
    assert words in found["error"]


def test_histories_are_made_of_the_training_alone(shop: Shop) -> None:
    found = bulk_of(shop, "logits", UP, 5, None)._blocks._version.artifact
    assert found.states is not None
    histories = Histories(found.item, found.offsets, found.time)
    np.testing.assert_allclose(found.model.states(histories), found.states, atol=1e-5)


def test_who_has_no_state_beforehand_is_answered_the_same(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of very many users none is kept: it is computed of the history."""
    kept, computed = (bulk_of(shop, "logits", UP, 25, None) for _ in range(2))
    scores = computed._blocks._scores
    scores._artifact = replace(scores._artifact, states=None)
    asked = asked_of(None)
    ours, theirs = (answered(bulk, asked, monkeypatch, together=True) for bulk in (computed, kept))
    for one, other in zip(ours, theirs, strict=True):
        assert one["output"]["recommendedItems"] == other["output"]["recommendedItems"]
        np.testing.assert_allclose(one["output"]["scores"], other["output"]["scores"], rtol=1e-3, atol=1e-6)
