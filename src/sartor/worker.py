"""The worker: claims work, runs it, keeps its lease, and reports how it ended."""

import logging
import os
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from sartor.errors import JobFailed
from sartor.resources import lifecycle
from sartor.resources.lifecycle import Task
from sartor.settings import Settings
from sartor.work import jobs
from sartor.work.tools import Tools

LOG = logging.getLogger("sartor.worker")

#: Short work never waits behind long work: each lane has a thread of its own.
LANES: Final = ("quick", "heavy")
#: How long before work that ended by an unknown fault is tried again, in seconds.
RETRY_SECONDS: Final = 2.0
#: How often chores run, in seconds.
CHORE_SECONDS: Final = 600.0


class Worker:
    """Works until it is told to stop.

    Args:
        settings: of this process.
        tools: what a job gets; ``progress`` and ``stop`` are replaced for each task.
        stopping: set when the worker must end; a running job is interrupted and begins again elsewhere.
    """

    def __init__(self, settings: Settings, tools: Tools, stopping: threading.Event) -> None:
        self._settings = settings
        self._tools = tools
        self._stopping = stopping
        self._name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"

    def run(self) -> None:
        """Work in all lanes until ``stopping`` is set."""
        lanes = [threading.Thread(target=self._work, args=(lane,), name=lane) for lane in LANES]
        for lane in lanes:
            lane.start()
        next_chores = 0.0
        while not self._stopping.wait(1.0):
            if time.monotonic() >= next_chores:
                self._chores()
                next_chores = time.monotonic() + CHORE_SECONDS
        for lane in lanes:
            lane.join()

    def _work(self, lane: str) -> None:
        """Claim and run the tasks of one lane, one after the other."""
        while not self._stopping.is_set():
            try:
                task = lifecycle.claim(
                    self._tools.store,
                    f"{self._name}-{lane}",
                    [lane],
                    time.time(),
                    self._settings.lease_seconds,
                    settled=lambda task: jobs.settled(task, self._tools),
                )
                if task is None:
                    self._stopping.wait(self._settings.poll_seconds)
                else:
                    self._run(task)
            except Exception:  # the database may be away for a while; a lane never dies
                LOG.exception("the %s lane could not work; it goes on in %s s", lane, RETRY_SECONDS)
                self._stopping.wait(RETRY_SECONDS)

    def _run(self, task: Task) -> None:
        """Run one task to its end; one that ends by a fault of ours stays leased and is claimed again."""
        with _Lease(self._tools, self._settings, task, self._stopping) as lease:
            tools = replace(self._tools, progress=lease.report, stop=lease.is_lost)
            try:
                jobs.TABLE[task.kind, task.verb](task, tools)
            except JobFailed as failure:
                LOG.info("%s failed: %s", task.arn, failure.reason)
                lifecycle.fail(self._tools.store, task, failure.reason)
            except Exception:
                if lease.is_lost():
                    LOG.info("%s is left to another worker", task.arn)
                    lifecycle.heartbeat(self._tools.store, task, time.time(), lease_seconds=0.0)
                else:
                    LOG.exception("attempt %s at %s broke; it will be tried again", task.attempt, task.arn)
            else:
                lifecycle.finish(self._tools.store, task)

    def _chores(self) -> None:
        """Sweep what dead jobs left behind."""
        try:
            jobs.sweep(self._tools)
        except Exception:
            LOG.exception("the chores could not be done; they come again in %s s", CHORE_SECONDS)


class _Lease:
    """Renews a task's lease from a thread of its own, with the newest progress."""

    def __init__(self, tools: Tools, settings: Settings, task: Task, stopping: threading.Event) -> None:
        self._tools = tools
        self._seconds = settings.lease_seconds
        self._task = task
        self._stopping = stopping
        self._lost = threading.Event()
        self._over = threading.Event()
        self._progress: dict[str, Any] | None = None
        self._thread = threading.Thread(target=self._renew, name=f"lease-{task.id}", daemon=True)

    def report(self, progress: Mapping[str, Any]) -> None:
        """Keep the progress for the next renewal."""
        self._progress = dict(progress)

    def is_lost(self) -> bool:
        """Return whether the work must stop: another may have the task by now, or this worker ends."""
        return self._lost.is_set() or self._stopping.is_set()

    def __enter__(self) -> "_Lease":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _renew(self) -> None:
        renewed = time.monotonic()
        while not self._over.wait(min(self._seconds / 4, 0.5)):
            try:
                held = lifecycle.heartbeat(
                    self._tools.store, self._task, time.time(), self._seconds, self._progress
                )
                renewed = time.monotonic()
            except Exception:
                LOG.exception("the lease on %s could not be renewed", self._task.arn)
                held = time.monotonic() - renewed < self._seconds
            if not held:
                self._lost.set()
                return


def scratch_folder(settings: Settings) -> Path:
    """Return this process's folder for what need not survive it; folders of dead processes are removed."""
    root = settings.data / "scratch"
    root.mkdir(parents=True, exist_ok=True)
    for folder in root.iterdir():
        if folder.name.isdigit() and not Path("/proc", folder.name).exists():
            shutil.rmtree(folder, ignore_errors=True)
    place = root / str(os.getpid())
    place.mkdir(exist_ok=True)
    return place
