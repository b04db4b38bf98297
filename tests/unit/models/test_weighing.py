"""Held-out items choose weights, the order of groups, and how far new items may stand out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from sartor.models import best, blend, default, evaluation, mixing, weighing
from sartor.models.base import Bool, Features, Float32, Histories, Model, Query, Run, TrainingData
from sartor.models.mixing import Order
from sartor.models.newcomers import Newcomers
from sartor.models.weighing import HeldOut
from unit.models import planted

QUIET = Run(threads=1)
USERS = 200


def walks(n_items: int = 40, length: int = 10) -> TrainingData:
    """Everyone starts anywhere in a circle of items and goes on to the next one."""
    first = np.random.default_rng(0).integers(n_items, size=USERS)
    items = ((first[:, None] + np.arange(length)) % n_items).astype(np.int32)
    offsets = np.arange(USERS + 1, dtype=np.int64) * length
    return TrainingData(n_items, Histories(items.ravel(), offsets, np.arange(items.size)))


class Fixed(Model):
    """Scores at random, and knows what comes next in the circle for a share of the histories."""

    name = "fixed"

    def __init__(self, n_items: int, knows: float, seed: int) -> None:
        self.n_items, self._knows, self._seed = n_items, knows, seed

    def score(self, query: Query) -> Float32:
        rng = np.random.default_rng([self._seed, *query.history.tolist()])
        scores = rng.normal(size=self.n_items).astype(np.float32)
        if rng.random() < self._knows:
            scores[(query.history[-1] + 1) % self.n_items] = 10
        return scores

    def settings(self) -> dict[str, object]:
        return {}

    def arrays(self) -> dict[str, np.ndarray]:
        return {}

    @classmethod
    def restored(cls, settings: object, arrays: object) -> "Fixed":
        raise NotImplementedError


def chosen(knows: Mapping[str, float], run: Run = QUIET) -> weighing.Chosen:
    data = walks()
    models = {name: Fixed(data.n_items, share, at) for at, (name, share) in enumerate(knows.items())}
    held_out = HeldOut.of(data.histories, np.arange(USERS))
    return weighing.chosen(models, held_out, data, Newcomers.of(data, QUIET), run)


def weights(found: weighing.Chosen) -> dict[str, float]:
    return {part.name: part.weight for part in found.parts}


def test_who_knows_nothing_counts_least() -> None:
    found = weights(chosen({"transitions": 0.9, "noise": 0.0, "sequence": 0.5}))
    assert max(found, key=found.__getitem__) == "transitions"
    assert found.get("noise", 0) < 0.3


def test_who_knows_better_counts_more() -> None:
    found = weights(chosen({"transitions": 0.1, "sequence": 0.9}))
    assert found["sequence"] > 0.5 > found["transitions"] > 0


def test_what_makes_no_difference_goes_to_the_first() -> None:
    assert weights(chosen({"transitions": 1.0, "sequence": 1.0})) == {"transitions": 1.0}


def test_three_that_know_different_things_count_together() -> None:
    found = chosen({"transitions": 0.4, "together": 0.4, "sequence": 0.4})
    assert set(weights(found)) == {"transitions", "together", "sequence"}
    assert found.report["ndcgAt10"]["blend"] > 1.3 * max(
        found.report["ndcgAt10"][name] for name in weights(found)
    )


@pytest.mark.parametrize(("knows", "at_fault"), [(0.0, True), (0.5, False), (0.9, False)])
def test_a_sequence_model_below_a_linear_one_is_a_fault(knows: float, at_fault: bool) -> None:
    faults: list[str] = []
    chosen({"transitions": 0.1, "together": 0.5, "sequence": knows}, Run(threads=1, warn=faults.append))
    assert len(faults) == at_fault
    assert not at_fault or "'together'" in faults[0]


def test_the_report_says_how_held_out_items_rank() -> None:
    data = planted.fans()
    found = default.fit(data, None, QUIET).report()
    assert found["heldOutUsers"] == planted.FANS // 5
    assert found["ndcgAt10"]["transitions"] == found["ndcgAt10"]["blend"] == 1.0


def test_who_never_comes_back_to_items_sees_them_last() -> None:
    """Fifteen steps of a circle of twenty: five items of the genre are left, and they come first."""
    data = planted.fans()
    shorter = data.histories.kept(np.arange(len(data.histories.items)) % planted.STEPS < 15)
    once = default.fit(replace(data, histories=shorter), None, QUIET)
    again = default.fit(data, None, QUIET)
    assert (once.order.returns, again.order.returns) == (False, True)
    for user in range(20):
        history = shorter.of(user)
        first = best.top(once.score(Query(history)), planted.EACH)
        assert not np.isin(first[:5], history).any()
        assert (planted.genre_of(first) == user % planted.GENRES).all()


def test_groups_are_moved_and_stay_in_their_own_order() -> None:
    rng = np.random.default_rng(0)
    total = rng.normal(size=(6, 50)).astype(np.float32)
    related, seen = rng.random((6, 50)) < 0.4, rng.random((6, 50)) < 0.1
    seen[0], related[1] = False, False
    moved, _ = mixing.ordered(total.copy(), related, seen, Order(related_first=True, returns=False))
    group = np.where(seen, 1, np.where(related, 2, 0))
    for before, after, own in zip(total, moved, group, strict=True):
        expected = np.lexsort((-before, -own))
        np.testing.assert_array_equal(np.argsort(-after, kind="stable"), expected)
    np.testing.assert_array_equal(mixing.ordered(total.copy(), related, seen, Order())[0], total)


def between() -> Newcomers:
    """Return six known items and three new ones: two speak for the first, one for the second, nobody for the third."""
    arrays = {
        "known": np.array([0, 1, 3, 4, 6, 7], np.int32),
        "prior": np.ones(6, np.float32),
        "new": np.array([2, 5], np.int32),
        "near": np.array([[0, 1], [5, 0]], np.int32),
        "near_weights": np.array([[0.75, 0.25], [1.0, 0.0]], np.float32),
    }
    return Newcomers(9, arrays)


def test_a_new_item_is_what_its_metadata_say_and_what_those_alike_have() -> None:
    rng = np.random.default_rng(0)
    total, own = rng.normal(size=(2, 5, 9)).astype(np.float32)
    related, seen = np.zeros((2, 5, 9), np.bool_)
    related[:, 0] = True  # of who speaks for the first, most
    related[0, 5] = True  # what metadata say
    known, new = [0, 1, 3, 4, 6, 7], [2, 5]
    order = Order(related_first=True)
    found = mixing.stood(
        mixing.Sums(
            total.copy(),
            own.copy(),
            related,
        ),
        seen,
        order,
        between(),
    )
    whole = total + own
    said = np.stack([0.75 * total[:, 0] + 0.25 * total[:, 1], total[:, 7]], axis=1) + own[:, new]
    ordered, down = mixing.ordered(whole[:, known].copy(), related[:, known], seen[:, known], order)
    np.testing.assert_allclose(found.known, ordered, rtol=1e-6)
    np.testing.assert_allclose(found.new, said, rtol=1e-5, atol=1e-6)
    usual = whole[:, known].mean(axis=1, keepdims=True)
    down_there = np.stack([np.zeros(5), np.where(related[:, 5], 0, down)], axis=1)
    np.testing.assert_allclose(
        found.lifted(1.5), usual + 1.5 * (said - usual) - down_there, rtol=1e-5, atol=1e-5
    )
    scores = between().joined(found.known, found.lifted(1.0))
    assert (scores[:, 8] <= scores[:, known].min(axis=1)).all(), "of which nothing is known comes last"


def test_known_items_gain_less_behind_new_ones() -> None:
    rng = np.random.default_rng(0)
    first, new = -np.sort(-rng.normal(size=(20, 10)), axis=1), rng.normal(size=(20, 30)) - 1.5
    expected = np.zeros(10)
    for row, others in zip(first, new, strict=True):
        ranks = np.array([1 + (np.concatenate([row, others]) > one).sum() for one in row])
        expected += np.where(ranks <= 10, 1 / np.log2(ranks + 1), 0)
    found = weighing._kept(first.astype(np.float32), new.astype(np.float32))
    np.testing.assert_allclose(found, expected)


def shop(seed: int) -> tuple[TrainingData, Bool]:
    """Return users who buy within one of 40 brands, and bool[items] of which every tenth is new."""
    rng = np.random.default_rng(seed)
    brands, each = 40, 15
    n_items = brands * each
    lists = []
    for _ in range(1_500):
        own = rng.choice(brands, 2, replace=False)
        lists.append(rng.choice(own, 8) * each + (each * rng.random(8) ** 2).astype(int))
    items = np.concatenate(lists).astype(np.int32)
    data = TrainingData(
        n_items,
        Histories(items, 8 * np.arange(1_501, dtype=np.int64), np.arange(len(items), dtype=np.int64)),
        Features(np.arange(n_items, dtype=np.int32) // each, np.arange(n_items + 1, dtype=np.int64), brands),
    )
    is_new = np.zeros(n_items, np.bool_)
    is_new[rng.choice(n_items, n_items // 10, replace=False)] = True
    return data, is_new


def ranks(model: Model, histories: Sequence[np.ndarray]) -> np.ndarray:
    """Return int64[histories]: where the last item stands among all that the user had not."""
    scores = model.score_batch([Query(one[:-1]) for one in histories])
    wanted = scores[np.arange(len(scores)), [one[-1] for one in histories]]
    for row, one in zip(scores, histories, strict=True):
        row[np.append(one[:-1], one[-1])] = -np.inf
    return 1 + (scores >= wanted[:, None]).sum(axis=1)


def gain(model: Model, histories: Sequence[np.ndarray]) -> float:
    """Return the mean NDCG at 10."""
    found = ranks(model, histories)
    return float(np.where(found <= 10, 1 / np.log2(found + 1), 0).mean())


@pytest.mark.parametrize("seed", [0, 1])
def test_new_items_take_places_among_all(seed: int) -> None:
    """At least five times chance among all items, and known items keep nearly what they had."""
    data, is_new = shop(seed)
    train = evaluation.leave_last(data.histories, 1)
    train = train.kept(~is_new[train.items])
    model = default.fit(replace(data, histories=train), None, QUIET)
    whole = [data.histories.of(user) for user in range(data.histories.n_users)]
    of_new = [one for one in whole if is_new[one[-1]] and not is_new[one[:-1]].any()]
    of_known = [one for one in whole if not is_new[one].any()]
    assert (ranks(model, of_new) <= 10).mean() >= 5 * 10 / data.n_items
    bare = default.fit(TrainingData(data.n_items, train), None, QUIET)
    assert gain(model, of_known) >= 0.92 * gain(bare, of_known)


def test_without_metadata_nothing_is_said_of_new_items() -> None:
    model = default.fit(planted.fans(), None, QUIET)
    assert (model.lift, model.order.own_lift) == (1.0, 1.0)


def test_an_order_that_was_saved_before_metadata_spoke_for_new_items_is_read() -> None:
    data, is_new = shop(0)
    model = default.fit(
        replace(data, histories=data.histories.kept(~is_new[data.histories.items])), None, QUIET
    )
    settings = model.settings()
    del settings["order"]["own_lift"]
    assert blend.BlendModel.restored(settings, model.arrays()).order == replace(model.order, own_lift=1.0)
