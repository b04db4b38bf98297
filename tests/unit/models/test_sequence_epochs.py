"""How many epochs a training goes through, by what it holds out."""

import numpy as np
import pytest

from sartor.models import sequence
from sartor.models.base import Histories, Query, Run, TrainingData
from sartor.models.sequence_batches import held_out

torch = pytest.importorskip("torch")


def histories_of(lists: list[list[int]]) -> Histories:
    items = np.array([item for one in lists for item in one], np.int32)
    return Histories(items, np.cumsum([0, *map(len, lists)]).astype(np.int64), np.arange(len(items)))


def noise(users: int, seed: int = 0) -> Histories:
    """Nothing that can be learned, but by heart."""
    rng = np.random.default_rng(seed)
    return histories_of([rng.integers(0, 300, int(rng.integers(4, 9))).tolist() for _ in range(users)])


def taken(means: list[float], doubt: float) -> tuple[int, int]:
    """Return how many epochs a training goes through whose held-out gains are these, and which it keeps."""
    from sartor.models.sequence_training import _Best

    best = _Best(len(means))
    rng = np.random.default_rng(0)
    for mean in means:
        best.take(mean + doubt * rng.normal(size=100), dict)
        if best.is_over:
            break
    _, record = best.kept()
    return record.epochs, record.kept


def test_a_training_that_only_gets_worse_ends_early_and_keeps_what_it_was_before() -> None:
    assert taken([0.1, 0.3, 0.2, 0.15, 0.1, 0.05, 0.01], doubt=0.01) == (4, 2)


def test_one_bad_epoch_ends_nothing() -> None:
    assert taken([0.1, 0.3, 0.2, 0.35, 0.3, 0.4], doubt=0.01) == (6, 6)


def test_the_last_of_epochs_that_cannot_be_told_apart_is_kept() -> None:
    epochs, kept = taken([0.1, 0.301, 0.3, 0.299], doubt=0.05)
    assert (epochs, kept) == (4, 4)


def test_few_users_hold_nothing_out_and_every_epoch_counts() -> None:
    histories = noise(300)
    known, questions = held_out(histories, 8, seed=0)
    assert known is histories
    assert questions is None
    config = sequence.Config(d=8, heads=2, epochs=2, window=8)
    record = sequence.fit(TrainingData(300, histories), config, Run(threads=1)).record
    assert record == {"epochs": 2, "kept": 2, "held_out_users": 0, "held_out_ndcg": 0.0}


@pytest.mark.parametrize("window", [3, 6, 50])
def test_held_out_items_are_asked_for_as_an_answer_would_be(window: int) -> None:
    histories = noise(1_500)
    known, questions = held_out(histories, window, seed=1)
    assert questions is not None
    assert len(questions) == 150
    assert len(histories.items) - len(known.items) == 150
    asked = {}
    for chosen, inputs, last, targets in questions.blocks(300, 40):
        assert len(chosen) <= 40
        for question, row, end, target in zip(chosen, inputs, last, targets, strict=True):
            history = questions.histories.of(int(question))
            query = history[:-1]
            # a history that fills the window has no start
            expected = [300, *query] if len(query) < window else list(query[-window:])
            assert row[: end + 1].tolist() == [int(item) for item in expected]
            assert (row[end + 1 :] == 300).all()
            assert target == history[-1]
            asked[int(question)] = True
    assert len(asked) == 150


def test_what_the_training_says_of_held_out_items_is_what_the_model_answers() -> None:
    rng = np.random.default_rng(0)
    lists = [
        [(first + step) % 120 for step in range(int(length))]
        for first, length in zip(rng.integers(0, 120, 1_000), rng.integers(4, 12, 1_000), strict=True)
    ]
    histories = histories_of(lists)
    config = sequence.Config(d=16, heads=2, dropout=0.0, epochs=3, window=8)
    model = sequence.fit(TrainingData(120, histories), config, Run(seed=3, threads=1))
    _, questions = held_out(histories, 8, seed=3)
    assert questions is not None
    gains = []
    for user in range(len(questions)):
        history = questions.histories.of(user)
        scores = model.score(Query(history[:-1]))
        wanted = scores[history[-1]]
        scores[history] = -np.inf
        gains.append(1 / np.log2(2 + (scores >= wanted).sum()))
    assert np.mean(gains) == pytest.approx(model.record["held_out_ndcg"], abs=0.02)
