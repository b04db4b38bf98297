"""Drawn negatives and the rows of rare items: what is seldom drawn must not drift."""

import numpy as np
import pytest

from sartor.models import evaluation, sequence
from sartor.models.base import Histories, Query, Run, TrainingData

torch = pytest.importorskip("torch")

LENGTH = 7


def shop(n_items: int, users: int) -> Histories:
    """Most of its items are rare, and everyone goes on from an item to one of its three neighbours."""
    rng = np.random.default_rng(0)
    lists = np.empty((users, LENGTH), np.int32)
    lists[:, 0] = (n_items * rng.random(users) ** 3).astype(np.int32)
    for step in range(1, LENGTH):
        lists[:, step] = (lists[:, step - 1] + rng.integers(1, 4, users)) % n_items
    return Histories(lists.ravel(), np.arange(users + 1) * LENGTH, np.arange(users * LENGTH))


def fitted(histories: Histories, n_items: int, negatives: int, most_products: int) -> sequence.SequenceModel:
    config = sequence.Config(
        d=16,
        heads=2,
        layers=1,
        dropout=0.1,
        epochs=8,
        window=8,
        positions=256,
        lr=2e-2,
        negatives=negatives,
        most_products=most_products,
    )
    return sequence.fit(TrainingData(n_items, evaluation.leave_last(histories, 1)), config, Run(threads=1))


def test_rare_items_stay_where_their_popularity_is() -> None:
    histories = shop(5_000, 2_000)
    counts = np.bincount(evaluation.leave_last(histories, 1).items, minlength=5_000)
    rare = (counts > 0) & (counts <= np.quantile(counts[counts > 0], 0.3))
    # so few are drawn that most wait hundreds of steps for the next time
    model = fitted(histories, 5_000, negatives=16, most_products=0)
    scores = model.score_batch([Query(histories.of(user)[:-1]) for user in range(200)]).mean(axis=0)
    expected = np.log((counts[rare] + 1) / (counts.mean() + 1)).mean()
    assert scores[rare].mean() < expected + 0.2


def test_drawn_negatives_rank_as_well_as_the_whole_catalogue() -> None:
    histories = shop(800, 1_500)
    drawn, whole = (
        evaluation.leave_one_out(fitted(histories, 800, 256, most), histories)["ndcg_at_10"]
        for most in (0, 1 << 40)
    )
    assert whole > 0.3
    assert drawn > whole - 0.05
