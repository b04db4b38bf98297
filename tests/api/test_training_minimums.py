"""What a training needs at least, and may have at most, by Amazon's quotas."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.conftest import Client
from api.schemas import ACTIONS, schema
from sartor.demo.server import Server

INTERACTIONS = schema(
    "Interactions",
    ("USER_ID", "string"),
    ("ITEM_ID", "string"),
    ("TIMESTAMP", "long"),
    ("EVENT_TYPE", "string"),
    ("RECOMMENDATION_ID", ["null", "string"]),
)


class Shop:
    """One group with an Interactions dataset whose content changes from test to test."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.dataset = client.dataset(INTERACTIONS, "Interactions")
        self.group = client.group_of(self.dataset)

    def trained(
        self, rows: list[str], recipe: str = "aws-popularity-count", **members: Any
    ) -> dict[str, Any]:
        """Return a solution version of these rows when it has ended."""
        lines = ["USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,RECOMMENDATION_ID", *(f"{row}," for row in rows)]
        self.client.brought(self.dataset, "rows", lines)
        api = self.client.personalize
        solution = api.create_solution(
            name=self.client.name("s"),
            datasetGroupArn=self.group,
            recipeArn=f"arn:aws:personalize:::recipe/{recipe}",
            **members,
        )["solutionArn"]
        arn = api.create_solution_version(solutionArn=solution)["solutionVersionArn"]
        return self.client.until(
            lambda: api.describe_solution_version(solutionVersionArn=arn)["solutionVersion"]
        )


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    bucket: Path = tmp_path_factory.mktemp("bucket")
    with Server(tmp_path_factory.mktemp("data"), {"training": bucket}) as server:
        yield Shop(Client(server, bucket))


def rows(number: int, users: int, types: tuple[str, ...] = ("View",)) -> list[str]:
    return [f"u{n % users},i{n % 17},{n + 1},{types[n % len(types)]}" for n in range(number)]


def test_a_thousand_interactions_of_twenty_five_users_are_enough(shop: Shop) -> None:
    assert shop.trained(rows(1000, 25))["status"] == "ACTIVE"


@pytest.mark.parametrize(
    ("data", "members", "reason"),
    [
        (
            rows(1000, 24) + [f"once-{n},i1,{n + 1},View" for n in range(100)],
            {},
            "Create failed. Dataset has fewer than 25 users with at least 2 interactions each.",
        ),
        (
            rows(1000, 30) + [f"once-{n},i1,{n + 1},View" for n in range(3000)],
            {},
            "Create failed. Fewer than 1% of the users in the dataset have at least 2 interactions.",
        ),
        (
            rows(1998, 50, ("View", "Buy")),
            {"eventType": "Buy"},
            "Create failed. Dataset has fewer than 1000 interactions after filtering by event type: Buy.",
        ),
    ],
)
def test_less_fails_a_training_in_amazons_words(
    shop: Shop, data: list[str], members: dict[str, str], reason: str
) -> None:
    version = shop.trained(data, **members)
    assert (version["status"], version["failureReason"]) == ("CREATE FAILED", reason)


def test_event_types_and_optional_columns_are_ten_together_at_most(shop: Shop) -> None:
    """EVENT_TYPE is an optional column, RECOMMENDATION_ID counts as none."""
    types = tuple(f"type-{n}" for n in range(10))
    assert shop.trained(rows(1000, 25, types[:9]))["status"] == "ACTIVE"
    version = shop.trained(rows(1000, 25, types))
    assert version["status"] == "CREATE FAILED"
    assert "10 event types and 1 optional column" in version["failureReason"]


def test_a_thousand_actions_are_the_most(shop: Shop) -> None:
    actions = shop.client.dataset(ACTIONS, "Actions", group=shop.group)
    shop.client.brought(actions, "actions", ["ACTION_ID,VALUE,LEVEL", *(f"a{n},1,x" for n in range(1001))])
    version = shop.trained(rows(1000, 25), "aws-next-best-action")
    assert version["status"] == "CREATE FAILED"
    assert "1,001 actions, more than 1,000" in version["failureReason"]
