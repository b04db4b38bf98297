"""A linear model of the next item, solved in one go: what came shortly before, seen through two kernels.

At each position of a history the features are, for each kernel, how recently each item was there; the target is the
next item. Ridge regression needs the sums of products alone, which pairs of items at each distance give. An answer
is a sum of rows, so a new event changes the next one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from sartor.models.base import Float32, Histories, Int32, Model, Query, Run, TrainingData
from sartor.models.newcomers import Newcomers

#: Up to this many known items; the memory grows with their square, 32 bytes a pair of items.
LIMIT: Final = 20_000
#: Interactions whose pairs are counted together.
_BLOCK_INTERACTIONS: Final = 1_000_000
#: What is smaller than this against the largest does not show in float32.
_NOTHING: Final = 3e-8
#: Rows of the matrix that are eliminated together, and so many more that are updated between two looks at the run.
_BLOCK_ROWS: Final = 512
_BLOCK_QUERIES: Final = 256


@dataclass(frozen=True)
class Config:
    """What is decided before a training.

    Attributes:
        decays: of the two kernels: an item that was there ``k`` steps ago counts ``decay ** (k - 1)``. The first sees
            what is going on now, the second what somebody likes.
        ridge: of each kernel, as a share of the mean of its diagonal; validation on MovieLens-1M chose them.
        lags: how far back both look.
    """

    decays: tuple[float, float] = (0.5, 0.9)
    ridge: tuple[float, float] = (1.0, 0.6)
    lags: int = 50


class ClosedFormModel(Model):
    """Scores the next item of a history.

    Args:
        config: what it was made with.
        weights: float32[2 × known, known], what an item in either kernel says of each next one.
        newcomers: which items are known.
    """

    name: ClassVar[str] = "closed_form"

    def __init__(self, config: Config, weights: Float32, newcomers: Newcomers) -> None:
        self.config = config
        self.weights: Float32 = np.asarray(weights)
        self.newcomers = newcomers
        self.n_items = newcomers.n_items
        ago = np.arange(config.lags)
        self._kernels = np.array([[decay**k for k in ago] for decay in config.decays], np.float32)

    def score(self, query: Query) -> Float32:
        """Return float32[items]."""
        rows, values = self._features(query)
        if not len(rows):
            return self.newcomers.widened(self.newcomers.prior.copy())
        return self.newcomers.widened(values @ self.weights[rows])

    def score_batch(self, queries: Sequence[Query]) -> Float32:
        """Return float32[queries, items]."""
        found = np.empty((len(queries), self.n_items), np.float32)
        for first in range(0, len(queries), _BLOCK_QUERIES):
            features = [self._features(query) for query in queries[first : first + _BLOCK_QUERIES]]
            matrix = np.zeros((len(features), len(self.weights)), np.float32)
            for line, (rows, values) in zip(matrix, features, strict=True):
                np.add.at(line, rows, values)
            scores = matrix @ self.weights
            scores[[not len(rows) for rows, _ in features]] = self.newcomers.prior
            found[first : first + len(features)] = self.newcomers.widened(scores)
        return found

    def _features(self, query: Query) -> tuple[Int32, Float32]:
        """Return int32[2 × h] and float32[2 × h]: rows of the weights and how much each counts; an item may recur."""
        newest_first = self.newcomers.places(query.history)[::-1][: self.config.lags]
        rows = np.concatenate([newest_first, newest_first + np.int32(len(self.newcomers.known))])
        return rows, self._kernels[:, : len(newest_first)].ravel()

    def settings(self) -> dict[str, Any]:
        """Return the config and how many items there are."""
        return {**asdict(self.config), "n_items": self.n_items}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the weights, and what stands in for newcomers."""
        return {"weights": self.weights, **self.newcomers.arrays()}

    @classmethod
    def restored(cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the model of these settings and arrays."""
        config = Config(tuple(settings["decays"]), tuple(settings["ridge"]), settings["lags"])
        return cls(config, arrays["weights"], Newcomers(settings["n_items"], arrays))


def fit(data: TrainingData, config: Config | None = None, run: Run | None = None) -> ClosedFormModel:
    """Return a fitted model.

    Args:
        data: what it is fitted on; the order of each history counts, and metadata for items without interactions.
        config: ``None`` takes the defaults.
        run: how it runs.

    Raises:
        Stopped: the run says so.
        ValueError: more than ``LIMIT`` items have interactions.
    """
    config, run = config or Config(), run or Run()
    newcomers = Newcomers.of(data, run)
    n = len(newcomers.known)
    if n > LIMIT:
        raise ValueError(f"The closed form takes at most {LIMIT} items with interactions, not {n}.")
    system = np.zeros((2 * n, 3 * n), np.float32)  # features × features, then features × targets
    for block in data.histories.blocks(_BLOCK_INTERACTIONS):
        _count(system, block, newcomers, config, run)
    _complete(system, config)
    weights = _solved(system, run)
    return ClosedFormModel(config, weights, newcomers)


def _count(system: Float32, block: Histories, newcomers: Newcomers, config: Config, run: Run) -> None:
    """Add the products of these histories, each pair of one kernel with itself on one side of the diagonal alone.

    Two items at a distance ``d``, the later one ``k`` steps before the target, weigh ``a^(k-1) b^(k+d-1)``. Summed
    over ``k`` that is ``b^d`` times a sum that only grows by one term from one distance to the next shorter.
    """
    n = len(newcomers.known)
    flat, stride = system.reshape(-1), 3 * n
    items = newcomers.places(block.items).astype(np.int64)
    lengths = block.lengths
    before = np.arange(len(items)) - np.repeat(
        block.offsets[:-1], lengths
    )  # how many items of the user precede it
    after = np.repeat(lengths, lengths) - 1 - before
    targets = np.ones(len(items), np.float32) if block.weights is None else np.asarray(block.weights)
    products = [[first * second for second in config.decays] for first in config.decays]
    sums = {key: np.zeros(len(items), np.float32) for key in ("fast", "both", "slow")}
    keys = {"fast": products[0][0], "both": products[0][1], "slow": products[1][1]}
    fast, slow = config.decays
    across, down = n, n * stride
    for distance in range(config.lags, -1, -1):
        run.keep_on()
        later = np.flatnonzero(before >= distance)
        if distance < config.lags:
            steps = config.lags - distance
            ahead = np.flatnonzero(after >= steps)
            for key, product in keys.items():
                if product ** (steps - 1) > _NOTHING:
                    sums[key][ahead] += np.float32(product ** (steps - 1)) * targets[ahead + steps]
        if not len(later):
            continue
        codes = items[later - distance] * stride + items[later]
        if distance:
            for decay, place in ((fast, 0), (slow, down)):
                weight = decay ** (distance - 1)
                if weight > _NOTHING:
                    np.add.at(flat, codes + (place + 2 * across), np.float32(weight) * targets[later])
        if distance == config.lags:
            continue
        half = 1.0 if distance else 0.5  # the diagonal is added to itself later
        for key, decay, place in (("fast", fast, 0), ("slow", slow, down + across), ("both", fast, across)):
            weight = decay**distance * (1.0 if key == "both" else half)
            if weight > _NOTHING:
                np.add.at(flat, codes + place, np.float32(weight) * sums[key][later])
        if distance:
            turned = items[later] * stride + items[later - distance] + across
            np.add.at(flat, turned, np.float32(slow**distance) * sums["both"][later])


def _complete(system: Float32, config: Config) -> None:
    """Add the other side of the diagonals, and the ridge."""
    n = system.shape[1] // 3
    for kernel, share in enumerate(config.ridge):
        block = system[kernel * n : (kernel + 1) * n, kernel * n : (kernel + 1) * n]
        for first in range(0, n, _BLOCK_ROWS):
            # a strip of rows at and after the diagonal, with the strip of columns that mirrors it
            end = first + _BLOCK_ROWS
            block[first:end, first:] += block[first:, first:end].T.copy()
        diagonal = np.einsum("ii->i", block)
        diagonal += np.float32(share * diagonal.mean(dtype=np.float64) + 1e-6) if n else 0


def _solved(system: Float32, run: Run) -> Float32:
    """Return float32[2n, n]: the solution of ``[A | b]`` for a positive definite ``A``; the system is used up.

    Block elimination on the upper triangle: the operations of a Cholesky factorisation, in place and in pieces short
    enough to stop between them.
    """
    size, n = len(system), system.shape[1] // 3
    inverses: list[Float32] = []
    edges = [*range(0, size, _BLOCK_ROWS), size] if size else [0]
    for at, (first, end) in enumerate(pairwise(edges)):
        run.progress({"step": at + 1, "steps": len(edges) - 1})
        upper = np.triu(system[first:end, first:end].astype(np.float64))
        whole = upper + np.triu(upper, 1).T
        inverses.append(np.linalg.inv(whole).astype(np.float32))
        for top, bottom in pairwise(edges[at + 1 :]):
            run.keep_on()
            factor = system[first:end, top:bottom].T @ inverses[-1]
            system[top:bottom, top:] -= factor @ system[first:end, top:]
    found = np.zeros((size, n), np.float32)
    for at in range(len(edges) - 2, -1, -1):
        first, end = edges[at], edges[at + 1]
        for top, bottom in pairwise(edges[at + 1 :]):
            run.keep_on()
            system[first:end, size:] -= system[first:end, top:bottom] @ found[top:bottom]
        found[first:end] = inverses[at] @ system[first:end, size:]
    return found


MODEL = ClosedFormModel
