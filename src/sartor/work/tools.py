"""What a job is given to work with, beside the task itself."""

import hmac
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sartor.compute import open_compute
from sartor.compute.contract import Compute
from sartor.compute.here import Here
from sartor.data.sources import Sources
from sartor.errors import Stopped
from sartor.resources.opening import open_means
from sartor.resources.records import Means
from sartor.resources.store import Resource, Store
from sartor.settings import Settings


@dataclass(frozen=True)
class Tools(Means):
    """The worker's means, the same for every task but for ``progress`` and ``stop``.

    Attributes:
        sources: where training data is read from and exports go, by account.
        compute: where work runs that comes in pieces.
        again: makes the same in a child of this process; it can be pickled.
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
    again: "Callable[[], Tools]"
    lease_seconds: float
    drain_seconds: float
    history_days: float
    quotas_on: bool
    bad_cells: float
    sequence_on: bool
    threads: int
    progress: Callable[[Mapping[str, Any]], None]
    stop: Callable[[], bool]

    @property
    def on_this_machine(self) -> Compute:
        """Where pieces run that need files of this machine alone."""
        return Here() if self.compute.far else self.compute

    @property
    def beside_storage(self) -> Compute:
        """Where pieces run that read and write parts: other machines see no copies, nor what is yet to be stored."""
        return self.on_this_machine if self.storage.makes_copies else self.compute

    def keep_on(self) -> None:
        """Raise ``Stopped`` if the job must stop."""
        if self.stop():
            raise Stopped


def open_tools(
    settings: Settings, means: Means, sources: Sources, stop: Callable[[], bool] = lambda: False
) -> Tools:
    """Return what the jobs of a process get to work with.

    Args:
        settings: of the process.
        means: what it has opened.
        sources: where training data is read from.
        stop: says when it must end.
    """
    return Tools(
        **vars(means),
        sources=sources,
        compute=open_compute(settings.compute),
        again=partial(opened, settings, means.scratch),
        lease_seconds=settings.lease_seconds,
        drain_seconds=settings.drain_seconds,
        history_days=settings.history_days,
        quotas_on=settings.quotas == "aws",
        bad_cells=settings.bad_cells,
        sequence_on=settings.sequence_models == "on",
        threads=settings.training_threads or os.cpu_count() or 1,
        progress=lambda _: None,
        stop=stop,
    )


def opened(settings: Settings, scratch: Path) -> Tools:
    """Return the tools of a process that does a part of a job; a scratch folder may serve a worker and its children."""
    return open_tools(settings, open_means(settings, scratch), Sources(settings))


def mark_of(job: Resource, store: Store) -> str:
    """Return the word in the names of what a job writes into a bucket; no other job's has it, nor anyone's else."""
    text = f"{job.arn} {round(job.created_at * 1000)}"
    return hmac.new(store.secret, text.encode(), "sha256").hexdigest()[:16]
