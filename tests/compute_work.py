"""Work that the contract suite of executors gives them: functions of a module, as they are found by their names."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from sartor.compute.contract import Heard, Member
from sartor.errors import ApiError, JobFailed, NotYet


def squared(number: int, _heard: Heard) -> int:
    return number * number


def where(_piece: int, _heard: Heard) -> int:
    return os.getpid()


def counted(piece: tuple[str, int], _heard: Heard) -> int:
    """Leave a file for each time that a piece is run."""
    folder, number = piece
    Path(folder, f"{number}-{time.time_ns()}-{os.getpid()}").touch()
    return number


def beside_how_many(folder: str, _heard: Heard) -> int:
    """Return how many pieces at most were at work for a moment, this one included."""
    here = Path(folder, f"{time.time_ns()}-{os.getpid()}")
    here.touch()
    most = 0
    for _ in range(10):
        most = max(most, len(list(Path(folder).iterdir())))
        time.sleep(0.01)
    here.unlink()
    return most


def fails(kind: str, _heard: Heard) -> None:
    raise {
        "api": ApiError("LimitExceededException", "Too many."),
        "not yet": NotYet("ResourceNotFoundException", "Not there."),
        "job": JobFailed("The file is broken."),
        "os": OSError(28, "No space left on device"),
        "own": OwnError(1, where="here"),
    }[kind]


class OwnError(Exception):
    """Takes what it does not keep, and keeps what it does not take."""

    def __init__(self, number: int, *, where: str) -> None:
        super().__init__(f"number {number}")
        self.where = where


def returns_what_cannot_be_sent(_piece: int, _heard: Heard) -> Any:
    return lambda: None


def hangs(folder: str, _heard: Heard) -> None:
    """Wait for ever in C, holding the interpreter's lock, as a regular expression without an end does."""
    import re

    Path(folder, str(os.getpid())).touch()
    re.match(r"(a+)+$", "a" * 64 + "b")


def listens(folder: str, heard: Heard) -> None:
    """Go on for ever, calling what it is given."""
    Path(folder, str(os.getpid())).touch()
    while True:
        heard({"at": "work"})
        time.sleep(0.01)


def dies_once(piece: tuple[str, int], _heard: Heard) -> int:
    """Kill its own process the first time that the piece is run."""
    folder, number = piece
    try:
        Path(folder, str(number)).touch(exist_ok=False)
    except FileExistsError:
        return number
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def dies_when_done(work: Any, folder: str, piece: tuple[int, Any], heard: Heard) -> Any:
    """Do the work of a piece, and the first time kill the own process before anybody knows."""
    number, content = piece
    done = work(content, heard)
    dies_once((folder, number), heard)
    return done


def waits(piece: tuple[str, int], _heard: Heard) -> int:
    """Leave a file, and wait until another is there."""
    folder, number = piece
    Path(folder, str(number)).touch()
    while not Path(folder, "go").exists():
        time.sleep(0.05)
    return number


def dies(_piece: int, _heard: Heard) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def summed(member: Member, argument: int) -> tuple[int, list[float], list[int]]:
    """Add up arrays some times over."""
    value = np.full(3, 0.1 * (member.rank + 1) * argument)
    for at in range(3):
        member.heard({"step": at})
        value, ranks = member.sum([value, np.array([member.rank])])
    return member.size, value.tolist(), ranks.tolist()


def sums_of_all_kinds(member: Member, _argument: None) -> list[list[Any]]:
    """Add up arrays of other sizes, types and shapes each time, larger ones and smaller ones."""
    found = []
    for size in (3, 5_000, 70_000, 2):
        grid = np.full((size, 2), member.rank + 1, np.float32).T  # its rows do not lie together
        given = [np.arange(size), grid, np.float64(0.5), np.zeros((0, 4), np.int8)]
        sums = member.sum([np.asarray(one) for one in given])
        found.append([(one.shape, str(one.dtype), float(one.sum())) for one in sums])
    return found


def size_of_gang(member: Member, _argument: None) -> int:
    return member.size


def sum_of_argument(member: Member, argument: dict[str, Any]) -> tuple[int, float]:
    """Add up what all members were given, whose arrays lie in files."""
    assert not argument["numbers"].flags.writeable
    return member.size, float(member.sum([argument["numbers"]])[0].sum())


def member_fails(member: Member, _argument: None) -> None:
    if member.rank == member.size - 1:
        raise JobFailed("One of the gang broke.")
    member.sum([np.zeros(1)])


def member_hangs(member: Member, folder: str) -> None:
    hangs(folder, member.heard)


def member_listens(member: Member, folder: str) -> None:
    listens(folder, member.heard)


def member_dies_once(member: Member, folder: str) -> float:
    if member.rank == member.size - 1:
        dies_once((folder, 0), member.heard)
    return float(member.sum([np.ones(1)])[0][0])


def returns_first_hangs_then(folder: str | None, heard: Heard) -> None:
    if folder is not None:
        hangs(folder, heard)


if __name__ == "__main__":  # a caller that can be killed
    import compute_work
    from sartor.compute import open_compute
    from sartor.compute.contract import Need

    open_compute(sys.argv[1]).map(
        compute_work.hangs, [sys.argv[2]] * 2, Need(10**7), done=lambda *_: None, stop=lambda: False
    )
