"""How much attention items have had: interactions, and impressions that led to nothing."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from live_records import Live, live
from sartor.realtime import attention
from sartor.realtime.attention import Answers, Attention
from tables import schema_of

FIELDS = (("USER_ID", "string"), ("ITEM_ID", "string"), ("TIMESTAMP", "long"))
WITH_IMPRESSIONS = schema_of("Interactions", *FIELDS, ("IMPRESSION", "string"))
WITHOUT = schema_of("Interactions", *FIELDS)


class Items:
    """A catalogue of three items at first."""

    def __init__(self) -> None:
        self._names = ["a", "b", "c"]

    def __len__(self) -> int:
        return len(self._names)

    def find(self, name: str) -> int | None:
        return self._names.index(name) if name in self._names else None

    def add(self, names: Iterable[str]) -> None:
        self._names += [name for name in names if name not in self._names]


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    monkeypatch.setattr(attention, "LOOK_SECONDS", 0.0)
    with live(tmp_path, WITH_IMPRESSIONS) as opened:
        yield opened


def watched(dataset: Live) -> Attention:
    return Attention(np.array([5, 5, 5], np.int64), cast("Any", Items()), dataset.find)


def event(item: str, at: int, shown: str | None = None) -> dict[str, Any]:
    return {"USER_ID": "u", "ITEM_ID": item, "TIMESTAMP": at} | (
        {} if shown is None else {"IMPRESSION": shown}
    )


def test_until_the_first_look_it_is_what_the_training_saw(dataset: Live) -> None:
    found = watched(dataset)
    assert (found.counts.tolist(), found.changes) == ([5, 5, 5], 0)


def test_interactions_count_and_impressions_of_other_items_too(dataset: Live) -> None:
    found = watched(dataset)
    dataset.bring(event("a", 1, "a|b|x"), event("a", 2, "b|c"))
    dataset.put(event("c", 3), key="u")
    found.look()
    assert found.counts.tolist() == [2, 2, 2]
    assert found.changes == 1


def test_an_item_that_nobody_described_has_a_place_once_somebody_interacts_with_it(dataset: Live) -> None:
    found = watched(dataset)
    dataset.bring(event("new", 1, "shown only|a"), event("new", 2, ""))
    found.look()
    assert found.counts.tolist() == [1, 0, 0, 2]


def test_the_same_records_are_counted_once_and_newer_ones_anew(dataset: Live) -> None:
    found = watched(dataset)
    dataset.bring(event("a", 1))
    found.look()
    found.look()
    assert found.changes == 1
    dataset.put(event("b", 2), key="u")
    found.look()
    assert (found.counts.tolist(), found.changes) == ([1, 1, 0], 2)


def test_without_a_column_of_impressions_interactions_alone_count(dataset: Live, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with live(tmp_path / "other", WITHOUT) as other:
        found = watched(other)
        other.bring(event("b", 1), event("b", 2))
        found.look()
        assert found.counts.tolist() == [0, 2, 0]


def test_answers_are_remembered_with_their_first_items_and_the_oldest_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(attention, "_ANSWERS", 2)
    answers = Answers()
    for number in range(3):
        answers.remember(f"r{number}", tuple(f"i{at}" for at in range(number, number + 30)))
    assert answers.of("r0") == ()
    assert answers.of("r2") == tuple(f"i{at}" for at in range(2, 27))
    assert answers.of("never") == ()
