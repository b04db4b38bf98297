"""Solutions and their versions through their lives: statuses, updates, quotas, what holds what."""

from pathlib import Path
from typing import Any

import botocore.session
import pytest

from contract.conftest import make_tools, recipe_arn
from sartor.errors import NotYet
from sartor.resources import lifecycle
from sartor.resources.kinds import LANES
from sartor.resources.lifecycle import Outcome
from sartor.work import jobs

MODEL = botocore.session.get_session().get_service_model("personalize")
PREFIX = "arn:aws:personalize:eu-central-1:111122223333"
V2 = recipe_arn("aws-user-personalization-v2")


def claimed(service: Any, lane: str = "training", now: float = 1.7e9) -> Any:
    """Return the oldest task of a lane, that a worker has from now on for 15 seconds."""
    task = lifecycle.claim(service.store, f"w{now}", (lane,), now, 15.0)
    assert task is not None
    return task


#: A solution's configuration that says nothing of when it is trained by itself.
WEEKLY = {"autoTrainingConfig": {"schedulingExpression": "rate(7 days)"}}


def test_a_solution_is_active_at_once(service: Any) -> None:
    group = service.data_group()
    arn = service("CreateSolution", name="sol", datasetGroupArn=group, recipeArn=V2)["solutionArn"]
    assert arn == f"{PREFIX}:solution/sol"
    assert lifecycle.claim(service.store, "w", LANES, 1e10, 15.0) is None
    shown = service.described("Solution", arn)
    assert shown.pop("creationDateTime") == shown.pop("lastUpdatedDateTime")
    assert shown == {
        "name": "sol",
        "solutionArn": arn,
        "datasetGroupArn": group,
        "recipeArn": V2,
        "performHPO": False,
        "performAutoML": False,
        "performAutoTraining": True,
        "performIncrementalUpdate": False,
        "solutionConfig": WEEKLY,
        "status": "ACTIVE",
    }


def test_auto_ml_chooses_user_personalization_and_heeds_its_own_configuration_alone(service: Any) -> None:
    config = {"autoMLConfig": {"metricName": "x"}, "algorithmHyperParameters": {"bptt": "1000"}}
    solution = service.solution(performAutoML=True, solutionConfig=config)
    shown = service.described("Solution", solution)
    assert "autoMLResult" not in shown  # nobody knows before a training
    assert shown["solutionConfig"] == {**config, **WEEKLY}
    version = service.described("SolutionVersion", service.version(solution))
    assert service.described("Solution", solution)["autoMLResult"] == {"bestRecipeArn": recipe_arn()}
    assert (version["performAutoML"], version["recipeArn"]) == (True, recipe_arn())
    assert version["solutionConfig"] == {"autoMLConfig": {"metricName": "x"}, **WEEKLY}


def test_the_recipe_that_auto_ml_chose_is_the_versions_own(service: Any) -> None:
    choices = [recipe_arn("aws-hrnn"), recipe_arn("aws-popularity-count")]
    solution = service.solution(performAutoML=True, solutionConfig={"autoMLConfig": {"recipeList": choices}})
    arn = service("CreateSolutionVersion", solutionArn=solution)["solutionVersionArn"]
    assert service.described("SolutionVersion", arn)["recipeArn"] == choices[0]
    assert lifecycle.finish(service.store, claimed(service), Outcome({"recipeArn": choices[1]}))
    assert service.described("SolutionVersion", arn)["recipeArn"] == choices[1]
    assert service.described("Solution", solution)["autoMLResult"] == {"bestRecipeArn": choices[1]}


