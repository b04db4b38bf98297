"""What a training tries before it settles: settings and recipes with their scores, kept so that no kill costs them.

A score says how well a model ranks held-out items; it says nothing of any user.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from sartor.data.blobs import Blobs
from sartor.work.beside import Beside

_FILE: Final = "trials.json"


class Trials:
    """The trials of one training, whatever attempt made them.

    Args:
        storage: where they are kept; ``None`` keeps them in memory alone.
        folder: of all attempts at the training.
        beside: where some are made at once; ``None``: one after the other, here.
    """

    def __init__(self, storage: Blobs | None = None, folder: str = "", beside: Beside | None = None) -> None:
        self._storage, self._path = storage, f"{folder}/{_FILE}"
        self.beside = beside
        self._scores: dict[str, float] = {}
        if storage is not None:
            with suppress(FileNotFoundError):
                self._scores = json.loads(storage.get(self._path))

    def score(self, recipe: str, parameters: Mapping[str, str], measure: Callable[[], float]) -> float:
        """Return the score of a recipe with some parameters, measured unless an attempt before has done so.

        Records that came since may have moved it a little; it is not measured again for that.
        """
        known = self.known(recipe, parameters)
        return self.keep(recipe, parameters, measure()) if known is None else known

    def known(self, recipe: str, parameters: Mapping[str, str]) -> float | None:
        """Return the score of a recipe with some parameters, ``None`` if it is not measured."""
        return self._scores.get(_key(recipe, parameters))

    def keep(self, recipe: str, parameters: Mapping[str, str], score: float) -> float:
        """Keep a score and return it."""
        self._scores[_key(recipe, parameters)] = score
        if self._storage is not None:
            self._storage.put(self._path, json.dumps(self._scores).encode())
        return score

    def forget(self) -> None:
        """Remove what is kept: the training is done."""
        if self._storage is not None and self._scores:
            self._storage.delete(self._path)


def _key(recipe: str, parameters: Mapping[str, str]) -> str:
    return json.dumps([recipe, dict(parameters)], sort_keys=True)
