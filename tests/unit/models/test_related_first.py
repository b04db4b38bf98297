"""What a user relates to comes before what he does not, in every personal model."""

from collections.abc import Callable

import numpy as np
import pytest

from sartor.models import blend, default
from sartor.models.base import Features, Histories, Model, Query, Run, TrainingData
from sartor.models.best import top
from unit.models import planted

#: One thread: two wait for each other where other tests run beside them.
QUIET = Run(threads=1)


def _with_torch(data: TrainingData) -> Model:
    pytest.importorskip("torch")
    return blend.fit(data, None, QUIET)


FITS: dict[str, Callable[[TrainingData], Model]] = {
    "without torch": lambda data: default.fit(data, None, QUIET),
    "with torch": _with_torch,
    "all linear models": lambda data: default.fit(
        data,
        blend.Config(None, weights={"transitions": 0.1, "together": 0.1, "ease": 1.0, "metadata": 0.1}),
        QUIET,
    ),
}


@pytest.fixture(
    scope="module", params=[(name, metadata) for name in FITS for metadata in (False, True)], ids=str
)
def fitted(request: pytest.FixtureRequest) -> tuple[TrainingData, Model]:
    name, metadata = request.param
    data = planted.fans(metadata=metadata)
    return data, FITS[name](data)


def share_of_own(model: Model, histories: list[np.ndarray]) -> np.ndarray:
    """Return float64[histories]: the share of each one's first 20 that are of its genre."""
    scores = model.score_batch([Query(one) for one in histories])
    best = np.stack([top(row, planted.EACH) for row in scores])
    own = np.array([planted.genre_of(one)[0] for one in histories])
    return (planted.genre_of(best) == own[:, None]).mean(axis=1)


def test_a_fan_sees_his_genre_first(fitted: tuple[TrainingData, Model]) -> None:
    data, model = fitted
    histories = [data.histories.of(user) for user in range(planted.FANS)]
    assert share_of_own(model, histories).min() >= 0.95


def test_so_does_a_stranger_after_five_events(fitted: tuple[TrainingData, Model]) -> None:
    assert share_of_own(fitted[1], planted.strangers()).min() >= 0.95


def test_the_next_item_is_still_the_first(fitted: tuple[TrainingData, Model]) -> None:
    data, model = fitted
    for user in range(planted.FANS):
        history = data.histories.of(user)
        following = history[-1] // planted.EACH * planted.EACH + (history[-1] + 1) % planted.EACH
        assert top(model.score(Query(history)), 1)[0] == following


def test_popularity_decides_among_strangers() -> None:
    """Two circles that nobody leaves, the items of the second one met by ever fewer."""
    walks = [list(range(5)) * 2] * 20 + [list(range(5, 10))[: 2 + user % 4] for user in range(20)]
    items = np.array([item for one in walks for item in one], np.int32)
    offsets = np.cumsum([0, *map(len, walks)]).astype(np.int64)
    data = TrainingData(10, Histories(items, offsets, np.arange(len(items), dtype=np.int64)))
    scores = default.fit(data, None, QUIET).score(Query(np.array([0, 1], np.int32)))
    assert top(scores, 10)[5:].tolist() == [5, 6, 7, 8, 9]


def test_metadata_relates_too() -> None:
    """An item that nobody met belongs to a genre, and so to its fans."""
    data = planted.fans(metadata=True)
    features = data.features
    assert features is not None
    more = Features(
        np.append(features.tokens, np.array([0, 1], np.int32)),
        np.append(features.offsets, features.offsets[-1] + np.array([1, 2])),
        features.n_tokens,
    )
    model = default.fit(TrainingData(planted.ITEMS + 2, data.histories, more), None, QUIET)
    for user in range(30):
        found = top(model.score(Query(data.histories.of(user))), planted.EACH + 1)
        own = user % planted.GENRES
        assert (own < 2) == (planted.ITEMS + own in found)
        assert own > 1 or planted.ITEMS + 1 - own not in found