def test_a_version_has_what_its_solution_had_when_it_was_asked_for(service: Any) -> None:
    config = {"algorithmHyperParameters": {"bptt": "8"}, **WEEKLY}
    solution = service.solution(eventType="buy", performHPO=True, solutionConfig=config)
    arn = service("CreateSolutionVersion", solutionArn=solution)["solutionVersionArn"]
    head, _, tail = arn.rpartition("/")
    assert head == solution
    assert len(tail) == 8
    assert int(tail, 16) >= 0
    assert service.described("SolutionVersion", arn)["status"] == "CREATE PENDING"
    task = claimed(service)
    assert service.described("SolutionVersion", arn)["status"] == "CREATE IN_PROGRESS"
    assert service.described("Solution", solution)["latestSolutionVersion"]["status"] == "CREATE IN_PROGRESS"
    assert lifecycle.finish(service.store, task, Outcome(private={"metrics": {"coverage": 0.123456}}))
    shown = service.described("SolutionVersion", arn)
    del shown["creationDateTime"], shown["lastUpdatedDateTime"]
    assert shown == {
        "name": f"sol/{tail}",
        "solutionVersionArn": arn,
        "solutionArn": solution,
        "datasetGroupArn": f"{PREFIX}:dataset-group/shop",
        "recipeArn": recipe_arn(),
        "eventType": "buy",
        "performHPO": True,
        "performAutoML": False,
        "performIncrementalUpdate": False,
        "solutionConfig": config,
        "trainingMode": "FULL",
        "trainingType": "MANUAL",
        "status": "ACTIVE",
    }
    metrics = service("GetSolutionMetrics", solutionVersionArn=arn)
    assert metrics == {"solutionVersionArn": arn, "metrics": {"coverage": 0.1235}}
    folder = service.store.get(arn).private["folder"]
    assert folder.startswith("111122223333/eu-central-1/solutions/sol-")


def test_a_version_can_be_named(service: Any) -> None:
    arn = service.version(name="First-1")
    assert arn == f"{PREFIX}:solution/sol/First-1"
    assert service.described("SolutionVersion", arn)["name"] == "First-1"
    solution = arn.rpartition("/")[0]
    refused = service.refusal("CreateSolutionVersion", solutionArn=solution, name="First-1")
    assert refused.code == "ResourceAlreadyExistsException"


def test_a_solution_can_be_trained_at_once(service: Any) -> None:
    solution = service("CreateSolution", name="s", datasetGroupArn=service.data_group(), recipeArn=V2)[
        "solutionArn"
    ]
    version = service("CreateSolutionVersion", solutionArn=solution)["solutionVersionArn"]
    assert service.described("Solution", solution)["latestSolutionVersion"]["solutionVersionArn"] == version


def test_a_solution_without_any_interaction_is_not_trained(service: Any) -> None:
    group = service.group()
    service.dataset(group=group)
    solution = service.solution(group)
    refused = service.refusal("CreateSolutionVersion", solutionArn=solution)
    assert refused.code == "InvalidInputException"
    assert "successfully completed dataset import job or EVENT_INTERACTIONS" in refused.message
    service.put_interaction(group)
    assert service.version(solution)


def test_an_import_into_an_earlier_dataset_of_the_same_name_does_not_count(service: Any) -> None:
    group = service.group()
    first = service.dataset(group=group)
    service.job(first)
    service.work()
    service("DeleteDataset", datasetArn=first)
    service.work()
    schema = service.schema("Interactions", "again")
    members = {"datasetGroupArn": group, "schemaArn": schema, "datasetType": "Interactions"}
    assert service("CreateDataset", name="again", **members)["datasetArn"] == first
    service.work()
    refused = service.refusal("CreateSolutionVersion", solutionArn=service.solution(group))
    assert (refused.code, "import job" in refused.message) == ("InvalidInputException", True)


def test_a_dataset_that_is_being_created_is_waited_for(service: Any) -> None:
    group = service.group()
    service.dataset(group=group)
    members = {"datasetGroupArn": group, "schemaArn": service.schema("Items"), "datasetType": "Items"}
    service("CreateDataset", name="items", **members)
    refused = service.refusal("CreateSolution", name="s", datasetGroupArn=group, recipeArn=V2)
    assert (type(refused), refused.code) == (NotYet, "ResourceInUseException")
    service.work()
    assert service.solution(group)


