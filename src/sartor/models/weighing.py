"""Held-out items choose what a blend is made of: the weight of each model, the order of groups, the lift of new items.

The last item of some users is kept from the training. Each model scores these users once; what competes with the item
for a place is looked at again under other weights, coordinate by coordinate, and a model that does not pay is left out.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sartor.models.base import Bool, Float32, Histories, Int64, Model, Query, Run, TrainingData
from sartor.models.mixing import Order, Part, added, had, ordered, standard, stood
from sartor.models.newcomers import Newcomers, lifted

#: The weights that are tried of each model, against those of the others; less is less than nobody notices.
_WEIGHTS: Final = (0.0, 0.04, 0.07, 0.1, 0.15, 0.22, 0.33, 0.5, 0.75, 1.0, 1.5, 2.2, 3.3)
#: What the first model counts at least: it says what relates to what.
_LEAST: Final = 0.04
_SWEEPS: Final = 3
#: A simpler blend is taken if it is not worse by more than this share of the standard error of the difference.
_DOUBT: Final = 0.5
#: The sequence model is at fault if it is worse than a linear one by more than so many standard errors.
_FAULT: Final = 2.0
#: Of each model the best items compete for a place, in the search for weights.
_RIVALS: Final = 100
#: Ranks that count in that search, and in all that is reported.
_SEARCHED, _TOP = 50, 10
#: Scores that are held at once.
_BLOCK_SCORES: Final = 1 << 22
_BLOCK_QUERIES: Final = 128
#: What may be said of new items, a share of known ones standing in for them, and what that may cost known items.
_LIFTS: Final = tuple(round(float(lift), 3) for lift in np.geomspace(0.5, 2, 41))
_STANDING_IN: Final = 0.1
_COST: Final = 0.015
#: An item at rank ``r`` is what is wanted with a chance that falls as ``r`` to this power, until held-out items have
#: said more than so many would.
_FADING: Final = -0.5
_SUPPOSED: Final = 10.0
#: The name of the part that must be better than the linear ones.
SEQUENCE: Final = "sequence"
#: From this share of returns on what a user had stands where its score says, whatever comes last.
_RETURNS: Final = 0.05
_NOBODY: Final = np.float32(-1e30)

Gains = NDArray[np.float64]


class HeldOut(NamedTuple):
    """Users whose last item is held out.

    Attributes:
        queries: what each did before.
        targets: int64[users], the last items.
    """

    queries: list[Query]
    targets: Int64

    @classmethod
    def of(cls, histories: Histories, users: Int64) -> "HeldOut":
        """Return the last items of some users who have two at least."""
        whole = [histories.of(int(user)) for user in users]
        return cls([Query(one[:-1]) for one in whole], np.array([one[-1] for one in whole], np.int64))

    def with_states(self, models: Iterable[Model], run: Run) -> "HeldOut":
        """Return the same with what some model can compute of the histories beforehand, for several looks."""
        items = np.concatenate([query.history for query in self.queries])
        offsets = np.cumsum([0, *(len(query.history) for query in self.queries)]).astype(np.int64)
        histories = Histories(items, offsets, np.zeros(len(items), np.int64))
        for model in models:
            states = model.states(histories, run.keep_on)
            if states is not None:
                known = [
                    replace(query, state=state) for query, state in zip(self.queries, states, strict=True)
                ]
                return HeldOut(known, self.targets)
        return self

    def blocks(self, n_items: int, run: Run) -> Iterator["HeldOut"]:
        """Yield some users at a time."""
        step = int(np.clip(_BLOCK_SCORES // max(n_items, 1), 1, _BLOCK_QUERIES))
        for first in range(0, len(self.queries), step):
            run.keep_on()
            yield HeldOut(self.queries[first : first + step], self.targets[first : first + step])


@dataclass(frozen=True)
class Chosen:
    """What held-out items choose.

    Attributes:
        parts: what pays, in the order of the models.
        order: of groups.
        report: how the models rank held-out items, for people.
    """

    parts: list[Part]
    order: Order
    report: Mapping[str, Any]


def chosen(
    models: Mapping[str, Model], held_out: HeldOut, data: TrainingData, newcomers: Newcomers, run: Run
) -> Chosen:
    """Return the blend that ranks held-out items best.

    Args:
        models: fitted without them; the first one is always kept, and what comes later is left out sooner.
        held_out: what is foretold.
        data: that the models were fitted on.
        newcomers: of that data.
        run: how the training runs.

    Raises:
        Stopped: the run says so.
    """
    names = list(models)
    run.progress({"phase": "weighing", "models": names, "users": len(held_out.queries)})
    held_out = held_out.with_states(models.values(), run)
    rivals = _Rivals.of(list(models.values()), held_out, run)
    weights = _weights(rivals, run)
    weighed = zip(names, weights.tolist(), strict=True)
    parts = [Part(name, weight, models[name]) for name, weight in weighed if weight > 0]
    return Chosen(parts, _order(parts, held_out, data, newcomers, run), _report(rivals, names, weights, run))


class _Rivals(NamedTuple):
    """What competes with each held-out item: the best of each model, once each, without what the user had.

    Attributes:
        ahead: float32[models, users, rivals], by how much each rival's standardised score is above the item's; far
            below where there is none.
    """

    ahead: Float32

    @classmethod
    def of(cls, models: Sequence[Model], held_out: HeldOut, run: Run) -> "_Rivals":
        """Score the users once."""
        n_items = models[0].n_items
        found = []
        for block in held_out.blocks(n_items, run):
            scores = np.stack([standard(model.score_batch(block.queries)) for model in models])
            wanted = np.take_along_axis(scores, block.targets[None, :, None], axis=2)
            scores[:, _excluded(block, n_items)] = _NOBODY
            scores[:, np.arange(len(block.targets)), block.targets] = _NOBODY
            best = np.argpartition(-scores, min(_RIVALS, n_items) - 1, axis=2)[:, :, :_RIVALS]
            rivals = np.sort(np.concatenate(list(best), axis=1), axis=1)  # int64[users, models × best]
            ahead = np.take_along_axis(scores, rivals[None], axis=2) - wanted
            ahead[:, np.diff(rivals, axis=1, prepend=-1) == 0] = _NOBODY
            found.append(ahead)
        return cls(np.concatenate(found, axis=1))

    def gains(self, weights: NDArray[np.float64], top: int) -> Gains:
        """Return float64[users]: the discounted gain of each held-out item among the ``top`` first."""
        return _gains(self._ranks(np.tensordot(weights.astype(np.float32), self.ahead, 1)), top)

    def gains_of_each(self, weights: NDArray[np.float64], at: int, top: int) -> NDArray[np.float64]:
        """Return float64[tried, users]: the gains with each weight that is tried of one model."""
        others = weights.astype(np.float32)
        others[at] = 0
        sums = np.tensordot(others, self.ahead, 1)
        tried = [sums + np.float32(weight) * self.ahead[at] for weight in _WEIGHTS]
        return np.stack([_gains(self._ranks(one), top) for one in tried])

    @staticmethod
    def _ranks(ahead: Float32) -> Int64:
        ranks: Int64 = 1 + (ahead >= 0).sum(axis=1)
        return ranks


def _weights(rivals: _Rivals, run: Run) -> NDArray[np.float64]:
    """Return float64[models] with a sum of 1: coordinate ascent from the best single model, then what pays stays."""
    n = len(rivals.ahead)
    least = np.where(np.arange(n) == 0, _LEAST, 0.0)
    alone = [rivals.gains(np.maximum(np.eye(n)[at], least), _SEARCHED).mean() for at in range(n)]
    weights = np.maximum(np.eye(n)[int(np.argmax(alone))], least)
    best = max(alone)
    for _ in range(_SWEEPS):
        before = best
        for at in range(n):
            run.keep_on()
            means = rivals.gains_of_each(weights, at, _SEARCHED).mean(axis=1)
            means[np.array(_WEIGHTS) < least[at]] = -np.inf
            if means.max() > best:
                best, weights[at] = float(means.max()), _WEIGHTS[int(means.argmax())]
        if best <= before:
            break
    gains = rivals.gains(weights, _SEARCHED)
    for at in range(n - 1, 0, -1):  # what cannot be told from nothing is left out
        without = weights.copy()
        without[at] = 0
        fewer = rivals.gains(without, _SEARCHED)
        lost = gains - fewer
        if weights[at] and lost.mean() <= _DOUBT * lost.std() / len(lost) ** 0.5:
            weights, gains = without, fewer
    found: NDArray[np.float64] = weights / weights.sum()
    return found


def _order(parts: list[Part], held_out: HeldOut, data: TrainingData, newcomers: Newcomers, run: Run) -> Order:
    """Return the order of groups that ranks held-out items best.

    What makes no difference is settled for people: what relates to them comes first, and what they had is there again
    if anybody ever came back to an item. Where many do, it is there anyway.
    """
    n_items = parts[0].model.n_items
    found: dict[tuple[Order, bool], list[Gains]] = {}
    for block in held_out.blocks(n_items, run):
        total, _, related = added(parts, block.queries)
        seen = had(block.queries, n_items)
        excluded, nothing = _excluded(block, n_items), np.zeros(seen.shape, np.bool_)
        for order in (Order(first, returns) for first in (False, True) for returns in (False, True)):
            scores, _ = ordered(total.copy(), related, seen, order)
            for whole in (False, True):
                gains = _gains(_ranks(scores, block.targets, nothing if whole else excluded), _TOP)
                found.setdefault((order, whole), []).append(gains)
    gains_of = {key: np.concatenate(some) for key, some in found.items()}
    first = not _worse(gains_of[Order(True), False], gains_of[Order(False), False])
    share = returned(data.histories)
    worse = _worse(gains_of[Order(first), True], gains_of[Order(first, False), True])
    returns = share >= _RETURNS or (share > 0 and not worse)
    order = Order(first, returns)
    lift, own_lift = _lifts(parts, order, held_out, data, newcomers, run)
    return replace(order, lift=lift, own_lift=own_lift)


def returned(histories: Histories) -> float:
    """Return the share of interactions that are with an item which their user had met before."""
    pairs = np.sort(histories.users * (int(histories.items.max(initial=0)) + 1) + histories.items)
    return float((np.diff(pairs) == 0).sum() / max(len(pairs), 1))


def _worse(gains: Gains, than: Gains) -> bool:
    """Return whether some gains are worse than others by more than doubt allows."""
    lost = than - gains
    return bool(lost.mean() > _DOUBT * lost.std() / max(len(lost), 1) ** 0.5)


def _lifts(
    parts: list[Part], order: Order, held_out: HeldOut, data: TrainingData, newcomers: Newcomers, run: Run
) -> tuple[float, float]:
    """Return how far new items may stand out, ``Order.lift`` and ``Order.own_lift``: as far as costs known ones little.

    A share of the known items stands in for new ones: they are scored by what is known of them alone. What a known item
    loses is the chance that it is what is wanted, which held-out items tell of its rank, times what it gains less at
    the rank to which new items push it: so each list tells of ten items, not of one.
    """
    known = newcomers.known
    known = known[np.random.default_rng(run.seed).random(len(known)) >= _STANDING_IN]
    if data.features is None or not len(known) or not len(held_out.queries):
        return 1.0, 1.0
    pretended = Newcomers.of(data, run, known)
    truly_new = ~np.isin(pretended.new, newcomers.known)
    ranks = np.arange(1, min(_TOP, len(known)) + 1)
    wanted, kept = ranks**_FADING, np.zeros((2, len(_LIFTS), len(ranks)))
    wanted *= _SUPPOSED / wanted.sum()
    for block in held_out.blocks(data.n_items, run):
        seen = had(block.queries, data.n_items)
        standing = stood(added(parts, block.queries, apart=True), seen, order, pretended)
        means, usual = pretended.spoken(standing.known), standing.known.mean(axis=1, keepdims=True)
        old, barred = np.where(seen[:, known], _NOBODY, standing.known), truly_new | seen[:, pretended.new]
        best = np.argsort(-old, axis=1)[:, : len(ranks)]
        wanted += (known[best] == block.targets[:, None]).sum(axis=0)
        first = np.take_along_axis(old, best, axis=1)
        for at, lift in enumerate(_LIFTS):
            for way, new in enumerate((lifted(means, usual, lift), standing.lifted(lift))):
                kept[way, at] += _kept(first, np.where(barred, _NOBODY, new))
    whole = len(held_out.queries) * _gains(ranks, _TOP)
    able = kept @ wanted >= (1 - _COST) * (whole @ wanted)
    lift, own_lift = (_LIFTS[int(np.flatnonzero(way).max(initial=0))] for way in able)
    return lift, own_lift


def _kept(first: Float32, new: Float32) -> Gains:
    """Return float64[places]: what known items gain in all at the ranks to which new ones push them.

    Args:
        first: float32[users, places], scores of the best known items, best first.
        new: float32[users, new], scores of the new ones.
    """
    ranks = np.tile(np.arange(1, first.shape[1] + 1), (len(first), 1))
    users, items = np.nonzero(new >= first[:, -1:])
    np.add.at(ranks, users, new[users, items][:, None] >= first[users])
    found: Gains = _gains(ranks, _TOP).sum(axis=0)
    return found


def _report(rivals: _Rivals, names: list[str], weights: NDArray[np.float64], run: Run) -> dict[str, Any]:
    """Return how each model and the blend rank held-out items; warn of a sequence model that has not learned."""
    alone = {name: rivals.gains(np.eye(len(names))[at], _TOP) for at, name in enumerate(names)}
    blended = rivals.gains(weights, _TOP)
    means = {name: round(float(gains.mean()), 4) for name, gains in [*alone.items(), ("blend", blended)]}
    sequence = alone.pop(SEQUENCE, None)
    if sequence is not None:
        best = max(alone, key=means.__getitem__)
        lost = alone[best] - sequence
        if lost.mean() > _FAULT * lost.std() / len(lost) ** 0.5:
            run.warn(
                f"The sequence model ranks held-out items worse (NDCG@10 {means[SEQUENCE]}) than the linear model "
                f"{best!r} ({means[best]}), and has a weight of {weights[names.index(SEQUENCE)]:.2f}. Its training "
                'failed, or the data is too little for it: sequence_models = "off" trains without.'
            )
    weighed = {name: round(float(weight), 4) for name, weight in zip(names, weights, strict=True)}
    return {"heldOutUsers": len(blended), "ndcgAt10": means, "weights": weighed}


def _excluded(block: HeldOut, n_items: int) -> Bool:
    """Return bool[users, items]: what does not compete with a held-out item: what the user had, unless the item too."""
    found = had(block.queries, n_items)
    again = found[np.arange(len(found)), block.targets]
    found[again] = False
    return found


def _ranks(scores: Float32, targets: Int64, excluded: Bool) -> Int64:
    """Return int64[users], from 1; of equal ones the item is last."""
    return _beaten(scores, scores[np.arange(len(scores)), targets], ~excluded)


def _beaten(scores: Float32, wanted: Float32, competes: Bool) -> Int64:
    """Return int64[users]: how many of those that compete have at least the score of who is wanted."""
    found: Int64 = ((scores >= wanted[:, None]) & competes).sum(axis=1)
    return found


def _gains(ranks: Int64, top: int) -> Gains:
    """Return float64[users]: what a held-out item gains at its rank, nothing behind the first ``top``."""
    found: Gains = np.where(ranks <= top, 1 / np.log2(np.maximum(ranks, 1) + 1.0), 0.0)
    return found
