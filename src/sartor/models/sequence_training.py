"""The training of the sequence model: the one module, with its loss, that needs torch."""

import math
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
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
#: A batch is learned in so many parts at most, as only one of them can call torch at a time; more threads share a
#: part's products.
_MOST_PARTS: Final = 4
#: Of a larger catalogue a step reads and changes only the rows that take part.
_DENSE_ITEMS: Final = 20_000


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


@dataclass(frozen=True)
class _Drawn:
    """Negatives of a batch: int64[drawn] items, and float32[drawn], how often each is expected (log)."""

    items: Int64
    log_expected: Float32


class _Training:
    """One training, from the start to the arrays.

    On a CPU threads learn from a part of every batch each: threads that share each small product would wait for each
    other most of the time, and far longer where other processes take their turns.
    """

    def __init__(self, data: TrainingData, config: "Config", run: Run, device: torch.device) -> None:
        self._n_items, self._config, self._run, self._device = data.n_items, config, run, device
        self._rng = np.random.default_rng(run.seed)
        self._parts = min(run.threads, _MOST_PARTS) if device.type == "cpu" else 1
        self._batches = Batches(data.histories, data.n_items, config.window)
        counts = np.bincount(data.histories.items, minlength=data.n_items)
        self._negatives = None
        if len(data.histories.items) * data.n_items > config.most_pairs:
            self._negatives = _Negatives(counts, config.negatives, self._rng)
        made = initial(data, config, run)
        self._parameters = {name: value.to(device).requires_grad_() for name, value in made.items()}
        self._dtype = _product_type(device)
        self._by_row: _RowAdam | None = None
        self._dense = dict(self._parameters)
        if self._negatives and data.n_items > _DENSE_ITEMS:
            with torch.no_grad():  # whoever is never drawn starts where its popularity is
                start = np.log((counts + 1) / (counts.mean() + 1))
                self._parameters["bias"] += torch.from_numpy(start.astype(np.float32)).to(device)
            self._by_row = _RowAdam([self._dense.pop(name).detach_() for name in ("table", "bias")])
        self._optimizer = torch.optim.AdamW(_groups(self._dense), betas=_BETAS, fused=True)

    def arrays(self) -> Parameters:
        """Go through all epochs and return what is saved."""
        each = max(self._run.threads // self._parts, 1)
        with ThreadPoolExecutor(self._parts, initializer=torch.set_num_threads, initargs=(each,)) as threads:
            self._learn_all(threads)
        found = dict(self._parameters)
        table = found.pop("table")
        return {"items": table[:-1], "start": table[-1], **found}

    def _learn_all(self, threads: ThreadPoolExecutor) -> None:
        epochs = self._config.epochs
        steps = epochs * max(math.ceil(self._batches.positions / BATCH_POSITIONS * 1.1), 1)
        rate = self._config.dropout or 0.0
        pool = torch.empty(_POOL_NUMBERS if rate else 0, device=self._device)
        maker = torch.Generator(device=self._device).manual_seed(self._run.seed)
        masks = [Masks(rate, pool, rng) for rng in self._rng.spawn(self._parts)]
        done = step = 0
        loss, begun = 0.0, time.monotonic()
        shown = begun
        for epoch in range(epochs):
            pool.bernoulli_(1 - rate, generator=maker).div_(1 - rate)
            for batch in self._batches.epoch(self._rng):
                self._run.keep_on()
                # by positions rather than batches, whose number is not known beforehand
                share = _schedule(done / (epochs * self._batches.positions), steps)
                if batch.weights.any():
                    found = self._step(batch, self._config.lr * share, masks, threads)
                    loss += (found - loss) / min(step + 1, 100)
                done, step = done + len(batch.targets), step + 1
                now = time.monotonic()
                if now - shown >= _PROGRESS_SECONDS:
                    shown = now
                    left = (now - begun) * (epochs * self._batches.positions / done - 1)
                    self._run.progress(
                        {"epoch": epoch + 1, "epochs": epochs, "loss": loss, "secondsLeft": round(left)}
                    )
        self._run.progress({"epoch": epochs, "epochs": epochs, "loss": loss, "secondsLeft": 0})

    def _step(self, batch: Batch, rate: float, masks: list[Masks], threads: ThreadPoolExecutor) -> float:
        """Learn from one batch; return its loss."""
        drawn = self._negatives.draw() if self._negatives else None
        table, bias, rows = self._parameters["table"], self._parameters["bias"], None
        if self._by_row and drawn:
            # only the rows of the items that take part are read and changed
            rows, batch, drawn = _numbered(batch, drawn)
            table = table.index_select(0, self._here(rows)).requires_grad_()
            # the start has no bias: its row is last
            bias = bias.index_select(0, self._here(np.minimum(rows, self._n_items - 1))).requires_grad_()
        leaves = {**self._dense, "table": table, "bias": bias}

        def learn(part: Batch, own: Masks) -> tuple[float, tuple[Tensor, ...]]:
            loss = self._loss(leaves, part, drawn, own)
            return loss.item(), torch.autograd.grad(loss, list(leaves.values()))

        learned = list(threads.map(learn, batch.split(self._parts), masks))
        first, *others = (list(gradients) for _, gradients in learned)
        for more in others:
            torch._foreach_add_(first, more)
        for leaf, gradient in zip(leaves.values(), first, strict=True):
            leaf.grad = gradient
        torch.nn.utils.clip_grad_norm_(leaves.values(), _CLIP, foreach=True)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        if self._by_row and rows is not None and table.grad is not None and bias.grad is not None:
            at, items = self._here(rows), len(rows) - int(rows[-1] == self._n_items)
            self._by_row.step([(at, table.grad), (at[:items], bias.grad[:items])], rate)
        return sum(loss for loss, _ in learned)

    def _loss(self, leaves: Parameters, batch: Batch, drawn: _Drawn | None, masks: Masks) -> Tensor:
        """Return float32[], against drawn negatives or the whole catalogue."""
        table, bias, smoothing = leaves["table"], leaves["bias"], self._config.smoothing
        x = functional.embedding(self._here(batch.inputs), table)
        states = forward(leaves, x, self._config, masks)
        states = states.view(-1, self._config.d).index_select(0, self._here(batch.filled))
        targets, weights = self._here(batch.targets), self._here(batch.weights)
        if drawn is None:
            return sequence_loss.whole(
                states,
                table[:-1],
                bias,
                targets,
                weights,
                smoothing=smoothing,
                chunk=512 if self._device.type == "cpu" else 8192,
                dtype=self._dtype,
            )
        wrong = self._here(drawn.items)
        wrong_items, wrong_bias = functional.embedding(wrong, table), bias[wrong]
        mean: tuple[Tensor, Tensor]
        if self._by_row is None:
            mean = table[:-1].mean(dim=0), bias.mean()
        else:
            # who is expected less often stands for more: an estimate of the mean that reads no other rows
            share = torch.softmax(-self._here(drawn.log_expected), dim=0)
            mean = share @ wrong_items, share @ wrong_bias
        return sequence_loss.sampled(
            states,
            (functional.embedding(targets, table), bias[targets]),
            (wrong_items, wrong_bias),
            mean,
            targets,
            wrong,
            self._here(drawn.log_expected),
            weights,
            smoothing=smoothing,
        )

    def _here(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self._device, non_blocking=True)


def _numbered(batch: Batch, drawn: _Drawn) -> tuple[Int64, Batch, _Drawn]:
    """Return int64[rows], the distinct items that take part, ascending, and both with numbers of these rows."""
    rows, local = np.unique(
        np.concatenate([batch.inputs.ravel(), batch.targets, drawn.items]), return_inverse=True
    )
    inputs, targets, negatives = np.split(local, [batch.inputs.size, batch.inputs.size + len(batch.targets)])
    return (
        rows,
        replace(batch, inputs=inputs.reshape(batch.inputs.shape), targets=targets),
        replace(drawn, items=negatives),
    )


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

    def draw(self) -> _Drawn:
        """Draw by the root of the popularity."""
        drawn = np.searchsorted(self._sums, self._rng.random(self._n) * self._sums[-1], side="right")
        drawn = np.minimum(drawn, len(self._sums) - 1)
        return _Drawn(drawn.astype(np.int64), self._log_expected[drawn])


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
