"""Recommenders through their lives: which use case fits a group, start and stop, updates, the weekly training."""

import json
from collections.abc import Sequence
from typing import Any

import botocore.session
import pytest

from sartor.errors import NotYet
from sartor.realtime.trained import training_of
from sartor.recipes import RECIPES, recipe_arn
from sartor.resources import lifecycle
from sartor.resources.recommenders import DAY_SECONDS, MAX_RECOMMENDERS, PERIOD_SECONDS
from sartor.resources.schedule import due_models

MODEL = botocore.session.get_session().get_service_model("personalize")
PREFIX = "arn:aws:personalize:eu-central-1:111122223333"
RECIPE = "arn:aws:personalize:::recipe"
FOR_YOU = f"{RECIPE}/aws-ecomm-recommended-for-you"
MOST_VIEWED = f"{RECIPE}/aws-ecomm-popular-items-by-views"
MORE_LIKE_X = f"{RECIPE}/aws-vod-more-like-x"
NOW = 1_700_000_000.0
EXPLORES = {"itemExplorationConfig": {"explorationWeight": "0.5", "explorationItemAgeCutOff": "14"}}
#: What a configuration has that names nothing.
READY = {"minRecommendationRequestsPerSecond": 1}
WITHOUT_PRICE = {"trainingDataConfig": {"excludedDatasetColumns": {"Items": ["PRICE"]}}}
INTERACTIONS = [("USER_ID", "string"), ("ITEM_ID", "string"), ("TIMESTAMP", "long"), ("EVENT_TYPE", "string")]
ITEMS = {
    "ECOMMERCE": [("ITEM_ID", "string"), ("PRICE", "float"), ("CATEGORY_L1", "string", True)],
    "VIDEO_ON_DEMAND": [("ITEM_ID", "string"), ("GENRES", "string", True), ("CREATION_TIMESTAMP", "long")],
}


def schema(record: str, fields: Sequence[tuple[Any, ...]]) -> str:
    listed = [
        {"name": name, "type": of_type} | ({"categorical": True} if more else {})
        for name, of_type, *more in fields
    ]
    named = {"type": "record", "name": record, "namespace": "com.amazonaws.personalize.schema"}
    return json.dumps({**named, "fields": listed, "version": "1.0"})


def domain_group(service: Any, domain: str = "ECOMMERCE", items: bool = True, name: str = "shop") -> str:
    """Return the ARN of a group of a domain that has an interaction."""
    group: str = service.group(name, domain=domain)
    records = {"Interactions": INTERACTIONS} | ({"Items": ITEMS[domain]} if items else {})
    for record, fields in records.items():
        arn = service.schema(record, f"{name}-{record}", schema=schema(record, fields), domain=domain)
        service("CreateDataset", name="d", datasetGroupArn=group, schemaArn=arn, datasetType=record.upper())
    service.work()
    service.put_interaction(group)
    return group


def create(service: Any, group: str, name: str = "r", recipe: str = FOR_YOU, **config: Any) -> str:
    """Return the ARN of a new recommender that waits."""
    given = {"recommenderConfig": config} if config else {}
    answer = service("CreateRecommender", name=name, datasetGroupArn=group, recipeArn=recipe, **given)
    return str(answer["recommenderArn"])


def recommender(service: Any, group: str | None = None, **more: Any) -> str:
    """Return the ARN of a new recommender that is active."""
    arn = create(service, group or domain_group(service), **more)
    service.work()
    return arn


def claimed(service: Any, lane: str = "quick") -> Any:
    task = lifecycle.claim(service.store, "w", (lane,), 1.7e9, 15.0)
    assert task is not None
    return task


def status(service: Any, arn: str) -> str:
    return str(service.described("Recommender", arn)["status"])


def latest(service: Any, arn: str) -> dict[str, Any]:
    return dict(service.described("Recommender", arn)["latestRecommenderUpdate"])


