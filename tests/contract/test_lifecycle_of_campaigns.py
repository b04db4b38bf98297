"""Campaigns through their lives: what can be deployed, how they are updated, how they follow their solution."""

from typing import Any

import botocore.session
import pytest

from contract.conftest import recipe_arn
from sartor.errors import NotYet
from sartor.resources import campaigns, lifecycle

MODEL = botocore.session.get_session().get_service_model("personalize")
PREFIX = "arn:aws:personalize:eu-central-1:111122223333"
GROUP = f"{PREFIX}:dataset-group/shop"
V2 = recipe_arn("aws-user-personalization-v2")
SYNC = {"syncWithLatestSolutionVersion": True}
EXPLORES = {"itemExplorationConfig": {"explorationWeight": "0.5", "explorationItemAgeCutOff": "14"}}


def claimed(service: Any, lane: str = "quick") -> Any:
    task = lifecycle.claim(service.store, "w", (lane,), 1.7e9, 15.0)
    assert task is not None
    return task


def latest(service: Any, campaign: str) -> dict[str, Any]:
    return dict(service.described("Campaign", campaign)["latestCampaignUpdate"])


def served(service: Any, campaign: str) -> str:
    return str(service.described("Campaign", campaign)["solutionVersionArn"])


def test_a_campaign_passes_through_its_statuses(service: Any) -> None:
    version = service.version()
    arn = service("CreateCampaign", name="c", solutionVersionArn=version, campaignConfig=EXPLORES)[
        "campaignArn"
    ]
    assert arn == f"{PREFIX}:campaign/c"
    assert service.described("Campaign", arn)["status"] == "CREATE PENDING"
    task = claimed(service)
    assert service.described("Campaign", arn)["status"] == "CREATE IN_PROGRESS"
    assert lifecycle.finish(service.store, task)
    shown = service.described("Campaign", arn)
    del shown["creationDateTime"], shown["lastUpdatedDateTime"]
    assert shown == {
        "name": "c",
        "campaignArn": arn,
        "solutionVersionArn": version,
        "minProvisionedTPS": 1,
        "campaignConfig": EXPLORES,
        "status": "ACTIVE",
    }
    service("DeleteCampaign", campaignArn=arn)
    assert service.described("Campaign", arn)["status"] == "DELETE PENDING"
    assert service.refusal("UpdateCampaign", campaignArn=arn).code == "ResourceInUseException"
    service.work()
    assert service.refusal("DescribeCampaign", campaignArn=arn).code == "ResourceNotFoundException"
    assert service.described("SolutionVersion", version)["status"] == "ACTIVE"


def test_the_second_version_metadata_comes_by_itself(service: Any) -> None:
    solution = service.solution(recipeArn=V2)
    campaign = service.campaign(service.version(solution))
    shown = service.described("Campaign", campaign)
    assert shown["campaignConfig"] == {"enableMetadataWithRecommendations": True}
    old = service.version(service.solution(GROUP, "old"))
    service("UpdateCampaign", campaignArn=campaign, solutionVersionArn=old)
    service.work()
    assert service.described("Campaign", campaign)["campaignConfig"] == {}


def test_without_items_no_metadata_comes(service: Any) -> None:
    dataset = service.dataset()
    group = service.described("Dataset", dataset)["datasetGroupArn"]
    service.put_interaction(group)
    version = service.version(service.solution(group, recipeArn=V2))
    assert service.described("Campaign", service.campaign(version))["campaignConfig"] == {}
    refused = service.refusal(
        "CreateCampaign",
        name="d",
        solutionVersionArn=version,
        campaignConfig={"enableMetadataWithRecommendations": True},
    )
    assert (refused.code, "Items dataset" in refused.message) == ("InvalidInputException", True)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"itemExplorationConfig": {"exploration_weight": "0.3"}}, "exploration_weight"),
    ({"itemExplorationConfig": {"explorationWeight": "1.1"}}, "from 0.0 to 1.0"),
    ({"itemExplorationConfig": {"explorationWeight": "some"}}, "from 0.0 to 1.0"),
    ({"itemExplorationConfig": {"explorationWeight": "nan"}}, "from 0.0 to 1.0"),
    ({"itemExplorationConfig": {"explorationItemAgeCutOff": "0.5"}}, "at least 1"),
    ({"itemExplorationConfig": {"explorationItemAgeCutOff": "inf"}}, "at least 1"),
    ({"rankingInfluence": {"POPULARITY": 0.5}}, "rankingInfluence"),
    (SYNC, "$LATEST"),
]


