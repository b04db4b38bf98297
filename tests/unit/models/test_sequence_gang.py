"""A sequence model that several learn together: it is the one that a single process learns."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from sartor.compute import open_compute
from sartor.compute.contract import Need, added
from sartor.errors import Stopped
from sartor.models.base import Features, Histories, Run, TrainingData
from sartor.models.gang import Gang, Work
from sartor.models.sequence_catalogue import Catalogue
from sartor.models.sequence_config import Amount, Config

torch = pytest.importorskip("torch")

SMALL = Config(d=16, heads=2, dropout=0.2, epochs=2, window=12, positions=1_024)
#: Against all items, and against drawn ones.
EACH_LOSS = [SMALL, replace(SMALL, most_products=0, negatives=32)]
ITEMS, NEW = 60, 5


@pytest.fixture(autouse=True)
def worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from sartor.models import sequence_training

    monkeypatch.setattr(sequence_training, "_LEAST_TOGETHER", 0)


def shop(users: int = 1_050) -> TrainingData:
    """Walks through items that have tokens, as have some that nobody has met."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(3, 8, users)
    items = np.concatenate(
        [(rng.integers(ITEMS) + np.arange(n) * rng.integers(1, 3)) % ITEMS for n in lengths]
    )
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    tokens = Features(
        rng.integers(0, 12, ITEMS + NEW).astype(np.int32), np.arange(ITEMS + NEW + 1), n_tokens=12
    )
    return TrainingData(
        ITEMS + NEW, Histories(items.astype(np.int32), offsets, np.arange(len(items))), tokens
    )


def trained(config: Config, run: Run, data: TrainingData | None = None) -> tuple[dict[str, Any], Any]:
    from sartor.models import sequence_training

    catalogue = Catalogue.of(data or shop())
    assert catalogue.has_new
    return sequence_training.train(catalogue, config.decided(Amount.of(catalogue.histories)), run)


class InThreads(NamedTuple):
    """A member that is a thread of the test."""

    rank: int
    size: int
    sum: Callable[[Sequence[NDArray[Any]]], list[NDArray[Any]]]
    heard: Callable[[Any], None]


def in_threads(size: int) -> Gang:
    """Return a gang whose members are threads, each with all that a process would have."""

    def together(work: Work, argument: Any) -> Any:
        barrier = threading.Barrier(size)
        brought: list[Any] = [None] * size

        def member(rank: int) -> Any:
            def summed(arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
                brought[rank] = [np.array(one) for one in arrays]
                barrier.wait()
                total = added(brought)
                barrier.wait()
                return total

            return work(InThreads(rank, size, summed, lambda _: None), argument)

        with ThreadPoolExecutor(size) as pool:
            first, *others = pool.map(member, range(size))
        assert others == [None] * (size - 1)
        return first

    return Gang(lambda: size, together)


@pytest.mark.parametrize("config", EACH_LOSS)
def test_a_gang_learns_what_as_many_threads_learn(config: Config, size: int = 3) -> None:
    one, record = trained(config, Run(threads=size, gang=Gang(lambda: size)))
    together, same = trained(config, Run(threads=size, gang=in_threads(size)))
    assert record == same
    assert one.keys() == together.keys()
    for name, array in one.items():
        np.testing.assert_allclose(together[name], array, atol=1e-5, err_msg=name)


def test_two_processes_learn_what_one_learns_with_two_threads() -> None:
    compute = open_compute("processes:2")
    said: list[Any] = []

    def together(work: Work, argument: Any) -> Any:
        return compute.together(work, argument, Need(10**8), progress=said.append, stop=lambda: False)

    one, record = trained(EACH_LOSS[1], Run(threads=2))
    two, same = trained(EACH_LOSS[1], Run(threads=2, gang=Gang(lambda: 2, together)))
    assert record == same
    for name, array in one.items():
        np.testing.assert_allclose(two[name], array, atol=1e-5, err_msg=name)


def test_more_members_than_a_batch_has_pieces_still_learn_it() -> None:
    data = shop(40)
    config = replace(SMALL, positions=30, epochs=1)
    one, _ = trained(config, Run(threads=4, gang=Gang(lambda: 4)), data)
    together, _ = trained(config, Run(threads=4, gang=in_threads(4)), data)
    for name, array in one.items():
        np.testing.assert_allclose(together[name], array, atol=1e-5, err_msg=name)


def test_how_many_threads_run_at_once_changes_nothing() -> None:
    three, _ = trained(SMALL, Run(threads=3))
    one_at_once, _ = trained(SMALL, Run(threads=3, at_once=1))
    assert all(np.array_equal(three[name], one_at_once[name]) for name in three)


def test_what_is_soon_learned_is_learned_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from sartor.models import sequence_training

    def together(_work: Work, _argument: Any) -> Any:
        raise AssertionError

    monkeypatch.setattr(sequence_training, "_LEAST_TOGETHER", 10**6)
    alone, _ = trained(SMALL, Run(threads=2))
    found, _ = trained(SMALL, Run(threads=2, gang=Gang(lambda: 8, together)))
    assert all(np.array_equal(alone[name], found[name]) for name in alone)


def test_a_member_that_must_stop_ends() -> None:
    def together(work: Work, argument: Any) -> Any:
        def heard(_said: Any) -> None:
            raise Stopped

        return work(InThreads(0, 2, list, heard), argument)

    with pytest.raises(Stopped):
        trained(SMALL, Run(threads=2, gang=Gang(lambda: 2, together)))
