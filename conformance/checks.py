"""What a check is, and those that the service models and the table of kinds ask of every operation."""

import itertools
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal, get_args

from conformance import shapes
from conformance.world import TAG, World
from sartor.resources.kinds import BY_ARN_MEMBER, KINDS, Kind
from sartor.wire.operations import Operation

Aspect = Literal["answers", "pages", "tags", "wrong input", "not there", "taken", "in use"]
#: In the order of the page.
ASPECTS: Final[tuple[Aspect, ...]] = get_args(Aspect)

#: How many broken requests of each sort of fault are sent to one operation.
_OF_A_SORT: Final = 2
_NOBODY: Final = "arn:aws:personalize:us-east-1:000000000000:{}/nobody"
#: What an ARN of nothing looks like where the member's name does not say it.
_KIND_OF: Final = {"solutionVersion": "solution/nobody", "resource": "campaign"}
#: What the runtime and the events need beside what their models require.
_NEEDED: Final[dict[str, dict[str, Any]]] = {
    "GetRecommendations": {"campaignArn": _NOBODY.format("campaign"), "userId": "u"},
    "GetActionRecommendations": {"campaignArn": _NOBODY.format("campaign"), "userId": "u"},
    "UpdateMetricAttribution": {"metricAttributionArn": _NOBODY.format("metric-attribution")},
    "ListMetricAttributionMetrics": {"metricAttributionArn": _NOBODY.format("metric-attribution")},
    "CreateSolution": {"recipeArn": "arn:aws:personalize:::recipe/aws-user-personalization"},
}


@dataclass(frozen=True)
class Check:
    """One thing that is tried of an operation.

    Attributes:
        operation: its name.
        aspect: what sort of thing.
        says: what is tried, in words that go on from the operation's name.
        run: does it, and raises if it is not so.
    """

    operation: str
    aspect: Aspect
    says: str
    run: Callable[[World], object]


def of_model(operation: Operation) -> Iterator[Check]:
    """Yield what the service model alone asks of an operation."""
    shape = operation.model.input_shape
    if shape is None:
        return
    broken = _broken(operation)
    if broken:
        says = f"refuses {len(broken)} requests that break one constraint each"
        yield Check(operation.name, "wrong input", says, partial(_wrong_input, operation, broken))
    if any(name.endswith("Arn") or name == "trackingId" for name in shape.required_members) or (
        operation.name in _NEEDED
    ):
        yield Check(operation.name, "not there", "refuses what names nothing", partial(_not_there, operation))


def _broken(operation: Operation) -> list[dict[str, Any]]:
    """Return requests that break one constraint each: a few of each sort, always the same."""
    by_sort: dict[str, list[dict[str, Any]]] = {}
    for _name, sort, request in shapes.broken(operation.model.input_shape, random.Random(0)):
        by_sort.setdefault(sort, []).append(request)
    return [one for sort in by_sort.values() for one in sort[:_OF_A_SORT]]


def _wrong_input(operation: Operation, broken: list[dict[str, Any]], world: World) -> None:
    for request in broken:
        status, answer = world.post(operation, request)
        if "InvalidInputException" in operation.errors:
            assert status == 400, (request, answer)
        else:  # the lists that declare nothing but their token
            assert status >= 400, (request, answer)


def _not_there(operation: Operation, world: World) -> None:
    shape = operation.model.input_shape
    request = {
        name: shapes.value(shape.members[name], random.Random(0), deep=False)
        for name in shape.required_members
    }
    request |= {"trackingId": "nobody"} if "trackingId" in request else {}
    for name in request:
        if name.endswith("Arn") and name != "roleArn":
            word = name.removesuffix("Arn")
            kind = BY_ARN_MEMBER.get(name)
            request[name] = _NOBODY.format(_KIND_OF.get(word, word if kind is None else kind.name))
    wanted = "ResourceNotFoundException"
    code = wanted if wanted in operation.errors else "InvalidInputException"
    world.refused(operation.name, code, **request | _NEEDED.get(operation.name, {}))


