"""Segments: the best users of items against a full sort, and the metrics against a count by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sartor.models import affinity, segments
from sartor.models.affinity import Config
from sartor.models.base import Float32, Histories, Int32, Run, Stopped, TrainingData
from sartor.models.best import top
from sartor.models.segments import ItemSets


def expected(users: Float32, wanted: Float32, k: int, allowed: np.ndarray | None) -> list[list[int]]:
    rows = range(len(users)) if allowed is None else np.flatnonzero(allowed).tolist()
    found = []
    for vector in wanted:
        scores = users @ vector
        found.append(sorted(rows, key=lambda row: (-scores[row], row))[:k])
    return found


def whole(rng: np.random.Generator, *shape: int) -> Float32:
    """Return vectors of small whole numbers, whose products are exact and often equal."""
    return rng.integers(-2, 3, shape).astype(np.float32)


@given(
    st.integers(0, 60),
    st.integers(0, 5),
    st.integers(0, 70),
    st.integers(1, 40),
    st.booleans(),
    st.integers(0, 99),
)
@settings(max_examples=150, deadline=None)
def test_the_best_users_are_those_of_a_full_sort_in_whatever_blocks_they_are_read(
    n_users: int, n_wanted: int, k: int, block: int, filtered: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    users, wanted = whole(rng, n_users, 3), whole(rng, n_wanted, 3)
    allowed = rng.random(n_users) < 0.5 if filtered else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "_BLOCK_SCORES", block)
        patch.setattr(segments, "_BLOCK_WANTED", 1)
        patch.setattr(segments, "_MOST_ASIDE", block)
        found = list(segments.best_users(users, wanted, k, allowed))
    assert [one.tolist() for one in found] == expected(users, wanted, k, allowed)
    assert all(one.dtype == np.int32 for one in found)


def test_users_who_come_ever_better_are_found_too() -> None:
    users = np.arange(5000, dtype=np.float32)[:, None]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "_BLOCK_SCORES", 64)
        (found,) = segments.best_users(users, np.ones((1, 1), np.float32), 5)
    assert found.tolist() == [4999, 4998, 4997, 4996, 4995]


def test_a_search_can_be_stopped() -> None:
    def stop() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        list(segments.best_users(np.ones((9, 2), np.float32), np.ones((1, 2), np.float32), 3, keep_on=stop))


def histories(lists: list[list[int]]) -> Histories:
    items = np.array([item for one in lists for item in one], np.int32)
    offsets = np.cumsum([0, *map(len, lists)]).astype(np.int64)
    return Histories(items, offsets, np.arange(len(items), dtype=np.int64))


def test_the_newest_fifth_of_each_user_is_held_out() -> None:
    found = histories([list(range(10)), [3], [], [4, 5], [6, 7, 8, 9, 0, 1]])
    train, test = segments.split(found)
    assert [train.of(user).tolist() for user in range(5)] == [list(range(8)), [3], [], [4], [6, 7, 8, 9, 0]]
    assert [test.of(user).tolist() for user in range(5)] == [[8, 9], [], [], [5], [1]]
    assert test.times.tolist() == [8, 9, 12, 18]


def planted() -> tuple[Histories, int]:
    """Return 200 users of two tastes; with 200 users one percent are two."""
    rng = np.random.default_rng(5)
    lists = [[int(user % 2 * 10 + item) for item in rng.permutation(10)] for user in range(200)]
    return histories(lists), 20


def test_metrics_are_those_of_a_count_by_hand() -> None:
    found, n_items = planted()
    train, test = segments.split(found)
    model = affinity.fit(TrainingData(n_items, train), Config(d=8), Run(threads=1))
    sets = ItemSets(np.array([0, 3, 4, 15], np.int32), np.array([0, 1, 3, 4], np.int64))
    metrics = segments.evaluate(model, train, test, sets)
    scores = model.states(train) @ model.items.T
    for user in range(200):
        scores[user, train.of(user)] = 0  # nobody comes back here
    hits, recalls, reached = [], [], set()
    for items in ([0], [3, 4], [15]):
        best: Int32 = top(scores[:, items].sum(axis=1), 2)
        true = {user for user in range(200) if set(test.of(user).tolist()) & set(items)}
        hits.append(len(true & set(best.tolist())))
        recalls.append(hits[-1] / min(len(true), 2))
        reached |= set(best.tolist())
    assert metrics == {
        "coverage": pytest.approx(len(reached) / 200),
        "hits_at_1_percent": pytest.approx(np.mean(hits)),
        "recall_at_1_percent": pytest.approx(np.mean(recalls)),
    }


def test_beside_the_segments_of_a_model_stand_those_of_who_did_most() -> None:
    lists = [[0, 1] * (2 + user // 50) for user in range(200)]
    found = histories(lists)
    train, test = segments.split(found)
    model = affinity.fit(TrainingData(2, train), Config(d=2), Run(threads=1))
    measured = segments.measure(model, train, test, ItemSets.each(2))
    assert [one.tolist() for one in measured["activity"].best] == [[150, 151]] * len(measured["version"].best)
    assert measured["version"].metrics == segments.evaluate(model, train, test, ItemSets.each(2))
    assert (
        measured["activity"].metrics["hits_at_1_percent"]
        == measured["activity"].values["hits_at_1_percent"].mean()
    )


def test_segments_of_planted_tastes_are_of_users_who_have_them() -> None:
    found, n_items = planted()
    train, _ = segments.split(found)
    model = affinity.fit(TrainingData(n_items, train), Config(d=8), Run(threads=1))
    sets = ItemSets.of_each([np.arange(10, dtype=np.int32), np.array([15], np.int32)])
    met = segments.Met(model, train, sets)
    first, second = segments.best_users(model.states(train), segments.vectors(model, sets), 20, None, met)
    assert (first % 2 == 0).all()
    assert (second[:15] % 2 == 1).all()
    # only the taste tells: who has met the item already is not among those who will
    assert not any(15 in train.of(user) for user in second[:15].tolist())


@given(st.integers(1, 30), st.integers(1, 40), st.booleans(), st.integers(0, 99))
@settings(max_examples=80, deadline=None)
def test_what_met_items_brought_is_taken_off_each_once(
    n_users: int, block: int, filtered: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    found = histories([rng.integers(0, 6, rng.integers(0, 9)).tolist() for _ in range(n_users)])
    model = affinity.AffinityModel(Config(), whole(rng, 6, 3), whole(rng, 6, 3), False)
    sets = ItemSets.of_each([np.array(one, np.int32) for one in ([2], [0, 1, 3], [5], [4, 5])])
    users, allowed = whole(rng, n_users, 3), rng.random(n_users) < 0.5 if filtered else None
    unmet = [
        np.array(
            [sum(users[u] @ model.items[i] for i in items if i not in found.of(u)) for u in range(n_users)]
        )
        for items in ([2], [0, 1, 3], [5], [4, 5])
    ]
    rows = range(n_users) if allowed is None else np.flatnonzero(allowed).tolist()
    best = [sorted(rows, key=lambda row: (-scores[row], row))[:4] for scores in unmet]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "_BLOCK_SCORES", block)
        patch.setattr(segments, "_BLOCK_WANTED", 1)
        patch.setattr(segments, "_BLOCK_PAIRS", 3)
        met = segments.Met(model, found, sets)
        got = list(segments.best_users(users, segments.vectors(model, sets), 4, allowed, met))
    assert [one.tolist() for one in got] == best


def test_sets_that_nobody_met_in_the_test_do_not_count() -> None:
    train, test = histories([[0], [1]]), histories([[1], [1]])
    model = affinity.fit(TrainingData(2, train), Config(d=2), Run(threads=1))
    every = segments.evaluate(model, train, test, ItemSets.each(2))
    only = segments.evaluate(
        model, train, test, ItemSets(np.array([1], np.int32), np.array([0, 1], np.int64))
    )
    assert every == only
    nothing = segments.evaluate(model, train, histories([[], []]), ItemSets.each(2))
    assert nothing == {"coverage": 0.0, "hits_at_1_percent": 0.0, "recall_at_1_percent": 0.0}
