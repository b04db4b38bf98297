"""Where a training lets others learn for it: a gang that learns one model, and pieces that try settings.

What they take lies in files that they map, so that a machine has it in memory once.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from sartor.compute.by_file import kept, with_argument
from sartor.compute.contract import Heard, Need, R
from sartor.models.base import Run
from sartor.models.gang import Gang, Work
from sartor.work.tools import Tools

#: So many members a gang has at most, by estimate: what all do alike costs each about as much as its own part then.
_MOST_MEMBERS: Final = 8


class Beside:
    """The processes that a training may use beside its own.

    Args:
        tools: the worker's.
        folder: in the storage, of the attempt.
        run: how the training runs.

    Attributes:
        members: how many learned together; 1 if none did.
    """

    def __init__(self, tools: Tools, folder: str, run: Run) -> None:
        self._tools, self._folder, self._run = tools, folder, run
        self.members = 1

    @cached_property
    def slots(self) -> int:
        """How many pieces run at once; 1 is here alone, also where others would not see the files."""
        compute = self._tools.compute
        return 1 if compute.far and self._tools.storage.makes_copies else compute.slots

    def threads(self, most: int | None = None) -> int:
        """Return how many threads a piece has, if so many run at once at most."""
        at_once = Need(0, most=most).at_once(self.slots)
        return 1 if self._tools.compute.far else max(self._run.threads // at_once, 1)

    @property
    def gang(self) -> Gang:
        """Who may learn a model together."""
        return Gang(lambda: self._size, self._together)

    def map(
        self,
        work: Callable[[tuple[bytes, int], Heard], R],
        argument: Any,
        n: int,
        done: Callable[[int, R], None],
        most: int | None = None,
    ) -> None:
        """Run a function of a module for each number below ``n``, with one argument.

        Args:
            work: takes the argument, which ``unpacked`` reads, with the number, and what to call while it works.
            argument: that all take.
            n: how many pieces there are.
            done: takes the number of a piece and what came of it.
            most: how many run at once at most.
        """
        with self._carried(argument) as carried:
            self._tools.compute.map(
                work,
                [(carried, number) for number in range(n)],
                Need(self._tools.memory_bytes, self.threads(most), most=most),
                done=done,
                stop=self._run.stop,
            )

    @cached_property
    def _size(self) -> int:
        """How many members a gang has: together they have as many processors as this process at least."""
        most = min(self.slots, _MOST_MEMBERS)
        if self._tools.compute.far:
            return most if most >= self._run.threads else 1
        return min(most, self._run.threads)

    def _together(self, work: Work, argument: Any) -> Any:
        self.members = self._size
        threads = 1 if self._tools.compute.far else self._run.threads // self.members
        need = Need(self._tools.memory_bytes, threads, most=self.members)
        with self._carried(argument) as carried:
            return self._tools.compute.together(
                with_argument, (work, carried), need, progress=self._run.progress, stop=self._run.stop
            )

    @contextmanager
    def _carried(self, argument: Any) -> Iterator[bytes]:
        """Give an argument whose arrays lie in files, for as long as others read them."""
        if self._tools.compute.far:
            place = self._tools.storage.stage(f"{self._folder}/carried")
        else:
            place = Path(tempfile.mkdtemp(prefix="carried-", dir=self._tools.scratch))
        try:
            yield kept(argument, place)
        finally:
            shutil.rmtree(place, ignore_errors=True)
