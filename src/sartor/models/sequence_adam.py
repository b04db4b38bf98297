"""Adam in plain torch operations: torch's own optimisers load its compiler first, which takes two seconds."""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

_BETAS: Final = (0.9, 0.98)
_EPSILON: Final = 1e-8


class Adam:
    """Adam with decoupled weight decay over whole parameters ("Decoupled Weight Decay Regularization", 2019).

    Args:
        decaying: parameters that decay.
        others: those that do not.
        decay: how much of each falls away in a step, times the learning rate.
    """

    def __init__(self, decaying: Sequence[Tensor], others: Sequence[Tensor], decay: float) -> None:
        self._decaying, self._parameters, self._decay = list(decaying), [*decaying, *others], decay
        self._means = [torch.zeros_like(one) for one in self._parameters]
        self._squares = [torch.zeros_like(one) for one in self._parameters]
        self._steps = 0

    @torch.no_grad()
    def step(self, gradients: list[Tensor], rate: float) -> None:
        """Take one step.

        Args:
            gradients: of those that decay and of the others.
            rate: the learning rate.
        """
        self._steps += 1
        first, second = (1 - beta**self._steps for beta in _BETAS)
        torch._foreach_lerp_(self._means, gradients, 1 - _BETAS[0])
        torch._foreach_mul_(self._squares, _BETAS[1])
        torch._foreach_addcmul_(self._squares, gradients, gradients, 1 - _BETAS[1])
        roots = torch._foreach_sqrt(self._squares)
        torch._foreach_mul_(roots, second**-0.5)
        torch._foreach_add_(roots, _EPSILON)
        if self._decaying:
            torch._foreach_mul_(self._decaying, 1 - rate * self._decay)
        torch._foreach_addcdiv_(self._parameters, self._means, roots, value=-rate / first)


class RowAdam:
    """Adam that reads and changes only the rows that have a gradient.

    Args:
        tables: each has rows as its first dimension.
    """

    def __init__(self, tables: Sequence[Tensor]) -> None:
        self._states = [(table, torch.zeros_like(table), torch.zeros_like(table)) for table in tables]
        self._steps = 0

    @torch.no_grad()
    def step(self, gradients: Sequence[tuple[Tensor, Tensor]], rate: float) -> None:
        """Take one step.

        Args:
            gradients: for each table the numbers of distinct rows, and the gradient of these.
            rate: the learning rate.
        """
        self._steps += 1
        first, second = (1 - beta**self._steps for beta in _BETAS)
        for (table, means, squares), (rows, gradient) in zip(self._states, gradients, strict=True):
            mean = means.index_select(0, rows).lerp_(gradient, 1 - _BETAS[0])
            square = squares.index_select(0, rows).lerp_(gradient * gradient, 1 - _BETAS[1])
            means.index_copy_(0, rows, mean)
            squares.index_copy_(0, rows, square)
            change = (mean / first).div_((square / second).sqrt_().add_(_EPSILON))
            table.index_add_(0, rows, change, alpha=-rate)


@torch.no_grad()
def clip(gradients: list[Tensor], most: float) -> None:
    """Scale gradients down to a norm of ``most`` over all of them, in place; smaller ones stay."""
    norm = torch.stack(torch._foreach_norm(gradients)).norm()
    torch._foreach_mul_(gradients, (most / (norm + 1e-6)).clamp(max=1.0))
