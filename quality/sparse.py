"""The defaults on simulated shops: sparse data that nobody tuned them for, beside popularity and item-kNN.

`python -m quality.sparse [SHOP…]` prints the rows. Leave one out, as on MovieLens-1M.
"""

import sys
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from bench.table import Row, markdown

from quality import children, knn, simulated
from quality.shops import SHOPS
from sartor.models import blend, default, evaluation, popularity, sequence
from sartor.models.base import Model, TrainingData

#: What is left of the best of all others when a model counts as not below it; seeds differ by so much.
SHARE: Final = 0.98
#: The part of a shop that `--quick` simulates, without training a sequence model.
_QUICK_SCALE: Final = 0.25

#: By what the rows call them: how each is fitted.
MODELS: Final[dict[str, Callable[[TrainingData], Model]]] = {
    "popularity": popularity.fit,
    "item-kNN": knn.fit,
    "without torch": default.fit,
    "sequence model alone": sequence.fit,
    "default": blend.fit,
}
_TORCH: Final = ("sequence model alone", "default")
#: What each of these must not stay behind.
_BESIDE: Final[dict[str, tuple[str, ...]]] = {
    "without torch": ("popularity", "item-kNN"),
    "default": ("popularity", "item-kNN", "without torch", "sequence model alone"),
}


class Found(NamedTuple):
    """How good a model is on a shop.

    Attributes:
        seconds: of training.
        cpu: seconds of CPU of the same, which other work on the machine does not change.
        validation: NDCG@10 and HR@10.
        test: the same.
    """

    seconds: float
    cpu: float
    validation: tuple[float, float]
    test: tuple[float, float]


def run(quick: bool) -> list[Row]:
    """Fit all models on all shops, which takes half an hour; quick, on a quarter of each and without torch."""
    return [row for name in SHOPS for row in measured(name, quick)]


def measured(name: str, quick: bool = False) -> list[Row]:
    """Return the rows of one shop."""
    scale, wanted = (
        (_QUICK_SCALE, [one for one in MODELS if one not in _TORCH]) if quick else (1.0, [*MODELS])
    )
    found = {one: Found(*children.returned("quality.sparse", "trained", name, one, scale)) for one in wanted}
    shop = simulated.named(name, scale)
    mean = len(shop.histories.items) / shop.histories.n_users
    about = f"{name} (simulated: {shop.histories.n_users:,} users, {shop.n_items:,} items, {mean:.1f} each)"
    return rows(about, found)


def trained(name: str, model: str, scale: float) -> Found:
    """Fit one model on one shop and return how good it is."""
    shop = simulated.named(name, scale)
    data = TrainingData(shop.n_items, evaluation.leave_last(shop.histories), shop.features)
    begun, cpu = time.perf_counter(), time.process_time()
    fitted = MODELS[model](data)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    test, validation = (evaluation.leave_one_out(fitted, shop.histories, last) for last in (1, 2))
    return Found(seconds, cpu, _pair(validation), _pair(test))


def rows(about: str, found: dict[str, Found]) -> list[Row]:
    """Return the rows of what was found on a shop, by model."""
    listed = []
    for model, one in found.items():
        best = max(_BESIDE.get(model, ()), key=lambda name: found[name].test[0], default="")
        share = one.test[0] / max(found[best].test[0], 1e-9) if best else 0.0
        listed.append(
            Row(
                f"{about}, {model}",
                f"{one.seconds:.1f} s ({one.cpu:.0f} s of CPU), "
                f"validation NDCG@10 {one.validation[0]:.4f}, HR@10 {one.validation[1]:.4f}",
                f"{best}: {found[best].test[0]:.4f}" if best else "",
                f"test NDCG@10 {one.test[0]:.4f}, HR@10 {one.test[1]:.4f}"
                + (f": {share:.2f} ×" if best else ""),
                f"≥ {SHARE} × the best of what stands beside it" if best else "",
                share >= SHARE if best else None,
            )
        )
    return listed


def _pair(found: dict[str, float]) -> tuple[float, float]:
    return found["ndcg_at_10"], found["hit_rate_at_10"]


if __name__ == "__main__":
    print(markdown([row for name in sys.argv[1:] or SHOPS for row in measured(name)]))
