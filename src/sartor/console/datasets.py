"""``/sartor/v1/datasets``: the datasets a page at a time, with their rows and how fresh they are."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sartor.console import asked
from sartor.console.resources import shown
from sartor.data import versions
from sartor.errors import JobFailed, not_found
from sartor.resources import paging
from sartor.resources.kind_names import DATASET
from sartor.resources.kinds import KINDS, arn_at, kind_of
from sartor.resources.records import Means, records_of
from sartor.resources.store import Resource, Store
from sartor.wire.sign import Caller, HttpRequest

LOG = logging.getLogger("sartor.console")

_MOST: Final = 1000


@dataclass(frozen=True)
class DatasetPages:
    """Answers for one service.

    Attributes:
        means: to reach datasets.
    """

    means: Means

    def answer(self, caller: Caller, request: HttpRequest, path: str) -> dict[str, Any] | None:
        """Return the answer to a request, ``None`` if it is for no page of this module.

        Raises:
            ApiError: the query has a fault.
        """
        if path == "/sartor/v1/datasets" and request.method != "POST":
            return self._page(caller, request.parameters)
        return None

    def _page(self, caller: Caller, query: Mapping[str, str]) -> dict[str, Any]:
        """Return a page of datasets, newest first."""
        limit = asked.number(query, "limit", 100, _MOST)
        search, token = query.get("search", ""), query.get("after")
        list_of = ("datasets", caller.account, caller.region, search)
        store = self.means.store
        after = paging.unseal(store.secret, list_of, token) if token else None
        with store.read() as transaction:
            found = transaction.page(
                DATASET,
                caller.account,
                caller.region,
                limit=limit + 1,
                after=None if after is None else (after[0], after[1]),
                search=search,
            )
        answer: dict[str, Any] = {"datasets": [self._described(one) for one in found[:limit]]}
        if limit and len(found) > limit:
            last = found[limit - 1]
            answer["next"] = paging.seal(store.secret, list_of, [last.created_at, last.seq])
        return answer

    def _described(self, dataset: Resource) -> dict[str, Any]:
        """Return a dataset with its rows, and when the last record was put into it."""
        put_at = self.means.store.put_records.newest_at(dataset.seq)
        found = {**with_rows(dataset, self.means), "datasetGroupArn": dataset.body["datasetGroupArn"]}
        return found if put_at is None else {**found, "putAt": round(put_at, 3)}


def with_rows(dataset: Resource, means: Means) -> dict[str, Any]:
    """Return a dataset as lists have it, with the rows of its newest version, and since when it has them."""
    found = {**shown(dataset), "datasetType": dataset.body["datasetType"]}
    if "table" not in dataset.private:
        return found
    try:
        newest = versions.history(records_of(dataset, means), 1)
    except (JobFailed, OSError) as error:  # it went away meanwhile, or storage does not answer
        LOG.warning("there are no rows of %s: %s", dataset.arn, error)
        return found
    if newest:
        found |= {"rows": newest[0]["rows"], "changedAt": newest[0]["timestamp"]}
    return found


def dataset_of(caller: Caller, name: str, store: Store) -> Resource:
    """Return a dataset of the caller's by its ARN, or by the ARN's end.

    Raises:
        ApiError: ``ResourceNotFoundException``.
    """
    arn = name
    if not name.startswith("arn:"):
        arn = arn_at(KINDS[DATASET], caller.region, caller.account, name)
    kind = kind_of(arn, caller.region, caller.account)
    dataset = store.get(arn) if kind is not None and kind.name == DATASET else None
    if dataset is None or "table" not in dataset.private:
        raise not_found(arn)
    return dataset
