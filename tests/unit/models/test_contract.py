"""What holds for every model: one suite, a table of models."""

from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from sartor.models import (
    affinity,
    base,
    default,
    popularity,
    semantic,
    similar,
    transitions,
    trending,
)
from sartor.models.base import Features, Histories, Model, Query, Run, Texts, TrainingData
from sartor.models.best import top

#: One thread: two wait for each other where other tests run beside them.
QUIET = Run(threads=1)
N_ITEMS = 15


def _sequence(data: TrainingData) -> Model:
    from sartor.models import sequence

    return sequence.fit(data, sequence.Config(d=8, heads=2, layers=1, epochs=1, window=8), QUIET)


def _blend(data: TrainingData) -> Model:
    from sartor.models import blend, sequence

    small = sequence.Config(d=8, heads=2, layers=1, epochs=1, window=8)
    return blend.fit(data, blend.Config(sequence=small), QUIET)


MODELS: dict[str, Callable[[TrainingData], Model]] = {
    "affinity": lambda data: affinity.fit(data, affinity.Config(d=8), QUIET),
    "blend": _blend,
    "default": lambda data: default.fit(data, None, QUIET),
    "popularity": lambda data: popularity.fit(data, None, QUIET),
    "semantic": lambda data: semantic.fit(data, None, QUIET),
    "sequence": _sequence,
    "similar": lambda data: similar.fit(data, None, QUIET),
    "sims": lambda data: similar.fit(data, similar.sims_config(), QUIET),
    "transitions": lambda data: transitions.fit(data, None, QUIET),
    "trending": lambda data: trending.fit(data, None, QUIET),
}
NEED_TORCH = {"blend", "sequence"}


def histories(n_items: int, users: int = 40) -> Histories:
    rng = np.random.default_rng(0)
    lengths = rng.integers(0, 9, size=users)
    items = rng.integers(n_items, size=lengths.sum()).astype(np.int32)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Histories(items, offsets, np.arange(len(items), dtype=np.int64) * 60)


def small(n_items: int = N_ITEMS) -> TrainingData:
    """Return data whose last three items have no interactions, if there are more than three, but metadata."""
    tokens = np.arange(n_items, dtype=np.int32) % 4
    features = Features(tokens, np.arange(n_items + 1, dtype=np.int64), 4)
    return TrainingData(n_items, histories(max(n_items - 3, 1)), features, texts(n_items))


def texts(n_items: int) -> Texts:
    """Return texts of two words an item, one of which every third item has."""
    word = np.stack([np.arange(n_items) % 3, 3 + np.arange(n_items) % 2], axis=1).ravel().astype(np.int32)
    offsets = 2 * np.arange(n_items + 1, dtype=np.int64)
    created, digests = np.arange(n_items, dtype=np.int64), np.ones(n_items, np.uint64)
    return Texts(
        ("red", "green", "blue", "shoe", "hat"),
        offsets,
        word,
        np.ones(len(word), np.float32),
        created,
        digests,
    )


def asked(*items: int, item: int | None = None) -> Query:
    return Query(np.array(items, np.int32), item)


QUERIES = [
    asked(),
    asked(1),
    asked(3, 2, 3, item=2),
    asked(N_ITEMS - 1),
    asked(*[0, 5, 7] * 30, item=N_ITEMS - 1),
]


@pytest.fixture(scope="module", params=sorted(MODELS))
def fit(request: pytest.FixtureRequest) -> Callable[[TrainingData], Model]:
    if request.param in NEED_TORCH and find_spec("torch") is None:
        pytest.skip("needs torch")
    return MODELS[request.param]


@pytest.fixture(scope="module")
def model(fit: Callable[[TrainingData], Model]) -> Model:
    return fit(small())


def test_every_query_has_a_finite_score_of_each_item(model: Model) -> None:
    for query in QUERIES:
        scores = model.score(query)
        assert scores.shape == (N_ITEMS,) == (model.n_items,)
        assert scores.dtype == np.float32
        assert np.isfinite(scores).all()


def test_scores_belong_to_who_asked(model: Model) -> None:
    first = model.score(QUERIES[0])
    kept = first.copy()
    first[:] = -np.inf
    np.testing.assert_array_equal(model.score(QUERIES[0]), kept)


def test_a_batch_equals_its_queries_one_by_one(model: Model) -> None:
    single = np.stack([model.score(query) for query in QUERIES])
    batch = model.score_batch(QUERIES)
    assert batch.dtype == np.float32
    np.testing.assert_allclose(batch, single, rtol=1e-4, atol=1e-5)
    assert model.score_batch([]).shape == (0, N_ITEMS)


def test_what_is_computed_beforehand_changes_no_answer(model: Model) -> None:
    lengths = [len(query.history) for query in QUERIES]
    items = np.concatenate([query.history for query in QUERIES])
    offsets = np.cumsum([0, *lengths])
    states = model.states(Histories(items, offsets, np.zeros(len(items), np.int64)))
    known = [
        query if states is None else replace(query, state=states[at]) for at, query in enumerate(QUERIES)
    ]
    for one, query in zip(known, QUERIES, strict=True):
        np.testing.assert_allclose(model.score(one), model.score(query), rtol=1e-4, atol=1e-5)
    some = [*known[::2], *QUERIES[1::2]]
    plain = [*QUERIES[::2], *QUERIES[1::2]]
    np.testing.assert_allclose(model.score_batch(some), model.score_batch(plain), rtol=1e-4, atol=1e-5)


def test_the_same_training_gives_the_same_model(fit: Callable[[TrainingData], Model], model: Model) -> None:
    again = fit(small())
    assert again.settings() == model.settings()
    assert sorted(again.arrays()) == sorted(model.arrays())
    for name, array in model.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], array)


def test_saved_and_loaded_it_answers_the_same(model: Model, tmp_path: Path) -> None:
    base.save(model, tmp_path / "model")
    loaded = base.load(tmp_path / "model")
    assert type(loaded) is type(model)
    assert loaded.settings() == model.settings()
    for query in QUERIES:
        np.testing.assert_array_equal(loaded.score(query), model.score(query))


def test_only_allowed_items_are_the_best(model: Model) -> None:
    allowed = np.zeros(N_ITEMS, np.bool_)
    allowed[[2, 5, 11, 14]] = True
    scores = model.score(asked(1, 3))
    found = top(scores, 3, allowed)
    assert len(set(found.tolist())) == 3
    assert set(found.tolist()) <= {2, 5, 11, 14}
    assert (np.diff(scores[found]) <= 0).all()


def test_a_shortlist_has_the_scores_of_all(model: Model) -> None:
    found = model.shortlist(asked(1, 3), 5)
    if found is not None:
        items, scores = found
        np.testing.assert_allclose(scores, model.score(asked(1, 3))[items], rtol=1e-4, atol=1e-5)


def test_a_catalogue_of_one_item(fit: Callable[[TrainingData], Model]) -> None:
    scores = fit(small(1)).score_batch([asked(), asked(0), asked(0, item=0)])
    assert scores.shape == (3, 1)
    assert np.isfinite(scores).all()
