"""UpdateDataset: a dataset gets a newer schema; its older records read null in the new columns."""

import time
from dataclasses import replace

from sartor.data.table import Table
from sartor.errors import JobFailed
from sartor.resources.lifecycle import Task
from sartor.resources.records import schema_of
from sartor.work.tools import Tools


def run(task: Task, tools: Tools) -> None:
    """Give the dataset's tables the new columns, then the dataset the new schema.

    Raises:
        JobFailed: the new schema was deleted meanwhile.
    """
    dataset = tools.store.get(task.arn)
    if dataset is None or dataset.body["schemaArn"] == dataset.private["update"]["schemaArn"]:
        return  # a former attempt came this far
    update = dataset.private["update"]
    body = {**dataset.body, "schemaArn": update["schemaArn"]}
    of_schema = tools.store.get(update["schemaArn"])
    if of_schema is None:
        raise JobFailed(f"Schema {update['schemaArn']} no longer exists.")
    wanted = schema_of(replace(dataset, body=body), tools.store)
    folder = dataset.private["table"].rpartition("/")[0]
    for table in ("bulk", "put"):
        Table(tools.storage, f"{folder}/{table}").add_columns(wanted)
    now = round(time.time(), 3)
    body["latestDatasetUpdate"] = {**update, "status": "ACTIVE", "lastUpdatedDateTime": now}
    with tools.store.write() as transaction:
        transaction.replace_body(task.arn, body, dataset.private, now)
        transaction.set_parents(task.arn, (body["datasetGroupArn"], of_schema.arn))
