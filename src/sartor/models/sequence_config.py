"""What is decided before the training of a sequence model: by how much data there is and how dense it is."""

from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np

from sartor.models.base import Histories

#: From so many interactions on the model is wider, and its window shorter to pay for that.
_MANY_INTERACTIONS: Final = 500_000
#: In a larger catalogue wide embeddings cost more memory than they are worth.
_MOST_WIDE_ITEMS: Final = 100_000
#: So many epochs at a million interactions; they fall with one power of fewer interactions and one of more.
_TUNED_INTERACTIONS: Final = 1_000_000
_EPOCHS, _POWER_OF_FEWER, _POWER_OF_MORE, _EPOCHS_BOUNDS = 5, 0.25, 0.42, (2, 12)
#: Dropped of histories of ten interactions or fewer; nothing of 150 or more; between them by the logarithm.
_DROPOUT, _DROPOUT_LENGTHS = (0.5, 0.0), (10, 150)
#: What is gone through twice is not learned by heart: dropout falls from so many interactions on, to nothing.
_FALLING_INTERACTIONS: Final = (1_000_000, 10_000_000)
#: Positions of a batch, by the interactions up to which it is taken; little data needs more steps.
_POSITIONS: Final = ((5_000, 512), (100_000, 1_024))
_MOST_POSITIONS: Final = 2_048
#: Products of a step against the whole catalogue that cost no more than those against drawn items.
_PRODUCTS: Final = 1 << 28
#: On a GPU minutes allow more of everything.
_GPU_D, _GPU_EPOCHS, _GPU_DROPOUT, _GPU_PRODUCTS = 256, 14, 0.1, 1 << 33


@dataclass(frozen=True)
class Amount:
    """How much data there is.

    Attributes:
        interactions, users, items: how many; users and items with interactions alone.
    """

    interactions: int
    users: int
    items: int

    @classmethod
    def of(cls, histories: Histories) -> Self:
        """Return that of some histories."""
        return cls(
            len(histories.items),
            int((histories.lengths > 0).sum()),
            int(np.count_nonzero(np.bincount(histories.items))),
        )

    @property
    def mean_length(self) -> float:
        """How many interactions a user has."""
        return self.interactions / max(self.users, 1)


@dataclass(frozen=True)
class Config:
    """What is decided before a training; 0 and ``None`` let the amount of data decide.

    Attributes:
        d: numbers of an embedding, a multiple of ``heads``.
        layers: how many blocks.
        heads: of the attention.
        dropout: share of numbers that are dropped in training.
        epochs: how often the training goes through all interactions at most.
        window: how many items of a history count.
        lr: the highest learning rate.
        positions: of a batch, those that pad included.
        negatives: how many drawn items a batch is held against when it is not against all.
        most_products: while positions × items × d of a step are no more, it is held against the whole catalogue;
            drawn items rank as well, and cost less.
        smoothing: share of a target that is spread over the whole catalogue.
    """

    d: int = 0
    layers: int = 2
    heads: int = 4
    dropout: float | None = None
    epochs: int = 0
    window: int = 0
    lr: float = 0.0
    positions: int = 0
    negatives: int = 1024
    most_products: int | None = None
    smoothing: float = 0.1

    def decided(self, amount: Amount, *, on_gpu: bool = False) -> "Config":
        """Return the same with everything decided.

        Nothing is decided by a clock: equal data gives equal models.

        Args:
            amount: of the data.
            on_gpu: whether a GPU trains it: wider and longer then, as that costs minutes at most.
        """
        many = amount.interactions >= _MANY_INTERACTIONS
        wide = many and amount.items <= _MOST_WIDE_ITEMS
        d = self.d or ((_GPU_D if on_gpu else 128) if wide else 64)
        products = _GPU_PRODUCTS if on_gpu else _PRODUCTS
        dropout, epochs = _dropout(amount), _epochs(amount)
        if on_gpu and wide:
            dropout, epochs = dropout + _GPU_DROPOUT, epochs * _GPU_EPOCHS // _EPOCHS
        return replace(
            self,
            d=d,
            dropout=round(dropout, 2) if self.dropout is None else self.dropout,
            epochs=self.epochs or epochs,
            window=self.window or (100 if many else 200),
            lr=self.lr or 3e-3 * (64 / d) ** 0.5,
            positions=self.positions or _positions(amount),
            most_products=products if self.most_products is None else self.most_products,
        )

    @property
    def whole_catalogue_items(self) -> int:
        """Up to how many items a step is held against the whole catalogue."""
        return (self.most_products or 0) // (self.positions * self.d)


def _dropout(amount: Amount) -> float:
    """Return the share that is dropped: much of short histories, which say the same again every epoch."""
    of_length = np.interp(np.log(max(amount.mean_length, 1.0)), np.log(_DROPOUT_LENGTHS), _DROPOUT)
    left = np.interp(np.log(max(amount.interactions, 1)), np.log(_FALLING_INTERACTIONS), (1.0, 0.0))
    return float(of_length * left)


def _epochs(amount: Amount) -> int:
    fewer = _TUNED_INTERACTIONS / max(amount.interactions, 1)
    power = _POWER_OF_FEWER if fewer > 1 else _POWER_OF_MORE
    return int(np.clip(round(_EPOCHS * fewer**power), *_EPOCHS_BOUNDS))


def _positions(amount: Amount) -> int:
    found = (positions for most, positions in _POSITIONS if amount.interactions <= most)
    return next(found, _MOST_POSITIONS)
