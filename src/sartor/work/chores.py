"""What runs by itself: a table of chores, each with its period, on a clock that tests can move."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sartor.resources import campaigns
from sartor.work import auto_training, jobs
from sartor.work.tools import Tools

LOG = logging.getLogger("sartor.worker")

#: Sweeps list folders and merge parts.
SWEEP_SECONDS: Final = 600.0
#: Trainings are due within an hour of their moment, campaigns follow at once: these look for what was missed.
LOOK_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Chore:
    """Something that is done now and then.

    Attributes:
        name: in words.
        seconds: between two beginnings.
        run: does it; the second argument is the moment, epoch seconds.
    """

    name: str
    seconds: float
    run: Callable[[Tools, float], None]


def chores_of(holder: str, auto_training_on: bool) -> list[Chore]:
    """Return the chores of a worker; a new chore is a new row.

    Args:
        holder: a name that no other worker has.
        auto_training_on: whether trainings begin by themselves.
    """
    sweeps = jobs.Sweeps(holder)
    found = [
        Chore("sweeping the tables", SWEEP_SECONDS, lambda tools, _now: sweeps.run(tools)),
        Chore("letting campaigns follow", LOOK_SECONDS, lambda tools, now: campaigns.sync(tools.store, now)),
    ]
    if auto_training_on:
        found.append(Chore("automatic training", LOOK_SECONDS, auto_training.train_what_is_due))
    return found


class Chores:
    """Does what is due; one that cannot be done holds up no other and comes again.

    Args:
        chores: all of them; each is due at once.
        clock: gives epoch seconds.
    """

    def __init__(self, chores: Sequence[Chore], clock: Callable[[], float]) -> None:
        self._chores, self._clock = chores, clock
        self._begun: dict[str, float] = {}

    def run(self, tools: Tools) -> None:
        """Do what is due now."""
        for chore in self._chores:
            now = self._clock()
            last = self._begun.get(chore.name)
            if last is not None and last <= now < last + chore.seconds:  # a clock may be set back
                continue
            self._begun[chore.name] = now
            try:
                chore.run(tools, now)
            except Exception:
                LOG.exception("%s could not be done; it comes again in %s s", chore.name, chore.seconds)
