"""The training of the sequence model, on a CPU or a GPU; with its network, rows and loss it needs torch."""

import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sartor.models import sequence_loss, sequence_network, sequence_start
from sartor.models.base import Float32, Int64, Run
from sartor.models.sequence_adam import Adam, clip
from sartor.models.sequence_batches import Batch, Batches, Questions, held_out
from sartor.models.sequence_network import Masks, Parameters
from sartor.models.sequence_rows import Drawn, ItemRows, Negatives

if TYPE_CHECKING:
    from sartor.models.sequence_catalogue import Catalogue
    from sartor.models.sequence_config import Config

_WEIGHT_DECAY: Final = 0.05
_CLIP: Final = 1.0
_WARM_UP: Final = 0.05
_LAST_SHARE: Final = 0.02
_PROGRESS_SECONDS: Final = 1.0
#: A batch is learned in so many parts at most, as only one of them can call torch at a time; more threads share a
#: part's products.
_MOST_PARTS: Final = 4
#: Positions that have logits at a time.
_CHUNK: Final = {"cpu": 512, "cuda": 8192}
_BLOCK_SCORES: Final = 1 << 23
#: A later epoch is as good as the best so far if it is not worse by so many standard errors; so many epochs, one after
#: the other, that are worse by more than the second number end the training.
_DOUBT, _SURELY = 1.0, 2.0
_PATIENCE: Final = 2


@dataclass(frozen=True)
class Record:
    """How a training went.

    Attributes:
        epochs: how many were gone through.
        kept: the number of the one whose model is kept, from 1.
        held_out_users: of how many users the last item was asked for after each; 0 where there are too few.
        held_out_ndcg: of the kept model for these items, over the whole ranking.
    """

    epochs: int
    kept: int
    held_out_users: int = 0
    held_out_ndcg: float = 0.0


