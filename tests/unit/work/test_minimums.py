"""Amazon's minimums of a training, and its maximum of actions, in the words that users know."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from sartor.data.schema import Field, Schema
from sartor.errors import JobFailed
from sartor.work import train


def rows(lengths: list[int], actions: int | None = None) -> Any:
    """Return what a training has read of users with so many interactions each."""
    offsets = np.cumsum([0, *lengths])
    acting = None if actions is None else SimpleNamespace(actions=range(actions))
    return cast("Any", SimpleNamespace(item=np.zeros(offsets[-1], np.int32), offsets=offsets, acting=acting))


TOO_FEW_USERS = "Create failed. Dataset has fewer than 25 users with at least 2 interactions each."
TOO_SMALL_A_SHARE = "Create failed. Fewer than 1% of the users in the dataset have at least 2 interactions."


@pytest.mark.parametrize(
    ("lengths", "reason"),
    [
        ([40] * 25, None),
        ([39] * 25, "Create failed. Dataset has fewer than 1000 interactions."),
        ([50] * 24, TOO_FEW_USERS),
        ([2] * 25 + [1] * 950, None),
        ([2] * 24 + [1] * 952, TOO_FEW_USERS),
        ([2] * 25 + [1] * 2475, None),
        ([2] * 25 + [1] * 2476, TOO_SMALL_A_SHARE),
        ([0] * 10_000 + [40] * 25, None),  # who has no interaction that counts is no user of the training
    ],
)
def test_a_training_needs_1000_interactions_and_enough_users_with_two(
    lengths: list[int], reason: str | None
) -> None:
    if reason is None:
        train._require_minimums(rows(lengths), None)
        return
    with pytest.raises(JobFailed) as failed:
        train._require_minimums(rows(lengths), None)
    assert str(failed.value) == reason


def test_interactions_are_counted_after_the_choice_of_their_type() -> None:
    with pytest.raises(
        JobFailed, match="fewer than 1000 interactions after filtering by event type: Purchase"
    ):
        train._require_minimums(rows([9] * 100), "Purchase")


@pytest.mark.parametrize(
    ("types", "optional", "allowed"),
    [
        (9, ["EVENT_TYPE"], True),
        (10, ["EVENT_TYPE"], False),
        (8, ["EVENT_TYPE", "EVENT_VALUE"], True),
        (9, ["EVENT_TYPE", "EVENT_VALUE"], False),
        (4, ["EVENT_TYPE", *"ABCDE"], True),
        (5, ["EVENT_TYPE", *"ABCDE"], False),
        (9, ["EVENT_TYPE", "IMPRESSION", "RECOMMENDATION_ID", "EVENT_ATTRIBUTION_SOURCE"], True),
    ],
)
def test_event_types_and_optional_columns_are_ten_together_at_most(
    types: int, optional: list[str], allowed: bool
) -> None:
    found = cast("Any", SimpleNamespace(event_types=("", *(f"t{n}" for n in range(types)))))
    names = ("USER_ID", "ITEM_ID", "TIMESTAMP", *optional)
    of = Schema("INTERACTIONS", None, tuple(Field(name, "string") for name in names))
    if allowed:
        train._require_few_event_types(found, of)
        return
    with pytest.raises(JobFailed, match="together they can be at most 10"):
        train._require_few_event_types(found, of)


def test_a_training_takes_a_thousand_actions_at_most() -> None:
    train._require_actions(rows([2]), quotas_on=True)
    train._require_actions(rows([2], 1000), quotas_on=True)
    with pytest.raises(JobFailed, match=r"1,001 actions, more than 1,000"):
        train._require_actions(rows([2], 1001), quotas_on=True)
    train._require_actions(rows([2], 1001), quotas_on=False)
    with pytest.raises(JobFailed, match="no actions"):
        train._require_actions(rows([2], 0), quotas_on=False)