def test_a_version_that_failed_says_why_and_has_no_metrics(service: Any) -> None:
    solution = service.solution()
    arn = service("CreateSolutionVersion", solutionArn=solution)["solutionVersionArn"]
    assert service.refusal("GetSolutionMetrics", solutionVersionArn=arn).code == "ResourceInUseException"
    service.work({arn: "Create failed. Too little."})
    shown = service.described("SolutionVersion", arn)
    assert (shown["status"], shown["failureReason"]) == ("CREATE FAILED", "Create failed. Too little.")
    latest = service.described("Solution", solution)["latestSolutionVersion"]
    assert latest["failureReason"] == "Create failed. Too little."
    assert service.refusal("GetSolutionMetrics", solutionVersionArn=arn).code == "ResourceInUseException"


def test_an_update_training_needs_a_full_one_of_a_recipe_that_knows_it(service: Any) -> None:
    solution = service.solution()
    update = {"solutionArn": solution, "trainingMode": "UPDATE"}
    assert service.refusal("CreateSolutionVersion", **update).code == "InvalidInputException"
    service("CreateSolutionVersion", solutionArn=solution, trainingMode="FULL")
    assert service.refusal("CreateSolutionVersion", **update).code == "InvalidInputException"
    service.work()
    arn = service("CreateSolutionVersion", **update)["solutionVersionArn"]
    assert service.described("SolutionVersion", arn)["trainingMode"] == "UPDATE"
    other = service.solution(f"{PREFIX}:dataset-group/shop", "v2", recipeArn=V2)
    service.version(other)
    refused = service.refusal("CreateSolutionVersion", solutionArn=other, trainingMode="UPDATE")
    assert refused.code == "InvalidInputException"
    automatic = service("CreateSolutionVersion", solutionArn=other, trainingMode="AUTOTRAIN")
    assert service.described("SolutionVersion", automatic["solutionVersionArn"])["trainingMode"] == "FULL"


def test_lists_are_newest_first_in_pages(service: Any) -> None:
    solution = service.solution()
    versions = [service.version(solution, name=f"v{number}") for number in range(5)]
    seen: list[str] = []
    request: dict[str, Any] = {"solutionArn": solution, "maxResults": 2}
    while True:
        answer = service("ListSolutionVersions", **request)
        seen += [one["solutionVersionArn"] for one in answer["solutionVersions"]]
        if "nextToken" not in answer:
            break
        request["nextToken"] = answer["nextToken"]
    assert seen == versions[::-1]
    assert len(service("ListSolutionVersions")["solutionVersions"]) == 5
    missing = service.refusal("ListSolutionVersions", solutionArn=f"{PREFIX}:solution/none")
    assert missing.code == "ResourceNotFoundException"
    listed = service("ListSolutions", datasetGroupArn=f"{PREFIX}:dataset-group/shop")["solutions"]
    assert [one["recipeArn"] for one in listed] == [recipe_arn()]
    assert service("ListSolutions", datasetGroupArn=f"{PREFIX}:dataset-group/none")["solutions"] == []


def test_what_is_at_work_holds_its_solution_and_its_datasets(service: Any) -> None:
    solution = service.solution()
    version = service("CreateSolutionVersion", solutionArn=solution)["solutionVersionArn"]
    for of in ("INTERACTIONS", "ITEMS", "USERS"):
        refused = service.refusal("DeleteDataset", datasetArn=f"{PREFIX}:dataset/shop/{of}")
        assert (refused.code, version in refused.message) == ("ResourceInUseException", True)
    assert service.refusal("DeleteSolution", solutionArn=solution).code == "ResourceInUseException"
    claimed(service)
    service("StopSolutionVersionCreation", solutionVersionArn=version)  # and it is still at work
    assert service.refusal("DeleteSolution", solutionArn=solution).code == "ResourceInUseException"
    service.work()
    service("DeleteSolution", solutionArn=solution)
    assert service.described("Solution", solution)["status"] == "DELETE PENDING"
    assert service.refusal("CreateSolutionVersion", solutionArn=solution).code == "ResourceInUseException"
    group = f"{PREFIX}:dataset-group/shop"
    assert service.refusal("DeleteDatasetGroup", datasetGroupArn=group).code == "ResourceInUseException"
    service.work()
    assert service.refusal("DescribeSolution", solutionArn=solution).code == "ResourceNotFoundException"
    service("DeleteDataset", datasetArn=f"{PREFIX}:dataset/shop/INTERACTIONS")