def test_a_recommender_passes_through_its_statuses(service: Any) -> None:
    group = domain_group(service)
    arn = create(service, group, **EXPLORES)
    assert arn == f"{PREFIX}:recommender/r"
    assert status(service, arn) == "CREATE PENDING"
    task = claimed(service, "training")
    assert status(service, arn) == "CREATE IN_PROGRESS"
    assert lifecycle.finish(service.store, task)
    shown = service.described("Recommender", arn)
    del shown["creationDateTime"], shown["lastUpdatedDateTime"]
    assert shown == {
        "name": "r",
        "recommenderArn": arn,
        "datasetGroupArn": group,
        "recipeArn": FOR_YOU,
        "recommenderConfig": READY | EXPLORES,
        "status": "ACTIVE",
    }
    for operation, pending, running, done in (
        ("StopRecommender", "STOP PENDING", "STOP IN_PROGRESS", "INACTIVE"),
        ("StartRecommender", "START PENDING", "START IN_PROGRESS", "ACTIVE"),
    ):
        assert service(operation, recommenderArn=arn) == {"recommenderArn": arn}
        assert status(service, arn) == pending
        assert service.refusal("DeleteRecommender", recommenderArn=arn).code == "ResourceInUseException"
        assert service.refusal(operation, recommenderArn=arn).code == "ResourceInUseException"
        task = claimed(service)
        assert status(service, arn) == running
        assert lifecycle.finish(service.store, task)
        assert status(service, arn) == done
    service("DeleteRecommender", recommenderArn=arn)
    assert status(service, arn) == "DELETE PENDING"
    service.work()
    assert service.refusal("DescribeRecommender", recommenderArn=arn).code == "ResourceNotFoundException"


def test_one_without_a_configuration_keeps_one_request_a_second_ready(service: Any) -> None:
    arn = recommender(service)
    assert service.described("Recommender", arn)["recommenderConfig"] == READY
    assert service("ListRecommenders")["recommenders"][0]["recommenderConfig"] == READY


def test_what_failed_can_only_be_deleted(service: Any) -> None:
    arn = create(service, domain_group(service))
    service.work({arn: "Dataset has fewer than 1000 interactions."})
    shown = service.described("Recommender", arn)
    assert (shown["status"], shown["failureReason"][:24]) == ("CREATE FAILED", "Dataset has fewer than 1")
    for operation in ("StopRecommender", "StartRecommender"):
        assert service.refusal(operation, recommenderArn=arn).code == "ResourceInUseException"
    refused = service.refusal("UpdateRecommender", recommenderArn=arn, recommenderConfig={})
    assert refused.code == "ResourceInUseException"
    service("DeleteRecommender", recommenderArn=arn)


def test_what_is_stopped_can_be_deleted_and_started_but_not_updated(service: Any) -> None:
    arn = recommender(service)
    service("StopRecommender", recommenderArn=arn)
    service.work()
    for operation, more in (("StopRecommender", {}), ("UpdateRecommender", {"recommenderConfig": {}})):
        refused = service.refusal(operation, recommenderArn=arn, **more)
        assert (refused.code, "INACTIVE" in refused.message) == ("ResourceInUseException", True)
    service("DeleteRecommender", recommenderArn=arn)
    service.work()
    assert service("ListRecommenders") == {"recommenders": []}


def test_one_that_could_not_be_stopped_or_started_is_as_it_was(service: Any) -> None:
    arn = recommender(service)
    service("StopRecommender", recommenderArn=arn)
    service.work({arn: "The disk is full."})
    assert status(service, arn) == "ACTIVE"
    service("StopRecommender", recommenderArn=arn)
    service.work()
    service("StartRecommender", recommenderArn=arn)
    service.work({arn: "The disk is full."})
    assert status(service, arn) == "INACTIVE"


