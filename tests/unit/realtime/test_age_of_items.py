"""Which items are new: by their creation, else by their first interaction, counted back from the newest one."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from sartor.realtime.exploration import cut_off_seconds, share_of
from sartor.realtime.version import Version

DAY = 86_400
NEWEST = 1_700_000_000
#: The rows of items, by when they were created and first interacted with, in days before the newest interaction.
ITEMS: dict[str, tuple[float | None, float | None]] = {
    "created lately": (3, None),
    "created lately, met before": (3, 400),
    "created long ago, met lately": (400, 3),
    "created long ago": (400, None),
    "of unknown age, met lately": (None, 3),
    "of unknown age, met long ago": (None, 400),
    "of unknown age, never met": (None, None),
    "created after the training": (-5, None),
    "created thirty days ago": (30, None),
    "created before that": (30.1, None),
}


def seconds(days: float | None) -> int:
    return -1 if days is None else NEWEST - round(days * DAY)


def new(config: dict[str, str], counts: int = 0) -> set[str]:
    created = np.array([seconds(days) for days, _ in ITEMS.values()])
    first_seen = np.array([seconds(days) for _, days in ITEMS.values()])
    version = SimpleNamespace(
        artifact=SimpleNamespace(provenance={"newestInteraction": NEWEST}),
        items=SimpleNamespace(
            columns=SimpleNamespace(version=1, n_rows=len(ITEMS)), numbers=lambda _name: created
        ),
        counts=np.where(first_seen >= 0, counts, 0),
        attention=None,
        first_seen=first_seen,
        _new={},
    )
    found = Version.new_items(cast("Any", version), cut_off_seconds(config))
    return {list(ITEMS)[row] for row in found.rows.tolist()}


YOUNG = {
    "created lately",
    "created lately, met before",
    "of unknown age, met lately",
    "of unknown age, never met",
    "created after the training",
}


@pytest.mark.parametrize(
    ("cut_off", "wanted"),
    [
        ("30", YOUNG | {"created thirty days ago"}),
        ("7", YOUNG),
        ("1", {"of unknown age, never met", "created after the training"}),
        ("1000", set(ITEMS)),
    ],
)
def test_an_item_is_new_up_to_the_cut_off(cut_off: str, wanted: set[str]) -> None:
    assert new({"explorationItemAgeCutOff": cut_off}) == wanted


def test_without_a_configuration_items_are_new_for_30_days_and_the_weight_is_a_third() -> None:
    assert new({}) == new({"explorationItemAgeCutOff": "30"})
    assert share_of("configured", {}) == share_of("configured", {"explorationWeight": "0.3"})


def test_an_item_of_unknown_age_is_known_by_its_interactions() -> None:
    """In young data all items came lately; that creates no need to explore what everybody has met."""
    assert new({}, counts=9) == new({}) - {"of unknown age, met lately"}