def gpu() -> str | None:
    """Return the name of the CUDA device that trainings run on; ``None`` if they run on the processor."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def train(catalogue: "Catalogue", config: "Config", run: Run) -> tuple[dict[str, Float32], dict[str, Any]]:
    """Return the arrays of a fitted model by name, and what ``Record`` has.

    Args:
        catalogue: what it is fitted on, with one interaction at least.
        config: with all sizes decided.
        run: how it runs.
    """
    device = torch.device("cpu" if gpu() is None else "cuda")
    with _threads(run.threads):
        torch.manual_seed(run.seed)
        arrays, record = _Training(catalogue, config, run, device).done()
    return {name: value.detach().float().cpu().numpy().copy() for name, value in arrays.items()}, asdict(
        record
    )


class _Training:
    """One training, from the start to the arrays.

    On a CPU threads learn from a part of every batch each: threads that share each small product would wait for each
    other most of the time, and far longer where other processes take their turns.
    """

    def __init__(self, catalogue: "Catalogue", config: "Config", run: Run, device: torch.device) -> None:
        self._config, self._run, self._device = config, run, device
        self._n_items = len(catalogue.known)
        self._rng = np.random.default_rng(run.seed)
        self._parts = min(run.threads, _MOST_PARTS) if device.type == "cpu" else 1
        self._dtype = _product_type(device)
        known, self._questions = held_out(catalogue.histories, config.window, run.seed)
        self._batches = Batches(known, self._n_items, config.window, config.positions)
        counts = np.bincount(known.items, minlength=self._n_items)
        self._negatives = None
        if self._n_items > config.whole_catalogue_items:
            self._negatives = Negatives(counts, config.negatives, self._rng)
        maker = torch.Generator().manual_seed(run.seed)
        table = torch.empty(self._n_items + 1, config.d)
        start = sequence_start.embeddings(known, self._n_items, config.d, run.seed, run.keep_on)
        table[:-1] = torch.from_numpy(start)
        table[-1].normal_(0, sequence_start.DEVIATION, generator=maker)
        # whoever is seldom drawn starts where its popularity is
        bias = np.log((counts + 1) / (counts.mean() + 1)).astype(np.float32)
        tokens = None if catalogue.tokens is None else catalogue.tokens.of(catalogue.known)
        self._items = ItemRows(
            table.to(device),
            torch.from_numpy(bias).to(device),
            tokens,
            has_new=catalogue.has_new,
            rng=self._rng,
        )
        made = sequence_network.initial(config, maker)
        self._blocks = {name: value.to(device).requires_grad_() for name, value in made.items()}
        # weight matrices decay, nothing else does
        self._matrices = [name for name in made if name.endswith(".weight")]
        self._others = [name for name in made if not name.endswith(".weight")]
        self._adam = Adam(
            [self._blocks[name] for name in self._matrices],
            [self._blocks[name] for name in self._others],
            _WEIGHT_DECAY,
        )

    def done(self) -> tuple[Parameters, Record]:
        """Go through the epochs and return what is saved."""
        each = max(self._run.threads // self._parts, 1)
        with ThreadPoolExecutor(self._parts, initializer=torch.set_num_threads, initargs=(each,)) as threads:
            return self._learned(threads)

    def _learned(self, threads: ThreadPoolExecutor) -> tuple[Parameters, Record]:
        epochs = self._config.epochs
        best = _Best(epochs)
        steps = epochs * max(math.ceil(self._batches.positions / self._config.positions * 1.1), 1)
        rate = self._config.dropout or 0.0
        largest = max(self._config.positions // self._parts, self._config.window)
        pool = torch.empty(sequence_network.pool_numbers(self._config, largest), device=self._device)
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
            best.take(None if self._questions is None else self._gains(self._questions), self._arrays)
            if best.is_over:
                break
        self._run.progress({"epoch": epoch + 1, "epochs": epoch + 1, "loss": loss, "secondsLeft": 0})
        return best.kept()

    def _arrays(self) -> Parameters:
        return {**self._blocks, **self._items.arrays()}

    def _step(self, batch: Batch, rate: float, masks: list[Masks], threads: ThreadPoolExecutor) -> float:
        """Learn from one batch; return its loss."""
        drawn, rows = None, np.arange(self._n_items + 1)
        if self._negatives:
            rows, batch, drawn = _numbered(batch, self._negatives.draw())
        table, bias = self._items.taking_part(rows)
        leaves = {**self._blocks, "table": table, "bias": bias}

        def learn(part: Batch, own: Masks) -> tuple[float, tuple[Tensor, ...]]:
            loss = self._loss(leaves, part, drawn, own)
            return loss.item(), torch.autograd.grad(loss, list(leaves.values()))

        learned = list(threads.map(learn, batch.split(self._parts), masks))
        first, *others = (list(gradients) for _, gradients in learned)
        for more in others:
            torch._foreach_add_(first, more)
        clip(first, _CLIP)
        gradients = dict(zip(leaves, first, strict=True))
        self._adam.step([gradients[name] for name in (*self._matrices, *self._others)], rate)
        self._items.step(gradients["table"], gradients["bias"], rate)
        return sum(loss for loss, _ in learned)

    def _loss(self, leaves: Parameters, batch: Batch, drawn: Drawn | None, masks: Masks) -> Tensor:
        """Return float32[], against drawn negatives or the whole catalogue."""
        table, bias = leaves["table"], leaves["bias"]
        x = functional.embedding(self._here(batch.inputs), table)
        states = sequence_network.forward(leaves, x, self._config, masks, self._dtype)
        states = states.view(-1, self._config.d).index_select(0, self._here(batch.filled))
        targets, weights = self._here(batch.targets), self._here(batch.weights)
        smoothing, chunk = self._config.smoothing, _CHUNK[self._device.type]
        if drawn is None:
            return sequence_loss.whole(
                states,
                table[:-1],
                bias,
                targets,
                weights,
                smoothing=smoothing,
                chunk=chunk,
                dtype=self._dtype,
            )
        wrong = self._here(drawn.items)
        wrong_items, wrong_bias = functional.embedding(wrong, table), bias[wrong]
        log_expected = self._here(drawn.log_expected)
        # who is expected less often stands for more: an estimate of the mean that reads no other rows
        share = torch.softmax(-log_expected, dim=0)
        return sequence_loss.sampled(
            states,
            (functional.embedding(targets, table), bias[targets]),
            (wrong_items, wrong_bias),
            (share @ wrong_items, share @ wrong_bias),
            targets,
            wrong,
            log_expected,
            weights,
            smoothing=smoothing,
            chunk=chunk,
            dtype=self._dtype,
        )

    @torch.no_grad()
    def _gains(self, questions: Questions) -> NDArray[np.float64]:
        """Return float64[questions]: the discounted gain of each held-out item among what its user has not had."""
        arrays = self._arrays()
        table = torch.cat([arrays["items"], arrays["start"][None]])
        found = np.zeros(len(questions))
        most = max(_BLOCK_SCORES // self._n_items, 1)
        for chosen, inputs, last, targets in questions.blocks(self._n_items, most):
            self._run.keep_on()
            had = self._here(inputs)
            states = sequence_network.forward(
                arrays, functional.embedding(had, table), self._config, None, self._dtype
            )
            rows, wanted = torch.arange(len(chosen), device=self._device), self._here(targets)
            scores = states[rows, self._here(last)] @ table.T
            scores[:, :-1] += arrays["bias"]
            own = scores[rows, wanted]
            scores.scatter_(1, had, -math.inf)  # the start, which is last, pads too
            scores[rows, wanted] = -math.inf
            scores[:, -1] = -math.inf
            ahead = (scores >= own[:, None]).sum(dim=1)
            found[chosen] = (1 / torch.log2(ahead + 2.0)).cpu().numpy()
        return found

    def _here(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self._device, non_blocking=True)


class _Best:
    """Which epoch's model is kept: the last one that held-out items cannot tell from the best.

    Args:
        epochs: how many there may be.
    """

    def __init__(self, epochs: int) -> None:
        self._epochs, self._epoch, self._worse = epochs, 0, 0
        self._best: NDArray[np.float64] | None = None
        self._kept: tuple[int, Parameters, float, int] = (0, {}, 0.0, 0)

    def take(self, gains: NDArray[np.float64] | None, arrays: Any) -> None:
        """Look at the next epoch.

        Args:
            gains: float64[held out], of each held-out item; ``None`` keeps every epoch.
            arrays: returns the parameters now.
        """
        self._epoch += 1
        if gains is not None:
            if self._best is None or gains.mean() > self._best.mean():
                self._best = gains
            lost = self._best - gains
            error = lost.std() / len(lost) ** 0.5
            self._worse = self._worse + 1 if lost.mean() > _SURELY * error else 0
            if lost.mean() > _DOUBT * error:
                return
        if gains is not None or self._epoch == self._epochs:
            mean, n = (0.0, 0) if gains is None else (float(gains.mean()), len(gains))
            found = {name: value.detach().clone() for name, value in arrays().items()}
            self._kept = (self._epoch, found, mean, n)

    @property
    def is_over(self) -> bool:
        """Whether further epochs would be worse."""
        return self._worse >= _PATIENCE

    def kept(self) -> tuple[Parameters, Record]:
        """Return the parameters that are kept, and how it went."""
        epoch, arrays, ndcg, n = self._kept
        return arrays, Record(self._epoch, epoch, n, ndcg)


def _numbered(batch: Batch, drawn: Drawn) -> tuple[Int64, Batch, Drawn]:
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