def test_a_recommender_has_no_metrics_while_it_is_created_or_deleted(service: Any) -> None:
    arn = create(service, domain_group(service))
    task = claimed(service, "training")
    assert "modelMetrics" not in service.described("Recommender", arn)
    assert lifecycle.finish(service.store, task, lifecycle.Outcome({}, {"metrics": {"coverage": 0.123456}}))
    assert service.described("Recommender", arn)["modelMetrics"] == {"coverage": 0.1235}
    service("DeleteRecommender", recommenderArn=arn)
    assert "modelMetrics" not in service.described("Recommender", arn)


def test_several_can_be_created_right_behind_each_other(service: Any) -> None:
    group = domain_group(service)
    arns = [create(service, group, f"r{number}") for number in range(MAX_RECOMMENDERS)]
    assert {status(service, arn) for arn in arns} == {"CREATE PENDING"}
    service.work()
    assert {status(service, arn) for arn in arns} == {"ACTIVE"}


def test_lists_are_of_a_group_or_of_the_account(service: Any) -> None:
    shop, videos = domain_group(service), domain_group(service, "VIDEO_ON_DEMAND", name="tv")
    first = recommender(service, shop, **EXPLORES)
    second = recommender(service, videos, name="s", recipe=MORE_LIKE_X)
    listed = service("ListRecommenders")["recommenders"]
    assert [one["recommenderArn"] for one in listed] == [second, first]
    (of_shop,) = service("ListRecommenders", datasetGroupArn=shop)["recommenders"]
    summary = MODEL.shape_for("RecommenderSummary").members
    assert set(summary) <= set(of_shop)
    assert of_shop["recommenderConfig"] == READY | EXPLORES


@pytest.mark.parametrize("recipe", [one for one in RECIPES if one.domain], ids=lambda one: one.name)
def test_each_use_case_fits_its_domain_alone(service: Any, recipe: Any) -> None:
    other = {"ECOMMERCE": "VIDEO_ON_DEMAND", "VIDEO_ON_DEMAND": "ECOMMERCE"}[recipe.domain]
    fitting, wrong = domain_group(service, recipe.domain), domain_group(service, other, name="other")
    custom = service.data_group(name="custom")
    assert status(service, recommender(service, fitting, recipe=recipe_arn(recipe))) == "ACTIVE"
    for group, words in ((wrong, other), (custom, "no domain")):
        refused = service.refusal(
            "CreateRecommender", name="x", datasetGroupArn=group, recipeArn=recipe_arn(recipe)
        )
        assert (refused.code, words in refused.message) == ("InvalidInputException", True)


def test_what_no_recommender_can_be_made_of_is_named(service: Any) -> None:
    group, empty = domain_group(service), service.group("empty", domain="ECOMMERCE")
    videos = domain_group(service, "VIDEO_ON_DEMAND", items=False, name="tv")
    without_data = domain_group(service, name="new")
    service("DeleteDataset", datasetArn=f"{PREFIX}:dataset/new/INTERACTIONS")
    service.work()
    service(
        "CreateDataset",
        name="again",
        datasetGroupArn=without_data,
        schemaArn=f"{PREFIX}:schema/new-Interactions",
        datasetType="INTERACTIONS",
    )
    service.work()
    bad = [
        (group, f"{RECIPE}/aws-nothing", "ResourceNotFoundException", "aws-nothing"),
        (f"{PREFIX}:dataset-group/none", FOR_YOU, "ResourceNotFoundException", "none"),
        (group, f"{RECIPE}/aws-sims", "InvalidInputException", "no use case"),
        (empty, FOR_YOU, "InvalidInputException", "Item interactions dataset"),
        (videos, MORE_LIKE_X, "InvalidInputException", "Items dataset"),
        (without_data, FOR_YOU, "InvalidInputException", "successfully completed dataset import job"),
    ]
    for of_group, recipe, code, words in bad:
        refused = service.refusal("CreateRecommender", name="r", datasetGroupArn=of_group, recipeArn=recipe)
        assert (refused.code, words in refused.message) == (code, True), refused.message
    recommender(service, group)
    refused = service.refusal("CreateRecommender", name="r", datasetGroupArn=group, recipeArn=FOR_YOU)
    assert refused.code == "ResourceAlreadyExistsException"
    refused = service.refusal("CreateSolution", name="s", datasetGroupArn=group, recipeArn=FOR_YOU)
    assert (refused.code, "recommender" in refused.message) == ("InvalidInputException", True)


