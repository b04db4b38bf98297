"""What a model makes of users' histories, computed when it is stored, where that pays.

A state of 64 numbers takes 256 bytes a user, most of what an artifact has of one. It spares a user's first answer a
pass through a network, some tenths of a millisecond; who has done something since has a newer history, and no use for
it. Of very many users most never ask, so none is kept then: it is computed when it is asked for, as after an event.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from sartor.models.base import Float32, Histories, Model
from sartor.recipes import Serving

#: What the states of one artifact may take: those of two million users of a model of 64 numbers.
_BYTES: Final = 512 * 2**20


def made(
    model: Model,
    histories: Histories,
    serving: Serving | None,
    keep_on: Callable[[], None] = lambda: None,
) -> Float32 | None:
    """Return float32[users, d], what a model makes of some users' histories.

    Args:
        model: what answers.
        histories: of the users.
        serving: how it answers; ``None`` if it is not asked: segments, which need all of them, are made of it.
        keep_on: called at least once a second; what it raises ends the work.

    Returns:
        ``None`` where the model has none, or they do not pay.
    """
    if serving is not None:
        nobody = model.states(Histories(np.zeros(0, np.int32), np.zeros(2, np.int64), np.zeros(0, np.int64)))
        if nobody is None or nobody.nbytes * histories.n_users > _BYTES:
            return None
    return model.states(histories, keep_on)
