"""Workers in processes of their own, forked from one that has loaded everything: loading takes a second each time."""

import multiprocessing
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from crash import dying_worker

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["pytest", "sartor.cli.service", "sartor.serve"])
#: A job, one of its steps, and ``before``, ``after``, ``pause-before`` or ``pause-after``.
Moment = tuple[str, str, str]


class Worker:
    """A worker, which is stopped at the end of a block.

    Args:
        options: of ``sartor worker``.
        moment: when it dies or stops, if it shall.
        environment: more variables of its environment.
        log: where its stderr goes; where this process's went, if not given.
    """

    def __init__(
        self,
        options: tuple[str, ...],
        moment: Moment | None = None,
        environment: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> None:
        arguments = (options, moment, {**os.environ, **(environment or {})}, log)
        self._process = _FORKS.Process(target=_work, args=arguments, daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        """Of its process."""
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """Return how it ended; a negative number is a signal's, ``None`` says that it runs."""
        return self._process.exitcode

    def wait(self, seconds: float) -> int | None:
        """Return how it ended, once it has or so much time is over."""
        self._process.join(seconds)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def is_paused(self) -> bool:
        """Return whether it is stopped by a signal."""
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def terminate(self) -> None:
        """Ask it to end."""
        self._process.terminate()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.terminate()
        self.wait(20)


def _work(
    options: tuple[str, ...], moment: Moment | None, environment: Mapping[str, str], log: Path | None
) -> None:
    """Be a worker, in a new process."""
    os.environ.clear()
    os.environ.update(environment)
    if log is not None:
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), sys.stderr.fileno())
    dying_worker.run(moment, options)
