"""Softmax cross-entropy over a catalogue, in torch; imported only by the training."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


class _WholeCatalogue(torch.autograd.Function):
    """The loss over all items in chunks of positions; each chunk makes its gradients while its logits are there.

    Neither the logits of all positions nor their gradients ever exist: memory is that of one chunk.
    """

    @staticmethod
    def forward(
        context: Any,
        states: Tensor,
        items: Tensor,
        bias: Tensor,
        targets: Tensor,
        weights: Tensor | None,
        chunk: int,
        dtype: torch.dtype,
    ) -> Tensor:
        share = torch.full_like(targets, 1.0, dtype=torch.float32) if weights is None else weights
        share = share / share.sum()  # float32[positions]
        by_state, by_item = torch.empty_like(states), torch.zeros_like(items)
        by_bias = torch.zeros_like(bias)
        table = items.to(dtype)
        room = torch.empty(min(chunk, len(states)), len(items), dtype=dtype, device=states.device)
        loss = torch.zeros((), device=states.device)
        for first in range(0, len(states), chunk):
            part = slice(first, first + chunk)
            some, wanted, counted = states[part].to(dtype), targets[part], share[part]
            logits = torch.addmm(bias.to(dtype), some, table.T, out=room[: len(some)])
            chance = torch.softmax(logits, dim=1, out=logits) if dtype is torch.float32 else logits.softmax(1)
            rows = torch.arange(len(some), device=states.device)
            right = chance[rows, wanted].float()
            loss -= (counted * right.clamp_min(1e-30).log()).sum()
            chance[rows, wanted] -= 1
            chance.mul_(counted[:, None])  # float[positions, items]: the gradient by the logits
            by_state[part] = (chance @ table).to(states.dtype)
            if dtype is torch.float32:
                by_item.addmm_(chance.T, some)
            else:
                by_item += chance.T @ some
            by_bias += chance.sum(dim=0)
        context.save_for_backward(by_state, by_item, by_bias)
        return loss

    @staticmethod
    def backward(context: Any, *by_loss: Any) -> Any:
        by_state, by_item, by_bias = context.saved_tensors
        (scale,) = by_loss
        return by_state * scale, by_item * scale, by_bias * scale, None, None, None, None


def whole(
    states: Tensor,
    items: Tensor,
    bias: Tensor,
    targets: Tensor,
    weights: Tensor | None = None,
    *,
    chunk: int = 512,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Return the weighted mean cross-entropy over the whole catalogue, float32[].

    Args:
        states: float32[positions, d].
        items: float32[items, d].
        bias: float32[items].
        targets: int64[positions].
        weights: float32[positions], which sum to more than 0; ``None`` is 1 for all.
        chunk: how many positions have logits at a time.
        dtype: of the products.
    """
    found: Tensor = _WholeCatalogue.apply(states, items, bias, targets, weights, chunk, dtype)  # type: ignore[no-untyped-call]
    return found


def sampled(
    states: Tensor,
    right: tuple[Tensor, Tensor],
    wrong: tuple[Tensor, Tensor],
    targets: Tensor,
    drawn: Tensor,
    log_expected: Tensor,
    weights: Tensor | None = None,
) -> Tensor:
    """Return the weighted mean cross-entropy against the target and drawn negatives, float32[].

    Each negative stands for all items of its chance: its logit is lowered by the logarithm of how often it is
    expected among the drawn. The target is no draw and keeps its logit ("Correcting the LogQ Correction", 2025).

    Args:
        states: float32[positions, d].
        right: float32[positions, d] and float32[positions], the embeddings and biases of the targets.
        wrong: float32[negatives, d] and float32[negatives], those of the negatives, shared by all positions.
        targets: int64[positions].
        drawn: int64[negatives]; where one is the target it is left out.
        log_expected: float32[negatives], the logarithm of how often each is expected.
        weights: float32[positions]; ``None`` is 1 for all.
    """
    of_right = (states * right[0]).sum(dim=1) + right[1]  # float32[positions]
    of_wrong = torch.addmm(wrong[1] - log_expected, states, wrong[0].T)  # float32[positions, negatives]
    of_wrong = of_wrong.masked_fill(targets[:, None] == drawn, -1e9)
    losses = functional.softplus(torch.logsumexp(of_wrong, dim=1) - of_right)
    return losses.mean() if weights is None else (losses * weights).sum() / weights.sum()
