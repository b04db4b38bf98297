"""The parts of an answer: promotions, exploration, which events count, and what is kept."""

import asyncio
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sartor.data.ids import code_of
from sartor.data.training import EventRule, Selection
from sartor.errors import TakesLong, quick_enough
from sartor.realtime import exploration, promotions
from sartor.realtime.answer import Answer
from sartor.realtime.histories import counts
from sartor.realtime.picked import Picked
from sartor.realtime.scoring import Kept, Scores


@given(
    n=st.integers(1, 30),
    share=st.integers(1, 100),
    promoted=st.integers(0, 30),
    others=st.integers(0, 60),
)
def test_promoted_items_take_their_share_and_keep_the_models_order(
    n: int, share: int, promoted: int, others: int
) -> None:
    first = [Picked(row) for row in range(100, 100 + min(promoted, n))]
    second = [Picked(row) for row in range(95, 95 + min(others, n))]
    found = promotions.merged({"name": "p", "percentPromotedItems": share}, first, second, n)
    chosen = [one.row for one in found if one.promotion == "p"]
    wanted = min(len(first), int(n * share / 100 + 0.5))
    assert chosen == [one.row for one in first[:wanted]]
    rest = [one.row for one in found if one.promotion is None]
    assert rest == [one.row for one in second if one.row not in chosen][: n - wanted]
    assert len({one.row for one in found}) == len(found) <= n


def test_promoted_items_stand_at_other_places_each_time() -> None:
    first, second = [Picked(100), Picked(101)], [Picked(row) for row in range(20)]
    promotion = {"name": "p", "percentPromotedItems": 20}
    seen = set()
    for _ in range(300):
        found = promotions.merged(promotion, first, second, 10)
        seen |= {at for at, one in enumerate(found) if one.promotion == "p"}
    assert seen == set(range(10))


def explored(share: float, who: str = "u", allowed: list[int] | None = None) -> list[Picked]:
    picked = [Picked(row, 0.1 / (row + 1)) for row in range(10)]
    candidates = np.arange(10, 40, dtype=np.int32)
    mask = None
    if allowed is not None:
        mask = np.zeros(40, np.bool_)
        mask[allowed] = True
    new = exploration.New.of(candidates, np.zeros(40, np.int64))
    return exploration.explored(picked, lambda: new, mask, share, exploration.Seeds(()).of(code_of(who), 0))


def test_without_weight_nothing_is_explored_and_with_all_of_it_every_place_is() -> None:
    assert [one.row for one in explored(0.0)] == list(range(10))
    every = explored(1.0)
    assert all(one.reason == exploration.EXPLORED for one in every)
    assert len({one.row for one in every}) == 10


def test_one_user_sees_the_same_for_a_while_and_users_see_different_things() -> None:
    assert explored(0.5) == explored(0.5)
    assert len({tuple(one.row for one in explored(0.5, f"u{number}")) for number in range(20)}) > 10


def test_only_what_the_filter_allows_is_explored() -> None:
    found = [one.row for one in explored(1.0, allowed=[11, 12])]
    assert set(found) - set(range(10)) == {11, 12}