def test_an_update_goes_on_beside_the_solution(service: Any) -> None:
    solution = service.solution(recipeArn=V2, solutionConfig={"algorithmHyperParameters": {}})
    update = {
        "autoTrainingConfig": {"schedulingExpression": "rate(3 days)"},
        "eventsConfig": {"eventParametersList": [{"eventType": "buy", "weight": 1.0}]},
    }
    before = service.described("Solution", solution)
    answer = service(
        "UpdateSolution", solutionArn=solution, performAutoTraining=False, solutionUpdateConfig=update
    )
    assert answer == {"solutionArn": solution}
    shown = service.described("Solution", solution)
    latest = shown.pop("latestSolutionUpdate")
    assert shown == before
    assert (latest["status"], latest["performAutoTraining"]) == ("CREATE PENDING", False)
    assert latest["solutionUpdateConfig"] == update
    for operation in ("UpdateSolution", "DeleteSolution"):
        assert service.refusal(operation, solutionArn=solution).code == "ResourceInUseException"
    old = service("CreateSolutionVersion", solutionArn=solution)["solutionVersionArn"]
    task = claimed(service, "quick")
    shown = service.described("Solution", solution)
    assert (shown["status"], shown["latestSolutionUpdate"]["status"]) == ("ACTIVE", "CREATE IN_PROGRESS")
    assert lifecycle.finish(service.store, task)
    shown = service.described("Solution", solution)
    assert (shown["status"], shown["latestSolutionUpdate"]["status"]) == ("ACTIVE", "ACTIVE")
    assert shown["performAutoTraining"] is False
    assert shown["solutionConfig"] == {"algorithmHyperParameters": {}, **update}
    new = service.version(solution)
    assert (
        service.described("SolutionVersion", old)["solutionConfig"]
        == {"algorithmHyperParameters": {}} | WEEKLY
    )
    assert service.described("SolutionVersion", new)["solutionConfig"] == shown["solutionConfig"]
    listed = service("ListSolutions", datasetGroupArn=shown["datasetGroupArn"])["solutions"]
    assert [one["solutionArn"] for one in listed] == [solution]


def test_an_update_replaces_all_the_event_types_that_were_weighted(service: Any) -> None:
    def listed(*types: str) -> dict[str, Any]:
        return {"eventsConfig": {"eventParametersList": [{"eventType": one, "weight": 1.0} for one in types]}}

    solution = service.solution(recipeArn=V2, solutionConfig=listed("buy", "view"))
    for types in (("view", "like"), ("buy",), ()):
        service("UpdateSolution", solutionArn=solution, solutionUpdateConfig=listed(*types))
        service.work()
        assert service.described("Solution", solution)["solutionConfig"] == listed(*types) | WEEKLY


def test_an_update_that_fails_changes_nothing(service: Any) -> None:
    solution = service.solution()
    service("UpdateSolution", solutionArn=solution, performAutoTraining=False)
    service.work({solution: "Disk full."})
    shown = service.described("Solution", solution)
    assert (shown["status"], shown["performAutoTraining"]) == ("ACTIVE", True)
    assert shown["latestSolutionUpdate"]["status"] == "CREATE FAILED"
    assert shown["latestSolutionUpdate"]["failureReason"] == "Disk full."
    assert "failureReason" not in shown
    service("UpdateSolution", solutionArn=solution, performAutoTraining=False)
    service.work()
    shown = service.described("Solution", solution)
    assert "failureReason" not in shown["latestSolutionUpdate"]
    assert shown["performAutoTraining"] is False


def test_only_an_active_solution_is_updated(service: Any) -> None:
    group = service.data_group()
    solution = service("CreateSolution", name="s", datasetGroupArn=group, recipeArn=V2)["solutionArn"]
    service("DeleteSolution", solutionArn=solution)
    assert service.refusal("UpdateSolution", solutionArn=solution).code == "ResourceInUseException"


