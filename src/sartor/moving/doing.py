"""Carrying a plan out: each step when what it needs is ACTIVE, and what waits for long work left to a later run."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sartor.moving.declared import Declared, Resources, dataset_name, group_of
from sartor.moving.kinds import DECLARABLE, LONG
from sartor.moving.plan import Step
from sartor.moving.reading import Say, newest_version, was_empty
from sartor.resources.kind_names import (
    CAMPAIGN,
    DATASET,
    METRIC_ATTRIBUTION,
    RECOMMENDER,
    SCHEMA,
    SOLUTION,
    SOLUTION_VERSION,
)
from sartor.wire.call import CallError
from sartor.wire.clients import Client

_FIRST_LOOK_SECONDS: Final = 0.1
_LAST_LOOK_SECONDS: Final = 15.0
_Key = tuple[str, str]


class StepFailed(Exception):  # noqa: N818 - the house's word: a job fails
    """A resource did not become what it should; the message says why."""


@dataclass
class Outcome:
    """What became of a plan.

    Attributes:
        done: what was created or changed.
        failed: why what was not, by resource.
        left: what waits for something, and for what.
        working: what is not ACTIVE yet.
    """

    done: list[Declared] = field(default_factory=list)
    failed: dict[_Key, str] = field(default_factory=dict)
    left: dict[_Key, str] = field(default_factory=dict)
    working: list[Declared] = field(default_factory=list)


class Applying:
    """Carries out the steps of a plan, in their order.

    Args:
        client: who asks.
        wanted: what is declared.
        found: what is there.
        wait: whether imports, trainings and recommenders are waited for.
        say: is told what is done.
        may_be_empty: whether an import of no rows is as good as any.
    """

    def __init__(
        self,
        client: Client,
        wanted: Resources,
        found: Resources,
        wait: bool,
        say: Say = lambda _: None,
        may_be_empty: bool = False,
    ) -> None:
        self._client = client
        self._wanted = wanted
        self._wait = wait
        self._say = say
        self._may_be_empty = may_be_empty
        self._arns = {key: one.arn for key, one in found.items()}
        #: What is not ACTIVE yet, with how its update is called if that is what is waited for.
        self._pending: dict[_Key, Declared] = {}
        self._updating: set[_Key] = set()
        self.outcome = Outcome()

    def carry_out(self, steps: list[Step]) -> Outcome:
        """Do all that can be done, and return what became of it."""
        for step in steps:
            self._carry_out(step)
        for one in list(self._pending.values()):
            if self._wait or one.kind not in LONG:
                self._until_active(one)
        self.outcome.working.extend(self._pending.values())
        return self.outcome

    def _carry_out(self, step: Step) -> None:
        one = step.wanted
        if step.found is not None and step.found.status not in ("ACTIVE", "INACTIVE"):
            self._pending[one.key] = one
        if step.action == "same":
            return
        try:
            blocked = self._blocked(one)
            if blocked:
                self.outcome.left[one.key] = blocked
                return
            self._say(f"{step.action} {one.label}")
            if step.action == "create":
                self._arns[one.key] = self._create(one)
            elif step.found is not None:
                self._update(step, step.found)
                self._updating.add(one.key)
        except (CallError, StepFailed) as error:
            self.outcome.failed[one.key] = str(error)
            return
        self.outcome.done.append(one)
        if one.kind != SCHEMA:
            self._pending[one.key] = one

    def _blocked(self, one: Declared) -> str:
        """Wait for what a resource needs; return why it cannot be created now, if it cannot."""
        for other in self._needed(one):
            if other.key in self.outcome.failed:
                return f"{other.label} failed"
            if other.key in self.outcome.left:
                return f"{other.label} waits too"
            if other.key not in self._pending:
                continue
            if other.kind in LONG and not self._wait:
                return f"waits for {other.label}"
            self._until_active(other)
            if other.key in self.outcome.failed:
                return f"{other.label} failed"
        return ""

    def _needed(self, one: Declared) -> list[Declared]:
        """Return what must be ACTIVE before a resource is created: its solution's version, or what its group has."""
        needs, group = one.declarable.needs, group_of(one, self._wanted)
        named = [self._wanted[SOLUTION, name] for kind, name in one.named.items() if kind == SOLUTION]
        return [
            other
            for other in self._wanted.values()
            if other.kind in needs
            and (
                other.name == named[0].name if named and other.kind in (SOLUTION, SOLUTION_VERSION) else True
            )
            and group_of(other, self._wanted) == group
            and other.key != one.key
        ]

    def _until_active(self, one: Declared) -> None:
        """Wait until a resource is ACTIVE; one that fails is written down."""
        row = DECLARABLE[one.kind].kind
        pause, told = _FIRST_LOOK_SECONDS, ""
        try:
            while True:
                of = self._client.call(f"Describe{row.noun}", **{row.arn_member: self._arns[one.key]})[
                    row.member
                ]
                update = of.get(row.update_member, {}) if one.key in self._updating else {}
                statuses = [status for status in (update.get("status"), of.get("status", "ACTIVE")) if status]
                if any(status.endswith("FAILED") for status in statuses):
                    reason = update.get("failureReason") or of.get("failureReason", "")
                    if self._may_be_empty and was_empty(of):
                        break
                    raise StepFailed(f"{statuses[0]}: {reason}" if reason else statuses[0])
                if all(status in ("ACTIVE", "INACTIVE") for status in statuses):
                    break
                if told != statuses[0] and pause > 1:
                    told = statuses[0]
                    self._say(f"{one.label} is {told}")
                time.sleep(pause)
                pause = min(pause * 1.5, _LAST_LOOK_SECONDS)
        except (CallError, StepFailed) as error:
            self.outcome.failed[one.key] = str(error)
        self._pending.pop(one.key, None)

    def _create(self, one: Declared) -> str:
        """Create a resource and return its ARN."""
        row = one.declarable
        members = dict(one.members)
        for member, kind in row.named.items():
            members[member] = self._arn(kind, one.named[kind])
        if row.kind.name_member == "name" and one.kind != SOLUTION_VERSION:
            members.setdefault("name", one.name.rpartition("/")[2])
        if one.kind in _CREATED:
            members = _CREATED[one.kind](self, one, members)
        if one.tags:
            members["tags"] = [{"tagKey": key, "tagValue": value} for key, value in one.tags.items()]
        return str(self._client.call(f"Create{row.kind.noun}", **members)[row.kind.arn_member])

    def _arn(self, kind: str, name: str) -> str:
        arn = self._arns.get((kind, name))
        if arn is None:
            raise StepFailed(f"there is no {kind} {name}: declare it too, or mend the name.")
        return arn

    def _update(self, step: Step, found: Declared) -> None:
        """Change a resource in place."""
        one = step.wanted
        changed = {change.member.partition(".")[0] for change in step.changes}
        if "tags" in changed:
            tags = [{"tagKey": key, "tagValue": value} for key, value in one.tags.items()]
            self._client.call("TagResource", resourceArn=found.arn, tags=tags)
        if changed - {"tags"}:
            row = one.declarable.kind
            members = _UPDATED[one.kind](self, one, found, changed)
            self._client.call(f"Update{row.noun}", **{row.arn_member: found.arn}, **members)

    def dataset(self, one: Declared, members: dict[str, Any]) -> dict[str, Any]:
        """Return what CreateDataset takes."""
        return {**members, "name": one.members.get("name", dataset_name(one))}

    def campaign(self, _one: Declared, members: dict[str, Any]) -> dict[str, Any]:
        """Return what CreateCampaign takes: the newest version of its solution."""
        solution = members["solutionVersionArn"]
        if members.get("campaignConfig", {}).get("syncWithLatestSolutionVersion"):
            return {**members, "solutionVersionArn": f"{solution}/$LATEST"}
        version = newest_version(self._client, solution)
        if version is None:
            raise StepFailed(f"{solution} has no version.")
        return {**members, "solutionVersionArn": version["solutionVersionArn"]}

    def new_dataset_schema(self, one: Declared, _found: Declared, _changed: set[str]) -> dict[str, Any]:
        """Return what UpdateDataset takes."""
        return {"schemaArn": self._arn(SCHEMA, one.named[SCHEMA])}