def test_the_quota_counts_what_is_stopped_and_not_what_failed(service: Any) -> None:
    group = domain_group(service)
    arns = [recommender(service, group, name=f"r{number}") for number in range(MAX_RECOMMENDERS)]
    service("StopRecommender", recommenderArn=arns[0])
    service.work()
    more = {"name": "more", "datasetGroupArn": group, "recipeArn": FOR_YOU}
    refused = service.refusal("CreateRecommender", **more)
    assert (refused.code, refused.message) == (
        "LimitExceededException",
        "Cannot create a recommender. More than 5 resources in ACTIVE state. "
        "Please delete some and try again.",
    )
    service("DeleteRecommender", recommenderArn=arns[0])
    service.work()
    failing = create(service, group, "failing")
    service.work({failing: "No."})
    service("CreateRecommender", **more)


BAD: list[tuple[str, dict[str, Any], str]] = [
    (FOR_YOU, {"itemExplorationConfig": {"explorationWeight": "2"}}, "from 0.0 to 1.0"),
    (FOR_YOU, {"itemExplorationConfig": {"exploration_weight": "0.3"}}, "exploration_weight"),
    (FOR_YOU, {"itemExplorationConfig": {"explorationItemAgeCutOff": "0.5"}}, "at least 1"),
    (MOST_VIEWED, EXPLORES, "aws-ecomm-popular-items-by-views"),
    (FOR_YOU, {"trainingDataConfig": {"excludedDatasetColumns": {"Items": ["COLOUR"]}}}, "COLOUR"),
    (FOR_YOU, {"trainingDataConfig": {"excludedDatasetColumns": {"Users": ["AGE"]}}}, "Users"),
    (
        FOR_YOU,
        {"trainingDataConfig": {"excludedDatasetColumns": {"Interactions": ["EVENT_TYPE"]}}},
        "EVENT_TYPE",
    ),
]


def test_a_broken_rule_is_named_at_creation_and_at_an_update(service: Any) -> None:
    group = domain_group(service)
    arns = {
        recipe: recommender(service, group, name=recipe[-5:], recipe=recipe)
        for recipe in {one[0] for one in BAD}
    }
    for recipe, config, words in BAD:
        made = {"name": "x", "datasetGroupArn": group, "recipeArn": recipe}
        for refused in (
            service.refusal("CreateRecommender", **made, recommenderConfig=config),
            service.refusal("UpdateRecommender", recommenderArn=arns[recipe], recommenderConfig=config),
        ):
            assert (refused.code, words in refused.message) == ("InvalidInputException", True), config
    without = domain_group(service, items=False, name="plain")
    refused = service.refusal(
        "CreateRecommender",
        name="x",
        datasetGroupArn=without,
        recipeArn=FOR_YOU,
        recommenderConfig={"enableMetadataWithRecommendations": True},
    )
    assert (refused.code, "Items dataset" in refused.message) == ("InvalidInputException", True)


