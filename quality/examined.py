"""What it costs a training of MovieLens-1M to hold its model against baselines, and what comes out.

`python -m quality.examined` prints the rows. The models are the linear ones; what stands beside is the same for all.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from bench.table import Row, markdown

from quality import related
from sartor.models import default, evaluation, examination
from sartor.models.base import Features, Run, TrainingData
from sartor.models.baselines import VERSION
from sartor.models.evaluation import Split
from sartor.models.examination import GAIN, Examination

#: A tenth of the three minutes that a training of the blend may take here.
SECONDS = 18.0

Found = TypeVar("Found")


def run(quick: bool) -> list[Row]:
    """Measure on all of MovieLens-1M, which takes less than a minute, quick or not."""
    histories, features = related.read()
    by_users = evaluation.split(histories, 0)
    of_users, _, examining = _examined(by_users, features)
    by_time, splitting = _timed(lambda: evaluation.split_by_time(histories, 0))
    assert by_time is not None
    of_time, fitting, again = _examined(by_time, features)
    timed = splitting + fitting + again
    seconds = examining + timed
    return [
        Row(
            "MovieLens-1M, a training's baselines and intervals by users and by time",
            f"by users {examining:.1f} s of CPU, by time {timed:.1f} s, of which one fit {fitting:.1f} s",
            "a training of the blend: 180 s on two cores",
            f"{seconds:.1f} s of CPU",
            f"≤ {SECONDS:.0f} s",
            seconds <= SECONDS,
        ),
        _row(of_users),
        _row(of_time),
    ]


def _examined(split: Split, features: Features) -> tuple[Examination, float, float]:
    """Return the examination of the linear models, and the seconds of their fit and of what follows the answers."""
    n_items = len(features.offsets) - 1
    model, fitting = _timed(lambda: default.fit(TrainingData(n_items, split.train, features)))
    measured, answering = _timed(lambda: evaluation.measure(model, split, n_items))
    found, examining = _timed(lambda: examination.of_items(model.name, measured, split, n_items, Run()))
    return found, fitting + answering, examining


def _row(found: Examination) -> Row:
    """Return NDCG@25 of all columns with their intervals."""
    told = {name: column[GAIN] for name, column in found.columns.items()}
    words = {name: f"{one.value:.4f} ({one.low:.4f} to {one.high:.4f})" for name, one in told.items()}
    return Row(
        f"MovieLens-1M, {found.model}, NDCG@25 split by {found.split}",
        f"{found.asked} users",
        ", ".join(f"{name} {text}" for name, text in words.items() if name != VERSION),
        words[VERSION],
        "surely above both",
        not found.warnings(),
    )


def _timed(work: Callable[[], Found]) -> tuple[Found, float]:
    """Return what comes of some work, and the seconds of CPU it took: an upper bound of its time on a quiet machine."""
    begun = time.process_time()
    return work(), time.process_time() - begun


if __name__ == "__main__":
    print(markdown(run(quick=False)))
