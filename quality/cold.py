"""New items: one known item in ten is taken out of a shop's training, and asked for afterwards.

`python -m quality.cold [SHOP…]` prints the rows. What is asked is each user's last item by all that came before it,
cold items included, as a live history has them.
"""

import sys
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
from bench.table import Row, markdown

from quality import children, simulated
from sartor.models import blend, default, evaluation
from sartor.models.base import Bool, Histories, Int64, Model, Query, TrainingData

#: Hits at 10 among all items against chance, as the project's targets name them.
OVER_CHANCE: Final = 5.0
#: One known item in so many is cold.
COLD_SHARE: Final = 10
#: Warm NDCG@10 of version 0.1.0, where it was taken: cold items must not cost what was there.
WARM_BEFORE: Final = {("care", "without torch"): 0.0529}
_NAMES: Final = ("care", "toys", "places", "music")
_TOP: Final = 10
_BLOCK_QUERIES: Final = 256
#: A shop of few users is asked with several draws of cold items, until so many users have been, or so many draws.
_COLD_USERS: Final = 500
_DRAWS: Final = 5
_QUICK_SCALE: Final = 0.25

MODELS: Final[dict[str, Callable[[TrainingData], Model]]] = {
    "without torch": default.fit,
    "default": blend.fit,
}


class Found(NamedTuple):
    """How a model treats cold items.

    Attributes:
        seconds: of CPU, of training.
        cold_users: how many users' last item is cold.
        among_all: their hit rate at 10 among all items.
        chance_all: the same of chance.
        among_cold: their hit rate at 10 among the cold items.
        chance_cold: the same of chance.
        warm: NDCG@10 of the users whose last item is warm, among all items.
        warm_alone: the same among the warm ones, as if no cold item were there.
    """

    seconds: float
    cold_users: int
    among_all: float
    chance_all: float
    among_cold: float
    chance_cold: float
    warm: float
    warm_alone: float


def run(quick: bool) -> list[Row]:
    """Fit on four shops, which takes some minutes; quick, on a quarter of one without torch."""
    if quick:
        return measured("care", ["without torch"], _QUICK_SCALE)
    return [row for name in _NAMES for row in measured(name, [*MODELS])]


def measured(name: str, models: list[str], scale: float = 1.0) -> list[Row]:
    """Return the rows of one shop."""
    return [
        row
        for model in models
        for row in rows(
            f"{name} (simulated), one known item in {COLD_SHARE} cold, {model}",
            Found(*children.returned("quality.cold", "trained", name, model, scale)),
            WARM_BEFORE.get((name, model)) if scale == 1.0 else None,
        )
    ]


def trained(name: str, model: str, scale: float) -> Found:
    """Fit one model on a shop without the interactions of its cold items, and return how they fare, in the mean."""
    shop = simulated.named(name, scale)
    known = evaluation.leave_last(shop.histories)
    found: list[Found] = []
    while not found or (len(found) < _DRAWS and sum(one.cold_users for one in found) < _COLD_USERS):
        cold = drawn(shop.histories, shop.n_items, seed=len(found))
        data = TrainingData(shop.n_items, known.kept(~cold[known.items]), shop.features)
        begun = time.process_time()
        fitted = MODELS[model](data)
        found.append(looked_at(fitted, shop.histories, cold, time.process_time() - begun))
    return mean(found)


def mean(found: Sequence[Found]) -> Found:
    """Return the means of some draws of cold items, by their cold users; how many these are in all."""
    users = np.array([one.cold_users for one in found], np.float64)
    figures = dict(zip(Found._fields, users @ np.array(found) / users.sum(), strict=True))
    return Found(**{**figures, "cold_users": int(users.sum())})


def drawn(histories: Histories, n_items: int, seed: int) -> Bool:
    """Return bool[items]: which are cold, one in ``COLD_SHARE`` of those that anybody met."""
    known = np.unique(histories.items)
    cold = np.zeros(n_items, np.bool_)
    cold[np.random.default_rng(seed).choice(known, len(known) // COLD_SHARE, replace=False)] = True
    return cold


def looked_at(model: Model, histories: Histories, cold: Bool, seconds: float) -> Found:
    """Return how a model treats cold items, bool[items]."""
    everything, n_items = np.ones(len(cold), np.bool_), len(cold)
    last = histories.items[histories.offsets[1:] - 1]
    several = histories.lengths > 1
    asked, warm = np.flatnonzero(several & cold[last]), np.flatnonzero(several & ~cold[last])
    among = [ranks(model, histories, asked, allowed) for allowed in (everything, cold)]
    gains = [
        np.where(found <= _TOP, 1 / np.log2(found + 1.0), 0.0).mean()
        for found in (ranks(model, histories, warm, allowed) for allowed in (everything, ~cold))
    ]
    hits = [float((found <= _TOP).mean()) for found in among]
    return Found(
        seconds,
        len(asked),
        hits[0],
        _TOP / n_items,
        hits[1],
        _TOP / int(cold.sum()),
        float(gains[0]),
        float(gains[1]),
    )


def ranks(model: Model, histories: Histories, users: Int64, allowed: Bool) -> Int64:
    """Return int64[users]: the rank of each one's last item among some items, bool[items], but those of the history.

    Ties count against the model.
    """
    found = np.empty(len(users), np.int64)
    for first in range(0, len(users), _BLOCK_QUERIES):
        whole = [histories.of(int(user)) for user in users[first : first + _BLOCK_QUERIES]]
        scores = model.score_batch([Query(one[:-1], int(one[-2])) for one in whole])
        scores[:, ~allowed] = -np.inf
        for at, (row, one) in enumerate(zip(scores, whole, strict=True), first):
            wanted = row[one[-1]]
            row[one] = -np.inf  # the item itself is counted by the 1
            found[at] = 1 + (row >= wanted).sum()
    return found


def rows(about: str, found: Found, warm_before: float | None) -> list[Row]:
    """Return the rows of what was found of a model: cold items among all and among the cold, and the warm ones.

    Args:
        about: what they begin with.
        found: what was found.
        warm_before: the warm NDCG@10 that must be reached; ``None`` if none is known.
    """
    share = found.warm / max(found.warm_alone, 1e-9)
    times = found.among_all / found.chance_all, found.among_cold / found.chance_cold
    ours = f"{found.seconds:.0f} s of CPU, {found.cold_users:,} users"
    return [
        Row(
            f"{about}: a cold item among all",
            ours,
            f"HR@10 of chance {found.chance_all:.4f}",
            f"HR@10 {found.among_all:.4f}: {times[0]:.1f} × chance",
            f"≥ {OVER_CHANCE:.0f} × chance",
            times[0] >= OVER_CHANCE,
        ),
        Row(
            f"{about}: among the cold",
            ours,
            f"HR@10 of chance {found.chance_cold:.4f}",
            f"HR@10 {found.among_cold:.4f}: {times[1]:.1f} × chance",
            "",
            None,
        ),
        Row(
            f"{about}: a warm item among all",
            ours,
            f"among the warm alone: NDCG@10 {found.warm_alone:.4f}",
            f"NDCG@10 {found.warm:.4f}: {share:.3f} ×",
            "" if warm_before is None else f"≥ {warm_before}, version 0.1.0's",
            None if warm_before is None else found.warm >= warm_before,
        ),
    ]


if __name__ == "__main__":
    print(markdown([row for name in sys.argv[1:] or _NAMES for row in measured(name, [*MODELS])]))
