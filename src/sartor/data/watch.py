"""Long statements that can be stopped."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import duckdb

from sartor.compute.contract import Heard
from sartor.errors import Stopped

_LOOK_SECONDS: Final = 0.2


def stop_of(heard: Heard) -> Callable[[], bool]:
    """Return what says whether a piece must stop, from what its work calls."""

    def must_stop() -> bool:
        try:
            heard(None)
        except Stopped:
            return True
        return False

    return must_stop


@contextmanager
def interrupting(connection: duckdb.DuckDBPyConnection, stop: Callable[[], bool]) -> Iterator[None]:
    """Interrupt the connection's statements once ``stop`` says so.

    Raises:
        Stopped: ``stop`` said so.
    """
    over = threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_SECONDS):
            if stop():
                connection.interrupt()

    watch = threading.Thread(target=look, daemon=True)
    watch.start()
    try:
        yield
    except duckdb.InterruptException as error:
        raise Stopped from error
    finally:
        over.set()
        watch.join()
