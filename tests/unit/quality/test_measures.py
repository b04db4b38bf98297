"""The measures of quality say what their tables claim, held against plain recomputations."""

from pathlib import Path

import numpy as np
import pytest
from quality import children, cold, knn, latest_small, sparse

from sartor.models import evaluation
from sartor.models.base import Float32, Histories, Query, TrainingData
from sartor.models.everybody import EverybodyModel
from sartor.models.popularity import Config

N_ITEMS = 40


def drawn(n_users: int = 60) -> Histories:
    rng = np.random.default_rng(0)
    parts = [rng.choice(N_ITEMS, rng.integers(2, 9), replace=False) for _ in range(n_users)]
    offsets = np.cumsum([0, *map(len, parts)]).astype(np.int64)
    return Histories(np.concatenate(parts).astype(np.int32), offsets, np.arange(offsets[-1]))


class Fixed(EverybodyModel):
    """Scores all items alike for everybody."""

    name = "fixed"

    def __init__(self, scores: Float32) -> None:
        super().__init__(Config(), scores)


def test_item_knn_is_the_cosine_of_the_sets_of_users() -> None:
    histories = drawn()
    seen = np.zeros((histories.n_users, N_ITEMS))
    seen[histories.users, histories.items] = 1
    norms = np.sqrt(seen.sum(axis=0))
    cosine = seen.T @ seen / np.maximum(norms[:, None] * norms, 1e-9)
    np.fill_diagonal(cosine, 0)

    found = knn.fit(TrainingData(N_ITEMS, histories)).score(Query(np.array([3, 7, 3], np.int32)))

    np.testing.assert_allclose(found, cosine[3] + cosine[7], rtol=1e-5)


def test_ranks_among_all_items_are_those_of_leave_one_out() -> None:
    histories, rng = drawn(), np.random.default_rng(1)
    model = Fixed(rng.integers(0, 10, N_ITEMS).astype(np.float32))  # with ties

    found = cold.ranks(model, histories, np.arange(histories.n_users), np.ones(N_ITEMS, np.bool_))

    expected = evaluation.leave_one_out(model, histories)["hit_rate_at_10"]
    assert (found <= 10).mean() == pytest.approx(expected)


def test_cold_items_are_counted_among_all_and_among_themselves() -> None:
    histories = drawn()
    is_cold = cold.drawn(histories, N_ITEMS, seed=0)
    assert is_cold.sum() == len(np.unique(histories.items)) // 10
    behind = np.where(is_cold, -1.0, 1.0) + np.linspace(0, 0.5, N_ITEMS)

    last = cold.looked_at(Fixed(behind.astype(np.float32)), histories, is_cold, 1.0)
    first = cold.looked_at(Fixed(-behind.astype(np.float32)), histories, is_cold, 1.0)

    assert (last.among_all, first.among_all) == (0.0, 1.0)
    assert last.among_cold == first.among_cold == 1.0, "fewer than ten are cold"
    assert first.warm < first.warm_alone
    assert [row.met for row in cold.rows("", last, last.warm)] == [False, None, True]
    assert [row.met for row in cold.rows("", first, last.warm)] == [False, None, False], "chance is a quarter"
    assert cold.rows("", last, None)[-1].met is None


@pytest.mark.parametrize(("ndcg", "met"), [(0.05, True), (0.0395, True), (0.03, False)])
def test_the_default_must_not_stay_behind_the_best_beside_it(ndcg: float, met: bool) -> None:
    tests = {
        "popularity": 0.01,
        "item-kNN": 0.02,
        "without torch": 0.04,
        "sequence model alone": 0.03,
        "default": ndcg,
    }
    found = {name: sparse.Found(1.0, 1.0, (value, value), (value, value)) for name, value in tests.items()}

    rows = sparse.rows("shop", found)

    assert [row.met for row in rows] == [None, None, True, None, met]
    assert rows[-1].compared.startswith("without torch: 0.04")


def test_one_event_at_a_time_is_asked_by_all_before_it() -> None:
    split = evaluation.split(drawn(), 0)
    asked: list[list[int]] = []

    class Asked(Fixed):
        def score_batch(self, queries: list[Query]) -> Float32:  # type: ignore[override]
            asked.extend([*map(int, query.history)] for query in queries)
            return super().score_batch(queries)

    scores = np.random.default_rng(0).random(N_ITEMS).astype(np.float32)
    mrr, ndcg = latest_small.one_at_a_time(Asked(scores), split)

    wholes = [[*query.history, *truth] for query, truth in zip(split.queries, split.truths, strict=True)]
    expected = [
        whole[:end]
        for whole, query in zip(wholes, split.queries, strict=True)
        for end in range(len(query.history), len(whole))
    ]
    assert asked == expected
    ranks = np.array([(scores >= scores[item]).sum() for truth in split.truths for item in truth])
    assert mrr == pytest.approx(np.where(ranks <= 25, 1 / ranks, 0).mean())
    assert ndcg == pytest.approx(np.where(ranks <= 25, 1 / np.log2(ranks + 1), 0).mean())


def test_latest_small_is_read_oldest_first_with_its_genres(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERSONALIZE_SAMPLES", str(tmp_path))
    events = [
        "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE",
        "7,30,20,click",
        "7,10,10,click",
        "7,10,10,watch",
        "4,30,5,click",
    ]
    (tmp_path / "interactions.csv").write_text("\n".join(events))
    (tmp_path / "item-meta.csv").write_text(
        "ITEM_ID,GENRE,YEAR\n10,Comedy|Drama,1995\n30,Drama,2001\n99,War,1990\n"
    )

    data = latest_small.read()

    assert [data.histories.of(user).tolist() for user in range(2)] == [[1], [0, 0, 1]]
    assert data.features is not None
    assert np.diff(data.features.offsets).tolist() == [3, 2], "two genres and a decade, one and a decade"
    assert data.features.n_tokens == 4


def test_a_measure_in_a_process_of_its_own_returns_what_it_found() -> None:
    assert children.returned("operator", "add", 2, 3) == 5
