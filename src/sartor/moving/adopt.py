"""Moving an account in: what it has is read, its data is exported, all is built here, and what differs is told."""

import hashlib
import re
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sartor.moving.declared import Declared, Resources, group_of, import_of
from sartor.moving.doing import Applying, Outcome
from sartor.moving.plan import Step, changes_of, named_groups, named_schemas, plan
from sartor.moving.reading import Say, read, with_imports
from sartor.resources.kind_names import (
    CAMPAIGN,
    DATASET,
    DATASET_EXPORT_JOB,
    DATASET_GROUP,
    DATASET_IMPORT_JOB,
    RECOMMENDER,
    SOLUTION_VERSION,
)
from sartor.resources.rules import EXPORTED_TYPES
from sartor.wire.call import CallError
from sartor.wire.clients import CallRefusedError, Client

_FIRST_LOOK_SECONDS: Final = 0.2
_LAST_LOOK_SECONDS: Final = 30.0
#: The kinds that learn from data.
_LEARNING: Final = (SOLUTION_VERSION, CAMPAIGN, RECOMMENDER)
_FAILED: Final = "FAILED"
_Wanted = dict[tuple[str, str], Declared]


@dataclass(frozen=True)
class Difference:
    """Where two accounts differ.

    Attributes:
        kind: of the resource.
        name: of the resource.
        member: the path of what differs; of what is there only or here only, none.
        there: the value in the account that moves in, or a word.
        here: the value here.
    """

    kind: str
    name: str
    member: str
    there: Any
    here: Any


def _buildable(there: Resources) -> tuple[_Wanted, list[str]]:
    """Return what is to be built of an account, and what of it is not, a sentence each."""
    wanted = {key: one for key, one in there.items() if not one.status.endswith(_FAILED)}
    notes = [
        f"{one.label} is {one.status} there, and is not built."
        for key, one in there.items()
        if key not in wanted
    ]
    return wanted, notes


def _without_learning(
    wanted: Resources, filled: Collection[str]
) -> tuple[_Wanted, dict[tuple[str, str], str]]:
    """Return what can be built of groups that have no data yet, and why the rest is left.

    Args:
        wanted: what is to be built.
        filled: the names of the dataset groups that have data here.
    """
    kept, left = dict(wanted), {}
    for key, one in wanted.items():
        group = group_of(one, wanted)
        if one.kind in _LEARNING and group not in filled:
            left[key] = f"{group} has no data here: name --export-to, or import it and run this again"
            del kept[key]
    return kept, left


def _filled_groups(client: Client, found: Resources) -> set[str]:
    """Return the names of the dataset groups into which something was imported.

    Args:
        client: who asks.
        found: what is there.

    Raises:
        CallError: an operation was refused.
    """
    return {
        group_of(one, found)
        for one in found.values()
        if one.kind == DATASET
        for job in client.every("ListDatasetImportJobs", "datasetImportJobs", datasetArn=one.arn)
        if job["status"] == "ACTIVE"
    }


def exports(client: Client, there: Resources, location: str, role: str, say: Say) -> Iterator[Declared]:
    """Export the datasets of an account, and yield the imports of what was written, as each is done.

    An export that was made before, to the same place, is taken as it is.

    Args:
        client: of that account.
        there: what it has.
        location: ``s3://bucket/prefix``, where the files go.
        role: the ARN of the role that may write there, and read here.
        say: is told what goes on.

    Raises:
        CallError: an operation was refused, or a job failed.
    """
    started = []
    for one in there.values():
        if one.kind != DATASET or one.status != "ACTIVE":
            continue
        if one.members["datasetType"] not in EXPORTED_TYPES:
            say(f"{one.label} cannot be exported: Amazon exports none of its type; import its files")
            continue
        started.append((one, *_export(client, one, location, role)))
    for dataset, name, arn in started:
        say(f"exporting {dataset.name} by the job {name}")
        _until_done(client, arn, say)
        source = {"dataLocation": f"{location.rstrip('/')}/{name}/"}
        yield import_of(dataset, {"dataSource": source, "roleArn": role}, f"the export of {dataset.name}")


def _export(client: Client, dataset: Declared, location: str, role: str) -> tuple[str, str]:
    """Start the export of a dataset, unless it was; return the job's name and ARN."""
    digest = hashlib.sha256(location.rstrip("/").encode()).hexdigest()[:8]
    called = f"adopt-{re.sub('[^a-z0-9]+', '-', dataset.name.lower())[:42]}-{digest}"
    own = dataset.arn.rsplit(":", 1)[0]
    for number in range(1, 1000):
        name = called + (f"-{number}" if number > 1 else "")
        arn = f"{own}:{DATASET_EXPORT_JOB}/{name}"
        try:
            job = client.call("DescribeDatasetExportJob", datasetExportJobArn=arn)["datasetExportJob"]
        except CallRefusedError as error:
            if error.code != "ResourceNotFoundException":
                raise
            client.call(
                "CreateDatasetExportJob",
                jobName=name,
                datasetArn=dataset.arn,
                ingestionMode="ALL",
                roleArn=role,
                jobOutput={"s3DataDestination": {"path": f"{location.rstrip('/')}/"}},
            )
            return name, arn
        is_newer = job["creationDateTime"] >= dataset.more["creationDateTime"]
        if is_newer and not job["status"].endswith(_FAILED):
            return name, arn
    raise CallError(f"No name is left for an export of {dataset.name}: name another --export-to.")


