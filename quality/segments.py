"""Segments of users on MovieLens-1M: each user's newest fifth is the test; against the most active users.

`python -m quality.segments` prints the rows. Attributes are the genres and years of ``items.csv``.
"""

import csv
import time

import numpy as np
from bench.table import Row, markdown

from quality import movielens, related
from sartor.models import affinity, segments
from sartor.models.base import TrainingData
from sartor.models.baselines import ACTIVITY, VERSION
from sartor.models.segments import ItemSets

#: Recall at 1 % against that of the users' activity, as the project's targets name it.
OVER_ACTIVITY = 1.5


def run(quick: bool) -> list[Row]:
    """Fit on the older four fifths of MovieLens-1M, which takes half a minute, quick or not."""
    histories, features = related.read()
    n_items = len(features.offsets) - 1
    train, test = segments.split(histories)
    begun = time.perf_counter()
    model = affinity.fit(TrainingData(n_items, train, features))
    seconds = time.perf_counter() - begun
    rows = []
    for name, sets in (("item-affinity", ItemSets.each(n_items)), ("item-attribute-affinity", attributes())):
        measured = segments.measure(model, train, test, sets)
        found, activity = (measured[name].metrics for name in (VERSION, ACTIVITY))
        times = found["recall_at_1_percent"] / activity["recall_at_1_percent"]
        rows.append(
            Row(
                f"MovieLens-1M, {name}: users of the newest fifth",
                f"{seconds:.1f} s, hits at 1 % {found['hits_at_1_percent']:.2f}, coverage {found['coverage']:.3f}",
                f"the most active users: recall {activity['recall_at_1_percent']:.4f}, "
                f"hits {activity['hits_at_1_percent']:.2f}",
                f"recall at 1 % {found['recall_at_1_percent']:.4f}: {times:.2f} ×",
                f"≥ {OVER_ACTIVITY} ×",
                times >= OVER_ACTIVITY,
            )
        )
    return rows


def attributes() -> ItemSets:
    """Return the films of each genre and of each year, numbered as ``related.read`` numbers them."""
    with (movielens.folder() / "interactions.csv").open(newline="") as file:
        watched = sorted({int(row["ITEM_ID"]) for row in csv.DictReader(file)})
    number = {name: at for at, name in enumerate(watched)}
    films: dict[str, list[int]] = {}
    with (movielens.folder() / "items.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if int(row["ITEM_ID"]) in number:
                for value in (*row["GENRES"].split("|"), row["YEAR"]):
                    films.setdefault(value, []).append(number[int(row["ITEM_ID"])])
    return ItemSets.of_each([np.array(some, np.int32) for some in films.values()])


if __name__ == "__main__":
    print(markdown(run(quick=False)))