@settings(deadline=None)
@given(
    n=st.integers(1, 40),
    share=st.sampled_from([0.001, 0.15, 0.5, 0.95, 1.0]),
    allowed=st.sampled_from([None, 0.02, 0.5, 1.0]),
    seed=st.integers(0, 2**48 - 1),
)
def test_an_answer_alone_explores_as_it_does_among_many(
    n: int, share: float, allowed: float | None, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.choice(200, n, replace=False)
    new = exploration.New.of(np.arange(50, 150, dtype=np.int32), rng.integers(0, 50, 200))
    mask = None if allowed is None else rng.random(200) < allowed
    picked = [Picked(row, 0.1) for row in rows.tolist()]
    alone = exploration.explored(picked, lambda: new, mask, share, seed)
    many = exploration.explored_rows(
        np.array([rows, rows[::-1]], np.int32),
        new,
        lambda _at, some: exploration.within(some, 200, mask),
        share,
        np.array([seed, seed ^ 1], np.uint64),
    )
    assert [one.row for one in alone] == many[0].tolist()


def test_shares_of_the_places_are_those_of_the_recipe_and_the_campaign() -> None:
    assert exploration.share_of(None, {"explorationWeight": "1"}) == 0
    assert exploration.share_of("configured", {"explorationWeight": "0"}) == 0
    assert exploration.share_of("configured", {}) == pytest.approx(0.15)
    assert 0 < exploration.share_of("managed", {}) < 0.01


@pytest.mark.parametrize(
    ("selection", "cells", "expected"),
    [
        (Selection(), {"EVENT_TYPE": "any"}, True),
        (Selection(event_type="buy"), {"EVENT_TYPE": "buy"}, True),
        (Selection(event_type="buy"), {}, False),
        (Selection(threshold=2.0), {"EVENT_VALUE": 2.0}, True),
        (Selection(threshold=2.0), {}, False),
        (
            Selection(event_rules={"buy": EventRule(1.0, 3.0)}),
            {"EVENT_TYPE": "buy", "EVENT_VALUE": 2.0},
            False,
        ),
        (Selection(event_rules={"buy": EventRule(1.0)}), {"EVENT_TYPE": "view"}, False),
    ],
)
def test_an_event_counts_as_it_would_in_the_training(
    selection: Selection, cells: dict[str, object], expected: bool
) -> None:
    assert counts(selection, cells) is expected


@given(values=st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=50))
def test_shares_sum_to_one_and_keep_the_order(values: list[float]) -> None:
    scores = np.array(values, np.float32)
    shares = Scores(None, scores, logits=True).shares(np.arange(len(scores)))
    assert shares.sum() == pytest.approx(1.0, abs=1e-4)
    assert np.all(np.diff(shares[np.argsort(scores, kind="stable")]) >= 0)


def test_what_is_kept_is_made_anew_once_something_new_is_known() -> None:
    kept: Kept[int] = Kept(100)
    made = iter(range(10))
    assert [kept.get(("u",), newest, lambda: (next(made), 1)) for newest in (1, 1, 2, 2)] == [0, 0, 1, 1]


def test_what_was_not_used_for_long_is_forgotten_when_memory_is_short() -> None:
    kept: Kept[str] = Kept(100)
    for name in "abc":
        kept.get((name,), 1, lambda name=name: (name, 40))
    again = []
    for name in "cba":
        kept.get((name,), 1, lambda name=name: (again.append(name) or name, 40))
    assert again == ["a"]


def test_what_is_kept_of_a_state_is_made_anew_in_another() -> None:
    kept: Kept[int] = Kept(100)
    made = iter(range(10))
    states = [(1, ("a",)), (1, ("a",)), (1, ("b",)), (1, ("a",))]
    assert [kept.get(b"asked", state, lambda: (next(made), 1)) for state in states] == [0, 0, 1, 2]


def test_the_bytes_of_an_answer_are_its_json_with_the_id() -> None:
    items = [{"itemId": f'i"{number}', "score": 0.1 * number} for number in range(30)]
    answer = Answer.of("itemList", items, "model")
    for recommendation_id in ("RID-1", "RID-2"):
        assert json.loads(answer.body(recommendation_id)) == {
            "itemList": items,
            "recommendationId": recommendation_id,
        }
    assert list(answer.shown) == [one["itemId"] for one in items[:25]]
    nothing = Answer.of("personalizedRanking", [], "empty")
    assert json.loads(nothing.body("r")) == {"personalizedRanking": [], "recommendationId": "r"}


def test_only_an_event_loop_refuses_what_takes_long() -> None:
    quick_enough(takes_long=True)

    async def on_a_loop() -> None:
        quick_enough(takes_long=False)
        with pytest.raises(TakesLong):
            quick_enough(takes_long=True)

    asyncio.run(on_a_loop())
