"""``/sartor/v1/jobs``: what runs, waits or ran, a page at a time; and what stops a job that AWS lets nobody stop."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sartor import clock
from sartor.console import asked
from sartor.console.newest import newest
from sartor.console.resources import shown
from sartor.errors import in_use, invalid_input, not_found
from sartor.resources import audit, lifecycle
from sartor.resources.call import lock_of
from sartor.resources.kind_names import (
    BATCH_INFERENCE_JOB,
    BATCH_SEGMENT_JOB,
    DATA_DELETION_JOB,
    DATASET_EXPORT_JOB,
    DATASET_IMPORT_JOB,
    RECOMMENDER,
    SOLUTION_VERSION,
)
from sartor.resources.kinds import UNFINISHED, kind_of
from sartor.resources.store import Resource, Store
from sartor.wire.sign import Caller, HttpRequest

#: What has work that takes long.
JOBS: Final = (
    *(DATASET_IMPORT_JOB, DATASET_EXPORT_JOB, DATA_DELETION_JOB, SOLUTION_VERSION, RECOMMENDER),
    *(BATCH_INFERENCE_JOB, BATCH_SEGMENT_JOB),
)
#: What keeps nothing of a job that does not end, and so can be stopped. StopSolutionVersionCreation stops a training.
STOPPABLE: Final = frozenset({DATASET_IMPORT_JOB, DATASET_EXPORT_JOB, BATCH_INFERENCE_JOB, BATCH_SEGMENT_JOB})
#: The statuses of each state that can be asked for.
_STATES: Final[Mapping[str, tuple[str, ...]]] = {
    "unfinished": UNFINISHED,
    "failed": ("CREATE FAILED", "FAILED"),
    "done": ("ACTIVE", "COMPLETED"),
}
_MOST: Final = 1000


@dataclass(frozen=True)
class JobPages:
    """Answers for one service.

    Attributes:
        store: the metadata database.
    """

    store: Store

    def answer(self, caller: Caller, request: HttpRequest, path: str) -> dict[str, Any] | None:
        """Return the answer to a request, ``None`` if it is for no page of this module.

        Raises:
            ApiError: it has a fault, or names what cannot be stopped.
        """
        if path == "/sartor/v1/jobs" and request.method != "POST":
            return self._page(caller, request.parameters)
        if path == "/sartor/v1/jobs/stop" and request.method == "POST":
            return self._stop(caller, asked.body(request, "JobStop")["jobArn"])
        return None

    def _page(self, caller: Caller, query: Mapping[str, str]) -> dict[str, Any]:
        """Return a page of jobs, newest first."""
        limit = asked.number(query, "limit", 100, _MOST)
        kinds = query["kinds"].split(",") if query.get("kinds") else list(JOBS)
        state = query.get("state", "")
        if not set(kinds) <= set(JOBS):
            raise invalid_input(f"kinds must be some of {', '.join(JOBS)}.")
        if state and state not in _STATES:
            raise invalid_input(f"state must be one of {', '.join(_STATES)}.")
        search = query.get("search", "")
        words = ("jobs", ",".join(kinds), state, search)
        found, more = newest(
            self.store,
            caller,
            kinds,
            words,
            limit,
            query.get("after"),
            search=search,
            statuses=_STATES.get(state),
        )
        return {"jobs": [shown(one) for one in found], **more}

    def _stop(self, caller: Caller, arn: str) -> dict[str, Any]:
        """Stop a job, and keep who did."""
        with self.store.write(lock_of(caller.account, caller.region)) as transaction:
            kind = kind_of(arn, caller.region, caller.account)
            job = transaction.get(arn) if kind is not None and kind.name in STOPPABLE else None
            if job is None:
                raise not_found(arn)
            if job.status not in UNFINISHED:
                raise in_use(f"Resource {arn} cannot be stopped: its status is {job.status}.")
            who = caller.access_key_id or "a caller who need not sign"
            lifecycle.tell_to_stop(transaction, job, who, round(clock.now(), 3))
            stopped: Resource = transaction.get(arn) or job
            answer = {"jobArn": arn, "status": stopped.status}
            record = audit.own_record_of(caller, "StopJob", {"jobArn": arn}, answer, time.time())
            transaction.append_audit(caller.account, caller.region, record)
        return answer
