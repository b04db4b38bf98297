"""The least a batch of recommendations can do: multiply all users with all items, and take the best 25 of each.

Prints the seconds. It reads no questions, looks at no history, filters nothing, knows no names and writes nothing.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

WIDTH = 64
BEST = 25
BLOCK = 256


def best(
    users: NDArray[np.float32], items: NDArray[np.float32], at: int
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return the best items of the users of one block, and their scores."""
    scores = users[at : at + BLOCK] @ items.T
    found = np.argpartition(scores, len(items) - BEST, axis=1)[:, len(items) - BEST :]
    values = np.take_along_axis(scores, found, axis=1)
    order = np.argsort(-values, axis=1)
    return np.take_along_axis(found, order, axis=1), np.take_along_axis(values, order, axis=1)


def main(n_users: int, n_items: int, threads: int) -> float:
    """Return how long it takes, in seconds."""
    rng = np.random.default_rng(1)
    items = rng.standard_normal((n_items, WIDTH), np.float32)
    users = rng.standard_normal((n_users, WIDTH), np.float32)
    begun = time.perf_counter()
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(partial(best, users, items), range(0, n_users, BLOCK)):
            pass
    return time.perf_counter() - begun


if __name__ == "__main__":
    print(main(*map(int, sys.argv[1:])))