def _until_done(client: Client, arn: str, say: Say) -> None:
    pause, told = _FIRST_LOOK_SECONDS, ""
    while True:
        job = client.call("DescribeDatasetExportJob", datasetExportJobArn=arn)["datasetExportJob"]
        if job["status"] == "ACTIVE":
            return
        if job["status"].endswith(_FAILED):
            raise CallError(
                f"The export {job['jobName']} failed: {job.get('failureReason', 'no reason is known')}"
            )
        if told != job["status"] and pause > 1:
            told = job["status"]
            say(f"{job['jobName']} is {told}")
        time.sleep(pause)
        pause = min(pause * 1.5, _LAST_LOOK_SECONDS)


def compared(there: Resources, here: Resources) -> list[Difference]:
    """Return where an account and what was built of it differ.

    Args:
        there: what the account has.
        here: what there is here.
    """
    groups = {one.name for one in there.values() if one.kind == DATASET_GROUP}
    found = []
    for key, one in there.items():
        other = here.get(key)
        if other is None:
            found.append(Difference(*key, "", one.status, "missing"))
            continue
        found += [
            Difference(*key, change.member, change.wanted, change.found)
            for change in changes_of(one, other, exactly=True)
        ]
        if one.status != other.status:
            found.append(Difference(*key, "status", one.status, other.status))
    only_here = [one for key, one in here.items() if key not in there and group_of(one, here) in groups]
    return found + [Difference(*one.key, "", "missing", one.status) for one in only_here]


def tracking_ids(there: Resources, here: Resources) -> Mapping[str, tuple[str, str]]:
    """Return the tracking ids of the event trackers by their names: there, and here."""
    return {
        one.name: (one.more["trackingId"], here[key].more["trackingId"])
        for key, one in there.items()
        if "trackingId" in one.more and key in here
    }


@dataclass(frozen=True)
class Adopted:
    """What became of moving an account in.

    Attributes:
        steps: the plan.
        outcome: what was done of it; ``None`` if nothing was to be done.
        differences: what differs in the end.
        trackers: the tracking ids, there and here, by tracker.
        imports: the names of the import jobs, by dataset.
        notes: what a person should know, a sentence each.
    """

    steps: list[Step]
    outcome: Outcome | None
    differences: list[Difference]
    trackers: Mapping[str, tuple[str, str]]
    imports: Mapping[str, str]
    notes: list[str]


def adopt(
    source: Client,
    target: Client,
    groups: Collection[str] | None,
    data: tuple[str, str] | None,
    dry_run: bool,
    say: Say,
) -> Adopted:
    """Build at one place what an account has at another.

    Args:
        source: of the account; it is read, and exports its data.
        target: of the place where it is built.
        groups: the names of the dataset groups that move; ``None`` is all.
        data: where export jobs write, and the role that does; ``None`` leaves the data.
        dry_run: whether nothing is changed, at neither place.
        say: is told what goes on.

    Raises:
        CallError: an operation was refused, there is nothing to move, or both are the same account.
    """
    there = read(source, groups, say=say)
    missing = sorted(set(groups or ()) - {name for kind, name in there if kind == DATASET_GROUP})
    if missing or not there:
        what = f"no dataset group {' and no '.join(missing)}" if missing else "nothing"
        raise CallError(f"There is {what} at {source.url}.")
    wanted, notes = _buildable(there)
    here = read(target, named_groups(wanted), named_schemas(wanted))
    if source.url == target.url and _account(there) == _account(here):
        raise CallError(
            f"{source.url} is where this would be built: name the other server with --endpoint-url."
        )
    left: dict[tuple[str, str], str] = {}
    if data is None:
        wanted, left = _without_learning(wanted, _filled_groups(target, here))
    elif not dry_run:
        wanted |= {one.key: one for one in exports(source, there, *data, say)}
    resources, here = with_imports(target, wanted, here, may_be_empty=True)
    steps = plan(resources, here)
    outcome = None
    if not dry_run and all(step.action != "cannot change" for step in steps):
        outcome = Applying(target, resources, here, True, say, may_be_empty=True).carry_out(steps)
        outcome.left.update(left)
        _stop(target, there, read(target, named_groups(wanted), ()), say)
        here = read(target, named_groups(wanted), named_schemas(wanted))
    if _account(there) != _account(here):
        notes.append(
            f"ARNs here are of {_account(here) or 'another account'}, there of {_account(there)}: a server with that "
            "--region and --account has the same ones."
        )
    return Adopted(
        steps,
        outcome,
        compared(there, here),
        tracking_ids(there, here),
        {one.name: one.members["jobName"] for one in resources.values() if one.kind == DATASET_IMPORT_JOB},
        notes,
    )


def _stop(target: Client, there: Resources, here: Resources, say: Say) -> None:
    """Stop the recommenders that are stopped in the account, and wait until they are."""
    for key, one in there.items():
        if one.kind != RECOMMENDER or one.status != "INACTIVE" or key not in here:
            continue
        arn, status, pause = here[key].arn, here[key].status, _FIRST_LOOK_SECONDS
        if status == "ACTIVE":
            say(f"stopping {one.label}")
            target.call("StopRecommender", recommenderArn=arn)
        while status in ("ACTIVE", "STOP PENDING", "STOP IN_PROGRESS"):
            time.sleep(pause)
            pause = min(pause * 1.5, _LAST_LOOK_SECONDS)
            status = target.call("DescribeRecommender", recommenderArn=arn)["recommender"]["status"]


def _account(resources: Resources) -> str:
    """Return the region and account of resources, as in their ARNs; none of none."""
    return next((":".join(one.arn.split(":")[3:5]) for one in resources.values() if one.arn), "")
