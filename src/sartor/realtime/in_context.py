"""What a request's context and the attributes of its user say of items, by what a training counted.

Source: the guide's "Contextual metadata" and "Users": values are given as texts; what the training did not see says
nothing. A history says more than who its owner is, and says that too: the longer it is, the less attributes count.
"""

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Final

import numpy as np

from sartor.data.contexts import OF_USER, Contexts
from sartor.models import context
from sartor.models.base import Float32

#: With so many interactions of a user his attributes count half.
_HALF_INTERACTIONS: Final = 2.0
#: With more of them nobody looks at the attributes.
MOST_INTERACTIONS: Final = 20


class InContext:
    """The contexts of one artifact.

    Args:
        contexts: what was counted.
        n_items: how many items the model knows.
    """

    def __init__(self, contexts: Contexts, n_items: int) -> None:
        self._contexts, self._n_items = contexts, n_items
        self._numbers = {value: number for number, value in enumerate(contexts.values)}

    def __bool__(self) -> bool:
        return bool(self._contexts.values)

    def values(self, context: Mapping[str, str], user: Mapping[str, str]) -> tuple[int, ...]:
        """Return the numbers of what is known, ascending; what the training did not see is left out.

        Args:
            context: of the request.
            user: the user's attributes.
        """
        known = {**context, **{f"{OF_USER}{name}": text for name, text in user.items()}}
        found = {
            self._numbers.get(f"{name}={said}")
            for name, text in known.items()
            if name in self._contexts.bounds
            for said in self._said(name, text)
        }
        return tuple(sorted(number for number in found if number is not None))

    def lift(self, values: tuple[int, ...], interactions: int) -> Float32:
        """Return float32[items]: what some values add to the logits; several of one column count as their mean.

        Args:
            values: their numbers.
            interactions: how many the user's history has.
        """
        lifts: dict[str, list[Float32]] = {}
        for number in values:
            column = _column_of(self._contexts.values[number])
            of_item = self._of_columns[column]
            part = slice(*self._contexts.offsets[number : number + 2].tolist())
            found = context.lift(
                self._contexts.item[part], self._contexts.count[part], of_item, float(of_item.sum())
            )
            lifts.setdefault(column, []).append(found)
        total = np.zeros(self._n_items, np.float32)
        for column, some in lifts.items():
            share = 1 / (1 + interactions / _HALF_INTERACTIONS) if column.startswith(OF_USER) else 1.0
            total += np.float32(share) * np.mean(some, axis=0)
        return total

    def _said(self, name: str, text: str) -> list[str]:
        """Return the values of one column: categories, or the bin of a number."""
        bounds = self._contexts.bounds[name]
        if bounds is None:
            return text.split("|")
        try:
            number = float(text)
        except ValueError:
            return []
        return [] if math.isnan(number) else [str(int(np.searchsorted(bounds, number, side="right")))]

    @cached_property
    def _of_columns(self) -> dict[str, Float32]:
        """float32[items] of each column: how many interactions of each item say something in it."""
        found = {name: np.zeros(self._n_items, np.float32) for name in self._contexts.bounds}
        for number, value in enumerate(self._contexts.values):
            part = slice(*self._contexts.offsets[number : number + 2].tolist())
            found[_column_of(value)][self._contexts.item[part]] += self._contexts.count[part]
        return found


def _column_of(value: str) -> str:
    """Return the column of a value such as ``DEVICE=phone``: no column's name has a sign of equality."""
    return value.partition("=")[0]
