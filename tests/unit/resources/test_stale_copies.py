"""Copies of what users were deleted from: when a machine looks for those that must go."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from sartor.data.blobs import Blobs
from sartor.resources import stale_copies
from sartor.resources.stale_copies import DELETIONS, ERASURES, StaleCopies
from sartor.resources.store import Store


def test_copies_are_looked_through_at_first_after_each_step_of_a_deletion_and_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(stale_copies, "time", SimpleNamespace(monotonic=lambda: clock.now))
    private: dict[str, int] = {}
    looked: list[float] = []
    away = [True]

    def drop_stale() -> None:
        if away:
            raise OSError("storage is away")
        looked.append(clock.now)

    store: Any = SimpleNamespace(every=lambda _kind: [SimpleNamespace(arn="g", private=private)])
    storage: Any = SimpleNamespace(makes_copies=True, drop_stale=drop_stale)
    copies = StaleCopies(cast("Store", store), cast("Blobs", storage))
    with pytest.raises(OSError, match="away"):
        copies.look()
    away.clear()

    def looks() -> bool:
        before = len(looked)
        copies.look()
        return len(looked) > before

    assert [looks(), looks()] == [True, False]  # there may have been a deletion before this process began
    for step in (DELETIONS, ERASURES, DELETIONS):
        private[step] = private.get(step, 0) + 1
        assert [looks(), looks()] == [True, False]
    clock.now += 3601
    assert [looks(), looks()] == [True, False]