def test_a_broken_rule_is_named_at_creation_and_at_an_update(service: Any) -> None:
    version = service.version()
    campaign = service.campaign(version)
    before = service.described("Campaign", campaign)
    for config, words in BAD:
        for operation, named in (
            ("CreateCampaign", {"name": "d"}),
            ("UpdateCampaign", {"campaignArn": campaign}),
        ):
            refused = service.refusal(operation, **named, solutionVersionArn=version, campaignConfig=config)
            assert (refused.code, words in refused.message) == ("InvalidInputException", True), config
    assert service.described("Campaign", campaign) == before


@pytest.mark.parametrize("recipe", ["aws-user-personalization-v2", "aws-sims", "aws-personalized-ranking"])
def test_only_one_recipe_explores_as_it_is_told(service: Any, recipe: str) -> None:
    version = service.version(service.solution(recipeArn=recipe_arn(recipe)))
    refused = service.refusal("CreateCampaign", name="c", solutionVersionArn=version, campaignConfig=EXPLORES)
    assert (refused.code, recipe in refused.message) == ("InvalidInputException", True)


def test_only_an_active_version_is_deployed(service: Any) -> None:
    solution = service.solution()
    waiting = service("CreateSolutionVersion", solutionArn=solution)["solutionVersionArn"]
    refused = service.refusal("CreateCampaign", name="c", solutionVersionArn=waiting)
    assert refused.code == "ResourceInUseException"
    assert isinstance(refused, NotYet)  # the caller waits a moment for it
    follows = {"solutionVersionArn": f"{solution}/$LATEST", "campaignConfig": SYNC}
    refused = service.refusal("CreateCampaign", name="c", **follows)
    assert (type(refused), refused.code) == (NotYet, "ResourceInUseException")
    for arn in (solution, f"{solution}/none", f"{PREFIX}:solution/none/$LATEST"):
        refused = service.refusal("CreateCampaign", name="c", **follows | {"solutionVersionArn": arn})
        assert refused.code == "ResourceNotFoundException", arn
    refused = service.refusal("CreateCampaign", name="c", solutionVersionArn=f"{solution}/$LATEST")
    assert refused.code == "InvalidInputException"
    service.work()
    service.campaign(waiting)
    refused = service.refusal("CreateCampaign", name="c", solutionVersionArn=waiting)
    assert refused.code == "ResourceAlreadyExistsException"


def test_an_update_serves_the_old_version_until_it_is_done(service: Any) -> None:
    solution = service.solution()
    old, new = service.version(solution), service.version(solution)
    campaign = service.campaign(old, campaignConfig=EXPLORES, minProvisionedTPS=2)
    assert "latestCampaignUpdate" not in service.described("Campaign", campaign)
    before = service.described("Campaign", campaign)
    answer = service("UpdateCampaign", campaignArn=campaign, solutionVersionArn=new)
    assert answer == {"campaignArn": campaign}
    shown = service.described("Campaign", campaign)
    update = shown.pop("latestCampaignUpdate")
    assert shown == before
    assert update["status"] == "CREATE PENDING"
    for operation in ("UpdateCampaign", "DeleteCampaign"):
        assert service.refusal(operation, campaignArn=campaign).code == "ResourceInUseException"
    task = claimed(service)
    shown = service.described("Campaign", campaign)
    assert (shown["status"], shown["solutionVersionArn"]) == ("ACTIVE", old)
    assert shown["latestCampaignUpdate"]["status"] == "CREATE IN_PROGRESS"
    assert lifecycle.finish(service.store, task)
    shown = service.described("Campaign", campaign)
    assert (shown["status"], shown["solutionVersionArn"]) == ("ACTIVE", new)
    assert (shown["campaignConfig"], shown["minProvisionedTPS"]) == (EXPLORES, 2)
    update = shown["latestCampaignUpdate"]
    del update["creationDateTime"], update["lastUpdatedDateTime"]
    assert update == {
        "solutionVersionArn": new,
        "minProvisionedTPS": 2,
        "campaignConfig": EXPLORES,
        "status": "ACTIVE",
    }


def test_an_update_can_change_one_thing_or_nothing(service: Any) -> None:
    version = service.version()
    campaign = service.campaign(version, campaignConfig=EXPLORES)
    service("UpdateCampaign", campaignArn=campaign)
    service.work()
    assert latest(service, campaign)["status"] == "ACTIVE"
    service("UpdateCampaign", campaignArn=campaign, minProvisionedTPS=7)
    service.work()
    metadata = {"enableMetadataWithRecommendations": True}
    service("UpdateCampaign", campaignArn=campaign, campaignConfig=metadata)
    service.work()
    shown = service.described("Campaign", campaign)
    assert (shown["solutionVersionArn"], shown["minProvisionedTPS"]) == (version, 7)
    assert shown["campaignConfig"] == {**EXPLORES, **metadata}


