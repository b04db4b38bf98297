"""What is there, out of an account of Amazon or of a server of ours, by Describe and List."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from sartor.data.rules import RULES
from sartor.moving.declared import Declared, Resources, in_order
from sartor.moving.kinds import DECLARABLE
from sartor.resources.kind_names import (
    CAMPAIGN,
    DATASET,
    DATASET_GROUP,
    DATASET_IMPORT_JOB,
    EVENT_TRACKER,
    FILTER,
    METRIC_ATTRIBUTION,
    RECOMMENDER,
    SCHEMA,
    SOLUTION,
    SOLUTION_VERSION,
)
from sartor.wire.clients import CallRefusedError, Client

#: What is told of a reading: a line.
Say = Callable[[str], None]
#: What Create does by itself where nothing is said, so that nothing needs to be said.
_USUAL: Final[Mapping[str, Any]] = {
    "performHPO": False,
    "performAutoML": False,
    "performIncrementalUpdate": False,
}
#: The kinds that are listed by a group.
_OF_GROUP: Final = (DATASET, EVENT_TRACKER, FILTER, METRIC_ATTRIBUTION, SOLUTION, RECOMMENDER)
#: What is kept of a description beside members of Create.
_MORE: Final = ("trackingId", "schemaArn", "creationDateTime")
_NO_ROWS: Final = RULES["NO_ROWS"].text
_GOING: Final = ("DELETE PENDING", "DELETE IN_PROGRESS")


def read(
    client: Client,
    groups: Collection[str] | None = None,
    schemas: Collection[str] = (),
    say: Say = lambda _: None,
) -> Resources:
    """Return the resources of an account, by kind and name.

    Args:
        client: who asks.
        groups: the names of the dataset groups that are looked at; ``None`` is all, and all schemas.
        schemas: the names of schemas beside those of the groups' datasets.
        say: is told what is read.

    Raises:
        CallError: an operation was refused.
    """
    found = list(_Reader(client, say).everything(groups, schemas))
    return {one.key: one for one in in_order(found)}


class _Reader:
    def __init__(self, client: Client, say: Say) -> None:
        self._client = client
        self._say = say

    def everything(self, groups: Collection[str] | None, schemas: Collection[str]) -> Iterator[Declared]:
        names = {one["schemaArn"]: one["name"] for one in self._listed(SCHEMA)}
        used = {arn for arn, name in names.items() if groups is None or name in schemas}
        for summary in self._listed(DATASET_GROUP):
            if groups is not None and summary["name"] not in groups:
                continue
            self._say(f"reading dataset group {summary['name']}")
            group = self._described(DATASET_GROUP, summary["datasetGroupArn"], summary["name"], {})
            if group is None:
                continue
            yield group
            for kind in _OF_GROUP:
                for one in self._of_group(kind, group, names):
                    used.update(arn for arn in [one.more.get("schemaArn", "")] if arn)
                    yield one
        for arn in sorted(used):
            schema = self._described(SCHEMA, arn, names.get(arn, arn.rpartition("/")[2]), {})
            if schema is not None:
                yield replace(
                    schema, members={**schema.members, "schema": json.loads(schema.members["schema"])}
                )

    def _of_group(self, kind: str, group: Declared, schemas: Mapping[str, str]) -> Iterator[Declared]:
        """Yield the resources of a kind in a group, with what hangs on them."""
        named = {DATASET_GROUP: group.name}
        for summary in self._listed(kind, datasetGroupArn=group.arn):
            arn = summary[DECLARABLE[kind].kind.arn_member]
            name = summary["name"]
            if kind == DATASET:
                name = arn.partition("/")[2]
            if kind == EVENT_TRACKER:
                name = f"{group.name}/{name}"
            one = self._described(kind, arn, name, named)
            if one is None:
                continue
            if kind == DATASET:
                of_schema = one.more["schemaArn"]
                one = replace(
                    one,
                    named={**named, SCHEMA: schemas.get(of_schema, of_schema.rpartition("/")[2])},
                    members={**one.members, "name": summary["name"], "datasetType": name.rpartition("/")[2]},
                )
            if kind == METRIC_ATTRIBUTION:
                one = replace(one, members={**one.members, "metrics": self._metrics(arn)})
            yield one
            if kind == SOLUTION:
                yield from self._of_solution(one)

    def _of_solution(self, solution: Declared) -> Iterator[Declared]:
        """Yield the newest version of a solution that did not fail, and its campaigns."""
        named = {SOLUTION: solution.name}
        version = newest_version(self._client, solution.arn)
        if version is not None:
            yield Declared(
                SOLUTION_VERSION,
                solution.name,
                named=named,
                arn=version["solutionVersionArn"],
                status=version["status"],
            )
        for summary in self._listed(CAMPAIGN, solutionArn=solution.arn):
            one = self._described(CAMPAIGN, summary["campaignArn"], summary["name"], named)
            if one is not None:
                yield one

    def _described(self, kind: str, arn: str, name: str, named: Mapping[str, str]) -> Declared | None:
        """Return a resource; ``None`` if it is gone meanwhile, or going."""
        row = DECLARABLE[kind]
        try:
            of = self._client.call(f"Describe{row.kind.noun}", **{row.kind.arn_member: arn})[row.kind.member]
            tags = self._tags(arn) if row.kind.taggable else {}
        except CallRefusedError as error:
            if error.code == "ResourceNotFoundException":
                return None
            raise
        status = of.get("status", "ACTIVE")
        if status in _GOING:
            return None
        members = {
            member: of[member]
            for member in row.members
            if of.get(member) not in (None, {}, "") and of[member] != _USUAL.get(member)
        }
        more = {member: of[member] for member in _MORE if member in of}
        return Declared(
            kind,
            name,
            members,
            named,
            tags,
            arn=arn,
            status=status,
            why=of.get("failureReason", ""),
            more=more,
        )

    def _tags(self, arn: str) -> dict[str, str]:
        found = self._client.call("ListTagsForResource", resourceArn=arn)
        return {tag["tagKey"]: tag["tagValue"] for tag in found.get("tags", ())}

    def _metrics(self, arn: str) -> list[dict[str, Any]]:
        return list(self._client.every("ListMetricAttributionMetrics", "metrics", metricAttributionArn=arn))

    def _listed(self, kind: str, **of: str) -> list[dict[str, Any]]:
        """Return the summaries of a kind, oldest first."""
        row = DECLARABLE[kind].kind
        found = self._client.every(f"List{row.noun}s", row.list_member, **of)
        return sorted(found, key=lambda one: one["creationDateTime"])


def with_imports(
    client: Client, wanted: Resources, found: Resources, may_be_empty: bool = False
) -> tuple[Resources, Resources]:
    """Return what is wanted and what is there with the import jobs of what is wanted.

    A job that failed, or that filled a dataset which is no more, keeps its name: the next one has a number.

    Args:
        client: who asks.
        wanted: what is declared.
        found: what ``read`` has told.
        may_be_empty: whether an import of no rows is as good as any.

    Raises:
        CallError: an operation was refused.
    """
    wanted, found = dict(wanted), dict(found)
    own = next((one.arn.rsplit(":", 1)[0] for one in found.values() if one.arn), None)
    for one in [one for one in wanted.values() if one.kind == DATASET_IMPORT_JOB]:
        if own is None:
            break
        dataset = found.get((DATASET, one.name))
        for number in range(1, 1000):
            name = one.members["jobName"] + (f"-{number}" if number > 1 else "")
            job = _job(client, f"{own}:{DATASET_IMPORT_JOB}/{name}")
            if job is None:
                wanted[one.key] = replace(one, members={**one.members, "jobName": name})
                break
            filled = dataset is not None and job["creationDateTime"] >= dataset.more["creationDateTime"]
            empty = may_be_empty and was_empty(job)
            if filled and (empty or not job["status"].endswith("FAILED")):
                members = {member: job[member] for member in one.members if member in job}
                status = "ACTIVE" if empty else job["status"]
                found[one.key] = replace(one, members=members, arn=job["datasetImportJobArn"], status=status)
                wanted[one.key] = replace(one, members={**one.members, "jobName": name})
                break
    return wanted, found


def _job(client: Client, arn: str) -> dict[str, Any] | None:
    """Return an import job; ``None`` if there is none."""
    try:
        return dict(client.call("DescribeDatasetImportJob", datasetImportJobArn=arn)["datasetImportJob"])
    except CallRefusedError as error:
        if error.code == "ResourceNotFoundException":
            return None
        raise


def was_empty(job: Mapping[str, Any]) -> bool:
    """Return whether an import job, as it is described, failed for having no row."""
    return _NO_ROWS in job.get("failureReason", "")


def newest_version(client: Client, solution: str) -> dict[str, Any] | None:
    """Return the newest active version of a solution, else the newest on its way; ``None`` if there is neither.

    Args:
        client: who asks.
        solution: its ARN.

    Raises:
        CallError: an operation was refused.
    """
    found = list(client.every("ListSolutionVersions", "solutionVersions", solutionArn=solution))
    found.sort(key=lambda one: one["creationDateTime"], reverse=True)
    on_its_way = ("CREATE PENDING", "CREATE IN_PROGRESS")
    for statuses in (("ACTIVE",), on_its_way):
        for one in found:
            if one["status"] in statuses:
                return dict(one)
    return None
