"""Histories are lists of lists in few arrays: each operation against the same on lists."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor.models import base
from sartor.models.base import Histories

#: For each user, for each of his interactions: its item, its time, its weight, and whether it is kept.
USERS = st.lists(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 99), st.sampled_from([0.5, 1.0, 2.0]), st.booleans())
    )
)
Users = list[list[tuple[int, int, float, bool]]]


def made(users: Users, weighted: bool = True) -> Histories:
    rows = [row for user in users for row in user]
    return Histories(
        np.array([row[0] for row in rows], np.int32),
        np.cumsum([0, *map(len, users)], dtype=np.int64),
        np.array([row[1] for row in rows], np.int64),
        np.array([row[2] for row in rows], np.float32) if weighted else None,
    )


def kept(users: Users) -> np.ndarray:
    return np.array([row[3] for user in users for row in user], np.bool_)


def same(one: Histories, other: Histories) -> bool:
    arrays = (("items", np.int32), ("offsets", np.int64), ("times", np.int64), ("weights", np.float32))
    for name, kind in arrays:
        first, second = getattr(one, name), getattr(other, name)
        if first is None or second is None:
            assert first is second is None
        else:
            assert first.dtype == second.dtype == kind
            np.testing.assert_array_equal(first, second)
    return True


@given(USERS)
def test_lengths_and_owners_are_those_of_the_lists(users: Users) -> None:
    histories = made(users)
    assert histories.lengths.tolist() == [len(user) for user in users]
    assert histories.users.tolist() == [at for at, user in enumerate(users) for _ in user]
    assert [histories.of(at).tolist() for at in range(len(users))] == [
        [row[0] for row in user] for user in users
    ]


@given(USERS, st.booleans())
def test_what_is_kept_stays_with_its_user_and_in_its_order(users: Users, weighted: bool) -> None:
    some = [[row for row in user if row[3]] for user in users]
    assert same(made(users, weighted).kept(kept(users)), made(some, weighted))


@given(USERS, st.data())
def test_the_last_of_each_can_be_left_out(users: Users, data: st.DataObject) -> None:
    held_out = [data.draw(st.integers(0, len(user))) for user in users]
    some = [user[: len(user) - n] for user, n in zip(users, held_out, strict=True)]
    assert same(made(users).without_last(np.array(held_out, np.int64)), made(some))


@given(USERS, st.booleans(), st.integers(1, 12))
def test_blocks_are_whole_users_in_their_order_and_no_larger_than_asked(
    users: Users, weighted: bool, n: int
) -> None:
    blocks = list(made(users, weighted).blocks(n))
    assert sum(block.n_users for block in blocks) == len(users)
    assert all(len(block.items) <= n or block.n_users == 1 for block in blocks)
    first = 0
    for block in blocks:
        assert same(block, made(users[first : first + block.n_users], weighted))
        first += block.n_users


@pytest.mark.parametrize("n", [1, 3])
def test_nobody_has_no_block(n: int) -> None:
    assert list(made([]).blocks(n)) == []


@pytest.mark.parametrize("at_once", [1, 3, 8])
def test_what_is_kept_is_the_same_however_many_are_counted_at_once(
    monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(base, "_COUNTED_AT_ONCE", at_once)
    users: Users = [
        [],
        [(1, 1, 1.0, True)] * 5,
        [],
        [(2, 2, 1.0, False), (3, 3, 1.0, True)],
        [(4, 4, 1.0, True)],
        [],
    ]
    some = [[row for row in user if row[3]] for user in users]
    assert same(made(users).kept(kept(users)), made(some))
    assert same(made([[], []]).kept(np.zeros(0, np.bool_)), made([[], []]))