def test_an_update_that_fails_leaves_the_old_version(service: Any) -> None:
    solution = service.solution()
    old, new = service.version(solution), service.version(solution)
    campaign = service.campaign(old)
    service("UpdateCampaign", campaignArn=campaign, solutionVersionArn=new)
    service.work({campaign: "No memory."})
    shown = service.described("Campaign", campaign)
    assert (shown["status"], shown["solutionVersionArn"]) == ("ACTIVE", old)
    assert "failureReason" not in shown
    update = latest(service, campaign)
    assert (update["status"], update["failureReason"]) == ("CREATE FAILED", "No memory.")
    service("UpdateCampaign", campaignArn=campaign, solutionVersionArn=new)
    service.work()
    assert served(service, campaign) == new


def test_a_campaign_that_failed_can_be_updated_and_is_active_then(service: Any) -> None:
    version = service.version()
    campaign = service("CreateCampaign", name="c", solutionVersionArn=version)["campaignArn"]
    assert service.refusal("UpdateCampaign", campaignArn=campaign).code == "ResourceInUseException"
    service.work({campaign: "No."})
    service("UpdateCampaign", campaignArn=campaign)
    service.work()
    shown = service.described("Campaign", campaign)
    assert shown["status"] == "ACTIVE"
    assert "failureReason" not in shown


def test_a_campaign_follows_its_solution(service: Any) -> None:
    solution = service.solution()
    first = service.version(solution)
    other = service.campaign(first, "other")
    campaign = service.campaign(f"{solution}/$LATEST", campaignConfig=SYNC)
    assert served(service, campaign) == first
    second = service("CreateSolutionVersion", solutionArn=solution)["solutionVersionArn"]
    assert lifecycle.finish(service.store, claimed(service, "training"))
    shown = service.described("Campaign", campaign)
    assert (shown["solutionVersionArn"], shown["latestCampaignUpdate"]["status"]) == (first, "CREATE PENDING")
    assert shown["latestCampaignUpdate"]["solutionVersionArn"] == second
    service.work()
    assert served(service, campaign) == second
    assert served(service, other) == first


def test_a_campaign_at_work_follows_as_soon_as_it_is_done(service: Any) -> None:
    solution = service.solution()
    service.version(solution)
    campaign = service.campaign(f"{solution}/$LATEST", campaignConfig=SYNC)
    service("UpdateCampaign", campaignArn=campaign, minProvisionedTPS=3)
    update = claimed(service)
    newer = service("CreateSolutionVersion", solutionArn=solution)["solutionVersionArn"]
    assert lifecycle.finish(service.store, claimed(service, "training"))
    assert latest(service, campaign)["minProvisionedTPS"] == 3
    assert lifecycle.finish(service.store, update)
    assert latest(service, campaign)["solutionVersionArn"] == newer
    service.work()
    shown = service.described("Campaign", campaign)
    assert (shown["solutionVersionArn"], shown["minProvisionedTPS"]) == (newer, 3)


def test_a_new_campaign_follows_what_came_while_it_was_made(service: Any) -> None:
    solution = service.solution()
    service.version(solution)
    follows = {"solutionVersionArn": f"{solution}/$LATEST", "campaignConfig": SYNC}
    campaign = service("CreateCampaign", name="c", **follows)["campaignArn"]
    creation = claimed(service)
    newer = service("CreateSolutionVersion", solutionArn=solution)["solutionVersionArn"]
    assert lifecycle.finish(service.store, claimed(service, "training"))
    assert lifecycle.finish(service.store, creation)
    service.work()
    assert served(service, campaign) == newer


def test_an_older_version_that_is_done_late_is_not_followed(service: Any) -> None:
    solution = service.solution()
    service.version(solution)
    campaign = service.campaign(f"{solution}/$LATEST", campaignConfig=SYNC)
    service("CreateSolutionVersion", solutionArn=solution)
    slow = claimed(service, "training")
    newer = service("CreateSolutionVersion", solutionArn=solution)["solutionVersionArn"]
    assert lifecycle.finish(service.store, claimed(service, "training"))
    assert lifecycle.finish(service.store, claimed(service))
    assert served(service, campaign) == newer
    assert lifecycle.finish(service.store, slow)
    service.work()
    assert served(service, campaign) == newer


def test_a_version_that_fails_or_is_stopped_is_not_followed(service: Any) -> None:
    solution = service.solution()
    first = service.version(solution)
    campaign = service.campaign(f"{solution}/$LATEST", campaignConfig=SYNC)
    failed = service("CreateSolutionVersion", solutionArn=solution)["solutionVersionArn"]
    service.work({failed: "No."})
    stopped = service("CreateSolutionVersion", solutionArn=solution)["solutionVersionArn"]
    task = claimed(service, "training")
    service("StopSolutionVersionCreation", solutionVersionArn=stopped)
    assert lifecycle.finish(service.store, task)
    service.work()
    shown = service.described("Campaign", campaign)
    assert shown["solutionVersionArn"] == first
    assert "latestCampaignUpdate" not in shown


