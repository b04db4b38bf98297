"""Campaigns: which solution version answers, with which configuration, and how a newer version takes over.

Sources: the developer guide's "Creating a campaign", "Updating a campaign's configuration" and "Automatic
campaign updates", and the service model.
"""

from collections.abc import Mapping
from typing import Any, Final

from sartor.errors import in_use, invalid_input
from sartor.recipes import BY_ARN, Recipe
from sartor.resources import exploration, groups, tags, updates
from sartor.resources.call import Call, Draft, Request, inactive, lock_of, require_active
from sartor.resources.kind_names import CAMPAIGN, SOLUTION, SOLUTION_VERSION
from sartor.resources.kinds import CREATING
from sartor.resources.store import Resource, Store, Transaction

#: Amazon's quota of active campaigns of one dataset group.
MAX_CAMPAIGNS: Final = 5
#: What a solution's ARN gets for its newest version.
LATEST: Final = "/$LATEST"
#: So many versions that a campaign has served are remembered.
_MOST_SERVED: Final = 100
#: The statuses in which a campaign can be updated.
_UPDATABLE: Final = ("ACTIVE", "CREATE FAILED")


def create_campaign(call: Call, request: Request) -> Draft:
    """Allow CreateCampaign: an active solution version, with a configuration that its recipe knows."""
    config = request.get("campaignConfig", {})
    version = _version(call, request["solutionVersionArn"], _syncs(config))
    _require_config(call.transaction, version, config)
    arn = call.free_arn(CAMPAIGN, name=request["name"])
    first_tags = tags.checked(request.get("tags"))
    call.require_active_quota(CAMPAIGN, "a campaign", MAX_CAMPAIGNS, of=version.body["datasetGroupArn"])
    return Draft(
        arn,
        request["name"],
        _body(call.transaction, version, config, request.get("minProvisionedTPS", 1)),
        private={"config": config},
        parents=_parents(call.transaction, version),
        tags=first_tags,
    )


def update_campaign(call: Call, request: Request) -> dict[str, Any]:
    """Answer UpdateCampaign: what the request does not say stays; the old version serves until it is done.

    Args:
        call: in a transaction that writes.
        request: ``campaignArn`` and any of ``solutionVersionArn``, ``minProvisionedTPS``, ``campaignConfig``.

    Raises:
        ApiError: ``ResourceInUseException`` when it is neither active nor failed or another update is not done,
            ``InvalidInputException`` for a configuration that the recipe does not know.
    """
    campaign = call.find(request["campaignArn"], CAMPAIGN)
    _require_updatable(call.transaction, campaign)
    given = request.get("campaignConfig", {})
    config = {**campaign.private["config"], **given}
    version = _next_version(call, campaign, request, config)
    _require_config(call.transaction, version, given)
    tps = request.get("minProvisionedTPS", campaign.body["minProvisionedTPS"])
    _begin(call.transaction, campaign, version, config, tps, call.now)
    return {"campaignArn": campaign.arn}


def follow_latest(transaction: Transaction, version: Resource, now: float) -> None:
    """Let every campaign that follows a version's solution take over its newest active version.

    Args:
        transaction: the one that makes the version active.
        version: a solution version.
        now: epoch seconds.
    """
    for campaign in transaction.children(version.body["solutionArn"], CAMPAIGN):
        catch_up(transaction, campaign, now)


def catch_up(transaction: Transaction, campaign: Resource, now: float) -> None:
    """Let a campaign that follows its solution take over the newest active version, unless it is at work.

    Args:
        transaction: one that writes.
        campaign: as it was when the transaction began.
        now: epoch seconds.
    """
    found = transaction.get(campaign.arn)
    newest = None if found is None else _newer(transaction, found)
    if found is not None and newest is not None:
        _begin(transaction, found, newest, found.private["config"], found.body["minProvisionedTPS"], now)


def sync(store: Store, now: float) -> None:
    """Let campaigns catch up that did not follow when a version became active, such as one whose update failed.

    Args:
        store: the metadata database.
        now: epoch seconds.
    """
    with store.read() as transaction:
        late = [one for one in transaction.every(CAMPAIGN) if _newer(transaction, one) is not None]
    for campaign in late:
        with store.write(lock_of(campaign.account, campaign.region)) as transaction:
            catch_up(transaction, campaign, now)


def _newer(transaction: Transaction, campaign: Resource) -> Resource | None:
    """Return the newest active version, if a campaign that is not at work follows its solution and serves another."""
    if campaign.status != "ACTIVE" or not _syncs(campaign.private["config"]):
        return None
    served = transaction.get(campaign.body["solutionVersionArn"])
    if served is None or transaction.task(campaign.arn) is not None:
        return None
    return transaction.child(served.body["solutionArn"], SOLUTION_VERSION, ("ACTIVE",), newer_than=served.seq)


def _begin(
    transaction: Transaction,
    campaign: Resource,
    version: Resource,
    config: Mapping[str, Any],
    tps: int,
    now: float,
) -> None:
    """Owe a campaign the update to a version and a configuration."""
    body = _body(transaction, version, config, tps)
    updates.begin(
        transaction,
        campaign,
        now,
        shown=body,
        body=body,
        private={"config": dict(config), **_served(campaign, version, now)},
        parents=_parents(transaction, version),
    )


def _served(campaign: Resource, version: Resource, now: float) -> dict[str, Any]:
    """Return which versions a campaign has served, and up to when each, if another one comes now."""
    serves = campaign.body["solutionVersionArn"]
    if serves == version.arn:
        return {}
    return {"served": [*campaign.private.get("served", [])[1 - _MOST_SERVED :], [serves, now]]}


