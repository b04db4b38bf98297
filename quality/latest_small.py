"""MovieLens latest small by Amazon's split and preparation, beside the figures that its public notebooks recorded.

The preparation: what was rated above 1 was clicked, what was rated above 3 was watched too, in the order of time. The
split: a tenth of the users, the newest tenth of each. Some sixty users are few, so several splits are averaged.

The recorded figures (NDCG@10 0.269 with 0.57 hits among ten) cannot come from questions with many right answers, as the
newest tenth of a history has here: 26 events in the mean. So a second row asks for one event at a time, by all before
it. `python -m quality.latest_small` prints the rows.
"""

import csv
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from bench.table import Row, markdown

from quality import children
from sartor.models import blend, default, evaluation, similar
from sartor.models.base import Features, Histories, Model, Query, Run, TrainingData

#: Of a recipe's model, MRR@25 and NDCG@25 that the targets name, and those that Amazon's notebooks recorded.
MODELS: Final[dict[str, tuple[Callable[..., Model], tuple[float, float], tuple[float, float]]]] = {
    "user-personalization, without torch": (default.fit, (0.30, 0.36), (0.269, 0.332)),
    "user-personalization": (blend.fit, (0.30, 0.36), (0.269, 0.332)),
    "similar-items": (similar.fit, (0.20, 0.31), (0.167, 0.290)),
}
_SPLITS: Final = 5
#: As long as the lists that the metrics look at.
_LIST: Final = 25
_TORCH: Final = ("user-personalization",)
_MRR, _NDCG = "mean_reciprocal_rank_at_25", "normalized_discounted_cumulative_gain_at_25"


class Found(NamedTuple):
    """How good a model is, in the mean of splits.

    Attributes:
        seconds: of one training.
        mrr: MRR@25.
        ndcg: NDCG@25.
        spread: the deviation of NDCG@25 from split to split.
        mrr_of_one: MRR@25 where one event at a time is asked for.
        ndcg_of_one: NDCG@25 of the same.
        splits: how many there were.
    """

    seconds: float
    mrr: float
    ndcg: float
    spread: float
    mrr_of_one: float
    ndcg_of_one: float
    splits: int


def run(quick: bool) -> list[Row]:
    """Fit on each split, which takes some minutes; quick, without torch."""
    return [row for name in MODELS if not quick or name not in _TORCH for row in measured(name)]


def measured(name: str) -> list[Row]:
    """Return the rows of one model."""
    return rows(name, Found(*children.returned("quality.latest_small", "trained", name, _SPLITS)))


def trained(name: str, splits: int) -> Found:
    """Fit a model on some splits and return how good it is."""
    data = read()
    seconds, found = [], []
    for seed in range(splits):
        split = evaluation.split(data.histories, seed)
        begun = time.perf_counter()
        model = MODELS[name][0](TrainingData(data.n_items, split.train, data.features), None, Run(seed))
        seconds.append(time.perf_counter() - begun)
        metrics = evaluation.evaluate(model, split, data.n_items)
        found.append((metrics[_MRR], metrics[_NDCG], *one_at_a_time(model, split)))
    mrr, ndcg, mrr_of_one, ndcg_of_one = np.array(found).mean(axis=0).tolist()
    spread = float(np.std([one[1] for one in found]))
    return Found(float(np.mean(seconds)), mrr, ndcg, spread, mrr_of_one, ndcg_of_one, splits)


def one_at_a_time(model: Model, split: evaluation.Split) -> tuple[float, float]:
    """Return MRR@25 and NDCG@25 of each newest event of the test users by all events before it."""
    ranks = []
    for query, truth in zip(split.queries, split.truths, strict=True):
        whole = np.concatenate([query.history, truth])
        ends = np.arange(len(query.history), len(whole))
        scores = model.score_batch([Query(whole[:end], int(whole[end - 1])) for end in ends])
        ranks.append((scores >= scores[np.arange(len(truth)), truth][:, None]).sum(axis=1))
    rank = np.concatenate(ranks)
    seen = rank <= _LIST
    return float((seen / rank).mean()), float((seen / np.log2(rank + 1)).mean())


def rows(name: str, found: Found) -> list[Row]:
    """Return the rows of what was found of a model."""
    _, target, recorded = MODELS[name]
    about = f"MovieLens latest small by Amazon's preparation, {name}"
    compared = f"Amazon recorded MRR@25 {recorded[0]:.3f}, NDCG@25 {recorded[1]:.3f}"
    return [
        Row(
            about,
            f"{found.seconds:.1f} s, mean of {found.splits} splits",
            compared,
            f"MRR@25 {found.mrr:.3f}, NDCG@25 {found.ndcg:.3f} (± {found.spread:.3f} from split to split)",
            f"≥ {target[0]:.2f}, ≥ {target[1]:.2f}",
            found.mrr >= target[0] and found.ndcg >= target[1],
        ),
        Row(
            f"{about}, one event at a time",
            "the same",
            compared,
            f"MRR@25 {found.mrr_of_one:.3f}, NDCG@25 {found.ndcg_of_one:.3f}",
            "",
            None,
        ),
    ]


def folder() -> Path:
    """Return where the data lies, ``interactions.csv`` and ``item-meta.csv``: ``PERSONALIZE_SAMPLES``, or beside us."""
    beside = Path(__file__).parents[2] / "shared" / "data" / "personalize-samples"
    return Path(os.environ.get("PERSONALIZE_SAMPLES") or beside)


def read() -> TrainingData:
    """Return who watched and clicked what, and the genres and decade of each film."""
    with (folder() / "interactions.csv").open(newline="") as file:
        events = [
            (int(row["USER_ID"]), int(row["ITEM_ID"]), int(row["TIMESTAMP"])) for row in csv.DictReader(file)
        ]
    with (folder() / "item-meta.csv").open(newline="", encoding="utf-8") as file:
        known = {int(row["ITEM_ID"]): _tokens(row) for row in csv.DictReader(file)}
    user, item, times = np.array(events, np.int64).T
    order = np.lexsort((times, user))  # stable: events of one second stay in the order of the file
    names, items = np.unique(item[order], return_inverse=True)
    _, starts = np.unique(user[order], return_index=True)
    histories = Histories(
        items.astype(np.int32), np.append(starts, len(items)).astype(np.int64), times[order]
    )
    tokens = [known.get(int(name), []) for name in names]
    kinds = {token: number for number, token in enumerate(sorted({one for some in tokens for one in some}))}
    features = Features(
        np.array([kinds[one] for some in tokens for one in some], np.int32),
        np.cumsum([0, *map(len, tokens)]).astype(np.int64),
        len(kinds),
    )
    return TrainingData(len(names), histories, features)


def _tokens(row: dict[str, str]) -> list[str]:
    return [*(f"genre={genre}" for genre in row["GENRE"].split("|")), f"decade={row['YEAR'][:3]}"]


if __name__ == "__main__":
    print(markdown(run(quick=False)))
