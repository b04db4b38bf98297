"""What a user did, out of what is on the disk: also of what older versions stored there."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from sartor.data.training import Selection
from sartor.realtime.histories import Histories


def history_of(*put: dict[str, Any]) -> Any:
    """Return the history of a user whom the training did not know."""
    artifact = SimpleNamespace(
        record={"tables": {"INTERACTIONS": {"putNumber": 0}}},
        users=SimpleNamespace(find=lambda _: None),
        items=SimpleNamespace(find={"a": 0, "b": 1}.get),
        states=None,
        item=np.zeros(0, np.int32),
        time=np.zeros(0, np.int64),
    )

    class Before:
        put_number = 0

        def of(self, _user: str) -> list[tuple[int, str, str]]:
            return []

    seen = Before()
    records = SimpleNamespace(after=lambda *_: list(put))
    parts = cast("Any", (artifact, SimpleNamespace(seen=seen), Selection(), records, 1))
    found = Histories(*parts).of("u", 1)
    return found.items.tolist(), found.seen


def test_a_record_whose_time_was_stored_as_null_is_passed_over() -> None:
    good = {"USER_ID": "u", "ITEM_ID": "a", "TIMESTAMP": 5}
    bad = {"USER_ID": "u", "ITEM_ID": "b"}
    assert history_of(good, bad, bad | {"TIMESTAMP": None}) == ([0], {"": frozenset({"a"})})
    assert history_of(bad) == ([], {})