def _body(transaction: Transaction, version: Resource, config: Mapping[str, Any], tps: int) -> dict[str, Any]:
    """Return the members of a campaign that serves a version."""
    return {
        "solutionVersionArn": version.arn,
        "minProvisionedTPS": tps,
        "campaignConfig": _in_effect(transaction, version, config),
    }


def _in_effect(transaction: Transaction, version: Resource, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was asked for, without what the recipe does not know and with what it has by itself."""
    recipe = _recipe(version)
    known = {
        "itemExplorationConfig": recipe.explores_as_told,
        "rankingInfluence": "influence" in recipe.features,
    }
    shown = {name: value for name, value in config.items() if known.get(name, True)}
    if "metadata" in recipe.features and groups.has_metadata(transaction, version.body["datasetGroupArn"]):
        shown["enableMetadataWithRecommendations"] = True
    return shown


def _parents(transaction: Transaction, version: Resource) -> tuple[str, ...]:
    """Return what a campaign of a version names: all that must stay as long as it does, and be listed by."""
    group_arn = version.body["datasetGroupArn"]
    held = [dataset.arn for dataset in transaction.datasets(group_arn, _recipe(version).learns_from).values()]
    return (version.body["solutionArn"], version.arn, group_arn, *held)


def _recipe(version: Resource) -> Recipe:
    return BY_ARN[version.body["recipeArn"]]


def _syncs(config: Mapping[str, Any]) -> bool:
    return bool(config.get("syncWithLatestSolutionVersion", False))


def _next_version(call: Call, campaign: Resource, request: Request, config: Mapping[str, Any]) -> Resource:
    """Return the version that an update deploys: the one that is asked for, or the one that serves.

    Raises:
        ApiError: see ``_version``.
    """
    if "solutionVersionArn" in request:
        return _version(call, request["solutionVersionArn"], _syncs(config))
    served = call.find(campaign.body["solutionVersionArn"], SOLUTION_VERSION)
    if not _syncs(config):
        return served
    if not _syncs(campaign.private["config"]):
        raise _latest_needed()
    return _version(call, served.body["solutionArn"] + LATEST, syncs=True)


def _version(call: Call, arn: str, syncs: bool) -> Resource:
    """Return the active solution version that an ARN names, or the newest one of ``solution/name/$LATEST``.

    Raises:
        ApiError: ``ResourceNotFoundException``, ``ResourceInUseException`` when it is not active, or
            ``InvalidInputException`` when the form of the ARN and ``syncWithLatestSolutionVersion`` disagree.
    """
    if not arn.endswith(LATEST):
        version = call.find(arn, SOLUTION_VERSION)
        if syncs:
            raise _latest_needed()
        require_active(version)
    else:
        solution = call.find(arn.removesuffix(LATEST), SOLUTION)
        if not syncs:
            raise invalid_input(
                f"{arn} needs syncWithLatestSolutionVersion to be true in the campaign's configuration."
            )
        newest = call.transaction.child(solution.arn, SOLUTION_VERSION, ("ACTIVE",))
        if newest is None:
            coming = call.transaction.child(solution.arn, SOLUTION_VERSION, CREATING)
            if coming is not None:
                raise inactive(coming)
            raise in_use(f"Solution {solution.arn} has no solution version that is ACTIVE.")
        version = newest
    require_active(call.find(version.body["solutionArn"], SOLUTION))
    if _recipe(version).serving is None:
        raise invalid_input(f"Solution versions of recipe {_recipe(version).name} cannot be deployed.")
    return version


def _latest_needed() -> Exception:
    return invalid_input(
        "syncWithLatestSolutionVersion needs a solutionVersionArn of the form SolutionArn/$LATEST."
    )


def _require_updatable(transaction: Transaction, campaign: Resource) -> None:
    """Refuse to update a campaign that is at work.

    Raises:
        ApiError: ``ResourceInUseException``.
    """
    if campaign.status in CREATING:
        raise inactive(campaign)
    if campaign.status not in _UPDATABLE:
        raise in_use(f"Resource {campaign.arn} cannot be updated while its status is {campaign.status}.")
    if transaction.task(campaign.arn) is not None:
        raise in_use(f"Resource {campaign.arn} cannot be updated: another update is in progress.")


def _require_config(transaction: Transaction, version: Resource, config: Mapping[str, Any]) -> None:
    """Refuse a configuration that the version's recipe or data do not know.

    Raises:
        ApiError: ``InvalidInputException``.
    """
    require_known(_recipe(version), config)
    if config.get("enableMetadataWithRecommendations"):
        groups.require_metadata(transaction, version.body["datasetGroupArn"])


def require_known(recipe: Recipe, config: Mapping[str, Any]) -> None:
    """Refuse a configuration of exploration, influence or metadata that a recipe does not know.

    Raises:
        ApiError: ``InvalidInputException``.
    """
    if "itemExplorationConfig" in config:
        exploration.require(recipe, config["itemExplorationConfig"])
    if "rankingInfluence" in config and "influence" not in recipe.features:
        raise invalid_input(f"rankingInfluence is not supported by recipe {recipe.name}.")
    if config.get("enableMetadataWithRecommendations") and recipe.of_actions:
        raise invalid_input(f"enableMetadataWithRecommendations is not supported by recipe {recipe.name}.")
