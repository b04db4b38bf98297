"""Processes that are kept running."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sartor import crew
from sartor.crew import Crew

SECONDS = 20.0
COMMAND = [sys.executable, "-c", "import time; print('here', flush=True); time.sleep(60)"]


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_alive(process: int | None) -> bool:
    if process is None:
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_who_dies_is_started_again_and_all_end_with_the_crew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "FIRST_RESTART_SECONDS", 0.01)
    logs = {name: tmp_path / name for name in ("one", "two")}
    kept = Crew(dict.fromkeys(logs, COMMAND), os.environ, logs)
    kept.start()
    until(lambda: all(is_alive(kept.process(name)) for name in logs))
    first, other = kept.process("one"), kept.process("two")
    assert first is not None
    until(lambda: logs["one"].read_text() == "here\n")
    os.kill(first, signal.SIGKILL)
    until(lambda: kept.process("one") not in (None, first))
    until(lambda: logs["one"].read_text() == "here\nhere\n")
    again = kept.process("one")
    assert kept.process("two") == other
    kept.stop()
    assert not is_alive(again)
    assert not is_alive(other)
