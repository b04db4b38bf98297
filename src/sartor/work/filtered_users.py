"""Which of a version's users pass a filter, by what the group's datasets say of them now."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

import numpy as np

from sartor.data.ids import Ids
from sartor.errors import JobFailed
from sartor.filters import apply, tree, values
from sartor.filters.columns import Columns
from sartor.filters.values import Parameters
from sartor.models.base import Bool, Int64
from sartor.resources.filters import read
from sartor.resources.records import Means, records_of

_NO_VALUES: Final[Mapping[str, str]] = {}


class FilteredUsers:
    """A filter about users.

    Args:
        arn: of the filter.
        group: the ARN of its dataset group.
        users: by number.
        means: to reach the datasets.

    Raises:
        JobFailed: the filter is gone.
        ApiError: ``InvalidInputException``: it does not fit the schemas any more.
    """

    def __init__(self, arn: str, group: str, users: Ids, means: Means) -> None:
        found = means.store.get(arn)
        if found is None:
            raise JobFailed(f"Filter {arn} no longer exists.")
        self._users, self._means = users, means
        self._datasets = means.store.datasets(group)
        self._filter = read(found.body["filterExpression"], self._datasets, means.store)

    def parameters(self, given: Mapping[str, str] | None) -> Parameters:
        """Return what a line of the input brings for the filter's placeholders.

        Args:
            given: its ``filterValues``; ``None`` if it has none.

        Raises:
            ApiError: ``InvalidInputException``: something is missing or cannot be read.
        """
        return values.read(self._filter, _NO_VALUES if given is None else given)

    def allowed(self, parameters: Parameters) -> Bool:
        """Return bool[users]: who passes."""
        n_users = len(self._users)
        history = self._history if tree.uses_history(self._filter) else None
        return apply.evaluate(self._filter, parameters, self._columns, n_users, history=history)

    @cached_property
    def _columns(self) -> Columns | None:
        """The columns of the Users dataset that the filter looks at; ``None`` if it looks at none."""
        names = {name for dataset, name in tree.fields(self._filter) if dataset == "USERS"}
        if not names:
            return None
        records = records_of(self._datasets["USERS"], self._means)
        fields = [one for one in records.schema.fields if one.name in names]
        listed = ", ".join(f'"{one.name}"' for one in fields)
        with records.open() as connection:
            cells: dict[str, Any] = connection.execute(
                f'SELECT "USER_ID" AS "#user", {listed} FROM data'
            ).fetchnumpy()
        rows = self._users.find_all(cells.pop("#user").tolist())
        there = rows >= 0
        kept = {name: column[there] for name, column in cells.items()}
        return Columns.build(fields, kept, len(self._users), rows[there])

    @cached_property
    def _history(self) -> dict[str, Int64]:
        """The users who have an event of each type, by the type in the form in which types are compared."""
        with records_of(self._datasets["INTERACTIONS"], self._means).open() as connection:
            found = connection.execute(
                'SELECT DISTINCT "USER_ID" AS u, coalesce("EVENT_TYPE", \'\') AS e FROM data WHERE u IS NOT NULL'
            ).fetchnumpy()
        kinds, kind = np.unique(found["e"].astype(str), return_inverse=True)
        rows = self._users.find_all(found["u"].tolist())
        by_type: dict[str, list[Int64]] = {}
        for at, name in enumerate(kinds.tolist()):
            by_type.setdefault(name.casefold(), []).append(rows[kind == at])
        return {name: np.concatenate(several) for name, several in by_type.items()}
