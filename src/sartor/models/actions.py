"""Actions that people may take: what they did with them, and what of that a model of actions learns from.

A person is shown an action and takes it, or not, within some days: one such trial is an example. The period is the
``action_optimization_period`` of the guide's "Next-Best-Action recipe".
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from sartor.models.base import ActionEvents, Bool, Int32, Int64

#: What came of an action that was shown: the numbers of the service's event types.
TAKEN: Final = 0
NOT_TAKEN: Final = 1
VIEWED: Final = 2
#: How many types there are.
N_TYPES: Final = 3


@dataclass(frozen=True)
class Trials:
    """Times at which users could take actions, and whether they did within the period.

    Attributes:
        users: int64[trials].
        actions: int32[trials].
        times: int64[trials], when each began, epoch seconds.
        taken: bool[trials].
    """

    users: Int64
    actions: Int32
    times: Int64
    taken: Bool

    def __len__(self) -> int:
        return len(self.users)

    def where(self, kept: Bool) -> "Trials":
        """Return the trials of which bool[trials] is true."""
        return Trials(self.users[kept], self.actions[kept], self.times[kept], self.taken[kept])


def trials(events: ActionEvents, period_seconds: int) -> Trials:
    """Return the trials of some events, ordered by user, action and time.

    A trial begins with the first event of a user with an action, and with the first one after the trial before has
    ended; what else happens within the period is its outcome.

    Args:
        events: what users did with actions.
        period_seconds: how long a trial is open.
    """
    users = np.repeat(np.arange(events.n_users), np.diff(events.offsets))
    order = np.lexsort((events.times, events.actions, users))
    users, actions, times = users[order], events.actions[order], events.times[order]
    first = np.ones(len(order), np.bool_)
    first[1:] = (users[1:] != users[:-1]) | (actions[1:] != actions[:-1])
    pair = np.cumsum(first) - 1
    moments, rank = np.unique(times, return_inverse=True)
    key = pair * (len(moments) + 1) + rank
    over = np.searchsorted(moments, times + period_seconds, side="right")
    ends = np.searchsorted(
        key, pair * (len(moments) + 1) + over
    )  # the first event after a trial from here on
    begins = np.flatnonzero(first)
    found = [begins]
    while len(begins):
        following = ends[begins]
        inside = following < len(order)
        inside[inside] = pair[following[inside]] == pair[begins[inside]]
        begins = following[inside]
        found.append(begins)
    start = np.sort(np.concatenate(found))
    taken_before = np.concatenate([[0], np.cumsum(events.types[order] == TAKEN)])
    return Trials(
        users[start].astype(np.int64),
        actions[start],
        times[start],
        taken_before[ends[start]] > taken_before[start],
    )


def enough(events: ActionEvents, n_actions: int, least: int, span_seconds: int) -> Bool:
    """Return bool[actions]: which have been taken, and not taken or viewed, so often that they get a score.

    Args:
        events: what users did with actions.
        n_actions: how many actions there are.
        least: how often, each.
        span_seconds: only events count that lie no longer before the newest one.
    """
    if not len(events.times):
        return np.zeros(n_actions, np.bool_)
    lately = events.times >= events.times.max() - span_seconds
    taken = lately & (events.types == TAKEN)
    counts = [np.bincount(events.actions[some], minlength=n_actions) for some in (taken, lately & ~taken)]
    found: Bool = np.minimum(*counts) >= least
    return found
