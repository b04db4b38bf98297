"""The blend adds up two models, with the weight that held-out items speak for."""

from pathlib import Path

import numpy as np
import pytest

from sartor.models import base, blend, sequence
from sartor.models.base import Float32, Histories, Model, Query, Run, TrainingData

pytest.importorskip("torch")

SMALL = sequence.Config(d=16, heads=2, dropout=0.0, epochs=2, window=12)
#: One thread: two wait for each other where other tests run beside them.
QUIET = Run(threads=1)


def walks(n_items: int, users: int, length: int) -> TrainingData:
    """Everyone starts anywhere in a circle of items and goes on to the next one."""
    first = np.random.default_rng(0).integers(n_items, size=users)
    items = ((first[:, None] + np.arange(length)) % n_items).astype(np.int32)
    offsets = np.arange(users + 1) * length
    return TrainingData(n_items, Histories(items.ravel(), offsets, np.arange(items.size)))


@pytest.fixture(scope="module")
def small() -> blend.BlendModel:
    return blend.fit(walks(40, 200, 10), blend.Config(sequence=SMALL), QUIET)


class Fixed(Model):
    """Scores every query alike, or knows what comes next in the circle."""

    name = "fixed"

    def __init__(self, n_items: int, knows: bool) -> None:
        self.n_items, self._knows = n_items, knows

    def score(self, query: Query) -> Float32:
        scores = np.random.default_rng(len(query.history)).normal(size=self.n_items).astype(np.float32)
        if self._knows:
            scores[(query.history[-1] + 1) % self.n_items] = 10
        return scores

    def settings(self) -> dict[str, object]:
        return {}

    def arrays(self) -> dict[str, np.ndarray]:
        return {}

    @classmethod
    def restored(cls, settings: object, arrays: object) -> "Fixed":
        raise NotImplementedError


def test_both_learn_the_circle(small: blend.BlendModel) -> None:
    found = [base.top(small.score(Query(np.array([item], np.int32))), 1)[0] for item in range(40)]
    assert found == [(item + 1) % 40 for item in range(40)]
    assert [part.name for part in small.parts] == ["sequence", "closed_form"]
    assert 0 <= small.weight <= 1


@pytest.mark.parametrize("knows", [0, 1])
def test_the_weight_goes_to_whoever_knows_better(knows: int) -> None:
    data = walks(40, 200, 10)
    parts = (Fixed(40, knows == 0), Fixed(40, knows == 1))
    weight = blend._chosen(parts, data.histories, np.arange(200), Run())
    assert (weight > 0.3) == (knows == 0)


def test_what_makes_no_difference_goes_to_the_linear_side() -> None:
    data = walks(40, 200, 10)
    parts = (Fixed(40, True), Fixed(40, True))
    assert blend._chosen(parts, data.histories, np.arange(200), Run()) == 0


def test_held_out_items_are_not_trained_on() -> None:
    data = walks(40, 200, 10)
    users = blend._held_out(data.histories, blend.Config(), 0)
    assert len(users) == 40
    shorter = blend._without_last(data, users).histories
    for user in range(200):
        whole = data.histories.of(user)
        np.testing.assert_array_equal(shorter.of(user), whole[:-1] if user in users else whole)
    assert len(shorter.times) == len(shorter.items)


def test_a_given_weight_holds_nothing_out() -> None:
    data = walks(40, 100, 10)
    model = blend.fit(data, blend.Config(sequence=SMALL, weight=0.7), QUIET)
    assert model.weight == 0.7
    query = Query(np.array([1, 2], np.int32))
    first, second = (part.score(query) for part in model.parts)
    expected = 0.7 * (first - first.mean()) / first.std() + 0.3 * (second - second.mean()) / second.std()
    np.testing.assert_allclose(model.score(query), expected, rtol=1e-3, atol=1e-4)


def test_many_queries_at_once_answer_as_each_alone(small: blend.BlendModel) -> None:
    queries = [Query(np.arange(length, dtype=np.int32)) for length in (0, 1, 5, 30)]
    together = small.score_batch(queries)
    assert np.isfinite(together).all()
    np.testing.assert_allclose(together, np.stack([small.score(query) for query in queries]), atol=1e-3)


def test_without_enough_users_both_count_alike() -> None:
    histories = Histories(np.array([0, 1, 1, 2], np.int32), np.array([0, 2, 4]), np.arange(4))
    assert blend.fit(TrainingData(3, histories), blend.Config(sequence=SMALL), QUIET).weight == 0.5


def test_a_saved_blend_answers_the_same(small: blend.BlendModel, tmp_path: Path) -> None:
    base.save(small, tmp_path / "model")
    loaded = base.load(tmp_path / "model")
    query = Query(np.array([1, 2, 3], np.int32))
    np.testing.assert_array_equal(loaded.score(query), small.score(query))
