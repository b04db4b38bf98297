"""The files of a job onto this machine, some at a time; whoever waits is told how far they are, and may stop it."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import Final

from sartor.data.sources import AccountSources, SourceFile
from sartor.errors import Stopped

#: How many files are fetched at once.
_AT_ONCE: Final = 8
#: How often it is said how far they are, in seconds.
_LOOK_SECONDS: Final = 0.2


def spooled(
    sources: AccountSources,
    listed: Sequence[SourceFile],
    folder: Path,
    progress: Callable[[int], None],
    stop: Callable[[], bool],
) -> list[Path]:
    """Return local files with the content of what was listed, in its order.

    Args:
        sources: where they are.
        listed: the files.
        folder: where copies are written.
        progress: takes the bytes that are here, some times a second.
        stop: asked some times a second whether to give up.

    Raises:
        JobFailed: one of them cannot be read, or has changed.
        Stopped: ``stop`` said so; what is being read ends by itself.
    """
    done = [0] * len(listed)
    paths = [folder] * len(listed)
    given_up = threading.Event()

    def copied(at: int, size_bytes: int) -> None:
        done[at] = size_bytes
        if given_up.is_set():
            raise Stopped

    def spool(waiting: Iterator[tuple[int, SourceFile]]) -> None:
        for at, file in waiting:
            paths[at] = sources.spool(file, folder, partial(copied, at))
            copied(at, file.size_bytes)

    waiting = enumerate(listed)  # one for all threads
    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        threads = {pool.submit(spool, waiting) for _ in range(min(_AT_ONCE, len(listed)))}
        while threads:
            ended, threads = wait(threads, _LOOK_SECONDS, FIRST_EXCEPTION)
            for one in ended:
                one.result()
            progress(sum(done))
            if stop():
                raise Stopped
    finally:
        given_up.set()
        pool.shutdown(wait=False)
    return paths
