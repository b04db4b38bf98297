"""Softmax cross-entropy over a catalogue, in torch; imported only by the training.

Both losses make their gradients while the logits of a chunk of positions are there: neither the logits of all
positions nor their gradients ever exist, and a chunk stays in the processor's cache.

A target is smoothed: the given share of it is spread evenly over the catalogue ("Rethinking the Inception
Architecture for Computer Vision", 2016).
"""

from typing import Any, Final

import torch
from torch import Tensor

_EXCLUDED: Final = -1e9


class _WholeCatalogue(torch.autograd.Function):
    """The loss against all items."""

    @staticmethod
    def forward(
        context: Any,
        states: Tensor,
        items: Tensor,
        bias: Tensor,
        targets: Tensor,
        weights: Tensor,
        smoothing: float,
        chunk: int,
        dtype: torch.dtype,
    ) -> Tensor:
        by_state, by_item = torch.empty_like(states), torch.zeros_like(items)
        by_bias = torch.zeros_like(bias)
        table = items.to(dtype)
        room = torch.empty(min(chunk, len(states)), len(items), dtype=dtype, device=states.device)
        loss = torch.zeros((), device=states.device)
        for first in range(0, len(states), chunk):
            part = slice(first, first + chunk)
            some, wanted, counted = states[part].to(dtype), targets[part], weights[part]
            logits = torch.addmm(bias.to(dtype), some, table.T, out=room[: len(some)])
            rows = torch.arange(len(some), device=states.device)
            of_right = logits[rows, wanted].float()
            chance = torch.softmax(logits, dim=1, out=logits) if dtype is torch.float32 else logits.softmax(1)
            log_right = chance[rows, wanted].float().clamp_min(1e-30).log()
            loss -= (counted * (log_right - smoothing * of_right)).sum()
            chance[rows, wanted] -= 1 - smoothing
            chance.mul_(counted[:, None])  # float[positions, items]: the gradient by the logits
            by_state[part] = (chance @ table).to(states.dtype)
            if dtype is torch.float32:
                by_item.addmm_(chance.T, some)
            else:
                by_item += chance.T @ some
            by_bias += chance.sum(dim=0)
        if smoothing:
            # the rest of the target is the mean of all logits, which needs no logits
            mean, weighted = items.mean(dim=0), weights @ states
            loss -= smoothing * (weighted @ mean + weights.sum() * bias.mean())
            by_state -= smoothing * weights[:, None] * mean
            by_item -= smoothing / len(items) * weighted
            by_bias -= smoothing / len(items) * weights.sum()
        context.save_for_backward(by_state, by_item, by_bias)
        return loss

    @staticmethod
    def backward(context: Any, *by_loss: Any) -> Any:
        (scale,) = by_loss
        return *(gradient * scale for gradient in context.saved_tensors), *[None] * 5


