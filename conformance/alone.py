"""What is tried of single operations, beside what the service models and the table of kinds ask of all."""

import json
from functools import partial
from typing import Any, Final

from conformance import data
from conformance.checks import Check
from conformance.made import ACTIONS, RANKING, USER_PERSONALIZATION
from conformance.world import ROLE, TAG, World
from sartor.resources.kinds import KINDS

# Datasets


def _update_dataset(world: World) -> None:
    dataset = world.shop.datasets["USERS"]
    wider = world.another("schema", schema=json.dumps(data.WIDER_USERS_SCHEMA))
    assert world.ask("UpdateDataset", datasetArn=dataset, schemaArn=wider) == {"datasetArn": dataset}
    shown = world.settled(KINDS["dataset"], dataset)
    assert (shown["schemaArn"], shown["latestDatasetUpdate"]["status"]) == (wider, "ACTIVE")


def _narrow_dataset(world: World) -> None:
    narrow = world.another(
        "schema", schema=json.dumps(data.schema("Users", ("USER_ID", "string"), ("X", "int")))
    )
    world.refused(
        "UpdateDataset", "InvalidInputException", datasetArn=world.shop.datasets["USERS"], schemaArn=narrow
    )


def _exported(world: World) -> None:
    request = world.requests["dataset-export-job"] if world.made("dataset-export-job") else {}
    folder = f"exports/{request['jobName']}"
    lines = world.text_below(folder).splitlines()
    assert lines[0] == "ITEM_ID,GENRE,PRICE"
    assert len(lines) == 1 + data.ITEMS


def _deleted_users(world: World) -> None:
    shown = world.settled(KINDS["data-deletion-job"], world.made("data-deletion-job"))
    assert (shown["status"], shown["numDeleted"]) == ("COMPLETED", 1)


def _update_metrics(world: World) -> None:
    arn = world.made("metric-attribution")
    added = {"eventType": "View", "metricName": "views", "expression": "SAMPLECOUNT()"}
    answer = world.ask(
        "UpdateMetricAttribution",
        metricAttributionArn=arn,
        addMetrics=[added],
        removeMetrics=["purchases"],
        metricsOutputConfig={"roleArn": ROLE},
    )
    assert answer == {"metricAttributionArn": arn}
    assert world.ask("ListMetricAttributionMetrics", metricAttributionArn=arn) == {"metrics": [added]}


def _list_metrics(world: World) -> None:
    arn = world.made("metric-attribution")
    assert len(world.ask("ListMetricAttributionMetrics", metricAttributionArn=arn)["metrics"]) == 1
    world.refused(
        "ListMetricAttributionMetrics",
        "InvalidNextTokenException",
        metricAttributionArn=arn,
        nextToken="nobody's",
    )


# Tags


def _tag(world: World) -> None:
    arn = world.another("filter")
    world.ask("TagResource", resourceArn=arn, tags=[{**TAG, "tagValue": "other"}])
    assert world.ask("ListTagsForResource", resourceArn=arn)["tags"] == [{**TAG, "tagValue": "other"}]
    many = [{"tagKey": f"key-{n}", "tagValue": ""} for n in range(51)]
    world.refused("TagResource", "TooManyTagsException", resourceArn=arn, tags=many)
    reserved = [{"tagKey": "aws:x", "tagValue": ""}]
    world.refused("TagResource", "InvalidInputException", resourceArn=arn, tags=reserved)


def _untag(world: World) -> None:
    arn = world.another("filter")
    world.ask("UntagResource", resourceArn=arn, tagKeys=[TAG["tagKey"], "not there"])
    assert world.ask("ListTagsForResource", resourceArn=arn)["tags"] == []
    many = [f"key-{n}" for n in range(51)]
    world.refused("UntagResource", "TooManyTagKeysException", resourceArn=arn, tagKeys=many)


def _untaggable(operation: str, world: World, **more: Any) -> None:
    world.refused(operation, "InvalidInputException", resourceArn=world.made("schema"), **more)


# Recipes


def _recipes(world: World) -> None:
    names = [one["name"] for one in world.ask("ListRecipes")["recipes"]]
    assert names == sorted(names)
    assert len(names) == 25
    for domain in ("ECOMMERCE", "VIDEO_ON_DEMAND"):
        listed = world.ask("ListRecipes", domain=domain)["recipes"]
        assert [one["domain"] for one in listed] == [domain] * 5
    page = world.ask("ListRecipes", maxResults=20)
    rest = world.ask("ListRecipes", maxResults=20, nextToken=page["nextToken"])["recipes"]
    assert [one["name"] for one in (*page["recipes"], *rest)] == names
    world.refused("ListRecipes", "InvalidNextTokenException", nextToken="nobody's")


