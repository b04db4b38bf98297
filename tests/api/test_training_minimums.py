"""What a training needs at least and may have at most by Amazon's quotas, asked for as programs do."""

from typing import Any

from api.conftest import Client
from api.schemas import schema

INTERACTIONS = schema(
    "Interactions",
    ("USER_ID", "string"),
    ("ITEM_ID", "string"),
    ("TIMESTAMP", "long"),
    ("EVENT_TYPE", "string"),
    ("RECOMMENDATION_ID", ["null", "string"]),
)


def test_a_thousand_interactions_of_25_users_are_enough_and_event_types_are_few(aws: Client) -> None:
    """EVENT_TYPE is an optional column, RECOMMENDATION_ID counts as none: nine types are left."""
    dataset, api = aws.dataset(INTERACTIONS, "Interactions"), aws.personalize
    solution = api.create_solution(
        name="popular",
        datasetGroupArn=aws.group_of(dataset),
        recipeArn="arn:aws:personalize:::recipe/aws-popularity-count",
        performAutoTraining=False,
    )["solutionArn"]

    def trained(types: int) -> dict[str, Any]:
        rows = [f"u{n % 25},i{n % 17},{n + 1},type-{n % types}," for n in range(1000)]
        aws.brought(dataset, "rows", ["USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,RECOMMENDATION_ID", *rows])
        arn = api.create_solution_version(solutionArn=solution)["solutionVersionArn"]
        return aws.until(lambda: api.describe_solution_version(solutionVersionArn=arn)["solutionVersion"])

    assert trained(9)["status"] == "ACTIVE"
    failed = trained(10)
    assert failed["status"] == "CREATE FAILED"
    assert "10 event types and 1 optional column;" in failed["failureReason"]
