"""What a training tries before it settles: settings and recipes with their scores, kept so that no kill costs them.

A score says how well a model ranks held-out items; it says nothing of any user.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from sartor.data.blobs import Blobs

_FILE: Final = "trials.json"


class Trials:
    """The trials of one training, whatever attempt made them.

    Args:
        storage: where they are kept; ``None`` keeps them in memory alone.
        folder: of all attempts at the training.
    """

    def __init__(self, storage: Blobs | None = None, folder: str = "") -> None:
        self._storage, self._path = storage, f"{folder}/{_FILE}"
        self._scores: dict[str, float] = {}
        if storage is not None:
            with suppress(FileNotFoundError):
                self._scores = json.loads(storage.get(self._path))

    def score(self, recipe: str, parameters: Mapping[str, str], measure: Callable[[], float]) -> float:
        """Return the score of a recipe with some parameters, measured unless an attempt before has done so.

        Records that came since may have moved it a little; it is not measured again for that.
        """
        key = json.dumps([recipe, dict(parameters)], sort_keys=True)
        if key not in self._scores:
            self._scores[key] = measure()
            if self._storage is not None:
                self._storage.put(self._path, json.dumps(self._scores).encode())
        return self._scores[key]

    def forget(self) -> None:
        """Remove what is kept: the training is done."""
        if self._storage is not None and self._scores:
            self._storage.delete(self._path)
