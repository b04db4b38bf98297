"""What is decided before the training of a sequence model."""

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Config:
    """What is decided before a training; 0 lets the amount of data decide.

    Attributes:
        d: numbers of an embedding, a multiple of ``heads``.
        layers: how many blocks.
        heads: of the attention.
        dropout: share of numbers that are dropped in training.
        epochs: how often the training goes through all interactions.
        window: how many items of a history count.
        lr: the highest learning rate.
        negatives: how many drawn items a batch is held against when it is not against all.
        full_softmax_items: a larger catalogue is never held against a position as a whole.
        sampled_share: share of the epochs, the first ones, that see drawn negatives in a smaller catalogue too: they
            cost half the time, and the whole catalogue matters at the end.
    """

    d: int = 0
    layers: int = 2
    heads: int = 4
    dropout: float = 0.2
    epochs: int = 0
    window: int = 200
    lr: float = 0.0
    negatives: int = 1024
    full_softmax_items: int = 20_000
    sampled_share: float = 0.6

    def decided(self, interactions: int, n_items: int) -> "Config":
        """Return the same with every 0 replaced.

        The time of a training grows with interactions × epochs: the epochs fall with the root of the interactions,
        so that time grows no faster than they do.

        Args:
            interactions: how many there are.
            n_items: how many items there are.
        """
        d = self.d or (128 if interactions >= 500_000 and n_items <= 100_000 else 64)
        epochs = self.epochs or int(np.clip(round(7 * (1_000_000 / max(interactions, 1)) ** 0.5), 2, 16))
        return replace(self, d=d, epochs=epochs, lr=self.lr or 3e-3 * (64 / d) ** 0.5)