def of_kind(kind: Kind, held: Mapping[str, tuple[str, ...]]) -> Iterator[Check]:
    """Yield what is asked of the four operations that every kind has.

    Args:
        kind: whose.
        held: the kinds that hold a kind's shared resource.
    """
    create, describe, delete = (f"{verb}{kind.noun}" for verb in ("Create", "Describe", "Delete"))
    listing = f"List{kind.noun}s"
    yield Check(create, "answers", "makes one, which settles well", lambda world: world.made(kind.name))
    if "{name}" in kind.tail or kind.name in ("dataset", "event-tracker"):
        yield Check(create, "taken", "refuses what is there already", partial(_taken, kind))
    if kind.taggable:
        yield Check(create, "tags", "keeps the tags that it is given", partial(_tags, kind))
    yield Check(describe, "answers", "shows what was asked for, and when", partial(_described, kind))
    yield Check(listing, "answers", "lists what is there, newest first", partial(_listed, kind))
    yield Check(listing, "pages", "gives the same in pages, and refuses another token", partial(_pages, kind))
    if kind.deletable:
        if holders := held.get(kind.name):
            says = f"refuses while another resource ({holders[0].replace('-', ' ')}) needs it"
            yield Check(delete, "in use", says, partial(_held, kind, holders[0]))
        yield Check(delete, "answers", "removes it: it is not found any more", partial(_deleted, kind, held))


def _taken(kind: Kind, world: World) -> None:
    shown = world.described(kind, world.made(kind.name))
    request = {**world.requests[kind.name], kind.name_member: shown[kind.name_member]}
    message = world.refused(f"Create{kind.noun}", "ResourceAlreadyExistsException", **request)
    assert message == f"Another resource with Arn {world.made(kind.name)} already exists."


def _tags(kind: Kind, world: World) -> None:
    arn = world.made(kind.name)
    assert world.ask("ListTagsForResource", resourceArn=arn)["tags"] == [TAG]


def _described(kind: Kind, world: World) -> None:
    shown = world.settled(kind, world.made(kind.name))
    asked = world.requests[kind.name]
    assert _contains(shown, {name: value for name, value in asked.items() if name in shown}), shown
    assert shown["creationDateTime"] <= shown["lastUpdatedDateTime"]


def _cheap(kind: Kind) -> bool:
    """Return whether another one takes next to no time and may be there beside the shared one."""
    return kind.name in ("dataset-group", "schema", "dataset-export-job", "filter", "solution")


def _contains(whole: Any, part: Any) -> bool:
    """Return whether a value has all that another one has."""
    if isinstance(part, dict):
        return all(name in whole and _contains(whole[name], value) for name, value in part.items())
    return bool(whole == part)


def _all(kind: Kind, world: World, **request: Any) -> list[dict[str, Any]]:
    """Return all of a list, page by page."""
    found: list[dict[str, Any]] = []
    for _ in itertools.count():
        answer = world.ask(f"List{kind.noun}s", **request)
        found += answer[kind.list_member]
        if "nextToken" not in answer:
            return found
        request["nextToken"] = answer["nextToken"]
    raise AssertionError


def _listed(kind: Kind, world: World) -> None:
    arn = world.made(kind.name)
    listed = _all(kind, world)
    assert arn in [one[kind.arn_member] for one in listed]
    times = [one["creationDateTime"] for one in listed]
    assert times == sorted(times, reverse=True)
    if kind.listed_by:
        parent = world.requests[kind.name].get(kind.listed_by) or world.made(
            BY_ARN_MEMBER[kind.listed_by].name
        )
        assert arn in [one[kind.arn_member] for one in _all(kind, world, **{kind.listed_by: parent})]


def _pages(kind: Kind, world: World) -> None:
    world.made(kind.name)
    if _cheap(kind):
        world.another(kind.name)
    assert _all(kind, world, maxResults=1) == _all(kind, world)
    world.refused(f"List{kind.noun}s", "InvalidNextTokenException", nextToken="nobody's")


def _held(kind: Kind, held_by: str, world: World) -> None:
    arn = world.made(kind.name)
    world.made(held_by)
    message = world.refused(f"Delete{kind.noun}", "ResourceInUseException", **{kind.arn_member: arn})
    assert arn in message


def _deleted(kind: Kind, held: Mapping[str, tuple[str, ...]], world: World) -> None:
    arn = world.made(kind.name)
    for holder in held.get(kind.name, ()):
        if world.has(holder):
            _deleted(KINDS[holder], held, world)
    world.forget(kind.name)
    assert world.ask(f"Delete{kind.noun}", **{kind.arn_member: arn}) == {}
    world.gone(kind, arn)
