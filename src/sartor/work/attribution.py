"""Metric attribution at work: values from what calls put and imports bring, and the report files on S3."""

import itertools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sartor.data.attribution as values
from sartor.data import engine
from sartor.data.attribution import Sample
from sartor.data.watch import interrupting
from sartor.errors import ApiError
from sartor.realtime.answer_ids import ENDING_CHARACTERS, ending_of
from sartor.resources.attribution import metrics_of
from sartor.resources.kind_names import CAMPAIGN, METRIC_ATTRIBUTION, RECOMMENDER
from sartor.resources.lifecycle import Outcome, Task
from sartor.resources.records import records_of
from sartor.resources.store import Resource
from sartor.work.tools import Tools, mark_of

#: Events that are older do not count live.
LIVE_SECONDS = 14 * 24 * 3600.0
_PUT = "put"


def begin(task: Task, tools: Tools) -> Outcome:
    """Count what is put from now on."""
    found = tools.store.datasets(task.resource.body["datasetGroupArn"])
    newest = tools.store.put_records.newest(found["INTERACTIONS"].seq) if "INTERACTIONS" in found else 0
    return Outcome(also=lambda transaction: transaction.begin_samples(task.arn, _PUT, newest))


def count_put(dataset: Resource, tools: Tools) -> None:
    """Add what calls have put into an Interactions dataset since the last count, once."""
    attribution = _active(dataset, tools)
    if attribution is None:
        return
    counted = tools.store.samples.counted(attribution.arn, _PUT)
    newest = tools.store.put_records.newest(dataset.seq)
    if counted is None or newest <= counted:
        return
    records = records_of(dataset, tools)
    with records.connection() as connection, records.put_between(connection, counted, newest, "events"):
        samples = _samples(attribution, dataset, tools, connection, time.time() - LIVE_SECONDS)
    tools.store.samples.add(attribution.arn, _PUT, samples, newest, counted)


def count_import(job: Resource, parts: Sequence[Path], tools: Tools) -> None:
    """Add what an INCREMENTAL import brought, once, and write the report file if the job asks for it.

    Raises:
        JobFailed: the report cannot be written.
        Stopped: the job must stop.
    """
    dataset = tools.store.get(job.body["datasetArn"])
    attribution = None if dataset is None else _active(dataset, tools)
    publishes = job.body.get("publishAttributionMetricsToS3", False)
    is_live = job.body["importMode"] == "INCREMENTAL"
    if dataset is None or attribution is None or not (publishes or is_live):
        return
    records = records_of(dataset, tools)
    with records.connection() as connection, interrupting(connection, tools.stop):
        connection.execute(f"CREATE TEMP VIEW events AS SELECT * FROM {engine.parquet(parts)}")
        if is_live:
            samples = _samples(attribution, dataset, tools, connection, time.time() - LIVE_SECONDS)
            tools.store.samples.add(attribution.arn, job.arn, samples, 0, None)
        output = attribution.body["metricsOutputConfig"]
        if publishes and "s3DataDestination" in output:
            samples = _samples(attribution, dataset, tools, connection, 0.0)
            publish(attribution, job, values.report_csv(samples), tools)


def publish(attribution: Resource, job: Resource, content: bytes, tools: Tools) -> None:
    """Write a report under a name that is free; one that an earlier attempt has written is not written again.

    Raises:
        JobFailed: it cannot be written.
    """
    output = attribution.body["metricsOutputConfig"]
    sources = tools.sources.of(job.account, output.get("roleArn"))
    folder = output["s3DataDestination"]["path"].rstrip("/")
    file = tools.scratch / f"metrics-{job.seq}.csv"
    file.write_bytes(content)
    for step in itertools.count():
        name = values.report_name(job.body["importMode"], job.created_at + step / 1000)
        location = f"{folder}/{name}"
        try:
            sources.write(location, file, mark_of(job, tools.store))
            break
        except FileExistsError:
            (found,) = sources.list(location)
            if sources.read_range(found, 0, len(content) + 1) == content:
                break
    file.unlink()


def _active(dataset: Resource, tools: Tools) -> Resource | None:
    """Return the active metric attribution of an Interactions dataset's group."""
    if dataset.body["datasetType"] != "INTERACTIONS":
        return None
    with tools.store.read() as transaction:
        return transaction.child(dataset.body["datasetGroupArn"], METRIC_ATTRIBUTION, ("ACTIVE",))


def _samples(
    attribution: Resource, dataset: Resource, tools: Tools, connection: Any, since: float
) -> list[Sample]:
    """Return the values of the view ``events``; none once a column that a metric sums is gone."""
    try:
        with tools.store.read() as transaction:
            metrics = metrics_of(attribution, transaction)
    except ApiError:
        return []
    answers = _show_answers(connection, dataset.body["datasetGroupArn"], tools)
    items = tools.store.datasets(dataset.body["datasetGroupArn"]).get("ITEMS")
    if items is None or not any(metric.dataset_type == "ITEMS" for metric in metrics):
        return values.aggregate(connection, metrics, "events", None, since, answers)
    with records_of(items, tools).shown(connection, "ALL", "items"):
        return values.aggregate(connection, metrics, "events", "items", since, answers)


def _show_answers(connection: Any, group_arn: str, tools: Tools) -> str | None:
    """Show which campaign or recommender gave the answers that the view ``events`` names; return the view of it.

    ``None``: the events name none, or the group has none that could have given them.
    """
    with tools.store.read() as transaction:
        found = [one for kind in (CAMPAIGN, RECOMMENDER) for one in transaction.children(group_arn, kind)]
    columns = {row[0] for row in connection.execute("DESCRIBE events").fetchall()}
    if not found or "RECOMMENDATION_ID" not in columns:
        return None
    connection.execute("CREATE OR REPLACE TEMP TABLE answering (ending VARCHAR, ARN VARCHAR)")
    connection.executemany(
        "INSERT INTO answering VALUES (?, ?)", [(ending_of(one.arn), one.arn) for one in found]
    )
    connection.execute(
        "CREATE OR REPLACE TEMP VIEW answers AS SELECT DISTINCT RECOMMENDATION_ID, ARN FROM events "
        f"JOIN answering ON right(RECOMMENDATION_ID, {ENDING_CHARACTERS}) = ending"
    )
    return "answers"
