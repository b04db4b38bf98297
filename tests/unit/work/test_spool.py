"""Files come onto this machine some at a time; the job hears of it, and is heard."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sartor.data.sources import SourceFile
from sartor.errors import JobFailed, Stopped
from sartor.work.spool import spooled

FILES = [SourceFile("b", f"{at}.csv", 10, "") for at in range(100)]


class Slow:
    """Sources whose files come when they are let, or as something else is wanted."""

    def __init__(self, fetch: Callable[[SourceFile], None] = lambda _: None) -> None:
        self.fetch = fetch

    def spool(self, file: SourceFile, folder: Path, progress: Callable[[int], None]) -> Path:
        progress(5)
        self.fetch(file)
        return folder / file.key


def take(
    sources: Any, folder: Path, stop: Callable[[], bool] = lambda: False
) -> tuple[list[Path], list[int]]:
    seen: list[int] = []
    return spooled(sources, FILES, folder, seen.append, stop), seen


def test_files_are_returned_in_their_order_and_all_their_bytes_were_told(tmp_path: Path) -> None:
    paths, seen = take(Slow(), tmp_path)
    assert paths == [tmp_path / file.key for file in FILES]
    assert seen[-1] == 1000


def test_one_that_cannot_be_read_ends_it_while_others_still_come(tmp_path: Path) -> None:
    over = threading.Event()

    def fetch(file: SourceFile) -> None:
        if file.key == "3.csv":
            raise JobFailed("3.csv could not be read")
        over.wait(10)

    with pytest.raises(JobFailed, match=r"3\.csv could not be read"):
        take(Slow(fetch), tmp_path)
    over.set()


def test_a_stop_is_heard_while_nothing_comes(tmp_path: Path) -> None:
    """As from a service that does not answer."""
    over = threading.Event()
    with pytest.raises(Stopped):
        take(Slow(lambda _: over.wait(10) and None), tmp_path, stop=lambda: True)
    over.set()
