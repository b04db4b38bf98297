"""Logistic regression with what is told of its weights beforehand; Newton's method, as there are few weights."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

_STEPS: Final = 30
_HALVINGS: Final = 8
#: A step that makes the loss so much smaller, relatively, is the last one.
_LEAST_GAIN: Final = 1e-7


def weights(
    x: NDArray[Any],
    y: NDArray[Any],
    mean: Float64,
    precision: Float64,
    offset: Float64 | float = 0.0,
) -> Float64:
    """Return float64[features]: the weights of which the examples and the prior say most.

    Args:
        x: float[examples, features].
        y: bool[examples], what is to be foretold.
        mean: float64[features], of the weights' normal prior.
        precision: float64[features], one over its variances.
        offset: float64[examples], added to each logit.
    """
    happened = np.asarray(y, bool)
    x, y = np.asarray(x, np.float64), happened.astype(np.float64)
    found: Float64 = mean.copy()

    def loss_of(w: Float64) -> float:
        logits = x @ w + offset
        return loss(logits, happened) + float(0.5 * precision @ (w - mean) ** 2)

    least = loss_of(found)
    for _ in range(_STEPS):
        p = chances(x @ found + offset)
        gradient = x.T @ (p - y) + precision * (found - mean)
        curvature = (x * (p * (1 - p))[:, None]).T @ x
        curvature[np.diag_indices_from(curvature)] += precision
        step = np.linalg.solve(curvature, gradient)
        for halved in range(_HALVINGS):
            tried: Float64 = found - step / 2**halved
            new = loss_of(tried)
            if new <= least:
                break
        else:
            return found
        gain, found, least = least - new, tried, new
        if gain <= _LEAST_GAIN * max(least, 1.0):
            return found
    return found


def chances(logits: NDArray[Any]) -> Float64:
    """Return float64: the chances that logits stand for."""
    found: Float64 = 0.5 * (1 + np.tanh(0.5 * np.asarray(logits, np.float64)))
    return found


def loss(logits: NDArray[Any], y: NDArray[Any]) -> float:
    """Return the sum of -log of the chance that was given to what happened.

    Args:
        logits: float[examples], what was foretold.
        y: bool[examples], what happened.
    """
    return float(np.logaddexp(0, logits).sum() - logits[np.asarray(y, bool)].sum())
