"""The operations as IAM names them: the action, and the resource that a policy may name.

Source: "Actions, resources, and condition keys for Amazon Personalize" (Service Authorization Reference).
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from sartor.resources.kind_names import DATASET, EVENT_TRACKER, SOLUTION_VERSION
from sartor.resources.kinds import KINDS, arn_of
from sartor.wire.sign import Caller

#: The members of a request.
Members = Mapping[str, Any]
#: Finds the ARN of what has a tracking id; ``None`` if the caller has none.
Tracked = Callable[[Caller, str], str | None]
#: Makes the ARN that a call is about of the caller, its members and what finds trackers.
Named = Callable[[Caller, Members, Tracked], str]

#: What an action is about that is about no resource.
NO_RESOURCE: Final = "*"
_VERBS: Final = re.compile(r"(Describe|Delete|Update|Start|Stop)([A-Z]\w+)")
_CREATE: Final = "Create"


def _member(name: str) -> Named:
    return lambda _caller, members, _tracked: str(members.get(name) or NO_RESOURCE)


def _either(caller: Caller, members: Members, tracked: Tracked) -> str:
    """A campaign's ARN or a recommender's."""
    return _member("campaignArn" if members.get("campaignArn") else "recommenderArn")(
        caller, members, tracked
    )


def _tracker(caller: Caller, members: Members, tracked: Tracked) -> str:
    found = tracked(caller, str(members.get("trackingId", "")))
    return found or arn_of(KINDS[EVENT_TRACKER], caller.region, caller.account, id="*")


def _new(kind_name: str, name_member: str) -> Named:
    """Return what makes the ARN that a new resource will have; a part that nobody knows yet is ``*``."""
    kind = KINDS[kind_name]

    def named(caller: Caller, members: Members, _tracked: Tracked) -> str:
        name = str(members.get(name_member) or NO_RESOURCE)
        return arn_of(kind, caller.region, caller.account, name=name, id=NO_RESOURCE)

    return named


def _new_dataset(caller: Caller, members: Members, _tracked: Tracked) -> str:
    group = str(members.get("datasetGroupArn", "")).rpartition("/")[2] or NO_RESOURCE
    dataset_type = str(members.get("datasetType") or NO_RESOURCE).upper()
    return arn_of(KINDS[DATASET], caller.region, caller.account, group=group, type=dataset_type)


#: What does not follow from a kind's row.                                                <- add an operation
_OTHERS: Final[Mapping[str, Named]] = {
    "CreateDataset": _new_dataset,
    "CreateSolutionVersion": _member("solutionArn"),
    "StopSolutionVersionCreation": _member("solutionVersionArn"),
    "GetSolutionMetrics": _member("solutionVersionArn"),
    "DescribeAlgorithm": _member("algorithmArn"),
    "DescribeFeatureTransformation": _member("featureTransformationArn"),
    "DescribeRecipe": _member("recipeArn"),
    **dict.fromkeys(("TagResource", "UntagResource", "ListTagsForResource"), _member("resourceArn")),
    **dict.fromkeys(("PutEvents", "PutActionInteractions"), _tracker),
    **dict.fromkeys(("PutUsers", "PutItems", "PutActions"), _member("datasetArn")),
    "GetRecommendations": _either,
    **dict.fromkeys(("GetPersonalizedRanking", "GetActionRecommendations"), _member("campaignArn")),
}


@lru_cache(maxsize=256)
def named_by(operation: str) -> Named:
    """Return what names the resource of an operation's calls.

    Raises:
        KeyError: nobody knows the operation.
    """
    if operation in _OTHERS:
        return _OTHERS[operation]
    if operation.startswith("List"):
        return lambda _caller, _members, _tracked: NO_RESOURCE
    by_noun = {kind.noun: kind for kind in KINDS.values() if kind.name != SOLUTION_VERSION}
    if operation.startswith(_CREATE):
        kind = by_noun[operation.removeprefix(_CREATE)]
        return _new(kind.name, kind.name_member)
    if operation == "DescribeSolutionVersion":
        return _member(KINDS[SOLUTION_VERSION].arn_member)
    match = _VERBS.fullmatch(operation)
    if match is None:
        raise KeyError(operation)
    return _member(by_noun[match[2]].arn_member)


def passed_roles(members: Members) -> list[str]:
    """Return the ARNs of the roles that a call hands to the service."""
    output = members.get("metricsOutputConfig")
    places = (members, output if isinstance(output, Mapping) else {})
    return [str(place["roleArn"]) for place in places if place.get("roleArn")]
