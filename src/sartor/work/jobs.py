"""The table of work: which function does what for a resource."""

from collections.abc import Callable, Mapping
from typing import Final

from sartor.data.table import Table
from sartor.resources.lifecycle import Task
from sartor.work import import_data
from sartor.work.tools import Tools

#: Parts that no commit names are left alone for this long: their job may still run, in seconds.
SWEEP_SECONDS: Final = 24 * 3600.0


def _nothing(_task: Task, _tools: Tools) -> None:
    """The resource is its row in the database; nothing else needs doing."""


def _delete_dataset(task: Task, tools: Tools) -> None:
    """Delete a dataset's table and its import reports."""
    tools.storage.delete_folder(import_data.dataset_path(task.resource))


#: What is done for each kind of resource and verb.
TABLE: Final[Mapping[tuple[str, str], Callable[[Task, Tools], None]]] = {
    ("dataset-group", "create"): _nothing,
    ("dataset-group", "delete"): _nothing,
    ("dataset", "create"): _nothing,
    ("dataset", "delete"): _delete_dataset,
    ("dataset-import-job", "create"): import_data.run,
}
#: How a task whose attempts all died is recognised as done all the same.
_SETTLED: Final[Mapping[tuple[str, str], Callable[[Task, Tools], bool]]] = {
    ("dataset-import-job", "create"): import_data.settled,
}


def settled(task: Task, tools: Tools) -> bool:
    """Return whether the outcome of a task stands although no attempt said so."""
    ask = _SETTLED.get((task.kind, task.verb))
    return ask is not None and ask(task, tools)


def sweep(tools: Tools) -> None:
    """Delete the parts that dead import jobs left in the tables of all datasets."""
    with tools.store.read() as transaction:
        datasets = transaction.every("dataset")
    for dataset in datasets:
        Table(tools.storage, dataset.private["table"]).sweep(SWEEP_SECONDS)
