"""Work in processes of this machine: whatever hangs or crashes in one of them, it can be killed."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from sartor.compute import shared_sums
from sartor.compute.carried import unpacked, unpacked_error
from sartor.compute.child import run_member, run_pieces
from sartor.compute.children import Child, messages
from sartor.compute.contract import RUNS, Heard, Member, Need, P, R, said_nothing
from sartor.compute.pool import Pool
from sartor.errors import Stopped, Unavailable

_DOUBT: Final = "is there enough memory for it?"


class Processes:
    """Runs pieces in children, which live as long as the call.

    Args:
        slots: how many at once.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots

    @property
    def slots(self) -> int:
        """How many pieces run at once."""
        return self._slots

    @property
    def far(self) -> bool:
        """Pieces see what the caller sees."""
        return False

    def map(
        self,
        work: Callable[[P, Heard], R],
        pieces: Sequence[P],
        need: Need,
        *,
        done: Callable[[int, R], None],
        stop: Callable[[], bool],
        progress: Callable[[int, Any], None] = said_nothing,
    ) -> None:
        """Run work over pieces; see ``Compute``."""
        pool = Pool(partial(run_pieces, work), need.at_once(self._slots), _threads(need), _DOUBT)
        pool.map(pieces, done, stop, progress)

    def together(
        self,
        work: Callable[[Member, P], R],
        argument: P,
        need: Need,
        *,
        progress: Callable[[Any], None],
        stop: Callable[[], bool],
    ) -> R:
        """Run work as a gang; see ``Compute``."""
        for _ in range(RUNS):
            files = shared_sums.opened(need.at_once(self._slots))
            gang = [
                Child(
                    partial(run_member, work, rank, files, argument),
                    _threads(need),
                    shared_sums.descriptors(files),
                )
                for rank in range(len(files))
            ]
            try:
                results = _results(gang, progress, stop)
            finally:
                for child in gang:
                    child.kill()
                shared_sums.close(files)
            if results is not None:
                result: R = unpacked(results[0])
                return result
        raise Unavailable(f"A process of a gang ended {RUNS} times: {_DOUBT}")

    def check(self) -> str:
        """Return in a line what would be used."""
        words: list[str] = []
        self.map(_word, [None], Need(0), done=lambda _, word: words.append(word), stop=lambda: False)
        return f"up to {self._slots} processes of this machine at once{words[0]}"


def _word(_piece: None, _heard: Heard) -> str:
    """Return nothing to say, from a process that could begin."""
    return ""


def _threads(need: Need) -> Mapping[str, str]:
    """Return the variables by which libraries of numbers know how many threads they may use."""
    return dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(need.threads))


def _results(
    gang: Sequence[Child], progress: Callable[[Any], None], stop: Callable[[], bool]
) -> dict[int, bytes] | None:
    """Serve a gang until all are done; return their results by rank, ``None`` if one died."""
    results: dict[int, bytes] = {}
    brought = 0
    while len(results) < len(gang):
        if stop():
            raise Stopped
        for _, message in messages(gang):
            if message is None:
                return None
            kind, rank, content = message
            if kind == "failed":
                raise unpacked_error(content)
            if kind == "said" and rank == 0:
                progress(content)
            elif kind == "sum":
                brought += 1
            elif kind == "done":
                results[rank] = content
        if brought == len(gang):
            brought = 0
            for child in gang:
                child.send(True)
    return results