def _recipe(world: World) -> dict[str, Any]:
    arn = f"arn:aws:personalize:::recipe/{USER_PERSONALIZATION}"
    shown: dict[str, Any] = world.ask("DescribeRecipe", recipeArn=arn)["recipe"]
    assert (shown["recipeArn"], shown["recipeType"]) == (arn, "USER_PERSONALIZATION")
    return shown


def _algorithm(world: World) -> None:
    arn = _recipe(world)["algorithmArn"]
    shown = world.ask("DescribeAlgorithm", algorithmArn=arn)["algorithm"]
    assert shown["defaultHyperParameters"]["hidden_dimension"] == "149"
    (hidden, _) = shown["defaultHyperParameterRanges"]["integerHyperParameterRanges"]
    assert (hidden["minValue"], hidden["maxValue"], hidden["isTunable"]) == (32, 256, True)


def _transformation(world: World) -> None:
    arn = _recipe(world)["featureTransformationArn"]
    shown = world.ask("DescribeFeatureTransformation", featureTransformationArn=arn)["featureTransformation"]
    assert shown["defaultParameters"]["max_user_history_length_percentile"] == "0.99"


# Trainings and campaigns


def _update_solution(world: World) -> None:
    solution = world.another("solution")
    config = {"autoTrainingConfig": {"schedulingExpression": "rate(3 days)"}}
    request = {"performAutoTraining": True, "solutionUpdateConfig": config}
    assert world.ask("UpdateSolution", solutionArn=solution, **request) == {"solutionArn": solution}
    shown = world.settled(KINDS["solution"], solution)
    assert shown["performAutoTraining"]
    assert shown["solutionConfig"]["autoTrainingConfig"] == config["autoTrainingConfig"]
    assert shown["latestSolutionUpdate"]["status"] == "ACTIVE"
    wrong = {"autoTrainingConfig": {"schedulingExpression": "rate(99 days)"}}
    world.refused("UpdateSolution", "InvalidInputException", solutionArn=solution, solutionUpdateConfig=wrong)


def _stopped(world: World) -> str:
    """Return a solution version whose training was stopped."""
    solution = world.another("solution")
    arn = str(world.ask("CreateSolutionVersion", solutionArn=solution)["solutionVersionArn"])
    assert world.ask("StopSolutionVersionCreation", solutionVersionArn=arn) == {}
    shown = world.settled(KINDS["solution-version"], arn)
    assert shown["status"] == "CREATE STOPPED"
    return arn


def _stop_what_is_done(world: World) -> None:
    arn = world.made("solution-version")
    world.refused("StopSolutionVersionCreation", "ResourceInUseException", solutionVersionArn=arn)


def _metrics_of_version(world: World) -> None:
    arn = world.made("solution-version")
    answer = world.ask("GetSolutionMetrics", solutionVersionArn=arn)
    assert answer["solutionVersionArn"] == arn
    wanted = {
        f"{name}_at_{k}"
        for name in ("precision", "normalized_discounted_cumulative_gain")
        for k in (5, 10, 25)
    }
    assert wanted | {"coverage", "mean_reciprocal_rank_at_25"} == set(answer["metrics"])


def _metrics_of_what_is_not_done(world: World) -> None:
    world.refused("GetSolutionMetrics", "ResourceInUseException", solutionVersionArn=_stopped(world))


def _update_campaign(world: World) -> None:
    campaign = world.made("campaign")
    assert world.ask("UpdateCampaign", campaignArn=campaign, minProvisionedTPS=3) == {"campaignArn": campaign}
    shown = world.settled(KINDS["campaign"], campaign)
    assert (shown["minProvisionedTPS"], shown["latestCampaignUpdate"]["status"]) == (3, "ACTIVE")


# Recommenders


def _update_recommender(world: World) -> None:
    arn = world.made("recommender")
    config = {"minRecommendationRequestsPerSecond": 3}
    answer = world.ask("UpdateRecommender", recommenderArn=arn, recommenderConfig=config)
    assert answer == {"recommenderArn": arn}
    shown = world.settled(KINDS["recommender"], arn)
    assert shown["recommenderConfig"]["minRecommendationRequestsPerSecond"] == 3
    assert shown["latestRecommenderUpdate"]["status"] == "ACTIVE"