def whole(
    states: Tensor,
    items: Tensor,
    bias: Tensor,
    targets: Tensor,
    weights: Tensor,
    *,
    smoothing: float = 0.0,
    chunk: int = 512,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Return the weighted sum of the cross-entropy over the whole catalogue, float32[].

    Args:
        states: float32[positions, d].
        items: float32[items, d].
        bias: float32[items].
        targets: int64[positions].
        weights: float32[positions].
        smoothing: the share of each target that is spread over all items.
        chunk: how many positions have logits at a time.
        dtype: of the products.
    """
    found: Tensor = _WholeCatalogue.apply(  # type: ignore[no-untyped-call]
        states, items, bias, targets, weights, smoothing, chunk, dtype
    )
    return found


class _DrawnNegatives(torch.autograd.Function):
    """The loss against the target and drawn items."""

    @staticmethod
    def forward(
        context: Any,
        states: Tensor,
        right_items: Tensor,
        right_bias: Tensor,
        wrong_items: Tensor,
        wrong_bias: Tensor,
        mean_item: Tensor,
        mean_bias: Tensor,
        targets: Tensor,
        drawn: Tensor,
        weights: Tensor,
        smoothing: float,
        chunk: int,
        dtype: torch.dtype,
    ) -> Tensor:
        by_state, by_wrong = torch.empty_like(states), torch.zeros_like(wrong_items)
        by_wrong_bias, by_right = torch.zeros_like(wrong_bias), torch.empty_like(right_bias)
        of_right = (states * right_items).sum(dim=1) + right_bias  # float32[positions]
        items, shift = wrong_items.to(dtype), wrong_bias.to(dtype)
        loss = torch.zeros((), device=states.device)
        at, which = _equal(targets, drawn)
        bounds = torch.searchsorted(
            at, torch.arange(0, len(states) + chunk, chunk, device=at.device)
        ).tolist()
        for first, begin, end in zip(range(0, len(states), chunk), bounds, bounds[1:], strict=False):
            part = slice(first, first + chunk)
            some, counted, right = states[part].to(dtype), weights[part], of_right[part]
            wrong = torch.addmm(shift, some, items.T)  # [positions, drawn]
            wrong[at[begin:end] - first, which[begin:end]] = _EXCLUDED
            highest = torch.maximum(wrong.amax(dim=1).float(), right)
            wrong.sub_(highest[:, None].to(dtype)).exp_()
            of_target = (right - highest).exp()
            total = wrong.sum(dim=1, dtype=torch.float32) + of_target
            loss -= (counted * (of_target / total).clamp_min(1e-30).log()).sum()
            by_right[part] = counted * (of_target / total - (1 - smoothing))
            wrong.mul_((counted / total)[:, None].to(dtype))  # the gradient by the logits
            by_state[part] = (wrong @ items).to(states.dtype)
            by_wrong += wrong.T @ some
            by_wrong_bias += wrong.sum(dim=0)
        by_state.addcmul_(by_right[:, None], right_items)
        weighted = weights @ states
        if smoothing:
            loss += smoothing * (weights @ of_right - weighted @ mean_item - weights.sum() * mean_bias)
            by_state.addcmul_(weights[:, None], mean_item, value=-smoothing)
        context.save_for_backward(
            by_state,
            by_right[:, None] * states,
            by_right,
            by_wrong,
            by_wrong_bias,
            -smoothing * weighted,
            -smoothing * weights.sum(),
        )
        return loss

    @staticmethod
    def backward(context: Any, *by_loss: Any) -> Any:
        (scale,) = by_loss
        return *(gradient * scale for gradient in context.saved_tensors), *[None] * 6


def _equal(targets: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
    """Return int64[pairs] twice: which target, ascending, equals which drawn item; not all pairs are looked at."""
    found, order = drawn.sort()
    left = torch.searchsorted(found, targets)
    counts = torch.searchsorted(found, targets, right=True) - left
    at = torch.repeat_interleave(counts)
    within = torch.arange(len(at), device=at.device) - (counts.cumsum(0) - counts)[at]
    return at, order[left[at] + within]


def sampled(
    states: Tensor,
    right: tuple[Tensor, Tensor],
    wrong: tuple[Tensor, Tensor],
    mean: tuple[Tensor, Tensor],
    targets: Tensor,
    drawn: Tensor,
    log_expected: Tensor,
    weights: Tensor,
    *,
    smoothing: float = 0.0,
    chunk: int = 512,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Return the weighted sum of the cross-entropy against the target and drawn negatives, float32[].

    Each negative stands for all items of its chance: its logit is lowered by the logarithm of how often it is
    expected among the drawn. The target is no draw and keeps its logit ("Correcting the LogQ Correction", 2025).

    Args:
        states: float32[positions, d].
        right: float32[positions, d] and float32[positions], the embeddings and biases of the targets.
        wrong: float32[negatives, d] and float32[negatives], those of the negatives, shared by all positions.
        mean: float32[d] and float32[], of all items, which the smoothing needs.
        targets: int64[positions].
        drawn: int64[negatives]; where one is the target it is left out.
        log_expected: float32[negatives], the logarithm of how often each is expected.
        weights: float32[positions].
        smoothing: the share of each target that is spread over all items.
        chunk: how many positions have logits at a time.
        dtype: of the products with the negatives; the targets' own are float32.
    """
    found: Tensor = _DrawnNegatives.apply(  # type: ignore[no-untyped-call]
        states,
        *right,
        wrong[0],
        wrong[1] - log_expected,
        *mean,
        targets,
        drawn,
        weights,
        smoothing,
        chunk,
        dtype,
    )
    return found