def test_a_campaign_whose_update_failed_is_synced_later(service: Any) -> None:
    solution = service.solution()
    first = service.version(solution)
    campaign = service.campaign(f"{solution}/$LATEST", campaignConfig=SYNC)
    second = service("CreateSolutionVersion", solutionArn=solution)["solutionVersionArn"]
    service.work({campaign: "No."})
    assert (served(service, campaign), latest(service, campaign)["status"]) == (first, "CREATE FAILED")
    campaigns.sync(service.store, 1.8e9)
    assert latest(service, campaign)["creationDateTime"] == 1.8e9
    service.work()
    assert served(service, campaign) == second
    campaigns.sync(service.store, 1.9e9)  # nothing is left to do
    assert latest(service, campaign)["creationDateTime"] == 1.8e9


def test_following_begins_and_ends_by_updates(service: Any) -> None:
    solution = service.solution()
    first, second = service.version(solution), service.version(solution)
    campaign = service.campaign(first)
    refused = service.refusal("UpdateCampaign", campaignArn=campaign, campaignConfig=SYNC)
    assert refused.code == "InvalidInputException"
    service(
        "UpdateCampaign", campaignArn=campaign, solutionVersionArn=f"{solution}/$LATEST", campaignConfig=SYNC
    )
    service.work()
    assert served(service, campaign) == second
    refused = service.refusal("UpdateCampaign", campaignArn=campaign, solutionVersionArn=first)
    assert refused.code == "InvalidInputException"
    off = {"syncWithLatestSolutionVersion": False}
    service("UpdateCampaign", campaignArn=campaign, solutionVersionArn=first, campaignConfig=off)
    service.work()
    service.version(solution)
    assert served(service, campaign) == first


def test_a_campaign_holds_its_solution_and_the_datasets(service: Any) -> None:
    version = service.version()
    campaign = service.campaign(version)
    for request in (
        {"operation": "DeleteSolution", "solutionArn": version.rpartition("/")[0]},
        {"operation": "DeleteDataset", "datasetArn": f"{PREFIX}:dataset/shop/INTERACTIONS"},
        {"operation": "DeleteDataset", "datasetArn": f"{PREFIX}:dataset/shop/ITEMS"},
    ):
        refused = service.refusal(**request)
        assert (refused.code, campaign in refused.message) == ("ResourceInUseException", True)
    service("DeleteCampaign", campaignArn=campaign)
    service.work()
    service("DeleteSolution", solutionArn=version.rpartition("/")[0])


def test_a_campaign_between_two_solutions_holds_both(service: Any) -> None:
    old = service.version()
    new = service.version(service.solution(GROUP, "new"))
    campaign = service.campaign(old)
    service("UpdateCampaign", campaignArn=campaign, solutionVersionArn=new)
    for version in (old, new):
        solution = version.rpartition("/")[0]
        assert service.refusal("DeleteSolution", solutionArn=solution).code == "ResourceInUseException"
    service.work()
    assert (
        service.refusal("DeleteSolution", solutionArn=new.rpartition("/")[0]).code == "ResourceInUseException"
    )
    listed = service("ListCampaigns", solutionArn=new.rpartition("/")[0])["campaigns"]
    assert [one["campaignArn"] for one in listed] == [campaign]
    assert service("ListCampaigns", solutionArn=old.rpartition("/")[0])["campaigns"] == []
    assert service("ListCampaigns", solutionArn=f"{PREFIX}:solution/none") == {"campaigns": []}
    service("DeleteSolution", solutionArn=old.rpartition("/")[0])


def test_the_quota_of_campaigns_is_of_a_group(service: Any) -> None:
    version = service.version()
    for number in range(5):
        service.campaign(version, f"c{number}")
    refused = service.refusal("CreateCampaign", name="c5", solutionVersionArn=version)
    assert (refused.code, refused.message) == (
        "LimitExceededException",
        "Cannot create a campaign. More than 5 resources in ACTIVE state. Please delete some and try again.",
    )
    service("DeleteCampaign", campaignArn=f"{PREFIX}:campaign/c0")
    service("CreateCampaign", name="c5", solutionVersionArn=version)


def test_a_description_has_only_members_of_the_service_model(service: Any) -> None:
    campaign = service.campaign()
    service("UpdateCampaign", campaignArn=campaign)
    shape = MODEL.operation_model("DescribeCampaign").output_shape.members["campaign"]
    shown = service.described("Campaign", campaign)
    assert set(shown) <= set(shape.members)
    assert set(shown["latestCampaignUpdate"]) <= set(shape.members["latestCampaignUpdate"].members)