def _recommender_metrics(world: World) -> None:
    shown = world.settled(KINDS["recommender"], world.made("recommender"))
    assert "coverage" in shown["modelMetrics"]


def _stop_and_start(world: World) -> None:
    arn = world.made("recommender")
    world.refused("StartRecommender", "ResourceInUseException", recommenderArn=arn)
    assert world.ask("StopRecommender", recommenderArn=arn) == {"recommenderArn": arn}
    kind = KINDS["recommender"]
    assert world.settled(kind, arn)["status"] == "INACTIVE"
    world.refused("StopRecommender", "ResourceInUseException", recommenderArn=arn)
    assert world.ask("StartRecommender", recommenderArn=arn) == {"recommenderArn": arn}
    assert world.settled(kind, arn)["status"] == "ACTIVE"


# Batch jobs


def _lines(kind: str, world: World) -> dict[str, Any]:
    """Return the one line that a batch job of a kind has written."""
    world.made(kind)
    request = world.requests[kind]
    output = request["jobOutput"]["s3DataDestination"]["path"]
    (line,) = world.read(f"{output}lines.json.out").splitlines()
    found: dict[str, Any] = json.loads(line)
    assert found["error"] is None
    return found


def _place_that_is_read(kind: str, world: World) -> None:
    world.made(kind)
    folder = world.requests[kind]["jobInput"]["s3DataSource"]["path"].rpartition("/")[0] + "/"
    wrong = {
        **world.request(kind),
        "jobInput": {"s3DataSource": {"path": folder}},
        "jobOutput": {"s3DataDestination": {"path": folder}},
    }
    world.refused(f"Create{KINDS[kind].noun}", "InvalidInputException", **wrong)


def _inferred(world: World) -> None:
    line = _lines("batch-inference-job", world)
    assert line["input"] == {"userId": "user-1"}
    assert len(line["output"]["recommendedItems"]) == len(line["output"]["scores"]) == 5


def _segmented(world: World) -> None:
    line = _lines("batch-segment-job", world)
    assert line["input"] == {"itemId": "item-1"}
    assert len(line["output"]["usersList"]) == 5


# Records


def _put_events(world: World) -> None:
    event = {"eventType": "View", "itemId": "item-1", "sentAt": data.BEGAN, "properties": "{}"}
    request = {"trackingId": world.tracking_id, "userId": "user-1", "sessionId": "s"}
    assert world.ask("PutEvents", **request, eventList=[event]) == {}


def _put_records(operation: str, dataset_type: str, member: str, id_member: str, world: World) -> None:
    arn = world.shop.datasets[dataset_type]
    records = [{id_member: "put", "properties": "{}"}]
    assert world.ask(operation, datasetArn=arn, **{member: records}) == {}
    other = world.shop.datasets["INTERACTIONS"]
    world.refused(operation, "InvalidInputException", datasetArn=other, **{member: records})


def _put_action_interactions(world: World) -> None:
    shown = world.described(KINDS["dataset"], world.shop.datasets["ACTION_INTERACTIONS"])
    one = {
        "actionId": "action-1",
        "userId": "user-1",
        "sessionId": "s",
        "timestamp": data.BEGAN,
        "eventType": "TAKEN",
    }
    assert world.ask("PutActionInteractions", trackingId=shown["trackingId"], actionInteractions=[one]) == {}


# Answers


def _recommendations(world: World) -> None:
    arn = world.campaign(USER_PERSONALIZATION)
    request = {"campaignArn": arn, "userId": "user-1", "numResults": 5}
    answer = world.ask("GetRecommendations", **request)
    assert len({one["itemId"] for one in answer["itemList"]}) == 5
    assert answer["recommendationId"].startswith("RID-")
    filtered = world.ask(
        "GetRecommendations",
        **request,
        filterArn=world.made("filter"),
        filterValues={"GENRE": '"comedy"'},
    )
    assert {int(one["itemId"].removeprefix("item-")) % 2 for one in filtered["itemList"]} == {0}


def _recommendations_of_recommender(world: World) -> None:
    answer = world.ask("GetRecommendations", recommenderArn=world.made("recommender"), userId="user-1")
    assert answer["itemList"]
    assert all("score" not in one for one in answer["itemList"])


def _ranking(world: World) -> None:
    asked = ["item-3", "nobody", "item-1"]
    answer = world.ask(
        "GetPersonalizedRanking", campaignArn=world.campaign(RANKING), userId="user-1", inputList=asked
    )
    ranked = answer["personalizedRanking"]
    assert sorted(one["itemId"] for one in ranked) == sorted(asked)
    assert ranked[-1] == {"itemId": "nobody"}


