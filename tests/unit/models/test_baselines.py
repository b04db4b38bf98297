"""The baselines are what their names say, recomputed the slow way and in SQL."""

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sartor.models import baselines, cooccurrence, evaluation, popularity
from sartor.models.base import Histories, Query, Run, Stopped, TrainingData
from sartor.models.baselines import ITEM_KNN, POPULARITY, Baselines

N_ITEMS = 12

user_lists = st.lists(st.lists(st.integers(0, N_ITEMS - 1), max_size=9), min_size=1, max_size=12)


def histories(lists: list[list[int]]) -> Histories:
    items = np.array([item for one in lists for item in one], np.int32)
    offsets = np.cumsum([0, *map(len, lists)]).astype(np.int64)
    return Histories(items, offsets, np.arange(len(items), dtype=np.int64))


def query(*items: int) -> Query:
    return Query(np.array(items, np.int32), items[-1])


def cosines(lists: list[list[int]]) -> np.ndarray:
    """Return the shrunk cosines of the users of all pairs, a pair at a time."""
    users = [{user for user, one in enumerate(lists) if item in one} for item in range(N_ITEMS)]
    found = np.zeros((N_ITEMS, N_ITEMS))
    for one in range(N_ITEMS):
        for other in range(N_ITEMS):
            both = len(users[one] & users[other])
            if both and one != other:
                cosine = both / (len(users[one]) * len(users[other])) ** 0.5
                found[one, other] = cosine * both / (both + 10)
    return found


def slow(lists: list[list[int]], history: list[int], by_item: bool) -> list[int]:
    """Return the ranking of item-kNN, and behind what it finds the popular ones."""
    met = sum(len(set(one)) for one in lists)
    comes_back = sum(map(len, lists)) - met >= 0.05 * max(sum(map(len, lists)), 1)
    users = [sum(item in one for one in lists) for item in range(N_ITEMS)]
    table = cosines(lists)
    if by_item:
        scores, out = table[history[-1]], {history[-1]}
    else:
        scores = table[sorted(set(history))].sum(axis=0)
        out = set() if comes_back else set(history)
        if comes_back:
            scores[sorted(set(history))] += 1
    found = sorted(
        (item for item in range(N_ITEMS) if scores[item] > 0), key=lambda at: (-round(scores[at], 5), at)
    )
    popular = sorted(range(N_ITEMS), key=lambda at: (-users[at], at))
    ranked = [item for item in found if item not in out]
    return ranked + [item for item in popular if item not in out and item not in ranked]


@settings(max_examples=30, deadline=None)
@given(user_lists, st.lists(st.integers(0, N_ITEMS - 1), min_size=1, max_size=6), st.booleans())
def test_what_was_met_is_left_out_of_all_baselines_where_it_is_left_out_of_the_version(
    lists: list[list[int]], history: list[int], by_item: bool
) -> None:
    base = Baselines(histories(lists), N_ITEMS)
    for (found,) in base.rankings([query(*history)], N_ITEMS, by_item, Run(), leaves_out=True).values():
        assert sorted(found.tolist()) == sorted(set(range(N_ITEMS)) - set(history))


@settings(max_examples=60, deadline=None)
@given(user_lists, st.lists(st.integers(0, N_ITEMS - 1), min_size=1, max_size=6), st.booleans())
def test_item_knn_is_the_cosine_of_the_users_of_two_items(
    lists: list[list[int]], history: list[int], by_item: bool
) -> None:
    ask = query(*history)
    (found,) = Baselines(histories(lists), N_ITEMS).rankings([ask], N_ITEMS, by_item, Run())[ITEM_KNN]
    expected = slow(lists, history, by_item)
    assert sorted(found.tolist()) == sorted(expected)
    # of scores that differ by rounding alone the order is open
    table = cosines(lists)
    score = table[history[-1]] if by_item else table[sorted(set(history))].sum(axis=0)
    close = [score[one] - score[other] for one, other in zip(expected, found.tolist(), strict=True)]
    np.testing.assert_allclose(close, 0, atol=1e-4)


def test_the_users_that_two_items_share_are_those_of_a_join_in_sql() -> None:
    rng = np.random.default_rng(0)
    lists = [rng.choice(40, rng.integers(0, 30), replace=False).tolist() for _ in range(60)]
    rows = [(user, item) for user, one in enumerate(lists) for item in one]
    asked = np.arange(40) % 3 == 0
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE met (person INT, item INT)")
        connection.executemany("INSERT INTO met VALUES (?, ?)", rows)
        expected = connection.execute(
            "SELECT a.item, b.item, count(*) FROM met a JOIN met b USING (person) "
            "WHERE a.item <> b.item AND a.item % 3 = 0 GROUP BY 1, 2 ORDER BY 1, 2"
        ).fetchall()
    whole = histories(lists)
    for dense in (0.0, 1e9):  # every block as a table, and every block sorted
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cooccurrence, "_DENSE_SHARE", dense)
            patch.setattr(cooccurrence, "_BLOCK_PAIRS", 100)
            cells = [
                (int(one), int(other), int(count))
                for part in cooccurrence.shared(whole, 40, asked, Run())
                for one, other, count in zip(part.first, part.second, part.counts, strict=True)
            ]
        assert cells == expected


@settings(max_examples=30, deadline=None)
@given(user_lists)
def test_popularity_is_the_recipes(lists: list[list[int]]) -> None:
    base = Baselines(histories(lists), N_ITEMS)
    model = popularity.fit(TrainingData(N_ITEMS, histories(lists)))
    ask = query(0)
    (found,) = base.rankings([ask], 5, False, Run())[POPULARITY]
    (expected,) = evaluation.measure(model, asked_once(ask), N_ITEMS).rankings
    assert found.tolist() == expected[:5].tolist()
    assert base.n_users == sum(bool(one) for one in lists)


def asked_once(ask: Query) -> evaluation.Split:
    nothing = histories([[]])
    return evaluation.Split(nothing, nothing, np.zeros(1, np.int32), [ask], [np.zeros(1, np.int32)])


def test_only_the_newest_items_of_a_user_say_what_is_near(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "_NEWEST", 2)
    lists = [[0, 1, 2]] * 5
    (found,) = Baselines(histories(lists), N_ITEMS).rankings([query(2)], 1, True, Run())[ITEM_KNN]
    assert found.tolist() == [1]
    base = Baselines(histories([*lists, [3]]), N_ITEMS)
    assert base.rankings([query(0)], 1, True, Run())[ITEM_KNN][0].tolist() == [
        1
    ]  # nothing near: what is popular


def test_baselines_can_be_stopped() -> None:
    with pytest.raises(Stopped):
        Baselines(histories([[0, 1]]), N_ITEMS).rankings([query(0)], 5, True, Run(stop=lambda: True))
