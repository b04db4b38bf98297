"""One item of an answer."""

from typing import NamedTuple


class Picked(NamedTuple):
    """One item of an answer.

    Attributes:
        row: of the version's catalogue.
        score: its share of the softmax; ``None`` if the recipe gives none.
        reason: why it is here although it is not the model's choice.
        promotion: the promotion's name.
    """

    row: int
    score: float | None = None
    reason: str | None = None
    promotion: str | None = None
