"""Related items come from what lies near each other in histories, and from metadata where those say little."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sartor.models import base, cooccurrence, similar
from sartor.models.base import Features, Histories, Int32, Query, Run, Stopped, TrainingData
from sartor.models.best import top
from sartor.models.token_overlap import Tokens

NOBODY = np.zeros(0, np.int32)


def histories(lists: list[list[int]]) -> Histories:
    items = np.array([item for one in lists for item in one], np.int32)
    offsets = np.cumsum([0, *map(len, lists)]).astype(np.int64)
    return Histories(items, offsets, np.arange(len(items), dtype=np.int64))


def features(sets: list[list[int]]) -> Features:
    offsets = np.cumsum([0, *map(len, sets)]).astype(np.int64)
    tokens = np.array([token for one in sets for token in one], np.int32)
    return Features(tokens, offsets, int(tokens.max(initial=0)) + 1)


def circle(n_items: int = 40, users: int = 300, length: int = 8) -> list[list[int]]:
    """Everyone starts anywhere and goes on to the next item."""
    first = np.random.default_rng(0).integers(n_items, size=users)
    return ((first[:, None] + np.arange(length)) % n_items).tolist()


def best(model: similar.SimilarModel, item: int | None, n: int) -> list[int]:
    return top(model.score(Query(NOBODY, item)), n).tolist()


def with_groups(cold: list[int]) -> TrainingData:
    """Four groups of ten items that share two tokens; users stay in a group, and nobody met the cold ones."""
    rng = np.random.default_rng(1)
    lists = [
        [item for item in (rng.permutation(10) + 10 * rng.integers(4)).tolist() if item not in cold]
        for _ in range(200)
    ]
    sets = [[item // 10, 4 + item // 10, 8 + item] for item in range(40)]
    return TrainingData(40, histories(lists), features(sets))


def test_what_follows_an_item_is_most_related() -> None:
    model = similar.fit(TrainingData(40, histories(circle())))
    for item in range(40):
        assert best(model, item, 2) == [(item + 1) % 40, (item + 2) % 40]


def test_neighbours_are_above_everything_else_and_the_item_itself_is_last() -> None:
    lists = [[0, 1], [0, 1], [2, 3], [3], [3], [4]]
    scores = similar.fit(TrainingData(6, histories(lists))).score(Query(NOBODY, 0))
    assert top(scores, 6).tolist() == [1, 3, 2, 4, 5, 0]
    assert scores[1] > 1 > scores[3] > scores[2] == scores[4] > scores[5] > scores[0]


@pytest.mark.parametrize("item", [None, 5])
def test_without_an_item_or_its_data_the_popular_are_first(item: int | None) -> None:
    model = similar.fit(TrainingData(6, histories([[0, 1], [0, 1], [2, 3], [3], [3], [4]])))
    assert best(model, item, 5) == [3, 0, 1, 2, 4]


def test_the_discount_moves_from_popular_to_most_related() -> None:
    # 1 is everybody's, 2 only ever with 0
    lists = [[0, 9, 8, 7, 1]] * 60 + [[5, 1]] * 900 + [[0, 2]] * 5
    found = {}
    for factor in (0.0, 1.0):
        model = similar.fit(TrainingData(10, histories(lists)), similar.Config(factor, lags=5))
        scores = model.score(Query(NOBODY, 0))
        found[factor] = scores[1] > scores[2]
    assert found == {0.0: True, 1.0: False}


def test_a_cold_item_is_found_from_its_metadata() -> None:
    model = similar.fit(with_groups(cold=[3, 17]))
    assert {item // 10 for item in best(model, 3, 9)} == {0}
    assert {item // 10 for item in best(model, 17, 9)} == {1}


def test_a_cold_item_is_recommended_by_its_metadata() -> None:
    model = similar.fit(with_groups(cold=[3]))
    for item in (0, 5, 9):
        assert 3 in best(model, item, 9)
    assert 3 not in best(model, 25, 9)


def test_without_metadata_or_histories_one_of_both_is_enough() -> None:
    data = with_groups(cold=list(range(40)))
    assert {item // 10 for item in best(similar.fit(data), 12, 9)} == {1}
    nothing = TrainingData(40, histories([]))
    assert np.isfinite(similar.fit(nothing).score(Query(NOBODY, 12))).all()


def test_sims_has_its_own_defaults_and_takes_what_is_given() -> None:
    config = similar.sims_config()
    assert (config.popularity_discount_factor, config.min_cointeraction_count) == (0.5, 3)
    assert not config.metadata
    assert (config.min_user_history_length_percentile, config.max_item_interaction_count_percentile) == (0, 1)
    assert similar.sims_config(min_cointeraction_count=7).min_cointeraction_count == 7


def test_sims_looks_at_no_metadata() -> None:
    data = with_groups(cold=[3])
    with_metadata = similar.fit(data)
    model = similar.fit(data, similar.sims_config(min_cointeraction_count=1))
    assert best(model, 3, 9) == best(model, None, 9)  # what is popular
    assert best(with_metadata, 3, 9) != best(with_metadata, None, 9)


def test_items_too_seldom_together_are_not_related() -> None:
    data = TrainingData(3, histories([[0, 1]] * 2 + [[0, 2]] * 3))
    scores = similar.fit(data, similar.Config(min_cointeraction_count=3)).score(Query(NOBODY, 0))
    assert scores[2] > 1 > scores[1]


def test_percentiles_leave_items_and_users_out() -> None:
    lists = [[0, 1]] * 50 + [[1, 2]] * 5 + [[3, 4, 5, 6, 7, 8]]
    data = TrainingData(9, histories(lists))
    items = similar.fit(data, similar.Config(max_item_interaction_count_percentile=0.9))
    assert (items.score(Query(NOBODY, 2))[:2] < 1).all()
    users = similar.fit(data, similar.Config(max_user_history_length_percentile=0.9))
    assert (users.score(Query(NOBODY, 3)) < 1).all()
    assert users.score(Query(NOBODY, 0))[1] > 1


def test_no_item_keeps_more_neighbours_than_it_may() -> None:
    rng = np.random.default_rng(0)
    data = TrainingData(30, histories([rng.permutation(30).tolist() for _ in range(40)]))
    few = similar.fit(data, similar.Config(neighbours=4))
    many = similar.fit(data)
    for item in range(30):
        scores = few.score(Query(NOBODY, item))
        assert (scores > 1).sum() == 4
        assert top(scores, 4).tolist() == best(many, item, 4)


@pytest.mark.parametrize("dense", [0.0, np.inf], ids=["whole rows", "sorted"])
@settings(max_examples=30)
@given(st.lists(st.lists(st.integers(0, 5), max_size=8), max_size=8))
def test_pairs_are_counted_exactly_in_blocks_of_any_size(dense: float, lists: list[list[int]]) -> None:
    kernel = np.array([[1.0, 0.5], [0.25, 0.125]], np.float32)
    sums, counts = np.zeros((6, 6)), np.zeros((6, 6), np.int64)
    for one in lists:
        for at, first in enumerate(one):
            for lag in (-2, -1, 1, 2):
                if 0 <= at + lag < len(one) and one[at + lag] != first:
                    sums[first, one[at + lag]] += kernel[int(lag < 0), abs(lag) - 1]
                    counts[first, one[at + lag]] += 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cooccurrence, "_DENSE_SHARE", dense)
        patch.setattr(cooccurrence, "_BLOCK_PAIRS", 12)
        patch.setattr(cooccurrence, "_BLOCK_CELLS", 12)
        found = list(cooccurrence.cells(histories(lists), 6, kernel, Run()))
    ours, times = np.zeros((6, 6)), np.zeros((6, 6), np.int64)
    for part in found:
        ours[part.first, part.second] += part.values
        times[part.first, part.second] += part.counts
    np.testing.assert_allclose(ours, sums)
    np.testing.assert_array_equal(times, counts)
    codes = [code for part in found for code in (part.first * 6 + part.second).tolist()]
    assert codes == sorted(set(codes))


@settings(max_examples=40)
@given(st.lists(st.lists(st.integers(0, 9), max_size=6), min_size=1, max_size=12))
def test_metadata_is_compared_by_the_cosine_of_rarity(sets: list[list[int]]) -> None:
    known = features(sets)
    # a token that an item has twice is held twice
    holders = [sum(one.count(token) for one in sets) for token in range(known.n_tokens)]
    rarity = np.log1p(len(sets) / np.maximum(holders, 1))
    matrix = np.array([[rarity[t] * (t in one) for t in range(known.n_tokens)] for one in sets])
    norms = np.maximum(np.linalg.norm(matrix, axis=1), 1e-12)
    expected = matrix @ matrix.T / norms[:, None] / norms
    np.fill_diagonal(expected, 0)
    found = np.zeros_like(expected)
    everything = np.arange(len(sets), dtype=np.int32)
    for near in Tokens(known).nearest(everything, everything, 50, Run()):
        found[near.first, near.second] = near.cosine
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_equal_data_give_equal_models_and_a_saved_one_answers_the_same(tmp_path: Path) -> None:
    data = with_groups(cold=[3])
    model, again = similar.fit(data), similar.fit(data)
    base.save(model, tmp_path / "model")
    loaded = base.load(tmp_path / "model")
    for item in (None, 3, 20):
        query = Query(NOBODY, item)
        np.testing.assert_array_equal(model.score(query), again.score(query))
        np.testing.assert_array_equal(model.score(query), loaded.score(query))


def test_the_history_of_who_asks_does_not_matter() -> None:
    model = similar.fit(TrainingData(40, histories(circle())))
    history: Int32 = np.array([7, 8], np.int32)
    np.testing.assert_array_equal(model.score(Query(history, 3)), model.score(Query(NOBODY, 3)))


def test_a_training_can_be_stopped_while_it_counts_and_compares() -> None:
    for after in (1, 3):
        asked = iter([False] * after)
        with pytest.raises(Stopped):
            similar.fit(with_groups(cold=[3]), None, Run(stop=lambda: next(asked, True)))  # noqa: B023


def baskets(pairs: list[list[int]], gap: int) -> Histories:
    """Return one history of each list: two items at once, then two more after a gap in seconds."""
    found = histories(pairs)
    times = np.concatenate([[0, 1, gap, gap + 1] for _ in pairs]).astype(np.int64)
    return Histories(found.items, found.offsets, times)


def test_what_is_bought_together_lies_in_one_basket() -> None:
    """Item 1 follows item 0 in every history, but on another day than the 2 that lies with the 0."""
    lists = [[2, 0, 1, 3]] * 30
    model = similar.fit(TrainingData(4, baskets(lists, 86_400)), similar.together_config())
    assert best(model, 0, 1) == [2]
    assert best(model, 2, 1) == [0], "whichever was put in first"
    assert best(model, 1, 1) == [3]
    assert model.score(Query(NOBODY, 0))[1] > 1, "neighbours in the history come after those in the basket"
    at_once = similar.fit(TrainingData(4, baskets(lists, 60)), similar.together_config())
    one, other = at_once.score(Query(NOBODY, 0))[[1, 2]].tolist()
    assert one == other, "all lies in one basket"


def test_what_sells_best_is_not_what_is_bought_together_with_everything() -> None:
    rng = np.random.default_rng(3)
    lists = [[2 * pair, 2 * pair + 1, 20, 2 * pair] for pair in rng.integers(10, size=400).tolist()]
    model = similar.fit(TrainingData(21, histories([one[:3] for one in lists])), similar.together_config())
    for pair in range(10):
        assert best(model, 2 * pair, 1) == [2 * pair + 1]
        assert best(model, 2 * pair + 1, 1) == [2 * pair]


def test_an_empty_history_has_no_basket() -> None:
    nothing = Histories(np.zeros(0, np.int32), np.zeros(3, np.int64), np.zeros(0, np.int64))
    model = similar.fit(TrainingData(3, nothing), similar.together_config())
    assert sorted(best(model, 0, 3)) == [0, 1, 2]
