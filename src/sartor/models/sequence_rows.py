"""The rows of the items in a training: each step reads and changes only those that take part.

Adam over the whole table would step every row every time. A row that is seldom drawn has small steady gradients, of
the smoothing, and is pushed down seldom: Adam makes full steps of the former, and rare items drift upwards.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sartor.models.base import Float32, Int64
from sartor.models.sequence_adam import Adam, RowAdam
from sartor.models.sequence_catalogue import Tokens

#: So many items are without their own rows in a step, so that their tokens learn to stand for new items alone.
_UNKNOWN_SHARE: Final = 0.1


@dataclass(frozen=True)
class Drawn:
    """Negatives of a batch: int64[drawn] items, and float32[drawn], how often each is expected (log)."""

    items: Int64
    log_expected: Float32


class Negatives:
    """Draws the items that all positions of a batch are held against.

    Args:
        counts: int64[items], how often each was interacted with.
        n: how many are drawn for a batch.
        rng: draws them.
    """

    def __init__(self, counts: Int64, n: int, rng: np.random.Generator) -> None:
        chance = np.sqrt(counts.astype(np.float64))
        self._sums = np.cumsum(chance / chance.sum())
        self._log_expected = np.log(np.maximum(chance / chance.sum(), 1e-30) * n).astype(np.float32)
        self._n, self._rng = n, rng

    def draw(self) -> Drawn:
        """Draw by the root of the popularity."""
        drawn = np.searchsorted(self._sums, self._rng.random(self._n) * self._sums[-1], side="right")
        drawn = np.minimum(drawn, len(self._sums) - 1)
        return Drawn(drawn.astype(np.int64), self._log_expected[drawn])


class ItemRows:
    """The table of the items and their biases; the last row is the start of a history.

    An item is the sum of its own row and, weighted, of the vectors of its tokens, which begin at nothing.

    Args:
        table: float32[items + 1, d], the own rows; changed.
        bias: float32[items], the own biases; changed.
        tokens: of the items; ``None`` if nothing is known of them.
        has_new: whether tokens must be able to stand for items without interactions.
        rng: draws which items are without their own rows.
    """

    def __init__(
        self,
        table: Tensor,
        bias: Tensor,
        tokens: Tokens | None,
        *,
        has_new: bool,
        rng: np.random.Generator,
    ) -> None:
        self._table, self._bias, self._rng = table, bias, rng
        self._own = RowAdam([table, bias])
        self._unknown = _UNKNOWN_SHARE if has_new else 0.0
        self._tokens = _TokenVectors(tokens, table.shape[1], table.device) if tokens else None
        self._at = torch.zeros(0, dtype=torch.int64)
        self._kept = torch.zeros(0)
        self._told: tuple[Tensor, Tensor] | None = None

    def taking_part(self, rows: Int64) -> tuple[Tensor, Tensor]:
        """Return float32[rows, d] and float32[items]: leaves that a step finds the gradients of.

        Args:
            rows: int64[rows], distinct and ascending; the start is last and has no bias.
        """
        count = len(rows) - int(rows[-1] == len(self._bias))
        self._at = torch.from_numpy(rows).to(self._table.device)
        own, bias = self._table.index_select(0, self._at), self._bias.index_select(0, self._at[:count])
        if self._tokens:
            told, told_bias = self._told = self._tokens.summed(rows[:count])
            unknown = self._tokens.known[rows[:count]] & (self._rng.random(count) < self._unknown)
            self._kept = torch.from_numpy(~unknown).to(own)
            own[:count].mul_(self._kept[:, None]).add_(told.detach())
            bias.mul_(self._kept).add_(told_bias.detach())
        return own.requires_grad_(), bias.requires_grad_()

    def step(self, by_row: Tensor, by_bias: Tensor, rate: float) -> None:
        """Take one step by the gradients of what took part last.

        Args:
            by_row: float32[rows, d].
            by_bias: float32[items].
            rate: the learning rate.
        """
        count = len(by_bias)
        at, at_items = self._at, self._at[:count]
        if self._tokens and self._told:
            self._tokens.step(self._told, (by_row[:count], by_bias), rate)
            there = self._kept.nonzero()[:, 0]
            end = torch.arange(count, len(at), device=at.device)
            with_start = torch.cat([there, end])
            at, by_row = at[with_start], by_row[with_start]
            at_items, by_bias = at_items[there], by_bias[there]
        self._own.step([(at, by_row), (at_items, by_bias)], rate)

    def arrays(self) -> dict[str, Tensor]:
        """Return ``items``, ``bias`` and ``start``, all sums made, and what is needed for further items."""
        items, bias, more = self._table[:-1], self._bias, {}
        if self._tokens:
            told, told_bias = self._tokens.summed(np.arange(len(bias)))
            items, bias, more = items + told.detach(), bias + told_bias.detach(), self._tokens.arrays()
        return {"items": items, "bias": bias, "start": self._table[-1], **more}


class _TokenVectors:
    """The vectors of tokens and the bias that each gives.

    Attributes:
        known: bool[items], which have tokens.
    """

    def __init__(self, tokens: Tokens, d: int, device: torch.device) -> None:
        self.known = tokens.known
        self._tokens, self._device = tokens, device
        self._vectors = torch.zeros(tokens.n + 1, d, device=device, requires_grad=True)
        self._bias = torch.zeros(tokens.n + 1, device=device, requires_grad=True)
        self._adam = Adam([], [self._vectors, self._bias], 0.0)

    def summed(self, items: Int64) -> tuple[Tensor, Tensor]:
        """Return float32[items, d] and float32[items], which know what they are the sums of."""
        own = self._tokens.of(items)
        numbers, weights = (torch.from_numpy(one).to(self._device) for one in (own.numbers, own.weights))
        rows = functional.embedding_bag(
            numbers, self._vectors, per_sample_weights=weights, mode="sum", padding_idx=self._tokens.n
        )
        return rows, (self._bias[numbers] * weights).sum(dim=1)

    def step(self, sums: tuple[Tensor, Tensor], gradients: tuple[Tensor, Tensor], rate: float) -> None:
        """Take one step by the gradients of sums."""
        self._adam.step(list(torch.autograd.grad(sums, [self._vectors, self._bias], gradients)), rate)

    def arrays(self) -> dict[str, Tensor]:
        """Return ``tokens`` float32[n, d] and ``token_bias`` float32[n]."""
        return {"tokens": self._vectors[:-1], "token_bias": self._bias[:-1]}
