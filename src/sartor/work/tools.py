"""What a job is given to work with, beside the task itself."""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sartor.compute.contract import Compute
from sartor.data.sources import Sources
from sartor.errors import Stopped
from sartor.resources.records import Means
from sartor.resources.store import Resource, Store


@dataclass(frozen=True)
class Tools(Means):
    """The worker's means, the same for every task but for ``progress`` and ``stop``.

    Attributes:
        sources: where training data is read from and exports go, by account.
        compute: where work runs that comes in pieces.
        lease_seconds: how long a lease holds that nobody renews.
        drain_seconds: how long a put record waits in the database until it is moved into its table.
        history_days: how long versions that were replaced can be restored.
        quotas_on: whether Amazon's minimums and sizes apply.
        bad_cells: which share of a column's cells may become null in an import because they cannot be read.
        sequence_on: whether trainings may use the sequence model.
        threads: how many one training may use.
        progress: takes what the job has done so far; it travels with the next heartbeat.
        stop: true once the task is no longer ours (its lease is lost) or the worker must end.
    """

    sources: Sources
    compute: Compute
    lease_seconds: float
    drain_seconds: float
    history_days: float
    quotas_on: bool
    bad_cells: float
    sequence_on: bool
    threads: int
    progress: Callable[[Mapping[str, Any]], None]
    stop: Callable[[], bool]

    def keep_on(self) -> None:
        """Raise ``Stopped`` if the job must stop."""
        if self.stop():
            raise Stopped


def mark_of(job: Resource, store: Store) -> str:
    """Return the word in the names of what a job writes into a bucket; no other job's has it, nor anyone's else."""
    text = f"{job.arn} {round(job.created_at * 1000)}"
    return hmac.new(store.secret, text.encode(), "sha256").hexdigest()[:16]
