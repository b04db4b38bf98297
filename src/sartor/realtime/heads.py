"""The heads of users' answers, found once when a model is stored: who asks for the first time then needs no scores.

Scores of all items, their softmax and a search for the best are a third of what such an answer costs with a model of
one product, and most of it with a blend. They are the same until an event, a new item or a context has a say, so
they are made beforehand, a block of users at a time. A filter takes its part away: there are several times as many as
an answer has, and if too few are left all items are scored after all.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sartor.models.base import Float32, Histories, Model, Query
from sartor.models.best import top_of_each
from sartor.realtime.scoring import LARGE_CATALOGUE, Shares
from sartor.recipes import Serving

#: A record a user, and one more for who has no history: ``share`` float32[k] and ``row`` uint[k], the best items of
#: all and their shares of the softmax.
Heads = NDArray[np.void]
#: One of these records.
Head = np.void

#: So many items a user; with fewer than the least a usual filter would leave too few of them.
_MOST, _LEAST = 128, 48
#: What the heads of one artifact may take: they are mapped, so of a process's memory they take what is asked for, and
#: who is answered by them does not need the scores of all items kept.
_BYTES: Final = 128 * 2**20
#: So many scores are made for them at most, seconds of a training: of one product, and of a model with more to do.
_SCORES_OF_PRODUCT, _SCORES = 500_000_000, 200_000_000
#: The scores of a block take so many bytes: they stay near the processor.
_BLOCK_BYTES: Final = 2**22


def size_of(n_users: int, n_items: int, is_product: bool) -> int:
    """Return how many items a head has; 0 if heads of so many users would not pay.

    Args:
        n_users: who may ask.
        n_items: how many items are scored.
        is_product: whether scores are one product.
    """
    if n_items >= LARGE_CATALOGUE or n_users * n_items > (_SCORES_OF_PRODUCT if is_product else _SCORES):
        return 0
    room = _BYTES // ((n_users + 1) * _record(n_items, 1).itemsize)
    size = min(_MOST, n_items, room)
    return size if size >= min(_LEAST, n_items) else 0


def made(
    model: Model,
    histories: Histories,
    states: Float32 | None,
    serving: Serving | None,
    keep_on: Callable[[], None] = lambda: None,
) -> Heads | None:
    """Return the heads of some users' answers, and last the one of who has no history.

    Args:
        model: what answers.
        histories: of the users.
        states: float32[users, d], what the model computed of them beforehand.
        serving: how it answers; ``None`` if it is not asked.
        keep_on: called now and then; what it raises ends the work.

    Returns:
        ``None`` where they are not asked for, or do not pay.
    """
    if serving is None or serving.operation != "GetRecommendations" or serving.needs != "userId":
        return None
    if model.window_seconds is not None:
        return None
    size = size_of(histories.n_users, model.n_items, model.product() is not None)
    if not size:
        return None
    found = np.zeros(histories.n_users + 1, _record(model.n_items, size))
    block = max(_BLOCK_BYTES // (4 * model.n_items), 1)
    for first in range(0, len(found), block):
        keep_on()
        part = slice(first, min(first + block, len(found)))
        queries = [_query(histories, states, user) for user in range(part.start, part.stop)]
        scores = model.score_batch(queries)
        shares = Shares.of(scores, model.has_logits, serving.scored == "subset")
        rows, values = top_of_each(scores, size)
        found["row"][part], found["share"][part] = rows, shares.at(values)
    return found


def _record(n_items: int, size: int) -> np.dtype[Any]:
    rows = np.uint16 if n_items <= 2**16 else np.uint32
    return np.dtype([("share", np.float32, (size,)), ("row", rows, (size,))])


def _query(histories: Histories, states: Float32 | None, user: int) -> Query:
    """Return the question of a user, or of nobody behind the last one."""
    if user == histories.n_users:
        return Query(np.zeros(0, np.int32))
    return Query(histories.of(user), None, None if states is None else states[user])