def test_an_update_keeps_what_it_does_not_say_and_serves_the_old_until_it_is_done(service: Any) -> None:
    arn = recommender(service, **EXPLORES)
    assert "latestRecommenderUpdate" not in service.described("Recommender", arn)
    more = {"minRecommendationRequestsPerSecond": 2, "enableMetadataWithRecommendations": True}
    answer = service("UpdateRecommender", recommenderArn=arn, recommenderConfig=more)
    assert answer == {"recommenderArn": arn}
    shown = service.described("Recommender", arn)
    assert (shown["status"], shown["recommenderConfig"]) == ("ACTIVE", READY | EXPLORES)
    assert latest(service, arn)["status"] == "CREATE PENDING"
    assert latest(service, arn)["recommenderConfig"] == READY | EXPLORES | more
    for operation in ("UpdateRecommender", "StopRecommender", "DeleteRecommender"):
        refused = service.refusal(operation, recommenderArn=arn, recommenderConfig={})
        assert (refused.code, "update" in refused.message) == ("ResourceInUseException", True)
    task = claimed(service)  # nothing is trained, so it waits behind no training
    assert latest(service, arn)["status"] == "CREATE IN_PROGRESS"
    assert lifecycle.finish(service.store, task)
    assert latest(service, arn)["status"] == "ACTIVE"
    assert service.described("Recommender", arn)["recommenderConfig"] == READY | EXPLORES | more


def test_only_other_columns_need_a_training(service: Any) -> None:
    arn = recommender(service)
    service("UpdateRecommender", recommenderArn=arn, recommenderConfig=WITHOUT_PRICE)
    task = claimed(service, "training")
    assert service.described("Recommender", arn)["recommenderConfig"] == READY
    assert lifecycle.fail(service.store, task, "No memory.")
    shown = service.described("Recommender", arn)
    assert (shown["status"], shown["recommenderConfig"]) == ("ACTIVE", READY)
    assert (latest(service, arn)["status"], latest(service, arn)["failureReason"]) == (
        "CREATE FAILED",
        "No memory.",
    )
    service("UpdateRecommender", recommenderArn=arn, recommenderConfig=WITHOUT_PRICE)
    assert lifecycle.finish(service.store, claimed(service, "training"))
    same = {"trainingDataConfig": {"excludedDatasetColumns": {"ITEMS": ["PRICE"], "INTERACTIONS": []}}}
    service("UpdateRecommender", recommenderArn=arn, recommenderConfig=same)
    assert lifecycle.finish(service.store, claimed(service))


def test_columns_that_come_later_are_left_out_until_they_are_chosen(service: Any) -> None:
    """The guide's "Replacing a dataset's schema"."""
    group = domain_group(service)
    arn = recommender(service, group, **WITHOUT_PRICE)
    solution = service.solution(group, performAutoTraining=False)
    wider = [*ITEMS["ECOMMERCE"], ("COLOUR", ["null", "string"], True)]
    service("UpdateDataset", datasetArn=f"{PREFIX}:dataset/shop/ITEMS", schemaArn=service.schema(
        "Items", "wider", schema=schema("Items", wider), domain="ECOMMERCE"
    ))  # fmt: skip
    service.work()

    def left_out(of: str) -> Any:
        config = training_of(service.store.get(of))["solutionConfig"]
        return config.get("trainingDataConfig", {}).get("excludedDatasetColumns", {})

    assert left_out(arn) == {"ITEMS": ["PRICE", "COLOUR"]}
    assert left_out(service.version(solution)) == {"ITEMS": ["COLOUR"]}
    assert left_out(recommender(service, group, name="later")) == {}
    service(
        "UpdateRecommender", recommenderArn=arn, recommenderConfig={"enableMetadataWithRecommendations": True}
    )
    service.work()
    assert left_out(arn) == {"ITEMS": ["PRICE", "COLOUR"]}
    service("UpdateRecommender", recommenderArn=arn, recommenderConfig=WITHOUT_PRICE)
    assert lifecycle.finish(service.store, claimed(service, "training")), "it is trained with the new column"
    assert left_out(arn) == {"Items": ["PRICE"]}


