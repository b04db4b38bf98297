"""A filter tried before it is made: how many items it keeps, and which."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sartor.data.schema import Schema
from sartor.filters import apply, tree, values
from sartor.filters.history import folded
from sartor.filters.tree import Filter
from sartor.models.base import Bool
from sartor.realtime.catalogue import Catalogue
from sartor.realtime.filtering import Filters, HasSeen
from sartor.realtime.version import Version
from sartor.resources.filters import read
from sartor.resources.records import Means, records_of
from sartor.resources.store import Resource, Store

if TYPE_CHECKING:
    from sartor.wire.sign import Caller

#: The dataset of what is filtered, its id, the dataset of what users did with it, and what filters call that.
_OF_ITEMS: Final = ("ITEMS", "ITEM_ID", "INTERACTIONS", "Interactions")
_OF_ACTIONS: Final = ("ACTIONS", "ACTION_ID", "ACTION_INTERACTIONS", "Action_Interactions")
#: So many items are named as examples.
_EXAMPLES: Final = 10


class TriedFilters(Filters):
    """The filters of one service and one more, which is not made yet: its expression stands for its ARN.

    Args:
        store: the metadata database.
        expression: of the filter.
    """

    def __init__(self, store: Store, expression: str) -> None:
        super().__init__(store)
        self._expression = expression

    def of(self, caller: "Caller", arn: str, group: str) -> Filter:
        """Return a filter, checked against the schemas of a dataset group.

        Raises:
            ApiError: ``InvalidInputException``: it is none.
        """
        if arn != self._expression:
            return super().of(caller, arn, group)
        return read(arn, self._store.datasets(group), self._store)

    def _evaluated(
        self, found: Filter, arn: str, version: Version, request: dict[str, Any], history: HasSeen | None
    ) -> Bool:
        try:
            return super()._evaluated(found, arn, version, request, history)
        finally:
            version.masks.pop(self._expression, None)


def try_filter(group: Resource, asked: Mapping[str, Any], means: Means) -> dict[str, Any]:
    """Return what a filter expression keeps of a dataset group's items, or of its actions.

    Args:
        group: the dataset group.
        asked: ``filterExpression``, and perhaps ``filterValues``, ``userId`` and ``itemId``.
        means: what is needed to reach the datasets.

    Raises:
        ApiError: ``InvalidInputException``: what CreateFilter and GetRecommendations would refuse.
    """
    datasets = means.store.datasets(group.arn)
    found = read(asked["filterExpression"], datasets, means.store)
    parameters = values.read(found, asked.get("filterValues"))
    records = {name: records_of(dataset, means) for name, dataset in datasets.items()}
    of_type, item, events, dataset = _OF_ACTIONS if tree.target(found) == "ActionID" else _OF_ITEMS
    items = Catalogue(partial(records.get, of_type), item, None)
    user, history = asked.get("userId"), None
    if events in records:
        with records[events].open() as connection:
            if of_type == "ITEMS":  # an item may be known by what users did alone
                every = connection.execute(f'SELECT DISTINCT "{item}" FROM data ORDER BY ALL').fetchall()
                items.add(name for (name,) in every)
            if user is not None and tree.uses_history(found):
                kind = '"EVENT_TYPE"' if "EVENT_TYPE" in _names(records[events].schema) else "''"
                rows = connection.execute(
                    f'SELECT coalesce({kind}, \'\'), "{item}" FROM data WHERE "USER_ID" = ?', [user]
                ).fetchall()
                history = _by_type(rows, items, dataset)
    attributes = None
    if user is not None and "USERS" in records:
        users = Catalogue(partial(records.get, "USERS"), "USER_ID", None)
        row = users.find(user)
        attributes = None if row is None else users.columns.texts(row, _names(records["USERS"].schema))
    columns = items.columns
    named = asked.get("itemId")
    current = None if named is None else items.find(named)
    mask = apply.evaluate(found, parameters, columns, columns.n_rows, attributes, history, current)
    kept = np.flatnonzero(mask)
    gone = np.flatnonzero(~mask)
    kept_examples, gone_examples = (
        [items.name(int(row)) for row in rows[:_EXAMPLES]] for rows in (kept, gone)
    )
    return {
        "datasetGroupArn": group.arn,
        "filterExpression": asked["filterExpression"],
        "items": columns.n_rows,
        "kept": len(kept),
        "removed": len(gone),
        "keptExamples": kept_examples,
        "removedExamples": gone_examples,
        "titles": items.titles([*kept_examples, *gone_examples]),
        "images": items.images([*kept_examples, *gone_examples]),
    }


def _names(schema: Schema) -> list[str]:
    return [one.name for one in schema.fields]


def _by_type(rows: list[tuple[str, str]], items: Catalogue, dataset: str) -> dict[str, list[int]]:
    """Return the rows of the items that a user interacted with, by event type."""
    found: dict[str, list[int]] = {}
    for kind, name in rows:
        row = items.find(name)
        if row is not None:
            found.setdefault(folded(kind, dataset), []).append(row)
    return found
