"""The blocks of the sequence model in torch, as a training needs them; ``sequence`` has the same in numpy."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from sartor.models.sequence_config import Config

Parameters = dict[str, Tensor]

_FUTURE: Final = -1e9
#: Drawing each dropout mask costs a quarter of a step on a CPU, so masks are slices of a pool as large as so many.
_POOL_MASKS: Final = 16


def initial(config: "Config", maker: torch.Generator) -> Parameters:
    """Return the parameters of the blocks before the first step; the shapes are those of ``sequence``."""
    d = config.d

    def drawn(*shape: int) -> Tensor:
        return torch.empty(*shape).normal_(0, 0.02, generator=maker)

    found: Parameters = {}
    slopes = 2.0 ** (-8 * torch.arange(1, config.heads + 1) / config.heads) / 2
    near = -slopes[:, None] * torch.arange(config.window)  # float32[heads, distances]
    for layer in range(config.layers):
        found |= {
            f"{layer}.norm1.gain": torch.ones(d),
            f"{layer}.norm1.shift": torch.zeros(d),
            f"{layer}.qkv.weight": drawn(d, 3 * d),
            f"{layer}.qkv.shift": torch.zeros(3 * d),
            f"{layer}.near": near.clone(),
            f"{layer}.out.weight": drawn(d, d),
            f"{layer}.out.shift": torch.zeros(d),
            f"{layer}.norm2.gain": torch.ones(d),
            f"{layer}.norm2.shift": torch.zeros(d),
            f"{layer}.up.weight": drawn(d, 2 * d),
            f"{layer}.up.shift": torch.zeros(2 * d),
            f"{layer}.down.weight": drawn(2 * d, d),
            f"{layer}.down.shift": torch.zeros(d),
        }
    return {**found, "norm.gain": torch.ones(d), "norm.shift": torch.zeros(d)}


def pool_numbers(config: "Config", positions: int) -> int:
    """Return how many numbers the masks of parts of so many positions are slices of."""
    return _POOL_MASKS * positions * 2 * config.d if config.dropout else 0


class Masks:
    """Dropout masks: slices at random places of one pool of numbers.

    Args:
        rate: the share of numbers that are dropped.
        pool: float32[numbers], each 0 or 1 / (1 - rate).
        rng: draws the places.
    """

    def __init__(self, rate: float, pool: Tensor, rng: np.random.Generator) -> None:
        self._rate, self._pool, self._rng = rate, pool, rng

    def __call__(self, x: Tensor) -> Tensor:
        """Return ``x`` with some numbers dropped and the others scaled up."""
        if self._rate == 0:
            return x
        size = x.numel()
        if size > len(self._pool):
            return functional.dropout(x, self._rate)
        at = int(self._rng.integers(0, len(self._pool) - size + 1))
        return x * self._pool[at : at + size].view(x.shape)


def forward(
    parameters: Mapping[str, Tensor],
    x: Tensor,
    config: "Config",
    masks: Masks | None = None,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Return the states after the last norm, float32[pieces, length, d].

    Args:
        parameters: the model's, by name.
        x: float32[pieces, length, d], the embeddings of the inputs.
        config: the sizes.
        masks: drop out; ``None`` drops nothing.
        dtype: of the products; sums along the blocks and norms are float32.
    """
    kept = masks or (lambda y: y)
    pieces, length, d = x.shape
    heads, each = config.heads, d // config.heads

    def linear(y: Tensor, name: str) -> Tensor:
        weight, shift = own[f"{name}.weight"].to(dtype), own[f"{name}.shift"].to(dtype)
        return torch.addmm(shift, y.to(dtype).view(-1, y.shape[-1]), weight)

    x = kept(x)
    for layer in range(config.layers):
        own = {
            name.removeprefix(f"{layer}."): value
            for name, value in parameters.items()
            if name.startswith(f"{layer}.")
        }
        qkv = linear(functional.layer_norm(x, (d,), own["norm1.gain"], own["norm1.shift"]), "qkv")
        # [3, heads, pieces, length, each]
        q, k, v = qkv.view(pieces, length, 3, heads, each).permute(2, 0, 3, 1, 4).contiguous()
        near = by_distance(own["near"].to(dtype), length)
        attention = torch.baddbmm(
            near.expand(pieces, -1, -1, -1).reshape(-1, length, length),
            q.view(-1, length, each),
            k.view(-1, length, each).transpose(1, 2),
            alpha=each**-0.5,
        ).softmax(dim=-1)  # [pieces × heads, length, length]
        y = torch.bmm(attention, v.view(-1, length, each)).view(pieces, heads, length, each)
        y = linear(y.transpose(1, 2).reshape(-1, d), "out")
        x = x + kept(y.view(x.shape))
        y = functional.layer_norm(x, (d,), own["norm2.gain"], own["norm2.shift"])
        y = linear(kept(functional.gelu(linear(y, "up"), approximate="tanh")), "down")
        x = x + kept(y.view(x.shape))
    return functional.layer_norm(x, (d,), parameters["norm.gain"], parameters["norm.shift"])


def by_distance(near: Tensor, length: int) -> Tensor:
    """Return [heads, length, length]: what is added where the second position looks ``i - j`` back.

    The rows of a matrix that depends on the distance alone are windows of one row. Laid out by copying and cutting,
    its gradient is a sum; an index would be a slow scatter.

    Args:
        near: [heads, distances].
        length: of the pieces.
    """
    future = near.new_full((len(near), length), _FUTURE)
    row = torch.cat([near[:, :1], future, near[:, 1:length].flip(1)], dim=1)  # [heads, 2 × length]
    laid = row[:, None, :].expand(-1, length, -1).reshape(len(near), -1)
    return laid[:, : length * (2 * length - 1)].view(len(near), length, -1)[:, :, :length]