def _schema(_applying: Applying, _one: Declared, members: dict[str, Any]) -> dict[str, Any]:
    return {**members, "schema": json.dumps(members["schema"])}


def _solution_update(
    _applying: Applying, one: Declared, _found: Declared, changed: set[str]
) -> dict[str, Any]:
    members = {name: one.members[name] for name in changed if name in _PERFORMED}
    config = {
        name: value for name, value in one.members.get("solutionConfig", {}).items() if name in _RECONFIGURED
    }
    return {**members, **({"solutionUpdateConfig": config} if "solutionConfig" in changed else {})}


def _merged_members(_applying: Applying, one: Declared, found: Declared, changed: set[str]) -> dict[str, Any]:
    """Return what is declared over what is there: an operation takes a structure as a whole."""
    return {name: _merged(found.members.get(name), one.members[name]) for name in changed}


def _metrics_update(_applying: Applying, one: Declared, found: Declared, changed: set[str]) -> dict[str, Any]:
    members: dict[str, Any] = {name: one.members[name] for name in changed if name == "metricsOutputConfig"}
    if "metrics" in changed:
        wanted, there = one.members["metrics"], found.members["metrics"]
        kept = [metric for metric in there if metric in wanted]
        members["removeMetrics"] = [metric["metricName"] for metric in there if metric not in kept]
        members["addMetrics"] = [metric for metric in wanted if metric not in kept]
    return {name: value for name, value in members.items() if value}


def _merged(under: Any, over: Any) -> Any:
    if isinstance(under, Mapping) and isinstance(over, Mapping):
        return {**under, **{name: _merged(under.get(name), value) for name, value in over.items()}}
    return over


_PERFORMED: Final = ("performAutoTraining", "performIncrementalUpdate")
_RECONFIGURED: Final = ("autoTrainingConfig", "eventsConfig")
#: How what is declared becomes a request, where that is more than its members.
_CREATED: Final[Mapping[str, Callable[[Applying, Declared, dict[str, Any]], dict[str, Any]]]] = {
    SCHEMA: _schema,
    DATASET: Applying.dataset,
    CAMPAIGN: Applying.campaign,
}
_UPDATED: Final[Mapping[str, Callable[[Applying, Declared, Declared, set[str]], dict[str, Any]]]] = {
    DATASET: Applying.new_dataset_schema,
    SOLUTION: _solution_update,
    CAMPAIGN: _merged_members,
    RECOMMENDER: _merged_members,
    METRIC_ATTRIBUTION: _metrics_update,
}
