"""The worker: claims work, runs it, keeps its lease, and reports how it ended."""

import errno
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any, Final

from sartor import clock
from sartor.data.blobs import StorageFaultError
from sartor.errors import Damaged, JobFailed, Unavailable
from sartor.logs import fields
from sartor.resources import lifecycle
from sartor.resources.kinds import LANES, Lane
from sartor.resources.lifecycle import Task
from sartor.resources.stale_copies import StaleCopies
from sartor.settings import Settings
from sartor.traces import JobSpan, Traces
from sartor.work import jobs
from sartor.work.chores import Chores, chores_of
from sartor.work.tools import Tools

LOG = logging.getLogger("sartor.worker")

#: The status of a process that ended because its work hung.
HUNG_STATUS: Final = 70
#: How long before work that ended by an unknown fault is tried again, in seconds; it doubles each time.
RETRY_SECONDS: Final = 2.0
#: How long between two tries to write down how a task ended, in seconds.
_END_SECONDS: Final = 0.5
#: Work that is told to stop has so long; then its process ends, as DuckDB was seen to wait for ever, in seconds.
HUNG_SECONDS: Final = 30.0
#: How often the worker looks whether put records wait, in seconds.
DRAIN_LOOK_SECONDS: Final = 0.5


def end_process() -> None:
    """End this process at once, whatever its threads do; whoever started it begins it anew."""
    os._exit(HUNG_STATUS)


