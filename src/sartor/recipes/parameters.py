"""Hyperparameters and feature transformations: their names, types, defaults and ranges."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from sartor.numbers import number


@dataclass(frozen=True)
class Parameter:
    """One hyperparameter.

    Attributes:
        name: as it is given in ``algorithmHyperParameters`` or ``featureTransformationParameters``.
        default: as text, the way the service's maps carry it.
        range: the least and the greatest number, or every word that is allowed.
        tunable: whether hyperparameter optimization may vary it.
        only_tuned: whether optimization alone may set it.
        prefix: what the service puts before its name where it shows its range in a solution.
    """

    name: str
    default: str
    range: tuple[int, int] | tuple[float, float] | tuple[str, ...]
    tunable: bool = False
    only_tuned: bool = False
    prefix: str = ""

    @property
    def kind(self) -> Literal["integer", "continuous", "categorical"]:
        """What sort of value it has, as the service's lists of ranges are named."""
        least = self.range[0]
        if isinstance(least, str):
            return "categorical"
        return "integer" if isinstance(least, int) else "continuous"

    @property
    def rule(self) -> str:
        """What its value must be, in words."""
        if self.kind == "categorical":
            return f"one of {', '.join(str(word) for word in self.range)}"
        noun = "a whole number" if self.kind == "integer" else "a number"
        return f"{noun} from {self.range[0]} to {self.range[-1]}"

    def read(self, text: str) -> int | float | bool | str:
        """Return the value that a text stands for; the words True and False in any case are truth values.

        Raises:
            ValueError: the parameter cannot have it.
        """
        if self.kind == "categorical":
            return self._word(text)
        value = number(text)
        if value is None or not self.range[0] <= value <= self.range[-1]:  # type: ignore[operator]
            raise ValueError(text)
        if self.kind == "integer" and isinstance(value, float):
            raise ValueError(text)
        return value if self.kind == "integer" else float(value)

    def _word(self, text: str) -> bool | str:
        words = {str(word).casefold() for word in self.range}
        if words == {"true", "false"} and text.casefold() in words:
            return text.casefold() == "true"
        if text not in self.range:
            raise ValueError(text)
        return text


@dataclass(frozen=True)
class Transformation:
    """A feature transformation: what is done to the data before an algorithm sees it."""

    name: str
    parameters: tuple[Parameter, ...] = ()


def values(parameters: Iterable[Parameter], given: Mapping[str, str]) -> dict[str, int | float | bool | str]:
    """Return the value of each parameter: what is given, else the default.

    Args:
        parameters: of an algorithm or a feature transformation.
        given: texts by name, checked at the creation of the solution; other names are left out.

    Raises:
        ValueError: a text is not one that its parameter can have.
    """
    return {one.name: one.read(given.get(one.name, one.default)) for one in parameters}
