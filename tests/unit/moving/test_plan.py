"""Plans: what is created, what is changed in place, and what Amazon's operations cannot change."""

from dataclasses import replace
from typing import Any

import pytest

from sartor.moving.adopt import compared
from sartor.moving.declared import Declared, Resources
from sartor.moving.plan import plan
from sartor.resources.kind_names import (
    CAMPAIGN,
    DATASET,
    DATASET_GROUP,
    FILTER,
    METRIC_ATTRIBUTION,
    RECOMMENDER,
    SCHEMA,
    SOLUTION,
)

GROUP = Declared(
    DATASET_GROUP, "shop", tags={"team": "web"}, arn="arn:aws:personalize:r:1:dataset-group/shop"
)


def resources(*found: Declared) -> Resources:
    return {one.key: one for one in found}


def of(kind: str, **members: Any) -> Declared:
    named = {CAMPAIGN: {SOLUTION: "s"}, SCHEMA: {}}.get(kind, {DATASET_GROUP: "shop"})
    return Declared(kind, "one", members, named)


def action(wanted: Declared, found: Declared) -> str:
    (step,) = plan(resources(wanted), resources(found))
    return step.action


def test_what_is_not_there_is_created_and_what_the_file_does_not_say_stays() -> None:
    wanted = of(SOLUTION, performAutoTraining=False)
    assert [step.action for step in plan(resources(wanted), {})] == ["create"]
    there = of(SOLUTION, performAutoTraining=False, solutionConfig={"a": "b"}, eventType="click")
    assert action(wanted, there) == "same"


@pytest.mark.parametrize(
    ("wanted", "found", "expected"),
    [
        (of(CAMPAIGN, minProvisionedTPS=2), of(CAMPAIGN, minProvisionedTPS=1), "update"),
        (
            of(CAMPAIGN, campaignConfig={"a": {"b": "1"}}),
            of(CAMPAIGN, campaignConfig={"a": {"b": "2"}}),
            "update",
        ),
        (of(RECOMMENDER, recommenderConfig={"a": 1}), of(RECOMMENDER), "update"),
        (of(RECOMMENDER, recipeArn="x"), of(RECOMMENDER, recipeArn="y"), "cannot change"),
        (of(SOLUTION, performAutoTraining=True), of(SOLUTION, performAutoTraining=False), "update"),
        (of(SOLUTION, solutionConfig={"eventsConfig": {}}), of(SOLUTION, solutionConfig={}), "same"),
        (of(SOLUTION, solutionConfig={"autoTrainingConfig": {"s": "1"}}), of(SOLUTION), "cannot change"),
        (of(SOLUTION, performHPO=True), of(SOLUTION), "cannot change"),
        (of(FILTER, filterExpression="a"), of(FILTER, filterExpression="b"), "cannot change"),
        (of(FILTER, filterExpression="a\n"), of(FILTER, filterExpression="a"), "same"),
        (of(SCHEMA, schema={"fields": [1]}), of(SCHEMA, schema={"fields": [2]}), "cannot change"),
        (of(SCHEMA, schema={"a": 1}), of(SCHEMA, schema={"a": 1, "b": 2}), "cannot change"),
    ],
)
def test_only_what_an_operation_changes_in_place_is_changed(
    wanted: Declared, found: Declared, expected: str
) -> None:
    assert action(wanted, found) == expected


def test_metrics_are_a_set_and_tags_are_changed_where_a_resource_has_them() -> None:
    metrics = [
        {"eventType": event, "metricName": event, "expression": "SAMPLECOUNT()"} for event in ("a", "b")
    ]
    assert (
        action(of(METRIC_ATTRIBUTION, metrics=metrics), of(METRIC_ATTRIBUTION, metrics=metrics[::-1]))
        == "same"
    )
    assert action(GROUP, replace(GROUP, tags={"team": "shop"})) == "update"
    assert action(replace(GROUP, tags={}), GROUP) == "same"


def test_a_dataset_takes_another_schema_and_a_name_that_failed_is_no_resource() -> None:
    dataset = Declared(DATASET, "shop/ITEMS", {}, {DATASET_GROUP: "shop", SCHEMA: "new"})
    assert action(dataset, replace(dataset, named={DATASET_GROUP: "shop", SCHEMA: "old"})) == "update"
    (step,) = plan(resources(GROUP), resources(replace(GROUP, status="CREATE FAILED", why="No role.")))
    assert step.action == "cannot change"
    assert "CREATE FAILED: No role. Delete it (aws personalize delete-dataset-group" in step.why


def test_accounts_differ_where_either_has_more() -> None:
    campaign = of(CAMPAIGN, minProvisionedTPS=1)
    solution = Declared(SOLUTION, "s", {}, {DATASET_GROUP: "shop"})
    there = resources(GROUP, solution, campaign, of(FILTER, filterExpression="a"))
    assert compared(there, there) == []
    here = resources(
        replace(GROUP, tags={}),
        solution,
        replace(campaign, members={"minProvisionedTPS": 1, "campaignConfig": {"a": "b"}}),
    )
    found = {(one.kind, one.member, str(one.there), str(one.here)) for one in compared(there, here)}
    assert found == {
        (DATASET_GROUP, "tags.team", "web", "None"),
        (CAMPAIGN, "campaignConfig", "None", "{'a': 'b'}"),
        (FILTER, "", "ACTIVE", "missing"),
    }
