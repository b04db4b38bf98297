"""People with planted tastes, the items that they like, and what they did with actions."""

import numpy as np

from sartor.models.actions import NOT_TAKEN, TAKEN, VIEWED
from sartor.models.base import Acting, ActionEvents, Features, Histories, TrainingData

DAY = 86_400
ITEMS_EACH = 10
#: How likely people of either taste take each action when it is shown to them.
CHANCES = np.array([[0.9, 0.1, 0.5, 0.2, 0.7], [0.1, 0.9, 0.5, 0.2, 0.3]])


def events_of(*rows: tuple[int, int, int, int], users: int | None = None) -> ActionEvents:
    """Return events from rows of user, time, action and type, in any order."""
    ordered = np.array(sorted(rows), np.int64).reshape(-1, 4)
    count = (int(ordered[:, 0].max()) + 1 if len(ordered) else 0) if users is None else users
    offsets = np.searchsorted(ordered[:, 0], np.arange(count + 1)).astype(np.int64)
    return ActionEvents(ordered[:, 2].astype(np.int32), ordered[:, 3].astype(np.int8), ordered[:, 1], offsets)


def planted(users: int = 300, seed: int = 0, attributes: bool = False) -> TrainingData:
    """Return people of two tastes: even users are of the first. Each is shown each action twice, 15 days apart.

    Args:
        users: how many.
        seed: of what is drawn.
        attributes: whether the Users dataset says the taste, and items say nothing.
    """
    rng = np.random.default_rng(seed)
    items, times, rows = [], [], []
    for user in range(users):
        first = 0 if attributes else ITEMS_EACH * (user % 2)
        some = rng.integers(2 * ITEMS_EACH if attributes else ITEMS_EACH, size=8) + first
        items.append(some.astype(np.int32))
        times.append(np.sort(rng.integers(0, 30 * DAY, size=8)))
        for action, chance in enumerate(CHANCES[user % 2]):
            for shown in (31 * DAY, 46 * DAY):
                at = shown + int(rng.integers(DAY // 2))
                rows.append((user, at, action, VIEWED))
                rows.append((user, at + 60, action, TAKEN if rng.random() < chance else NOT_TAKEN))
    histories = Histories(np.concatenate(items), np.arange(users + 1) * 8, np.concatenate(times))
    tastes = Features((np.arange(users) % 2).astype(np.int32), np.arange(users + 1), 2)
    acting = Acting(CHANCES.shape[1], events_of(*rows), tastes if attributes else None)
    return TrainingData(2 * ITEMS_EACH, histories, acting=acting)
