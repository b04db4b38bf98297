"""The index of a large catalogue finds what the product with all items finds."""

import numpy as np
import pytest

from sartor.models.base import Float32, Stopped
from sartor.models.best import top
from sartor.models.retrieval import Index


def planted(n: int, groups: int, d: int = 16, seed: int = 0) -> tuple[Float32, Float32, Float32]:
    """Return items around centres, their biases, and states that lie near some centre."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(groups, d))
    items = centres[rng.integers(groups, size=n)] + 0.4 * rng.normal(size=(n, d))
    states = centres[rng.integers(groups, size=400)] + 0.4 * rng.normal(size=(400, d))
    return items.astype(np.float32), rng.normal(size=n).astype(np.float32), states.astype(np.float32)


@pytest.fixture(scope="module")
def case() -> tuple[Index, Float32, Float32, Float32]:
    items, bias, states = planted(30_000, 200)
    index = Index.made(items, bias, states[:200])
    assert index is not None
    return index, items, bias, states[200:]


def test_it_finds_the_best_items(case: tuple[Index, Float32, Float32, Float32]) -> None:
    index, items, bias, states = case
    for size, least in ((25, 0.99), (100, 0.99)):
        recalls = []
        for state in states:
            exact = top(items @ state + bias, size)
            found, _ = index.search(state, size)
            recalls.append(len(np.intersect1d(exact, found)) / size)
        assert np.mean(recalls) >= least


def test_its_scores_are_exact_and_the_best_come_first(
    case: tuple[Index, Float32, Float32, Float32],
) -> None:
    index, items, bias, states = case
    found, scores = index.search(states[0], 50)
    assert found.dtype == np.int32
    assert len(found) == 50
    assert len(np.unique(found)) == 50
    np.testing.assert_allclose(scores, items[found] @ states[0] + bias[found], rtol=1e-4, atol=1e-4)
    assert (np.diff(scores) <= 0).all()


def test_it_looks_at_a_small_part(case: tuple[Index, Float32, Float32, Float32]) -> None:
    index, *_ = case
    assert index.probes <= 0.35 * len(index.arrays()["centres"])


def test_whoever_wants_more_than_the_groups_have_gets_it(
    case: tuple[Index, Float32, Float32, Float32],
) -> None:
    index, items, bias, states = case
    found, _ = index.search(states[0], len(items))
    assert np.array_equal(np.sort(found), np.arange(len(items)))
    assert found[0] == top(items @ states[0] + bias, 1)[0]
    found, _ = index.search(states[0], 2 * len(items))
    assert len(found) == len(items)


def test_an_index_that_would_look_nearly_everywhere_is_not_made() -> None:
    rng = np.random.default_rng(0)
    items = rng.normal(size=(10_000, 64)).astype(np.float32)
    states = rng.normal(size=(100, 64)).astype(np.float32)
    assert Index.made(items, np.zeros(10_000, np.float32), states) is None


def test_equal_items_come_by_number() -> None:
    corners = np.eye(32, dtype=np.float32)
    items = np.repeat(corners, 200, axis=0)
    index = Index.made(items, np.zeros(len(items), np.float32), corners)
    assert index is not None
    found, _ = index.search(corners[3], 200)
    assert found.tolist() == list(range(600, 800))


def test_it_can_be_stopped() -> None:
    items, bias, states = planted(1_000, 10)

    def stop() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        Index.made(items, bias, states, keep_on=stop)


def test_it_is_what_its_arrays_say(case: tuple[Index, Float32, Float32, Float32]) -> None:
    index, _, _, states = case
    again = Index(index.arrays())
    for one, other in zip(index.search(states[0], 25), again.search(states[0], 25), strict=True):
        np.testing.assert_array_equal(one, other)
