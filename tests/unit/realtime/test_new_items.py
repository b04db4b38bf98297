"""Items that came after the training have the scores of those that they are like."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from sartor.data.schema import Field
from sartor.filters.columns import Columns
from sartor.models.best import top
from sartor.realtime import new_items
from sartor.realtime.new_items import NewItems
from sartor.realtime.scoring import Scores
from sartor.realtime.version import Version

FIELDS = (
    Field("GENRE", "string", categorical=True),
    Field("TEXT", "string", textual=True),
    Field("PLAIN", "string"),
)
ROWS: list[dict[str, Any]] = [
    {"GENRE": "comedy", "TEXT": "a funny film"},
    {"GENRE": "comedy|drama", "TEXT": "two brothers"},
    {"GENRE": "horror", "TEXT": "the night"},
    {"GENRE": "horror", "TEXT": "of ghosts"},
]
COUNTS = np.array([5, 5, 5, 0], np.int64)
SCORES = np.array([4.0, 2.0, 1.0, 0.5], np.float32)


@pytest.fixture(autouse=True)
def _every_look_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new_items, "LOOK_SECONDS", 0.0)


def catalogue() -> Any:
    values = {one.name: [row.get(one.name) for row in ROWS] for one in FIELDS}
    return SimpleNamespace(columns=Columns.build(FIELDS, values, len(ROWS)))


def put(items: Any, **cells: str) -> int:
    row = int(items.columns.n_rows)
    items.columns = items.columns.updated({row: cells}, row + 1)
    return row


def made(items: Any, *left_out: str) -> NewItems:
    return NewItems(cast("Any", items), COUNTS, left_out)


def test_without_new_items_scores_stay_what_they_are() -> None:
    items = catalogue()
    found, scores = made(items), Scores(None, SCORES, True)
    found.look()
    assert found.among(scores) is scores
    assert found.changes == 0


def test_a_new_item_has_the_mean_of_its_like() -> None:
    items = catalogue()
    found = made(items)
    comedy, horror = put(items, GENRE="comedy"), put(items, GENRE="horror")
    found.look()
    values = found.among(Scores(None, SCORES, True)).values
    np.testing.assert_array_equal(values[:4], SCORES)
    assert 2.0 < values[comedy] < 4.0
    assert values[horror] == 1.0  # the other one of horror has no interactions, and does not speak
    assert found.changes == 1
    found.look()
    assert found.changes == 1


def test_a_new_item_stands_out_as_far_as_a_training_has_learned() -> None:
    items = catalogue()
    found = NewItems(cast("Any", items), COUNTS, (), lift=3.0)
    comedy = put(items, GENRE="comedy")
    plain = made(items)
    for one in (found, plain):
        one.look()
    before = plain.among(Scores(None, SCORES, True)).values[comedy]
    usual = SCORES.mean()
    after = found.among(Scores(None, SCORES, True)).values[comedy]
    assert after == pytest.approx(usual + 3 * (before - usual))
    listed = found.among(Scores(np.array([0, 1, 2], np.int32), SCORES[:3], True))
    assert listed.items is not None and listed.items[0] == comedy


def test_words_of_texts_count_and_columns_that_are_left_out_do_not() -> None:
    items = catalogue()
    funny = put(items, TEXT="FUNNY, and more", GENRE="horror")
    by_all, by_genre = made(items), made(items, "text")
    for found in (by_all, by_genre):
        found.look()
    assert by_all.among(Scores(None, SCORES, True)).values[funny] > 1.0
    assert by_genre.among(Scores(None, SCORES, True)).values[funny] == 1.0


def test_of_whom_nothing_is_known_is_the_last() -> None:
    items = catalogue()
    found = made(items)
    unknown = put(items, PLAIN="comedy")
    found.look()
    assert found.among(Scores(None, SCORES, True)).values[unknown] == SCORES.min()


def test_a_shortlist_takes_new_items_in_at_their_places() -> None:
    items = catalogue()
    found = made(items)
    comedy, horror = put(items, GENRE="comedy"), put(items, GENRE="horror")
    found.look()
    listed = found.among(Scores(np.array([0, 1, 2], np.int32), SCORES[:3], True))
    assert listed.items is not None
    whole = found.among(Scores(None, SCORES, True)).values
    np.testing.assert_allclose(listed.values, whole[listed.items])
    assert set(listed.items.tolist()) == {0, 1, 2, comedy, horror}
    assert listed.items.tolist() == [row for row in top(whole, 6).tolist() if row != 3]


def test_an_item_without_a_creation_time_is_as_old_as_its_first_interaction() -> None:
    """And one without either is new."""
    newest, first_seen = 1000, np.array([900, 100, 900, 100, -1], np.int64)
    created = np.array([-1, -1, 100, 900, -1], np.int64)
    version = SimpleNamespace(
        artifact=SimpleNamespace(provenance={"newestInteraction": newest}),
        items=SimpleNamespace(columns=SimpleNamespace(version=0, n_rows=5), numbers=lambda _: created),
        first_seen=first_seen,
        attention=None,
        counts=np.zeros(5, np.int64),
        _new={},
    )
    assert Version.new_items(cast("Any", version), 200.0).rows.tolist() == [0, 3, 4]


def test_users_together_have_the_scores_of_each() -> None:
    items = catalogue()
    found = made(items)
    put(items, GENRE="comedy|horror")
    put(items, PLAIN="x")
    found.look()
    users = np.random.default_rng(0).standard_normal((7, 4)).astype(np.float32)
    each = [found.among(Scores(None, row, True)).values for row in users]
    np.testing.assert_array_equal(found.among_all(users), np.stack(each))
    assert made(catalogue()).among_all(users) is users
