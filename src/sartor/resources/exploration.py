"""What ``itemExplorationConfig`` can say of the exploration of new items, in campaigns and in recommenders."""

import math
from collections.abc import Mapping
from typing import Final

from sartor.errors import invalid_input
from sartor.numbers import number
from sartor.recipes import Recipe

#: What can be set: least and greatest number.
_RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "explorationWeight": (0.0, 1.0),
    "explorationItemAgeCutOff": (1.0, math.inf),
}


def require(recipe: Recipe, given: Mapping[str, str]) -> None:
    """Refuse what the recipe does not know, or what is out of its range.

    Raises:
        ApiError: ``InvalidInputException``.
    """
    if not recipe.explores_as_told:
        raise invalid_input(f"itemExplorationConfig is not supported by recipe {recipe.name}.")
    for name, text in given.items():
        if name not in _RANGES:
            raise invalid_input(
                f"itemExplorationConfig has no parameter {name}; it has {', '.join(_RANGES)}."
            )
        least, greatest = _RANGES[name]
        value = number(text)
        if value is None or not least <= value <= greatest:
            wanted = f"from {least} to {greatest}" if math.isfinite(greatest) else f"of at least {least}"
            raise invalid_input(f"{name} must be a number {wanted}, not {text}.")
