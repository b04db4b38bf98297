"""Remembered masks: made once, never stale, bounded, and the same for all threads."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from sartor.data.schema import Field, Schema
from sartor.filters import apply
from sartor.filters.apply import evaluate
from sartor.filters.check import check
from sartor.filters.columns import Columns, Mask
from sartor.filters.compare import rows_that_meet
from sartor.filters.masks import Masks
from sartor.filters.parse import parse
from sartor.filters.tree import Filter

ITEMS = Schema("ITEMS", None, (Field("PRICE", "double"), Field("GENRE", "string", categorical=True)))
SCHEMAS = {
    "ITEMS": ITEMS,
    "USERS": Schema("USERS", None, (Field("AGE", "long"),)),
    "INTERACTIONS": Schema("INTERACTIONS", None, (Field("EVENT_TYPE", "string"),)),
}
COLUMNS = Columns.build(ITEMS.fields, {"PRICE": [1.0, 2, 3, 4], "GENRE": ["a", "a|b", "b", None]}, 4)


def checked(text: str) -> Filter:
    return check(parse(text), SCHEMAS)


CHEAP = checked("INCLUDE ItemID WHERE Items.PRICE <= $MOST")
SIMILAR = checked("INCLUDE ItemID WHERE Items.GENRE IN CurrentItem.GENRE")


def ones(mask: Mask) -> list[int]:
    found: list[int] = np.flatnonzero(mask).tolist()
    return found


class Counted:
    """Counts how often a condition is held against a column."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.times = 0
        patch.setattr(apply, "rows_that_meet", self)

    def __call__(self, *arguments: Any) -> Mask:
        self.times += 1
        return rows_that_meet(*arguments)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


def test_a_filter_that_is_used_again_looks_at_no_column(counted: Counted) -> None:
    masks = Masks()
    first = evaluate(CHEAP, {"MOST": ("2",)}, COLUMNS, 4, masks=masks)
    again = evaluate(CHEAP, {"MOST": ("2",)}, COLUMNS, 4, masks=masks)
    assert again is first
    assert ones(first) == [0, 1]
    assert counted.times == 1


def test_other_parameters_have_another_mask() -> None:
    masks = Masks()
    found = [ones(evaluate(CHEAP, {"MOST": (most,)}, COLUMNS, 4, masks=masks)) for most in ("1", "3", "1")]
    assert found == [[0], [0, 1, 2], [0]]


def test_current_items_that_have_the_same_share_a_mask(counted: Counted) -> None:
    masks = Masks()
    columns = COLUMNS.updated({3: {"GENRE": "a"}})
    found = [
        ones(evaluate(SIMILAR, {}, columns, 4, current_item=row, masks=masks)) for row in (0, 3, 1, 2, None)
    ]
    assert found == [[0, 1, 3], [0, 1, 3], [0, 1, 2, 3], [1, 2], []]
    assert len(masks) == 2 * 4
    assert counted.times == 2 * 4


def test_an_update_shows_at_once_and_looks_at_the_changed_rows_only(counted: Counted) -> None:
    masks = Masks()
    evaluate(CHEAP, {"MOST": ("2",)}, COLUMNS, 4, masks=masks)
    after = COLUMNS.updated({0: {"PRICE": 9}, 4: {"PRICE": 0}}, n_rows=5)
    before = counted.times
    assert ones(evaluate(CHEAP, {"MOST": ("2",)}, after, 5, masks=masks)) == [1, 4]
    assert ones(evaluate(CHEAP, {"MOST": ("2",)}, COLUMNS, 4, masks=masks)) == [0, 1]
    assert counted.times == before + 1
    remembered = len(masks)
    assert ones(evaluate(CHEAP, {"MOST": ("2",)}, after, 4, masks=masks)) == [1]
    assert len(masks) == remembered


def test_a_users_if_and_history_do_not_leak_into_what_others_get() -> None:
    of = checked(
        "INCLUDE ItemID WHERE Items.GENRE IN ('a') IF CurrentUser.AGE < 18"
        " | EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ('buy')"
    )
    masks = Masks()

    def kept(age: int | None, *bought: int) -> list[int]:
        history = {"buy": np.array(bought, dtype=np.int64)}
        return ones(evaluate(of, {}, COLUMNS, 4, {"AGE": age}, history, masks=masks))

    for _ in range(2):
        assert kept(17, 0) == [1]
        assert kept(18, 0, 3) == [1, 2]
        assert kept(None) == [0, 1, 2, 3]


def test_a_remembered_mask_cannot_be_written_to() -> None:
    found = evaluate(CHEAP, {"MOST": ("2",)}, COLUMNS, 4, masks=Masks())
    with pytest.raises(ValueError, match="read-only"):
        found[0] = False


def test_the_masks_used_longest_ago_go_first() -> None:
    masks = Masks(maximum_bytes=30)
    made: list[int] = []

    def get(key: int, size: int = 10) -> None:
        def make() -> Mask:
            made.append(key)
            return np.ones(size, dtype=bool)

        assert masks.get(key, make).nbytes == size
        assert masks.bytes_used <= 30

    for key in (1, 2, 3, 1, 4, 1, 2):
        get(key)
    assert made == [1, 2, 3, 4, 2]
    get(5, size=31)
    get(5, size=31)
    assert made == [1, 2, 3, 4, 2, 5, 5]
    assert len(masks) == 3


def test_threads_get_what_they_ask_for_while_others_update() -> None:
    masks = Masks(maximum_bytes=2000)
    views = [COLUMNS]
    for price in range(50):
        views.append(views[-1].updated({0: {"PRICE": price}}))

    def ask(place: int) -> bool:
        found = evaluate(CHEAP, {"MOST": ("25",)}, views[place % 51], 4, masks=masks)
        return bool(found[0]) == (place % 51 - 1 <= 25)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(ask, range(1000)))
