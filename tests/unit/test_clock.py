import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sartor import clock

#: Shares the file of its first argument, moves by the second, and says how far ahead it is.
MOVES = """
import sys
from pathlib import Path
from sartor import clock
clock.share(Path(sys.argv[1]))
print(clock.move(float(sys.argv[2])))
"""


@pytest.fixture(autouse=True)
def put_back(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(clock, "_ahead", [0.0])
    yield


def ahead() -> float:
    """Return how far the clock is ahead of the machine's, to the minute."""
    return round((clock.now() - time.time()) / 60) * 60


def moved_by_another(file: Path, seconds: float) -> float:
    command = [sys.executable, "-c", MOVES, str(file), str(seconds)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_it_is_the_machines_until_it_is_moved() -> None:
    assert ahead() == 0
    assert (clock.move(3600), clock.move(60)) == (3600, 3660)
    assert ahead() == 3660


def test_processes_that_share_a_file_move_together(tmp_path: Path) -> None:
    clock.share(tmp_path / "clock")
    clock.move(3600)
    assert moved_by_another(tmp_path / "clock", 7200) == 10_800
    assert ahead() == 10_800


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf"), clock.MOST_SECONDS + 1])
def test_it_goes_forward_and_not_for_ever(seconds: float) -> None:
    with pytest.raises(ValueError, match="goes forward"):
        clock.move(seconds)
    assert ahead() == 0