def test_a_recommender_holds_its_group_and_its_datasets(service: Any) -> None:
    group = domain_group(service)
    arn = recommender(service, group)
    for operation, held in (
        ("DeleteDatasetGroup", {"datasetGroupArn": group}),
        ("DeleteDataset", {"datasetArn": f"{PREFIX}:dataset/shop/INTERACTIONS"}),
        ("DeleteDataset", {"datasetArn": f"{PREFIX}:dataset/shop/ITEMS"}),
    ):
        refused = service.refusal(operation, **held)
        assert refused.code == "ResourceInUseException"
    service("DeleteRecommender", recommenderArn=arn)
    service.work()
    service("DeleteDataset", datasetArn=f"{PREFIX}:dataset/shop/ITEMS")


def test_what_is_being_created_is_waited_for(service: Any) -> None:
    arn = create(service, domain_group(service))
    with pytest.raises(NotYet):
        service("StopRecommender", recommenderArn=arn)


def test_every_week_since_its_creation_a_recommender_is_trained_anew(service: Any) -> None:
    arn = recommender(service)
    created = service.described("Recommender", arn)["creationDateTime"]
    assert due_models(service.store, created + PERIOD_SECONDS - 1) == []
    assert due_models(service.store, created + PERIOD_SECONDS + 60) == [arn]
    assert due_models(service.store, created + PERIOD_SECONDS + 60) == []  # it is owed already
    task = claimed(service, "training")
    assert (task.verb, status(service, arn)) == ("train", "ACTIVE")
    owed = service.store.get(arn).private["owedAt"]
    assert lifecycle.finish(service.store, task, lifecycle.Outcome({}, {"trainedFrom": owed}))
    assert status(service, arn) == "ACTIVE"
    assert due_models(service.store, created + 2 * PERIOD_SECONDS - 1) == []
    assert due_models(service.store, created + 2 * PERIOD_SECONDS) == [arn]
    assert lifecycle.fail(service.store, claimed(service, "training"), "No memory.")
    assert (status(service, arn), "failureReason" in service.described("Recommender", arn)) == (
        "ACTIVE",
        False,
    )
    assert service.store.get(arn).private[lifecycle.FAILED] == "No memory."
    assert due_models(service.store, created + 2 * PERIOD_SECONDS + DAY_SECONDS - 1) == []
    assert due_models(service.store, created + 2 * PERIOD_SECONDS + DAY_SECONDS) == [arn]


def test_one_that_is_stopped_is_not_trained_until_it_is_started(service: Any) -> None:
    arn = recommender(service)
    service("StopRecommender", recommenderArn=arn)
    service.work()
    later = NOW + 3 * PERIOD_SECONDS
    assert due_models(service.store, later) == []
    service("StartRecommender", recommenderArn=arn)
    service.work()
    assert due_models(service.store, later) == [arn]


@pytest.mark.parametrize("operation", ["UpdateRecommender", "StopRecommender", "DeleteRecommender"])
def test_a_training_that_nobody_asked_for_gives_way(service: Any, operation: str) -> None:
    arn = recommender(service)
    later = NOW + 2 * PERIOD_SECONDS
    assert due_models(service.store, later) == [arn]
    task = claimed(service, "training")
    service(operation, recommenderArn=arn, recommenderConfig={"minRecommendationRequestsPerSecond": 2})
    assert not lifecycle.heartbeat(service.store, task, later, 15.0)
    assert not lifecycle.finish(service.store, task)
    service.work()
    if operation == "UpdateRecommender":
        assert latest(service, arn)["status"] == "ACTIVE"
        assert due_models(service.store, later + DAY_SECONDS) == [arn]


def test_another_account_has_nothing_to_do_with_it(service: Any, stranger: Any) -> None:
    arn = recommender(service)
    for operation in ("DescribeRecommender", "StopRecommender", "StartRecommender", "DeleteRecommender"):
        assert service.refusal(operation, stranger, recommenderArn=arn).code == "ResourceNotFoundException"
    assert service("ListRecommenders", stranger) == {"recommenders": []}