def test_descriptions_have_only_members_of_the_service_model(service: Any) -> None:
    version = service.version()
    solution = version.rpartition("/")[0]
    service("UpdateSolution", solutionArn=solution, performAutoTraining=False)
    for noun, arn in (("Solution", solution), ("SolutionVersion", version)):
        member = noun[0].lower() + noun[1:]
        shape = MODEL.operation_model(f"Describe{noun}").output_shape.members[member]
        shown = service.described(noun, arn)
        assert set(shown) <= set(shape.members)
        for name in ("latestSolutionVersion", "latestSolutionUpdate"):
            assert set(shown.get(name, {})) <= set(getattr(shape.members.get(name), "members", {}))


def test_the_quota_of_solutions_is_of_a_group(service: Any) -> None:
    group, other = service.data_group(), service.data_group(name="other")
    for number in range(10):
        service("CreateSolution", name=f"s{number}", datasetGroupArn=group, recipeArn=V2)
    refused = service.refusal("CreateSolution", name="s10", datasetGroupArn=group, recipeArn=V2)
    assert refused.code == "LimitExceededException"
    assert refused.message == (
        "Cannot create a solution. More than 10 resources in ACTIVE state. Please delete some and try again."
    )
    service("CreateSolution", name="s10", datasetGroupArn=other, recipeArn=V2)
    service.work()
    service("DeleteSolution", solutionArn=f"{PREFIX}:solution/s0")
    service("CreateSolution", name="s11", datasetGroupArn=group, recipeArn=V2)


def test_the_quota_of_trainings_is_of_all_that_wait_or_run(service: Any) -> None:
    solution = service.solution()
    for _ in range(20):
        service("CreateSolutionVersion", solutionArn=solution)
    refused = service.refusal("CreateSolutionVersion", solutionArn=solution)
    assert refused.code == "LimitExceededException"
    assert refused.message == "More than 20 resources with PENDING or IN_PROGRESS status."
    service.work()
    service("CreateSolutionVersion", solutionArn=solution)


def test_quotas_can_be_lifted(service_without_quotas: Any) -> None:
    service = service_without_quotas
    group = service.data_group()
    for number in range(11):
        service("CreateSolution", name=f"s{number}", datasetGroupArn=group, recipeArn=V2)
    for _ in range(21):
        service("CreateSolutionVersion", solutionArn=f"{PREFIX}:solution/s0")


@pytest.mark.parametrize("operation", ["DescribeSolutionVersion", "StopSolutionVersionCreation"])
def test_a_version_is_found_by_its_whole_arn_only(service: Any, operation: str) -> None:
    version = service.version()
    for arn in (version.rpartition("/")[0], version + "/x", version[:-1], f"{PREFIX}:solution/sol/$LATEST"):
        assert service.refusal(operation, solutionVersionArn=arn).code == "ResourceNotFoundException"


def test_a_deleted_solution_takes_its_versions_and_their_models_along(
    service: Any, storage: Any, tmp_path: Path
) -> None:
    group = service.data_group()
    solution, other = service.solution(group), service.solution(group, "other")
    versions = [service.version(solution), service.version(solution, name="two"), service.version(other)]
    folders = [service.store.get(version).private["folder"] for version in versions]
    for folder in folders:
        storage.put(f"{folder}/model/weights.npy", b"x")
    service("TagResource", resourceArn=versions[0], tags=[{"tagKey": "a", "tagValue": "b"}])
    service("DeleteSolution", solutionArn=solution)
    task = claimed(service, "quick")
    tools = make_tools(service.store, storage, tmp_path / "scratch")
    for _attempt in range(2):  # as it is done again after a worker was killed
        outcome = jobs.TABLE[task.kind, task.verb](task, tools)
    assert lifecycle.finish(service.store, task, outcome)
    assert [bool(list(storage.list(folder))) for folder in folders] == [False, False, True]
    for version in versions[:2]:
        gone = service.refusal("DescribeSolutionVersion", solutionVersionArn=version)
        assert gone.code == "ResourceNotFoundException"
    listed = [one["solutionVersionArn"] for one in service("ListSolutionVersions")["solutionVersions"]]
    assert listed == versions[2:]
    again = service.solution(group)
    assert "latestSolutionVersion" not in service.described("Solution", again)
    assert service("ListSolutionVersions", solutionArn=again)["solutionVersions"] == []
