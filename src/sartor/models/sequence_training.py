"""The training of the sequence model, on a CPU or a GPU; with its network, rows and loss it needs torch."""

import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sartor.models import sequence_loss, sequence_network, sequence_start
from sartor.models.base import Float32, Int64, Run
from sartor.models.gang import Member
from sartor.models.sequence_adam import Adam, clip
from sartor.models.sequence_batches import Batch, Batches, Questions, held_out
from sartor.models.sequence_network import Masks, Parameters
from sartor.models.sequence_rows import Drawn, ItemRows, Negatives

if TYPE_CHECKING:
    from sartor.models.sequence_catalogue import Catalogue, Tokens
    from sartor.models.sequence_config import Config

_WEIGHT_DECAY: Final = 0.05
_CLIP: Final = 1.0
_WARM_UP: Final = 0.05
_LAST_SHARE: Final = 0.02
_PROGRESS_SECONDS: Final = 1.0
#: So many losses are told of, at even distances, with the epochs that were gone through, which have fractions.
_KEPT_LOSSES: Final = 60
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
#: A gang's processes take some seconds to begin: what goes through fewer interactions in all epochs is learned alone.
_LEAST_TOGETHER: Final = 1_000_000


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
        run: how it runs; its gang learns together, if that is worth it, what this process would learn alone.
    """
    with _threads(run.at_once or run.threads):
        members = _members(catalogue, config, run)
        parts = members if members > 1 else min(run.threads, _MOST_PARTS)
        lesson = _Lesson.of(catalogue, config, run, parts)
        if members > 1 and run.gang and run.gang.together:
            arrays, record = run.gang.together(learned_by_member, lesson)
        else:
            arrays, record = _Training(lesson, run).done()
    return arrays, asdict(record)


def learned_by_member(member: Member, lesson: "_Lesson") -> tuple[dict[str, Float32], Record] | None:
    """Learn one member's part of every batch; return what member 0 has learned, which is what all have."""

    def stop() -> bool:
        member.heard(None)  # it raises
        return False

    run = Run(lesson.seed, max(lesson.threads // member.size, 1), member.heard, stop)
    with _threads(run.threads):
        found = _Training(lesson, run, member).done()
    return found if member.rank == 0 else None


def _members(catalogue: "Catalogue", config: "Config", run: Run) -> int:
    """Return how many learn together: one alone where a GPU does it, or where it would cost more than it brings."""
    if run.gang is None or gpu() or len(catalogue.histories.items) * config.epochs < _LEAST_TOGETHER:
        return 1
    return run.gang.size()


@dataclass(frozen=True)
class _Lesson:
    """What a training begins with, the same for all who learn together.

    Attributes:
        config: with all sizes decided.
        batches: what an epoch goes through.
        questions: what is asked after each; ``None`` where too few could be.
        start: float32[items, d], where the embeddings start.
        counts: int64[items], how often each is interacted with.
        tokens: of the items; ``None`` if nothing is known of them.
        has_new: whether tokens must be able to stand for items without interactions.
        seed: of all that is drawn.
        threads: how many all have together.
        parts: into how many each batch is cut.
    """

    config: "Config"
    batches: Batches
    questions: Questions | None
    start: Float32
    counts: Int64
    tokens: "Tokens | None"
    has_new: bool
    seed: int
    threads: int
    parts: int

    @classmethod
    def of(cls, catalogue: "Catalogue", config: "Config", run: Run, parts: int) -> Self:
        """Return what the training of a catalogue begins with."""
        n_items = len(catalogue.known)
        known, questions = held_out(catalogue.histories, config.window, run.seed)
        return cls(
            config,
            Batches(known, n_items, config.window, config.positions),
            questions,
            sequence_start.embeddings(known, n_items, config.d, run.seed, run.keep_on),
            np.bincount(known.items, minlength=n_items),
            None if catalogue.tokens is None else catalogue.tokens.of(catalogue.known),
            catalogue.has_new,
            run.seed,
            run.threads,
            parts,
        )


class _Training:
    """One training, from the start to the arrays.

    On a CPU threads learn from a part of every batch each: threads that share each small product would wait for each
    other most of the time, and far longer where other processes take their turns. The members of a gang take a part
    each; all draw the same and step alike, so only gradients are sent.

    Args:
        lesson: what it begins with.
        run: how it runs; its threads are this process's.
        member: of a gang; ``None`` alone.
    """

    def __init__(self, lesson: _Lesson, run: Run, member: Member | None = None) -> None:
        torch.manual_seed(lesson.seed)
        config = lesson.config
        self._config, self._run, self._member = config, run, member
        self._device = torch.device("cuda" if member is None and gpu() else "cpu")
        self._n_items = len(lesson.start)
        self._rng = np.random.default_rng(lesson.seed)
        self._parts = lesson.parts if self._device.type == "cpu" else 1
        self._own = slice(None) if member is None else slice(member.rank, member.rank + 1)
        # so many parts are learned at once, with so many threads each
        self._at_once = 1 if member else min(self._parts, run.at_once or run.threads)
        self._each = max(lesson.threads // self._parts, 1)
        self._dtype = _product_type(self._device)
        self._batches, self._questions, self._seed = lesson.batches, lesson.questions, lesson.seed
        self._negatives = None
        if self._n_items > config.whole_catalogue_items:
            self._negatives = Negatives(lesson.counts, config.negatives, self._rng)
        maker = torch.Generator().manual_seed(lesson.seed)
        table = torch.empty(self._n_items + 1, config.d)
        table[:-1] = torch.from_numpy(np.array(lesson.start))
        table[-1].normal_(0, sequence_start.DEVIATION, generator=maker)
        # whoever is seldom drawn starts where its popularity is
        bias = np.log((lesson.counts + 1) / (lesson.counts.mean() + 1)).astype(np.float32)
        self._items = ItemRows(
            table.to(self._device),
            torch.from_numpy(bias).to(self._device),
            lesson.tokens,
            has_new=lesson.has_new,
            rng=self._rng,
        )
        made = sequence_network.initial(config, maker)
        self._blocks = {name: value.to(self._device).requires_grad_() for name, value in made.items()}
        # weight matrices decay, nothing else does
        self._matrices = [name for name in made if name.endswith(".weight")]
        self._others = [name for name in made if not name.endswith(".weight")]
        self._adam = Adam(
            [self._blocks[name] for name in self._matrices],
            [self._blocks[name] for name in self._others],
            _WEIGHT_DECAY,
        )

    def done(self) -> tuple[dict[str, Float32], Record]:
        """Go through the epochs and return what is saved, and how it went."""
        with ThreadPoolExecutor(
            self._at_once, initializer=torch.set_num_threads, initargs=(self._each,)
        ) as threads:
            arrays, record = self._learned(threads)
        return {name: value.detach().float().cpu().numpy().copy() for name, value in arrays.items()}, record

    def _learned(self, threads: ThreadPoolExecutor) -> tuple[Parameters, Record]:
        epochs = self._config.epochs
        best = _Best(epochs)
        steps = epochs * max(math.ceil(self._batches.positions / self._config.positions * 1.1), 1)
        rate = self._config.dropout or 0.0
        largest = max(self._config.positions // self._parts, self._config.window)
        pool = torch.empty(sequence_network.pool_numbers(self._config, largest), device=self._device)
        maker = torch.Generator(device=self._device).manual_seed(self._seed)
        masks = [Masks(rate, pool, rng) for rng in self._rng.spawn(self._parts)][self._own]
        done = step = 0
        loss, begun = 0.0, time.monotonic()
        shown = begun
        losses: list[tuple[float, float]] = []
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
                gone = done / self._batches.positions
                if gone >= len(losses) * epochs / _KEPT_LOSSES:
                    losses.append((round(gone, 3), round(loss, 3)))
                now = time.monotonic()
                if now - shown >= _PROGRESS_SECONDS:
                    shown = now
                    left = (now - begun) * (epochs * self._batches.positions / done - 1)
                    self._tell(epoch + 1, epochs, loss, left, losses)
            best.take(
                None if self._questions is None else self._gains(self._questions, threads), self._arrays
            )
            if best.is_over:
                break
        self._tell(epoch + 1, epoch + 1, loss, 0.0, losses)
        return best.kept()

    def _tell(
        self, epoch: int, epochs: int, loss: float, seconds_left: float, losses: list[tuple[float, float]]
    ) -> None:
        """Say how far it is."""
        left = round(seconds_left)
        self._run.progress(
            {"epoch": epoch, "epochs": epochs, "loss": loss, "secondsLeft": left, "losses": [*losses]}
        )

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

        learned = list(threads.map(learn, batch.split(self._parts)[self._own], masks))
        total = [list(gradients) for _, gradients in learned[:1]] or [
            [*map(torch.zeros_like, leaves.values())]
        ]
        for _, more in learned[1:]:
            torch._foreach_add_(total[0], more)
        loss, gradients = self._of_all(sum(loss for loss, _ in learned), total[0])
        # in a thread of the pool: how many threads share a sum is part of its rounding
        threads.submit(clip, gradients, _CLIP).result()
        by_name = dict(zip(leaves, gradients, strict=True))
        self._adam.step([by_name[name] for name in (*self._matrices, *self._others)], rate)
        self._items.step(by_name["table"], by_name["bias"], rate)
        return loss

    def _of_all(self, loss: float, gradients: list[Tensor]) -> tuple[float, list[Tensor]]:
        """Return the loss and the gradients of a batch out of those of this process."""
        if self._member is None:
            return loss, gradients
        *summed, losses = self._member.sum([*(one.numpy() for one in gradients), np.array([loss])])
        return float(losses[0]), [torch.from_numpy(one) for one in summed]

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

    def _gains(self, questions: Questions, threads: ThreadPoolExecutor) -> NDArray[np.float64]:
        """Return float64[questions]: the discounted gain of each held-out item among what its user has not had."""
        arrays = self._arrays()
        table = torch.cat([arrays["items"], arrays["start"][None]])
        found = np.zeros(len(questions))
        most = max(_BLOCK_SCORES // self._n_items, 1)
        blocks = list(questions.blocks(self._n_items, most))
        mine = blocks if self._member is None else blocks[self._member.rank :: self._member.size]
        for block, gains in zip(
            mine, threads.map(lambda one: self._gains_of(arrays, table, *one[1:]), mine), strict=True
        ):
            self._run.keep_on()
            found[block[0]] = gains
        return found if self._member is None else self._member.sum([found])[0]

    @torch.no_grad()
    def _gains_of(
        self, arrays: Parameters, table: Tensor, inputs: Int64, last: Int64, targets: Int64
    ) -> NDArray[np.float64]:
        """Return those of some questions, as ``Questions.blocks`` has them."""
        had = self._here(inputs)
        states = sequence_network.forward(
            arrays, functional.embedding(had, table), self._config, None, self._dtype
        )
        rows, wanted = torch.arange(len(inputs), device=self._device), self._here(targets)
        scores = states[rows, self._here(last)] @ table.T
        scores[:, :-1] += arrays["bias"]
        own = scores[rows, wanted]
        scores.scatter_(1, had, -math.inf)  # the start, which is last, pads too
        scores[rows, wanted] = -math.inf
        scores[:, -1] = -math.inf
        ahead = (scores >= own[:, None]).sum(dim=1)
        return (1 / torch.log2(ahead + 2.0)).cpu().numpy().astype(np.float64)

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
