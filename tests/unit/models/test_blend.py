"""The blend adds up what held-out items choose, and a training that went wrong is told."""

from pathlib import Path

import numpy as np
import pytest

from sartor.models import base, best, blend, closed_form, default, sequence, transitions
from sartor.models.base import Float32, Histories, Query, Run, TrainingData
from sartor.models.blend import BlendModel, Config
from sartor.models.closed_form import ClosedFormModel
from sartor.models.mixing import Order
from sartor.models.newcomers import Newcomers
from unit.models import planted

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
def small() -> BlendModel:
    pytest.importorskip("torch")
    config = Config(sequence=SMALL, weights={"sequence": 0.5, "transitions": 0.3, "ease": 0.2})
    return blend.fit(walks(40, 200, 10), config, QUIET)


def standard(scores: Float32) -> Float32:
    found: Float32 = (scores - scores.mean()) / scores.std()
    return found


def test_it_is_the_weighted_sum_of_its_parts(small: BlendModel) -> None:
    assert {part.name: part.weight for part in small.parts} == {
        "transitions": 0.3,
        "ease": 0.2,
        "sequence": 0.5,
    }
    query = Query(np.array([1, 2], np.int32))
    expected = np.sum([part.weight * standard(part.model.score(query)) for part in small.parts], axis=0)
    plain = BlendModel(small.parts, Order(), small.newcomers).score(query)
    np.testing.assert_allclose(plain, expected, rtol=1e-3, atol=5e-3)


def test_given_weights_hold_nothing_out(small: BlendModel) -> None:
    assert small.report() == {}
    known = small.parts[0].model
    assert isinstance(known, transitions.TransitionsModel)
    assert len(known.newcomers.known) == 40


def test_many_queries_at_once_answer_as_each_alone(small: BlendModel) -> None:
    queries = [Query(np.arange(length, dtype=np.int32)) for length in (0, 1, 5, 30)]
    together = small.score_batch(queries)
    assert np.isfinite(together).all()
    np.testing.assert_allclose(together, np.stack([small.score(query) for query in queries]), atol=1e-3)


def test_a_saved_blend_answers_the_same(small: BlendModel, tmp_path: Path) -> None:
    base.save(small, tmp_path / "model")
    loaded = base.load(tmp_path / "model")
    query = Query(np.array([1, 2, 3], np.int32))
    np.testing.assert_array_equal(loaded.score(query), small.score(query))


def test_a_blend_of_version_0_1_is_still_read(small: BlendModel) -> None:
    """It had two parts by the names of their models, and the weight of the first."""
    first = next(part.model for part in small.parts if part.name == "sequence")
    weights = np.random.default_rng(0).normal(size=(80, 40)).astype(np.float32)
    second = ClosedFormModel(closed_form.Config(), weights, Newcomers.nobody(40))
    settings = {
        "weight": 0.7,
        "parts": [{"model": one.name, "settings": one.settings()} for one in (first, second)],
    }
    arrays = {f"{one.name}.{name}": array for one in (first, second) for name, array in one.arrays().items()}
    query = Query(np.array([1, 2], np.int32))
    expected = 0.7 * standard(first.score(query)) + 0.3 * standard(second.score(query))
    np.testing.assert_allclose(base.restored("blend", settings, arrays).score(query), expected, atol=1e-3)


def test_held_out_items_are_not_trained_on() -> None:
    data = walks(40, 200, 10)
    users = blend._held_out(data.histories, Config(), 0)
    assert len(users) == 40
    shorter = blend._without_last(data, users).histories
    for user in range(200):
        whole = data.histories.of(user)
        np.testing.assert_array_equal(shorter.of(user), whole[:-1] if user in users else whole)
    assert len(shorter.times) == len(shorter.items)


def test_once_weights_are_chosen_held_out_items_count_too() -> None:
    """The last step of each history is one that nobody else takes."""
    lists = [[user % 4, 4 + user % 4, 8 + user] for user in range(40)]
    items = np.array(lists, np.int32).ravel()
    data = TrainingData(48, Histories(items, 3 * np.arange(41, dtype=np.int64), np.arange(120)))
    model = default.fit(data, None, QUIET)
    known = [part.model.newcomers.known for part in model.parts if part.name == "transitions"]
    assert all(len(one) == 48 for one in known)


def test_without_enough_users_nothing_is_chosen() -> None:
    histories = Histories(np.array([0, 1, 1, 2], np.int32), np.array([0, 2, 4]), np.arange(4))
    model = default.fit(TrainingData(3, histories), None, QUIET)
    assert [(part.name, part.weight) for part in model.parts] == [("transitions", 1.0)]


def test_who_did_nothing_gets_what_is_popular() -> None:
    """As good as plain popularity, whatever the parts say of an empty history."""
    rng = np.random.default_rng(0)
    lists = [rng.choice(30, 6, replace=False, p=_falling(30)) for _ in range(200)]
    items = np.concatenate(lists).astype(np.int32)
    data = TrainingData(30, Histories(items, 6 * np.arange(201, dtype=np.int64), np.arange(len(items))))
    counts = np.bincount(items, minlength=30)
    for model in (default.fit(data, None, QUIET), default.fit(planted_with_strangers(), None, QUIET)):
        first = best.top(model.score(Query(np.zeros(0, np.int32))), 30)
        assert model.n_items > 30 or (np.diff(counts[first]) <= 0).all()


def _falling(n: int) -> np.ndarray:
    share = 1 / np.arange(1, n + 1)
    return share / share.sum()


def planted_with_strangers() -> TrainingData:
    return planted.fans()


def clicked_and_watched() -> TrainingData:
    """Return walks through a circle of forty items of which every act is told twice, but for each fourth."""
    data = walks(40, 200, 10)
    n = len(data.histories.items)
    times = np.where(np.arange(n) % 4, 2, 1)
    lengths = np.add.reduceat(times, data.histories.offsets[:-1])
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    items, seconds = np.repeat(data.histories.items, times), np.repeat(data.histories.times, times)
    return TrainingData(40, Histories(items, offsets, seconds))


def test_an_act_of_two_events_counts_once() -> None:
    plain, twice = (default.fit(data, None, QUIET) for data in (walks(40, 200, 10), clicked_and_watched()))
    assert (plain.twins, twice.twins) == (0, pytest.approx(0.75))
    history = np.array([3, 3, 4, 5, 5], np.int32)
    scores = twice.score(Query(history))
    np.testing.assert_array_equal(scores, plain.score(Query(np.array([3, 4, 5], np.int32))))
    assert best.top(scores, 1)[0] == 6


def test_what_came_once_where_most_come_twice_is_not_done_with() -> None:
    model = default.fit(clicked_and_watched(), None, QUIET)
    found = [best.top(model.score(Query(np.array(one, np.int32))), 2).tolist() for one in ([4, 4, 5], [5])]
    assert found == [[5, 6], [5, 6]]
