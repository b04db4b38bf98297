"""What it takes to make an account have what is declared: what is created, what is changed in place, what cannot be."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from sartor.moving.declared import Declared, Resources, differences, group_of, in_order
from sartor.moving.kinds import DECLARABLE
from sartor.resources.kind_names import DATASET_GROUP, DATASET_IMPORT_JOB, SCHEMA, SOLUTION_VERSION

Action = Literal["create", "update", "same", "cannot change"]
_FAILED: Final = "FAILED"


@dataclass(frozen=True)
class Change:
    """One member that is to be another.

    Attributes:
        member: its path, such as ``campaignConfig.enableMetadataWithRecommendations``.
        found: what it is.
        wanted: what it shall be.
    """

    member: str
    found: Any
    wanted: Any


@dataclass(frozen=True)
class Step:
    """What is done about one resource.

    Attributes:
        action: in a word or two.
        wanted: what is declared.
        found: what is there.
        changes: where they differ.
        why: nothing can be done, and what the user can.
    """

    action: Action
    wanted: Declared
    found: Declared | None = None
    changes: tuple[Change, ...] = ()
    why: str = ""


def plan(wanted: Resources, found: Resources) -> list[Step]:
    """Return a step for each resource that is declared, in the order in which they are done.

    Args:
        wanted: what is declared.
        found: what is there, as ``reading.read`` tells it; imports too, if they are asked for.
    """
    return [_step(one, found.get(one.key), wanted) for one in in_order(wanted.values())]


def named_groups(wanted: Resources) -> set[str]:
    """Return the names of the dataset groups that resources belong to."""
    return {group for one in wanted.values() if (group := group_of(one, wanted))}


def named_schemas(wanted: Resources) -> set[str]:
    """Return the names of the schemas that are declared or used."""
    used = {one.named[SCHEMA] for one in wanted.values() if SCHEMA in one.named}
    return used | {one.name for one in wanted.values() if one.kind == SCHEMA}


def _step(wanted: Declared, found: Declared | None, among: Resources) -> Step:
    if found is None:
        return Step("create", wanted)
    changes = tuple(changes_of(wanted, found))
    if found.status.endswith(_FAILED):
        return Step("cannot change", wanted, found, changes, _failed(found))
    if not changes:
        return Step("same", wanted, found)
    updated = (*wanted.declarable.updated, "tags")
    if wanted.kind == SCHEMA or not wanted.declarable.kind.taggable:
        updated = wanted.declarable.updated
    fixed = [one.member for one in changes if not _is_below(one.member, updated)]
    if fixed:
        return Step("cannot change", wanted, found, changes, _fixed(wanted, fixed))
    return Step("update", wanted, found, changes)


def changes_of(wanted: Declared, found: Declared, *, exactly: bool = False) -> Iterator[Change]:
    """Yield where two resources of a name differ.

    Args:
        wanted: what is declared.
        found: what is there.
        exactly: whether what only ``found`` has is a difference.
    """
    pairs = (
        (_comparable(wanted), _comparable(found), exactly or wanted.kind == SCHEMA),
        ({"tags": wanted.tags}, {"tags": found.tags}, exactly),
    )
    for mine, theirs, strictly in pairs:
        for path, there, here in differences(mine, theirs, exactly=strictly):
            yield Change(path, there, here)


def _comparable(one: Declared) -> dict[str, Any]:
    """Return what is compared of a resource: its members, and what it names."""
    members = dict(one.members)
    if "metrics" in members:  # a set, in no order
        members["metrics"] = sorted(members["metrics"], key=lambda of: (of["eventType"], of["metricName"]))
    words = {DATASET_GROUP: "group"}
    return {**members, **{words.get(kind, kind): name for kind, name in one.named.items()}}


def _is_below(member: str, paths: tuple[str, ...]) -> bool:
    return any(member == path or member.startswith(f"{path}.") for path in paths)


def _failed(found: Declared) -> str:
    """Return what can be done about what has failed."""
    reason = f": {found.why}" if found.why else ""
    if found.kind in (DATASET_IMPORT_JOB, SOLUTION_VERSION):
        return f"it failed{reason}"
    return f"it is {found.status}{reason} Delete it ({_delete(found)}) and apply again."


def _fixed(wanted: Declared, members: list[str]) -> str:
    noun = DECLARABLE[wanted.kind].kind.noun
    if wanted.kind == DATASET_IMPORT_JOB:
        return (
            f"a job of that name imported something else ({', '.join(members)} differ): name another jobName"
        )
    have = "are" if len(members) > 1 else "is"
    return (
        f"{' and '.join(members)} of a {noun} {have} fixed when it is created: declare it under another name, or "
        f"delete it first ({_delete(wanted)})."
    )


def _delete(one: Declared) -> str:
    word = "".join(
        f"-{letter.lower()}" if letter.isupper() else letter for letter in one.declarable.kind.noun
    )
    return f"aws personalize delete{word} --{one.kind}-arn …"


def shown(steps: list[Step]) -> list[dict[str, Any]]:
    """Return a plan as JSON has it."""
    return [
        {
            "action": step.action,
            "kind": step.wanted.kind,
            "name": step.wanted.name,
            "place": step.wanted.place,
            "changes": [{"member": one.member, "from": one.found, "to": one.wanted} for one in step.changes],
            **({"why": step.why} if step.why else {}),
        }
        for step in steps
    ]


def counts(steps: list[Step]) -> Mapping[Action, int]:
    """Return how many steps there are of each action."""
    actions: tuple[Action, ...] = ("create", "update", "same", "cannot change")
    return {action: sum(step.action == action for step in steps) for action in actions}
