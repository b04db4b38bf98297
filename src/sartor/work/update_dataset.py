"""UpdateDataset: a dataset gets a newer schema; its older records read null in the new columns."""

from dataclasses import replace

from sartor.data.table import Table
from sartor.resources.lifecycle import Outcome, Task
from sartor.resources.records import schema_of
from sartor.work.tools import Tools


def run(task: Task, tools: Tools) -> Outcome:
    """Give the dataset's tables the new columns; the dataset has the new schema once this has ended.

    Raises:
        JobFailed: the new schema was deleted meanwhile.
    """
    dataset = task.resource
    updated = replace(dataset, body={**dataset.body, **dataset.private["update"]["body"]})
    wanted = schema_of(updated, tools.store)
    folder = dataset.private["table"].rpartition("/")[0]
    for table in ("bulk", "put"):
        Table(tools.storage, f"{folder}/{table}").add_columns(wanted)
    return Outcome()
