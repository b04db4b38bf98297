"""Related items on MovieLens-1M: the next item from the last one alone, and items that only metadata knows.

`python -m quality.related` prints the rows. Metadata are the genres, title words and decade of ``items.csv``.
"""

import csv
import re
import time
from collections.abc import Iterable

import numpy as np
from bench.table import Row, markdown

from quality import movielens
from sartor.models import evaluation, similar
from sartor.models.base import Bool, Features, Float32, Histories, Int32, Query, TrainingData

#: NDCG@10 against plain item-kNN, and hits among cold items against chance, as the project's targets name them.
OVER_KNN, OVER_CHANCE = 1.3, 5.0
#: One item in so many is held out of the interactions.
COLD_SHARE = 10
_TOP = 10
_NOBODY = np.zeros(0, np.int32)


def run(quick: bool) -> list[Row]:
    """Fit on all of MovieLens-1M, which takes a minute, quick or not."""
    histories, features = read()
    n_items = len(features.offsets) - 1
    data = TrainingData(n_items, evaluation.leave_last(histories), features)
    knn = evaluation.leave_one_out(Cosine(data), histories)["ndcg_at_10"]
    rows = [
        _next_item("similar-items", similar.Config(), data, histories, knn),
        _next_item("sims", similar.sims_config(), data, histories, knn),
    ]
    return [*rows, *_cold(histories, features, n_items)]


def read() -> tuple[Histories, Features]:
    """Return who watched what, and what is known of each film that somebody watched."""
    with (movielens.folder() / "interactions.csv").open(newline="") as file:
        events = [
            (int(row["USER_ID"]), int(row["ITEM_ID"]), int(row["TIMESTAMP"])) for row in csv.DictReader(file)
        ]
    user, item, times = np.array(events, np.int64).T
    order = np.lexsort((times, user))
    names, items = np.unique(item[order], return_inverse=True)
    _, starts = np.unique(user[order], return_index=True)
    histories = Histories(items.astype(np.int32), np.append(starts, len(items)), times[order])
    with (movielens.folder() / "items.csv").open(newline="", encoding="utf-8") as file:
        known = {int(row["ITEM_ID"]): list(_tokens(row)) for row in csv.DictReader(file)}
    return histories, _features([known.get(int(name), []) for name in names])


class Cosine(similar.SimilarModel):
    """Plain item-kNN: the cosine of the sets of users, to hold the model against."""

    def __init__(self, data: TrainingData) -> None:
        seen = np.zeros((data.histories.n_users, data.n_items), np.float32)
        users = np.repeat(np.arange(data.histories.n_users), np.diff(data.histories.offsets))
        seen[users, data.histories.items] = 1
        self.n_items = data.n_items
        self._cosine = seen.T @ seen
        norms = np.sqrt(np.maximum(np.diag(self._cosine), 1))
        self._cosine /= norms[:, None] * norms

    def score(self, query: Query) -> Float32:
        """Return float32[items]."""
        assert query.item is not None
        scores: Float32 = self._cosine[query.item].copy()
        scores[query.item] = -1
        return scores


def _tokens(row: dict[str, str]) -> Iterable[str]:
    yield from (f"genre={genre}" for genre in row["GENRES"].split("|"))
    yield from (f"title={word}" for word in re.findall(r"\w{3,}", row["TITLE"].lower()) if word != "the")
    yield f"decade={row['YEAR'][:3]}"


def _features(tokens: list[list[str]]) -> Features:
    names = sorted({token for one in tokens for token in one})
    number = {name: at for at, name in enumerate(names)}
    offsets = np.cumsum([0, *map(len, tokens)]).astype(np.int64)
    return Features(np.array([number[t] for one in tokens for t in one], np.int32), offsets, len(names))


def _next_item(
    recipe: str, config: similar.Config, data: TrainingData, histories: Histories, knn: float
) -> Row:
    begun = time.perf_counter()
    model = similar.fit(data, config)
    seconds = time.perf_counter() - begun
    found = evaluation.leave_one_out(model, histories)
    validation = evaluation.leave_one_out(model, histories, last=2)
    times = found["ndcg_at_10"] / knn
    return Row(
        f"MovieLens-1M, {recipe}: the next item from the last alone",
        f"{seconds:.1f} s, validation NDCG@10 {validation['ndcg_at_10']:.4f}",
        f"item-kNN, cosine: {knn:.4f}",
        f"test NDCG@10 {found['ndcg_at_10']:.4f}, HR@10 {found['hit_rate_at_10']:.4f}: {times:.2f} ×",
        f"≥ {OVER_KNN} ×",
        times >= OVER_KNN,
    )


def _cold(histories: Histories, features: Features, n_items: int) -> list[Row]:
    """Return the rows of items that no interaction of the training has."""
    rng = np.random.default_rng(0)
    cold = np.zeros(n_items, np.bool_)
    cold[rng.choice(n_items, n_items // COLD_SHARE, replace=False)] = True
    kept = ~cold[histories.items]
    users = np.repeat(np.arange(histories.n_users), np.diff(histories.offsets))
    offsets = np.searchsorted(users[kept], np.arange(histories.n_users + 1)).astype(np.int64)
    warm = Histories(histories.items[kept], offsets, histories.times[kept])
    model = similar.fit(TrainingData(n_items, warm, features))
    together = np.flatnonzero(users[1:] == users[:-1])
    before, after = histories.items[together], histories.items[together + 1]
    asked, found = cold[before] & ~cold[after], ~cold[before] & cold[after]
    return [
        _cold_row("a cold item's next warm one", model, before[asked], after[asked], ~cold),
        _cold_row("a warm item's next cold one, among the cold", model, before[found], after[found], cold),
        _cold_row(
            "a warm item's next cold one, among all", model, before[found], after[found], cold | ~cold, False
        ),
    ]


def _cold_row(
    what: str,
    model: similar.SimilarModel,
    before: Int32,
    after: Int32,
    allowed: Bool,
    has_target: bool = True,
) -> Row:
    """Return how often the next item is among the ten best, against as many drawn at random and popular ones."""
    hits = popular = 0
    most_popular = model.score(Query(_NOBODY))
    for item in np.unique(before).tolist():
        wanted = after[before == item]
        hits += _hits(model.score(Query(_NOBODY, item)), wanted, allowed)
        popular += _hits(most_popular, wanted, allowed)
    rate, chance = hits / len(before), _TOP / int(allowed.sum())
    return Row(
        f"MovieLens-1M, one item in {COLD_SHARE} held out, {what}",
        f"{len(before):,} pairs, metadata alone",
        f"HR@10 of chance {chance:.4f}, of popular items {popular / len(before):.4f}",
        f"HR@10 {rate:.4f}: {rate / chance:.1f} × chance",
        f"≥ {OVER_CHANCE:.0f} × chance" if has_target else "",
        rate / chance >= OVER_CHANCE if has_target else None,
    )


def _hits(scores: Float32, wanted: Int32, allowed: Bool) -> int:
    """Return how many of the wanted items are among the ten best allowed ones; ties count against the model."""
    some = np.sort(scores[allowed])
    ranks = len(some) - np.searchsorted(some, scores[wanted])
    return int((ranks <= _TOP).sum())


if __name__ == "__main__":
    print(markdown(run(quick=False)))
