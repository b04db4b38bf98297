"""A model beside baselines: planted ones that are worse, equal and better, and every number recomputed."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import orjson
import pytest

from sartor.models import evaluation, examination, popularity, transitions
from sartor.models.base import Histories, Model, Query, Run, TrainingData
from sartor.models.baselines import ITEM_KNN, POPULARITY, VERSION, Baselines
from sartor.models.evaluation import Split
from sartor.models.examination import GAIN, Examination

N_ITEMS = 60


def popular_data(users: int = 400) -> Histories:
    """Return who meets what by chance, popular items far more often; nothing else is to be known of anybody."""
    rng = np.random.default_rng(0)
    chance = 0.8 ** np.arange(N_ITEMS)
    lengths = rng.integers(5, 15, users)
    items = rng.choice(N_ITEMS, lengths.sum(), p=chance / chance.sum()).astype(np.int32)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    times = np.concatenate([np.sort(rng.integers(0, 1000, length)) for length in lengths])
    return Histories(items, offsets, times.astype(np.int64))


def chains(users: int = 400) -> Histories:
    """Return who goes on from item to item in a circle, each from a place of his own."""
    rng = np.random.default_rng(1)
    lengths = rng.integers(10, 15, users)
    items = [(rng.integers(N_ITEMS) + np.arange(length)) % N_ITEMS for length in lengths]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    times = np.concatenate([np.sort(rng.integers(0, 1000, length)) for length in lengths])
    return Histories(np.concatenate(items).astype(np.int32), offsets, times.astype(np.int64))


class Unpopular(Model):
    """Recommends what nobody wants."""

    name = "unpopular"

    def __init__(self, histories: Histories) -> None:
        self.n_items = N_ITEMS
        self._scores = -np.bincount(histories.items, minlength=N_ITEMS).astype(np.float32)

    def score(self, query: Query) -> np.ndarray:
        return self._scores.copy()

    def settings(self) -> dict[str, object]:
        return {}

    def arrays(self) -> dict[str, np.ndarray]:
        return {}

    @classmethod
    def restored(cls, settings: object, arrays: object) -> "Unpopular":
        raise NotImplementedError


def examined(model: Model, split: Split) -> Examination:
    measured = evaluation.measure(model, split, N_ITEMS)
    return examination.of_items(model.name, measured, split, N_ITEMS, Run())


def test_a_model_that_is_worse_than_popularity_is_warned_of() -> None:
    split = evaluation.split(popular_data(), 0)
    found = examined(Unpopular(split.train), split)
    (warning,) = found.warnings()
    by = found.differences[POPULARITY][GAIN]
    assert by.high < 0
    for words in (GAIN, "below popularity", f"{by.low:+.4f}", "split by users", "give it more interactions"):
        assert words in warning


def test_a_model_that_is_popularity_is_not_surely_above_it() -> None:
    split = evaluation.split(popular_data(), 0)
    found = examined(popularity.fit(TrainingData(N_ITEMS, split.train)), split)
    assert found.columns[VERSION] == found.columns[POPULARITY]
    assert found.differences[POPULARITY][GAIN] == examination.Interval(0.0, 0.0, 0.0)
    (warning,) = found.warnings()
    assert "not surely above popularity" in warning


def test_a_model_that_knows_more_is_not_warned_of_by_either_split() -> None:
    data = chains()
    for split in (evaluation.split(data, 0), evaluation.split_by_time(data, 0)):
        assert split is not None
        found = examined(transitions.fit(TrainingData(N_ITEMS, split.train), None, Run(threads=1)), split)
        assert found.warnings() == []
        assert found.columns[VERSION][GAIN].low > found.columns[ITEM_KNN][GAIN].high
        assert found.split == ("users" if split.moment is None else "time")


def test_a_warning_of_a_split_of_time_says_which_model_was_asked() -> None:
    split = evaluation.split_by_time(popular_data(), 0)
    assert split is not None
    found = examined(Unpopular(split.train), split)
    (warning,) = found.warnings()
    assert "(split by time) the model is below popularity" in warning
    (warning,) = replace(found, stands_in=True).warnings()
    assert (
        "(split by time) unpopular without a sequence model, asked in its place, is below popularity"
        in warning
    )


def test_a_few_users_say_nothing_about_others() -> None:
    split = evaluation.split(popular_data(60), 0)
    found = examined(popularity.fit(TrainingData(N_ITEMS, split.train)), split)
    assert found.differences == {}
    (warning,) = found.warnings()
    assert "Only 6 users could be asked (split by users): too few to say" in warning
    assert "popularity and item-knn" in warning


def test_the_json_has_the_values_of_all_recomputed() -> None:
    split = evaluation.split(popular_data(), 0)
    model = popularity.fit(TrainingData(N_ITEMS, split.train))
    found = orjson.loads(orjson.dumps(examined(model, split).to_json()))  # which takes no number of NumPy
    measured = evaluation.evaluate(model, split, N_ITEMS)
    for metric, value in measured.items():
        assert found["metrics"][metric]["version"]["value"] == pytest.approx(value, abs=1e-6)
    knn = Baselines(split.train, N_ITEMS).rankings(split.queries, 25, False, Run())[ITEM_KNN]
    expected = evaluation.values_of(knn, split)
    for metric, values in expected.items():
        one = found["metrics"][metric]["item-knn"]
        assert one["value"] == pytest.approx(values.mean(), abs=1e-6)
        assert one["low"] <= one["value"] <= one["high"]
        gap = measured[metric] - values.mean()
        assert found["differences"][metric]["item-knn"]["value"] == pytest.approx(gap, abs=2e-6)
    assert found["metrics"]["novelty"]["popularity"]["value"] == pytest.approx(
        _bits(split, [knn[0]] and model), abs=1e-5
    )
    assert "novelty" not in found["differences"]
    assert (found["split"], found["unit"], found["decides"]) == ("users", "users", GAIN)
    assert found["asked"] == len(split.users)
    assert "knownUntil" not in found


def _bits(split: Split, model: Model) -> float:
    """Return the mean bits of the 25 items that everybody is shown."""
    users = [set(split.train.of(user).tolist()) for user in range(split.train.n_users)]
    there = sum(map(bool, users))
    items = np.argsort(-model.score(Query(np.zeros(1, np.int32))), kind="stable")[:25]
    shares = [(sum(item in one for one in users) + 1) / (there + 1) for item in items.tolist()]
    return float(-np.log2(shares).mean())


def test_items_that_are_related_are_held_against_neighbours_of_the_item() -> None:
    split = evaluation.split(chains(), 0)
    model = transitions.fit(TrainingData(N_ITEMS, split.train), None, Run(threads=1))
    measured = evaluation.measure(model, split, N_ITEMS)

    def near(by_item: bool) -> Sequence[float]:
        found = examination.of_items("x", measured, split, N_ITEMS, Run(), by_item=by_item)
        return [one.value for one in found.columns[ITEM_KNN].values()]

    assert near(True) != near(False)
