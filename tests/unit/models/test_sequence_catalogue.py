"""Items without interactions in a sequence model, and what metadata says of the others."""

import numpy as np
import pytest

from sartor.models import sequence
from sartor.models.base import Features, Histories, Query, Run, TrainingData
from sartor.models.sequence_catalogue import Catalogue

torch = pytest.importorskip("torch")

#: Genres of items, and how many items each has; the last of each genre are new.
GENRES, OF_GENRE, NEW = 6, 20, 3
N_ITEMS = GENRES * OF_GENRE


def fans(seed: int = 0, told: bool = True) -> TrainingData:
    """Everyone stays within a genre, whose name is what is known of its items, but of the very last item."""
    rng = np.random.default_rng(seed)
    lists = [rng.integers(0, OF_GENRE - NEW, 12) + OF_GENRE * int(rng.integers(GENRES)) for _ in range(400)]
    items = np.concatenate(lists).astype(np.int32)
    tokens = np.arange(N_ITEMS - 1, dtype=np.int32) // OF_GENRE
    features = Features(tokens, np.append(np.arange(N_ITEMS), N_ITEMS - 1), GENRES)
    offsets = np.arange(401, dtype=np.int64) * 12
    histories = Histories(items, offsets, np.arange(len(items)))
    return TrainingData(N_ITEMS, histories, features if told else None)


@pytest.fixture(scope="module")
def model() -> sequence.SequenceModel:
    config = sequence.Config(d=16, heads=2, dropout=0.1, epochs=6, window=12, lr=1e-2)
    return sequence.fit(fans(), config, Run(threads=1))


def test_it_says_what_each_item_was_learned_from(model: sequence.SequenceModel) -> None:
    is_new = np.arange(N_ITEMS) % OF_GENRE >= OF_GENRE - NEW
    assert (model.learned[~is_new] == sequence.INTERACTIONS).all()
    assert (model.learned[is_new][:-1] == sequence.TOKENS).all()
    assert model.learned[-1] == sequence.NOTHING


def test_new_items_of_a_genre_are_scored_as_what_its_fans_like(model: sequence.SequenceModel) -> None:
    new = np.flatnonzero(model.learned == sequence.TOKENS)
    old = np.flatnonzero(model.learned == sequence.INTERACTIONS)
    for genre in range(GENRES):
        scores = model.score(Query(np.arange(5, dtype=np.int32) + OF_GENRE * genre))
        own = new // OF_GENRE == genre
        assert scores[new][own].min() > scores[new][~own].max()
        assert scores[new][own].min() > scores[old][old // OF_GENRE != genre].max()


def test_who_met_a_new_item_is_understood(model: sequence.SequenceModel) -> None:
    for genre in range(GENRES):
        new = OF_GENRE * (genre + 1) - NEW
        best = np.argsort(-model.score(Query(np.array([new], np.int32))))[:10]
        assert (best // OF_GENRE == genre).mean() >= 0.9


def test_without_metadata_items_without_interactions_are_told_apart_by_nothing() -> None:
    config = sequence.Config(d=16, heads=2, epochs=1, window=12)
    found = sequence.fit(fans(told=False), config, Run(threads=1))
    nothing = found.learned == sequence.NOTHING
    assert nothing.sum() == GENRES * NEW
    scores = found.score(Query(np.array([0], np.int32)))
    assert np.ptp(scores[nothing]) == 0
    assert np.isfinite(scores).all()


def test_tokens_of_an_item_weigh_as_much_as_those_of_any_other() -> None:
    # item 0 has three tokens, item 1 one, item 2 none, item 3 one that only it has and no interaction
    features = Features(np.array([0, 1, 2, 0, 3], np.int32), np.array([0, 3, 4, 4, 5]), 4)
    histories = Histories(np.array([0, 1, 2], np.int32), np.array([0, 3]), np.arange(3))
    tokens = Catalogue.of(TrainingData(4, histories, features)).tokens
    assert tokens is not None
    assert tokens.n == 4  # the three of known items, and that of all
    assert tokens.known.tolist() == [True, True, False, False]
    np.testing.assert_allclose((tokens.weights[:, 1:] ** 2).sum(axis=1), [1, 1, 0, 0], rtol=1e-6)
    values = np.array([[1.0], [10.0], [20.0], [40.0]], np.float32)
    expected = [1 + 70 / 3**0.5, 11, 0, 0]
    np.testing.assert_allclose(tokens.summed(values)[:, 0], expected, rtol=1e-6)
