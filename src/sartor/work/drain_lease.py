"""The lease on a dataset's drain: one worker at a time moves its put records, or keeps them where they are.

A lease is short and renewed as long as its holder lives: a worker that dies holds up nobody for long.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from sartor.data.events import PutRecords
from sartor.work.tools import Tools

LOG = logging.getLogger("sartor.worker")

#: How long between two looks at a lease that another holds, in seconds.
_LOOK_SECONDS: Final = 0.1


@contextmanager
def held_drain(dataset: int, holder: str, tools: Tools) -> Iterator[Callable[[], bool] | None]:
    """Hold the lease as long as this is open.

    Args:
        dataset: the number of the dataset's resource.
        holder: a name that no other worker or attempt has.
        tools: the worker's.

    Yields:
        Whether the lease was lost since; ``None`` at once if another holds it.
    """
    put, name = tools.store.put_records, f"drain/{dataset}"
    if not put.lease(name, holder, tools.lease_seconds):
        yield None
        return
    over, lost = threading.Event(), threading.Event()
    arguments = (put, name, holder, tools.lease_seconds, over, lost)
    thread = threading.Thread(target=_renew, args=arguments, name=name, daemon=True)
    thread.start()
    try:
        yield lost.is_set
    finally:
        over.set()
        thread.join()
        put.end_lease(name, holder)


@contextmanager
def held_drains(datasets: list[int], holder: str, tools: Tools) -> Iterator[Callable[[], bool]]:
    """Wait for the leases of several datasets and hold them as long as this is open.

    Yields:
        Whether the work must stop: one of the leases was lost, or the task is no longer ours.

    Raises:
        Stopped: the task is no longer ours.
    """
    with ExitStack() as stack:
        lost: list[Callable[[], bool]] = []
        for dataset in datasets:
            while (one := stack.enter_context(held_drain(dataset, holder, tools))) is None:
                tools.keep_on()
                time.sleep(_LOOK_SECONDS)
            lost.append(one)
        yield lambda: tools.stop() or any(is_lost() for is_lost in lost)


def _renew(
    put: PutRecords, name: str, holder: str, seconds: float, over: threading.Event, lost: threading.Event
) -> None:
    """Renew a lease until it is over or another has it."""
    renewed = time.monotonic()
    while not over.wait(seconds / 4):
        asked = time.monotonic()
        try:
            held = put.lease(name, holder, seconds)
            renewed = asked if held else renewed
        except Exception:
            LOG.exception("the lease %s could not be renewed", name)
            held = time.monotonic() - renewed < seconds
        if not held:
            lost.set()
            return