class Worker:
    """Works until it is told to stop.

    Args:
        settings: of this process.
        tools: what a job gets; ``progress`` and ``stop`` are replaced for each task.
        stopping: set when the worker must end; a running job is interrupted and begins again elsewhere.
        begin_anew: ends this process, and begins it anew unless it is to end.
        traces: make a span of each task, if there are any.
    """

    def __init__(
        self,
        settings: Settings,
        tools: Tools,
        stopping: threading.Event,
        begin_anew: Callable[[], None],
        traces: Traces | None = None,
    ) -> None:
        self._settings = settings
        self._tools = tools
        self._stopping = stopping
        self._stale_copies = StaleCopies(tools.store, tools.storage)
        self._begin_anew = begin_anew
        self._traces = traces
        self._leases: dict[str, _Lease] = {}
        self._name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"

    def run(self) -> None:
        """Work in all lanes until ``stopping`` is set."""
        threading.Thread(target=self._watch, name="watch", daemon=True).start()
        threads = [
            threading.Thread(target=self._work, args=(lane, f"{lane}-{number}"), name=f"{lane}-{number}")
            for lane in LANES
            for number in range(self._settings.heavy_jobs if lane == "heavy" else 1)
        ]
        for thread in threads:
            thread.start()
        drains = jobs.Drains(self._name)
        chores = Chores(chores_of(self._name, self._settings.auto_training == "on"), clock.now)
        while not self._stopping.wait(DRAIN_LOOK_SECONDS):
            self._drain(drains)
            chores.run(self._tools)
        for thread in threads:
            thread.join()

    def _work(self, lane: Lane, thread: str) -> None:
        """Claim and run tasks of one lane, one after the other, in a thread of this name."""
        while not self._stopping.is_set():
            try:
                task = lifecycle.claim(
                    self._tools.store,
                    f"{self._name}-{thread}",
                    [lane],
                    time.time(),
                    self._settings.lease_seconds,
                    settled=self._settled,
                )
                if task is None:
                    self._stopping.wait(self._settings.poll_seconds)
                else:
                    self._run(task, thread)
            except Exception:  # the database may be away for a while; a lane never dies
                LOG.exception("the %s lane could not work; it goes on in %s s", lane, RETRY_SECONDS)
                self._stopping.wait(RETRY_SECONDS)

    def _watch(self) -> None:
        """End the process once work does not hear that it must stop: nothing else ends a thread."""
        while True:
            time.sleep(min(1.0, HUNG_SECONDS / 4))
            hung = [one.arn for one in list(self._leases.values()) if one.deaf_seconds() > HUNG_SECONDS]
            if hung:
                words = "the work on %s goes on %s s after it was to stop; its process ends"
                LOG.error(words, ", ".join(hung), HUNG_SECONDS)
                self._begin_anew()
                return

    def _run(self, task: Task, thread: str) -> None:
        """Run one task and write down how it ended."""
        store = self._tools.store
        began = time.monotonic()
        told = {"arn": task.arn, "verb": task.verb, "attempt": task.attempt}
        LOG.info("%s %s begins, attempt %s", task.verb, task.arn, task.attempt, extra=fields(**told))
        with _Lease(self._tools, self._settings, task, self._stopping) as lease, self._span(task) as span:
            self._leases[thread] = lease
            report = lease.report if span is None else span.follow(lease.report)
            tools = replace(self._tools, progress=report, stop=lease.must_stop)
            try:
                outcome = jobs.TABLE[task.kind, task.verb](task, tools)
            except (JobFailed, Damaged) as failure:
                LOG.warning(
                    "%s failed: %s", task.arn, failure.reason, extra=fields(**told, reason=failure.reason)
                )
                if span is not None:
                    span.failed(failure.reason)
                self._end(lease, self._after_failure(task, failure.reason))
            except Exception as error:  # noqa: BLE001 - whatever broke one task, the lane goes on; it is logged
                if lease.told.is_set():
                    LOG.info("%s is stopped", task.arn)
                    self._end(lease, lambda: lifecycle.stopped(store, task, self._settled))
                elif lease.must_stop():
                    LOG.info("%s is left to another worker", task.arn)
                    self._end(lease, lambda: lifecycle.release(store, task))
                else:
                    self._end(lease, self._after_fault(task, error))
            else:
                try:
                    self._end(lease, lambda: lifecycle.finish(store, task, outcome))
                except (Unavailable, OSError):
                    raise
                except Exception as error:  # noqa: BLE001 - what it returned is a defect, as if it had broken itself
                    self._end(lease, self._after_fault(task, error))
                else:
                    seconds = round(time.monotonic() - began, 2)
                    LOG.info(
                        "%s %s is done in %s s",
                        task.verb,
                        task.arn,
                        seconds,
                        extra=fields(**told, seconds=seconds),
                    )

    def _span(self, task: Task) -> AbstractContextManager[JobSpan | None]:
        """Give the span of a task, ``None`` without traces."""
        if self._traces is None:
            return nullcontext()
        said: dict[str, str | int] = {"sartor.arn": task.arn, "sartor.attempt": task.attempt}
        queued_at = task.resource.updated_at if task.attempt == 1 else None
        return self._traces.job(f"{task.verb} {task.kind}", lifecycle.traceparent_of(task), queued_at, said)

    def _after_failure(self, task: Task, reason: str) -> Callable[[], bool]:
        """Return how a task that failed ends: well, if an attempt before this one has done it all the same."""
        asked = self._settled if task.attempt > 1 else None
        return lambda: lifecycle.give_up(self._tools.store, task, reason, asked)

    def _settled(self, task: Task) -> bool:
        return jobs.settled(task, self._tools)

    def _after_fault(self, task: Task, error: Exception) -> Callable[[], bool]:
        """Return what becomes of a task that a fault ended: a later try, or after the last one a reason."""
        store = self._tools.store
        if task.attempt >= lifecycle.MAX_ATTEMPTS:
            LOG.exception("attempt %s at %s broke; it was the last", task.attempt, task.arn)
            reason = f"Internal error after {task.attempt} attempts. {_cause(error)}"
            return lambda: lifecycle.give_up(store, task, reason, self._settled)
        wait = RETRY_SECONDS * 2 ** (task.attempt - 1)
        LOG.exception("attempt %s at %s broke; the next begins in %s s", task.attempt, task.arn, wait)
        progress = {"phase": f"attempt {task.attempt} broke, the log says why; the next begins soon"}
        return lambda: lifecycle.heartbeat(store, task, time.time(), wait, progress)

    def _end(self, lease: "_Lease", write: Callable[[], bool]) -> None:
        """Write down how a task ended, again and again while the lease holds: the database may be locked."""
        lease.over()
        while True:
            try:
                if not write():
                    LOG.warning("the lease on %s was lost at its end; another worker has it", lease.arn)
                return
            except (Unavailable, OSError):
                if lease.lapsed() or self._stopping.is_set():
                    raise
                LOG.exception("the end of %s could not be written; again in %s s", lease.arn, _END_SECONDS)
                self._stopping.wait(_END_SECONDS)

    def _drain(self, drains: jobs.Drains) -> None:
        """Move what calls put into tables, and drop copies that a deletion makes stale."""
        try:
            self._stale_copies.look()
            drains.run(self._tools)
        except Exception:
            LOG.exception("put records could not be drained; they are tried again")
            self._stopping.wait(RETRY_SECONDS)


