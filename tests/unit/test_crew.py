"""Processes that are kept running."""

import os
import signal
import subprocess
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


def test_ctrl_c_ends_nobody_who_has_not_said_that_he_listens(tmp_path: Path) -> None:
    """Who still loads libraries would end with a traceback; the parent ends all."""
    waits = "[time.sleep(0.01) for _ in iter(lambda: signal.SIGINT in signal.sigpending(), True)]"
    script = (
        f"import signal, time; print('here', flush=True); {waits}; print('kept', flush=True); time.sleep(60)"
    )
    log = tmp_path / "one"
    kept = Crew({"one": [sys.executable, "-c", script]}, os.environ, {"one": log})
    kept.start()
    try:
        until(lambda: log.exists() and log.read_text() == "here\n")
        process = kept.process("one")
        assert process is not None
        os.kill(process, signal.SIGINT)
        until(lambda: log.read_text() == "here\nkept\n")
    finally:
        kept.stop()


def test_ctrl_c_while_the_command_line_is_loaded_has_no_traceback() -> None:
    script = """
import os, signal, sys

class Finder:
    def find_spec(self, name, *_):
        if name == "sartor.cli":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
from sartor.__main__ import main
main()
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, "", "")
