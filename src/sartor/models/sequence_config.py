"""What is decided before the training of a sequence model."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

#: From so many interactions on the model is wider, and its window shorter to pay for that.
_MANY_INTERACTIONS: Final = 500_000
#: In a larger catalogue wide embeddings cost more memory than they are worth.
_MOST_WIDE_ITEMS: Final = 100_000
#: What the amounts below were tuned on: MovieLens-1M, and extracts and relatives of a tenth of it.
_TUNED_INTERACTIONS: Final = 1_000_000
#: So many epochs at that many; they fall with a power of the interactions, between two bounds.
_EPOCHS, _EPOCHS_POWER, _EPOCHS_BOUNDS = 5, 0.65, (2, 25)
#: Dropped of a tenth of that many, and none of all: what is seen five times only is not learned by heart.
_MOST_DROPOUT: Final = 0.3


@dataclass(frozen=True)
class Config:
    """What is decided before a training; 0 and ``None`` let the amount of data decide.

    Attributes:
        d: numbers of an embedding, a multiple of ``heads``.
        layers: how many blocks.
        heads: of the attention.
        dropout: share of numbers that are dropped in training.
        epochs: how often the training goes through all interactions.
        window: how many items of a history count.
        lr: the highest learning rate.
        negatives: how many drawn items a batch is held against when it is not against all.
        most_pairs: while interactions × items are no more, a position is held against the whole catalogue; drawn
            items rank as well on more data, and cost less.
        smoothing: share of a target that is spread over the whole catalogue.
    """

    d: int = 0
    layers: int = 2
    heads: int = 4
    dropout: float | None = None
    epochs: int = 0
    window: int = 0
    lr: float = 0.0
    negatives: int = 1024
    most_pairs: int = 2_500_000_000
    smoothing: float = 0.1

    def decided(self, interactions: int, n_items: int) -> "Config":
        """Return the same with everything decided.

        The time of a training grows with interactions × epochs, and never faster than the interactions. What is seen
        less often needs less dropout.

        Args:
            interactions: how many there are.
            n_items: how many items there are.
        """
        many = interactions >= _MANY_INTERACTIONS
        d = self.d or (128 if many and n_items <= _MOST_WIDE_ITEMS else 64)
        fewer = _TUNED_INTERACTIONS / max(interactions, 1)
        dropout = round(_MOST_DROPOUT * float(np.clip(np.log10(fewer), 0, 1)), 2)
        epochs = int(np.clip(round(_EPOCHS * fewer**_EPOCHS_POWER), *_EPOCHS_BOUNDS))
        return replace(
            self,
            d=d,
            dropout=dropout if self.dropout is None else self.dropout,
            epochs=self.epochs or epochs,
            window=self.window or (100 if many else 200),
            lr=self.lr or 3e-3 * (64 / d) ** 0.5,
        )
