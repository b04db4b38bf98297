"""``/sartor/v1/events``: what calls put, newest first, how much a second, and what of it could not be used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sartor import clock
from sartor.console import asked
from sartor.console.datasets import dataset_of
from sartor.errors import invalid_input, not_found
from sartor.resources.kind_names import DATASET, DATASET_GROUP
from sartor.resources.kinds import kind_of
from sartor.resources.store import Resource, Store
from sartor.wire.sign import Caller, HttpRequest

_MOST: Final = 1000


@dataclass(frozen=True)
class EventPages:
    """Answers for one service: from the database, which has what every process has acknowledged.

    Attributes:
        store: the metadata database.
    """

    store: Store

    def answer(self, caller: Caller, request: HttpRequest, path: str) -> dict[str, Any] | None:
        """Return the answer to a request, ``None`` if it is for no page of this module.

        Raises:
            ApiError: it has a fault, or names nothing of the caller's.
        """
        if request.method == "POST":
            return None
        if path == "/sartor/v1/events":
            return self._newest(caller, request.parameters)
        if path == "/sartor/v1/events/rejected":
            return self._rejected(caller, request.parameters)
        return None

    def _newest(self, caller: Caller, query: Mapping[str, str]) -> dict[str, Any]:
        """Return the newest records that calls put into a group's datasets, and how many come a second."""
        group = query.get("datasetGroupArn")
        if not group:
            raise invalid_input("datasetGroupArn is required.")
        datasets = self._of_group(caller, group)
        limit = asked.number(query, "limit", 50, _MOST)
        before = asked.number(query, "before", 0, 2**62) or None
        put, now = self.store.put_records, clock.now()
        found: list[dict[str, Any]] = []
        for dataset in datasets:
            for one in put.newest_records(dataset.seq, limit, before):
                of_session = {} if one.session is None else {"sessionId": one.session}
                found.append(
                    {
                        "number": one.seq,
                        "datasetArn": dataset.arn,
                        "receivedAt": round(one.at, 3),
                        **of_session,
                        "record": one.cells,
                    }
                )
        found.sort(key=lambda one: -int(one["number"]))
        return {
            "datasetGroupArn": group,
            "perSecond": {
                dataset.body["datasetType"]: round(put.per_second(dataset.seq, now), 3)
                for dataset in datasets
            },
            "records": found[:limit],
        }

    def _rejected(self, caller: Caller, query: Mapping[str, str]) -> dict[str, Any]:
        """Return what calls put and could not be used, newest first, with its counts."""
        limit = asked.number(query, "limit", 100, _MOST)
        before = asked.number(query, "before", 0, 2**62) or None
        put = self.store.put_records
        counts: dict[str, int] = {}
        found: list[dict[str, Any]] = []
        for dataset in self._wanted(caller, query):
            for code, count in put.rejected_counts(dataset.seq).items():
                counts[code] = counts.get(code, 0) + count
            found.extend(
                {
                    "number": one.seq,
                    "datasetArn": dataset.arn,
                    "receivedAt": round(one.at, 3),
                    "code": one.code,
                    "reason": one.reason,
                    "record": one.body,
                }
                for one in put.rejected(dataset.seq, limit, before)
            )
        found.sort(key=lambda one: -int(one["number"]))
        return {"counts": counts, "total": sum(counts.values()), "rejected": found[:limit]}

    def _wanted(self, caller: Caller, query: Mapping[str, str]) -> Sequence[Resource]:
        """Return the datasets that a query names: one, those of a group, or all of the caller's."""
        if "datasetArn" in query:
            return [dataset_of(caller, query["datasetArn"], self.store)]
        if "datasetGroupArn" in query:
            return self._of_group(caller, query["datasetGroupArn"])
        with self.store.read() as transaction:
            return [
                one
                for one in transaction.every(DATASET)
                if (one.account, one.region) == (caller.account, caller.region)
            ]

    def _of_group(self, caller: Caller, arn: str) -> Sequence[Resource]:
        kind = kind_of(arn, caller.region, caller.account)
        if kind is None or kind.name != DATASET_GROUP or self.store.get(arn) is None:
            raise not_found(arn)
        return list(self.store.datasets(arn).values())
