"""Drawn negatives and the rows of rare items: what is seldom drawn must not drift."""

import numpy as np
import pytest

from sartor.models import evaluation, sequence
from sartor.models.base import Histories, Query, Run, TrainingData

torch = pytest.importorskip("torch")

ITEMS, USERS, LENGTH = 5_000, 3_000, 7


@pytest.fixture(scope="module")
def histories() -> Histories:
    """A shop: nearly all of its items are rare, and everyone goes on from an item to one of its three neighbours."""
    rng = np.random.default_rng(0)
    lists = np.empty((USERS, LENGTH), np.int32)
    lists[:, 0] = (ITEMS * rng.random(USERS) ** 3).astype(np.int32)
    for step in range(1, LENGTH):
        lists[:, step] = (lists[:, step - 1] + rng.integers(1, 4, USERS)) % ITEMS
    return Histories(lists.ravel(), np.arange(USERS + 1) * LENGTH, np.arange(USERS * LENGTH))


def fitted(histories: Histories, most_products: int) -> sequence.SequenceModel:
    config = sequence.Config(
        d=32, heads=2, layers=1, dropout=0.1, epochs=6, window=8, most_products=most_products
    )
    return sequence.fit(TrainingData(ITEMS, evaluation.leave_last(histories, 1)), config, Run(threads=1))


@pytest.fixture(scope="module")
def drawn(histories: Histories) -> sequence.SequenceModel:
    return fitted(histories, 0)


def test_rare_items_do_not_drift_above_popular_ones(
    histories: Histories, drawn: sequence.SequenceModel
) -> None:
    counts = np.bincount(histories.items, minlength=ITEMS)
    rare = (counts > 0) & (counts <= np.quantile(counts[counts > 0], 0.3))
    popular = counts >= np.quantile(counts, 0.97)
    queries = [Query(histories.of(user)[:-1]) for user in range(200)]
    scores = drawn.score_batch(queries).mean(axis=0)
    assert scores[rare].mean() < scores[popular].mean()


def test_drawn_negatives_rank_as_well_as_the_whole_catalogue(
    histories: Histories, drawn: sequence.SequenceModel
) -> None:
    whole = fitted(histories, 1 << 40)
    ranked = [evaluation.leave_one_out(one, histories)["ndcg_at_10"] for one in (drawn, whole)]
    assert ranked[0] > 0.9 * ranked[1]
    assert ranked[1] > 0.1