def _actions(world: World) -> None:
    answer = world.ask(
        "GetActionRecommendations",
        campaignArn=world.campaign(ACTIONS),
        userId="user-1",
        numResults=data.ACTIONS,
    )
    scores = [one["score"] for one in answer["actionList"]]
    assert len(scores) == data.ACTIONS
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


#: All of it, by operation.
ALONE: Final = (
    Check("UpdateDataset", "answers", "brings a schema with one column more", _update_dataset),
    Check("UpdateDataset", "wrong input", "refuses a schema that lacks a column", _narrow_dataset),
    Check("CreateDatasetExportJob", "answers", "writes every item once, in the schema's columns", _exported),
    Check("CreateDataDeletionJob", "answers", "counts the users that it deleted", _deleted_users),
    Check("UpdateMetricAttribution", "answers", "removes a metric and adds one", _update_metrics),
    Check("ListMetricAttributionMetrics", "answers", "lists them", _list_metrics),
    Check("TagResource", "tags", "gives a key a new value; refuses the 51st and reserved ones", _tag),
    Check("TagResource", "wrong input", "refuses schemas", partial(_untaggable, "TagResource", tags=[TAG])),
    Check("UntagResource", "tags", "removes keys, also none; refuses more than 50", _untag),
    Check(
        "UntagResource",
        "wrong input",
        "refuses schemas",
        partial(_untaggable, "UntagResource", tagKeys=["a"]),
    ),
    Check("ListTagsForResource", "tags", "shows what was given", _tag),
    Check(
        "ListTagsForResource", "wrong input", "refuses schemas", partial(_untaggable, "ListTagsForResource")
    ),
    Check("ListRecipes", "answers", "lists 15 recipes and 10 use cases, in pages, by domain", _recipes),
    Check("DescribeRecipe", "answers", "shows algorithm and transformation", _recipe),
    Check("DescribeAlgorithm", "answers", "shows hyperparameters, their defaults and ranges", _algorithm),
    Check("DescribeFeatureTransformation", "answers", "shows parameters and their defaults", _transformation),
    Check("UpdateSolution", "answers", "turns automatic training on", _update_solution),
    Check("StopSolutionVersionCreation", "answers", "stops a training", _stopped),
    Check("StopSolutionVersionCreation", "in use", "refuses what is trained", _stop_what_is_done),
    Check("GetSolutionMetrics", "answers", "gives the eight metrics of the recipe", _metrics_of_version),
    Check("GetSolutionMetrics", "in use", "refuses what is not trained", _metrics_of_what_is_not_done),
    Check(
        "UpdateCampaign", "answers", "changes what is provisioned, and says how that went", _update_campaign
    ),
    Check("UpdateRecommender", "answers", "changes its configuration", _update_recommender),
    Check("DescribeRecommender", "answers", "shows its metrics", _recommender_metrics),
    Check("StopRecommender", "answers", "makes it INACTIVE, and refuses that again", _stop_and_start),
    Check("StartRecommender", "answers", "makes it ACTIVE, and refuses that again", _stop_and_start),
    Check("CreateBatchInferenceJob", "answers", "writes a line for a line, with scores", _inferred),
    Check("CreateBatchSegmentJob", "answers", "writes the users for an item", _segmented),
    *(
        Check(
            f"Create{KINDS[kind].noun}",
            "wrong input",
            "refuses to write where it reads",
            partial(_place_that_is_read, kind),
        )
        for kind in ("batch-inference-job", "batch-segment-job")
    ),
    Check("PutEvents", "answers", "takes an event", _put_events),
    *(
        Check(
            f"Put{noun}",
            "answers",
            "takes a record, and refuses a dataset of another type",
            partial(_put_records, f"Put{noun}", noun.upper(), noun.lower(), f"{noun.lower()[:-1]}Id"),
        )
        for noun in ("Users", "Items", "Actions")
    ),
    Check("PutActionInteractions", "answers", "takes an action interaction", _put_action_interactions),
    Check("GetRecommendations", "answers", "answers for a campaign, with a filter too", _recommendations),
    Check("GetRecommendations", "answers", "answers for a recommender", _recommendations_of_recommender),
    Check("GetPersonalizedRanking", "answers", "ranks, and puts what nobody knows last", _ranking),
    Check("GetActionRecommendations", "answers", "answers with probabilities, the highest first", _actions),
)