class _Lease:
    """Renews a task's lease from a thread of its own, with the newest progress.

    Attributes:
        told: set once a caller wants the task to end; it is looked at with every renewal.
    """

    def __init__(self, tools: Tools, settings: Settings, task: Task, stopping: threading.Event) -> None:
        self.arn = task.arn
        self._tools = tools
        self._seconds = settings.lease_seconds
        self._task = task
        self._stopping = stopping
        self.told = threading.Event()
        self._lost = threading.Event()
        self._over = threading.Event()
        self._progress: dict[str, Any] | None = None
        self._phase_began = time.monotonic()
        self._renewed = time.monotonic()
        self._to_stop: float | None = None
        self._thread = threading.Thread(target=self._renew, name=f"lease-{task.id}", daemon=True)

    def report(self, progress: Mapping[str, Any]) -> None:
        """Keep the progress for the next renewal."""
        if self._progress is None or self._progress.get("phase") != progress.get("phase"):
            self._phase_began = time.monotonic()
        self._progress = dict(progress)

    def must_stop(self) -> bool:
        """Return whether the work must stop: it was told to, another may have it by now, or this worker ends."""
        if self.lapsed():
            self._lost.set()  # whoever heard so once has stopped, even if the lease is renewed after all
        return self.told.is_set() or self._stopping.is_set() or self._lost.is_set()

    def deaf_seconds(self) -> float:
        """Return for how long the work has gone on although it must stop."""
        if self._over.is_set() or not self.must_stop():
            self._to_stop = None
            return 0.0
        if self._to_stop is None:
            self._to_stop = time.monotonic()
        return time.monotonic() - self._to_stop

    def lapsed(self) -> bool:
        """Return whether another worker may have the task by now."""
        return self._lost.is_set() or time.monotonic() - self._renewed >= self._seconds

    def _timed(self) -> dict[str, Any] | None:
        """Return the progress with how long its phase has lasted."""
        progress = self._progress
        return progress and {**progress, "phaseSeconds": round(time.monotonic() - self._phase_began, 1)}

    def over(self) -> None:
        """Renew no more: the task is about to end, and its last word must not be overwritten."""
        self._over.set()
        self._thread.join()

    def __enter__(self) -> "_Lease":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over()

    def _renew(self) -> None:
        while not self._over.wait(min(self._seconds / 4, 0.5)):
            asked = time.monotonic()
            try:
                held = lifecycle.heartbeat(
                    self._tools.store, self._task, time.time(), self._seconds, self._timed()
                )
                self._renewed = asked
                if lifecycle.told_to_stop(self._tools.store, self._task):
                    self.told.set()
            except Exception:
                LOG.exception("the lease on %s could not be renewed", self._task.arn)
                held = not self.lapsed()
            if not held:
                self._lost.set()
                return


def _cause(error: Exception) -> str:
    """Return a fault in words that may be shown to who asked: no paths, no values, nothing for a library's makers."""
    if getattr(error, "errno", None) == errno.ENOSPC or "No space left on device" in str(error):
        return "The server's disk is full."
    if isinstance(error, StorageFaultError):
        return str(error)
    return f"The server's log has the details ({type(error).__name__})."
