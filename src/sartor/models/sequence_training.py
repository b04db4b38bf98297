"""The training of the sequence model: the one module, with its loss, that needs torch."""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sartor.models import sequence_loss, sequence_start
from sartor.models.base import Float32, Int64, Run, TrainingData
from sartor.models.sequence_batches import BATCH_POSITIONS, Batch, Batches

if TYPE_CHECKING:
    from sartor.models.sequence_config import Config

Parameters = dict[str, Tensor]

_FUTURE: Final = -1e9
#: Of AdamW; without an effect on embeddings, biases and norms.
_WEIGHT_DECAY: Final = 0.05
_BETAS: Final = (0.9, 0.98)
_CLIP: Final = 1.0
_WARM_UP: Final = 0.05
_LAST_SHARE: Final = 0.02
#: Numbers of the pool that dropout masks are slices of; drawing each mask costs a quarter of a step on a CPU.
_POOL_NUMBERS: Final = 1 << 22
_PROGRESS_SECONDS: Final = 1.0


def train(data: TrainingData, config: "Config", run: Run) -> dict[str, Float32]:
    """Return the arrays of a fitted model, by name.

    Args:
        data: what it is fitted on, with one interaction at least.
        config: with all sizes decided.
        run: how it runs.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with _threads(run.threads):
        torch.manual_seed(run.seed)
        found = _Training(data, config, run, device).arrays()
    return {name: value.detach().float().cpu().numpy().copy() for name, value in found.items()}


def initial(data: TrainingData, config: "Config", run: Run) -> Parameters:
    """Return the parameters before the first step; the shapes are those of ``sequence.Sequence``."""
    maker = torch.Generator().manual_seed(run.seed)
    d, dtype = config.d, torch.float32

    def drawn(*shape: int, deviation: float = 0.02) -> Tensor:
        return torch.empty(*shape, dtype=dtype).normal_(0, deviation, generator=maker)

    table = torch.empty(data.n_items + 1, d, dtype=dtype)
    start = sequence_start.embeddings(data.histories, data.n_items, d, run.seed, run.keep_on)
    table[:-1] = torch.from_numpy(start)
    table[-1] = drawn(d, deviation=sequence_start.DEVIATION)
    found = {"table": table, "bias": torch.zeros(data.n_items)}
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


class Masks:
    """Dropout masks: slices at random places of one pool that is drawn anew each epoch.

    Args:
        rate: the share of numbers that are dropped.
        rng: draws the pool and the places.
        device: where the masks are.
    """

    def __init__(self, rate: float, rng: np.random.Generator, device: torch.device) -> None:
        self._rate, self._rng = rate, rng
        self._maker = torch.Generator(device=device).manual_seed(int(rng.integers(2**31)))
        self._pool = torch.empty(_POOL_NUMBERS if rate > 0 else 0, device=device)

    def draw(self) -> None:
        """Draw another pool."""
        if self._rate > 0:
            self._pool.bernoulli_(1 - self._rate, generator=self._maker).div_(1 - self._rate)

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
    parameters: Mapping[str, Tensor], x: Tensor, config: "Config", masks: Masks | None = None
) -> Tensor:
    """Return the states after the last norm, float32[pieces, length, d].

    Args:
        parameters: the model's, by name.
        x: float32[pieces, length, d], the embeddings of the inputs.
        config: the sizes.
        masks: drop out; ``None`` drops nothing.
    """
    kept = masks or (lambda y: y)
    pieces, length, d = x.shape
    heads, each = config.heads, d // config.heads
    x = kept(x)
    for layer in range(config.layers):
        own = {
            name.removeprefix(f"{layer}."): value
            for name, value in parameters.items()
            if name.startswith(f"{layer}.")
        }
        y = functional.layer_norm(x, (d,), own["norm1.gain"], own["norm1.shift"])
        qkv = torch.addmm(own["qkv.shift"], y.view(-1, d), own["qkv.weight"])
        # float32[3, heads, pieces, length, each]
        q, k, v = qkv.view(pieces, length, 3, heads, each).permute(2, 0, 3, 1, 4).contiguous()
        attention = torch.baddbmm(
            by_distance(own["near"], length).expand(pieces, -1, -1, -1).reshape(-1, length, length),
            q.view(-1, length, each),
            k.view(-1, length, each).transpose(1, 2),
            alpha=each**-0.5,
        ).softmax(dim=-1)  # float32[pieces × heads, length, length]
        y = torch.bmm(attention, v.view(-1, length, each)).view(pieces, heads, length, each)
        y = torch.addmm(own["out.shift"], y.transpose(1, 2).reshape(-1, d), own["out.weight"])
        x = x + kept(y.view(x.shape))
        y = functional.layer_norm(x, (d,), own["norm2.gain"], own["norm2.shift"])
        y = functional.gelu(torch.addmm(own["up.shift"], y.view(-1, d), own["up.weight"]), approximate="tanh")
        y = torch.addmm(own["down.shift"], kept(y), own["down.weight"])
        x = x + kept(y.view(x.shape))
    return functional.layer_norm(x, (d,), parameters["norm.gain"], parameters["norm.shift"])


def by_distance(near: Tensor, length: int) -> Tensor:
    """Return float32[heads, length, length]: what is added where the second position looks ``i - j`` back.

    The rows of a matrix that depends on the distance alone are windows of one row. Laid out by copying and cutting,
    its gradient is a sum; an index would be a slow scatter.

    Args:
        near: float32[heads, distances].
        length: of the pieces.
    """
    future = near.new_full((len(near), length), _FUTURE)
    row = torch.cat([near[:, :1], future, near[:, 1:length].flip(1)], dim=1)  # float32[heads, 2 × length]
    laid = row[:, None, :].expand(-1, length, -1).reshape(len(near), -1)
    return laid[:, : length * (2 * length - 1)].view(len(near), length, -1)[:, :, :length]


class _Training:
    """One training, from the start to the arrays."""

    def __init__(self, data: TrainingData, config: "Config", run: Run, device: torch.device) -> None:
        self._n_items, self._config, self._run, self._device = data.n_items, config, run, device
        self._rng = np.random.default_rng(run.seed)
        self._masks = Masks(config.dropout, self._rng, device)
        self._batches = Batches(data.histories, data.n_items, config.window)
        large = data.n_items > config.full_softmax_items
        counts = np.bincount(data.histories.items, minlength=data.n_items)
        self._negatives = _Negatives(counts, config.negatives, self._rng)
        self._sampled_epochs = (
            config.epochs
            if large
            else round(config.epochs * config.sampled_share)
            if data.n_items > 2 * config.negatives
            else 0
        )
        made = initial(data, config, run)
        self._parameters = {name: value.to(device).requires_grad_() for name, value in made.items()}
        self._dtype = _product_type(device)
        self._by_row: _RowAdam | None = None
        dense = dict(self._parameters)
        if large:
            with torch.no_grad():  # whoever is never drawn starts where its popularity is
                start = np.log((counts + 1) / (counts.mean() + 1))
                self._parameters["bias"] += torch.from_numpy(start.astype(np.float32)).to(device)
            self._by_row = _RowAdam([dense.pop("table").detach_(), dense.pop("bias").detach_()])
        self._optimizer = torch.optim.AdamW(_groups(dense), betas=_BETAS, fused=True)

    def arrays(self) -> Parameters:
        """Go through all epochs and return what is saved."""
        epochs = self._config.epochs
        steps = epochs * max(math.ceil(self._batches.positions / BATCH_POSITIONS * 1.1), 1)
        done = step = 0
        loss, begun = 0.0, time.monotonic()
        shown = begun
        for epoch in range(epochs):
            self._masks.draw()
            for batch in self._batches.epoch(self._rng):
                self._run.keep_on()
                # by positions rather than batches, whose number is not known beforehand
                rate = self._config.lr * _schedule(done / (epochs * self._batches.positions), steps)
                sampled = epoch < self._sampled_epochs
                loss += (self._step(batch, rate, sampled) - loss) / min(step + 1, 100)
                done, step = done + len(batch.targets), step + 1
                now = time.monotonic()
                if now - shown >= _PROGRESS_SECONDS:
                    shown = now
                    left = (now - begun) * (epochs * self._batches.positions / done - 1)
                    self._run.progress(
                        {"epoch": epoch + 1, "epochs": epochs, "loss": loss, "secondsLeft": round(left)}
                    )
        self._run.progress({"epoch": epochs, "epochs": epochs, "loss": loss, "secondsLeft": 0})
        found = dict(self._parameters)
        table = found.pop("table")
        return {"items": table[:-1], "start": table[-1], **found}

    def _step(self, batch: Batch, rate: float, sampled: bool) -> float:
        """Learn from one batch, with drawn negatives or the whole catalogue; return its loss."""
        if batch.weights is not None and not batch.weights.sum() > 0:
            return 0.0
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.zero_grad(set_to_none=True)
        return self._sampled_loss(batch, rate) if sampled else self._whole_loss(batch)

    def _states(self, batch: Batch, x: Tensor) -> Tensor:
        """Return float32[targets, d]: the states at the positions that have a target."""
        states = forward(self._parameters, x, self._config, self._masks)
        return states.view(-1, self._config.d).index_select(0, self._here(batch.filled))

    def _whole_loss(self, batch: Batch) -> float:
        table, bias = self._parameters["table"], self._parameters["bias"]
        states = self._states(batch, functional.embedding(self._here(batch.inputs), table))
        loss = sequence_loss.whole(
            states,
            table[:-1],
            bias,
            self._here(batch.targets),
            None if batch.weights is None else self._here(batch.weights),
            chunk=512 if self._device.type == "cpu" else 8192,
            dtype=self._dtype,
        )
        loss.backward()  # type: ignore[no-untyped-call]
        self._clip([value for value in self._parameters.values() if value.grad is not None])
        self._optimizer.step()
        return loss.item()

    def _sampled_loss(self, batch: Batch, rate: float) -> float:
        """Learn with drawn negatives; only the rows of the items that take part are read and changed."""
        drawn, log_expected = self._negatives.draw()
        rows, local = np.unique(
            np.concatenate([batch.inputs.ravel(), batch.targets, drawn]), return_inverse=True
        )
        n_inputs, n_targets = batch.inputs.size, len(batch.targets)
        inputs, targets, negatives = np.split(local, [n_inputs, n_inputs + n_targets])
        at = self._here(rows)
        with_bias = self._here(np.minimum(rows, self._n_items - 1))  # the start has no bias: its row is last
        table = self._parameters["table"].index_select(0, at)
        bias = self._parameters["bias"].index_select(0, with_bias)
        if self._by_row:
            table, bias = table.requires_grad_(), bias.requires_grad_()
        states = self._states(
            batch, functional.embedding(self._here(inputs.reshape(batch.inputs.shape)), table)
        )
        right, wrong = self._here(targets), self._here(negatives)
        loss = sequence_loss.sampled(
            states,
            (functional.embedding(right, table), bias[right]),
            (functional.embedding(wrong, table), bias[wrong]),
            right,
            wrong,
            self._here(log_expected),
            None if batch.weights is None else self._here(batch.weights),
        )
        loss.backward()  # type: ignore[no-untyped-call]
        own = [table, bias] if self._by_row else []
        self._clip([*own, *(value for value in self._parameters.values() if value.grad is not None)])
        self._optimizer.step()
        if self._by_row and table.grad is not None and bias.grad is not None:
            items = len(rows) - int(rows[-1] == self._n_items)
            self._by_row.step([(at, table.grad), (at[:items], bias.grad[:items])], rate)
        return loss.item()

    def _clip(self, parameters: list[Tensor]) -> None:
        torch.nn.utils.clip_grad_norm_(parameters, _CLIP, foreach=True)

    def _here(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self._device, non_blocking=True)


class _Negatives:
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

    def draw(self) -> tuple[Int64, Float32]:
        """Return int64[n], by the root of the popularity, and float32[n], how often each is expected (log)."""
        drawn = np.searchsorted(self._sums, self._rng.random(self._n) * self._sums[-1], side="right")
        drawn = np.minimum(drawn, len(self._sums) - 1)
        return drawn.astype(np.int64), self._log_expected[drawn]


class _RowAdam:
    """Adam that reads and changes only the rows that have a gradient.

    Args:
        tables: each has rows as its first dimension.
    """

    def __init__(self, tables: list[Tensor]) -> None:
        self._states = [(table, torch.zeros_like(table), torch.zeros_like(table)) for table in tables]
        self._steps = 0

    def step(self, gradients: list[tuple[Tensor, Tensor]], rate: float) -> None:
        """Take one step.

        Args:
            gradients: for each table the numbers of distinct rows, and the gradient of these.
            rate: the learning rate.
        """
        self._steps += 1
        first, second = (1 - beta**self._steps for beta in _BETAS)
        with torch.no_grad():
            for (table, means, squares), (rows, gradient) in zip(self._states, gradients, strict=True):
                mean = means.index_select(0, rows).lerp_(gradient, 1 - _BETAS[0])
                square = squares.index_select(0, rows).lerp_(gradient * gradient, 1 - _BETAS[1])
                means.index_copy_(0, rows, mean)
                squares.index_copy_(0, rows, square)
                change = (mean / first).div_((square / second).sqrt_().add_(1e-8))
                table.index_add_(0, rows, change, alpha=-rate)


def _groups(parameters: Parameters) -> list[dict[str, object]]:
    """Return the groups of AdamW: weight matrices decay, nothing else does."""
    matrices = [value for name, value in parameters.items() if name.endswith(".weight")]
    others = [value for name, value in parameters.items() if not name.endswith(".weight")]
    return [
        {"params": matrices, "weight_decay": _WEIGHT_DECAY},
        {"params": others, "weight_decay": 0.0},
    ]


def _schedule(done: float, steps: int) -> float:
    """Return the share of the learning rate after this share of the training: warm-up, then half a cosine."""
    warm = max(_WARM_UP, 1 / steps)
    if done < warm:
        return (done + 1 / steps) / (warm + 1 / steps)
    return _LAST_SHARE + (1 - _LAST_SHARE) * 0.5 * (1 + math.cos(math.pi * (done - warm) / (1 - warm)))


def _product_type(device: torch.device) -> torch.dtype:
    """Return bfloat16 where the hardware multiplies it; elsewhere it is emulated, and far slower."""
    known = torch.cpu.get_capabilities()
    quick = device.type == "cuda" or bool(known.get("amx_bf16") or known.get("avx512_bf16"))
    return torch.bfloat16 if quick else torch.float32


@contextmanager
def _threads(n: int) -> Iterator[None]:
    """Let torch use so many threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)
