"""A small causal transformer over the items of a history; its answers need numpy alone.

Pre-norm blocks with a learned bias for each head and distance in place of positions, embeddings that are also the
output, and one bias an item. The recipe and what each part of it brings are in the project's notes on accuracy.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, ClassVar, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from sartor.models import retrieval
from sartor.models.base import Float32, Histories, Int8, Int32, Model, Query, Run, TrainingData
from sartor.models.sequence_catalogue import INTERACTIONS, NOTHING, TOKENS, Catalogue
from sartor.models.sequence_config import Amount, Config

__all__ = ["INTERACTIONS", "MODEL", "NOTHING", "TOKENS", "Config", "SequenceModel", "fit"]

_FUTURE: Final = np.float32(-1e9)
_EPSILON: Final = np.float32(1e-5)
_ROOT_2_BY_PI: Final = np.float32((2 / np.pi) ** 0.5)
#: Positions that are scored together; more only costs memory.
_BLOCK_POSITIONS: Final = 8_192
#: Positions whose attention is computed together.
_ATTENTION_BLOCK: Final = 64
#: Histories whose states calibrate the index of a large catalogue.
_INDEX_QUERIES: Final = 256
_INDEX: Final = "index."


class _Layer(NamedTuple):
    """One block as it is used; ``x`` has a position a row and weights multiply from the right."""

    norm1: tuple[Float32, Float32]  # gain, shift: float32[d]
    qkv: tuple[Float32, Float32]  # float32[d, 3d], float32[3d]; the queries scaled already
    near: Float32  # float32[heads, window, window]: what each distance adds, the future excluded
    out: tuple[Float32, Float32]  # float32[d, d], float32[d]
    norm2: tuple[Float32, Float32]
    up: tuple[Float32, Float32]  # float32[d, 2d], float32[2d]
    down: tuple[Float32, Float32]  # float32[2d, d], float32[d]


class SequenceModel(Model):
    """Scores the next item of a history.

    Args:
        config: what it was made with.
        arrays: ``items`` float32[items, d], ``bias`` float32[items], ``start`` float32[d], the input before the first
            item, and the parts of each layer; those of the index, if there is one, after "index."; ``learned``
            int8[items].
        record: how the training went, as ``sequence_training.Record`` has it; empty for what earlier versions trained.

    Attributes:
        learned: int8[items], what each item's row and bias were learned from: ``INTERACTIONS``; ``TOKENS`` alone, so
            that an item without interactions is scored by its metadata; or ``NOTHING``, and its score says nothing.
        record: the same.
    """

    name: ClassVar[str] = "sequence"
    has_logits: ClassVar[bool] = True

    def __init__(
        self, config: Config, arrays: Mapping[str, NDArray[Any]], record: Mapping[str, Any] | None = None
    ) -> None:
        self.config = config
        self.record = dict(record or {})
        self._arrays = dict(arrays)
        # of a mapped file the plain view: numpy's own class for it makes every operation slower
        self.items: Float32 = np.asarray(arrays["items"])
        self.bias: Float32 = np.asarray(arrays["bias"])
        self.n_items = len(self.items)
        self.learned: Int8 = arrays.get("learned", np.full(self.n_items, INTERACTIONS, np.int8))
        self._layers = [_layer(config, arrays, number) for number in range(config.layers)]
        index = {
            name.removeprefix(_INDEX): array for name, array in arrays.items() if name.startswith(_INDEX)
        }
        self._index = retrieval.Index(index) if index else None
        self._norm = (np.array(arrays["norm.gain"]), np.array(arrays["norm.shift"]))

    def score(self, query: Query) -> Float32:
        """Return float32[items]."""
        scores: Float32 = self.items @ self.state(query)
        scores += self.bias
        return scores

    def score_batch(self, queries: Sequence[Query]) -> Float32:
        """Return float32[queries, items]."""
        states = np.empty((len(queries), self.config.d), np.float32)
        unknown = [at for at, query in enumerate(queries) if query.state is None]
        known = [at for at, query in enumerate(queries) if query.state is not None]
        if known:
            states[known] = [queries[at].state for at in known]
        if unknown:
            states[unknown] = self._in_blocks([queries[at].history for at in unknown])
        scores: Float32 = states @ self.items.T
        scores += self.bias
        return scores

    def score_some(self, query: Query, items: Int32) -> Float32:
        """Return float32[k]: the rows of these items alone are looked at."""
        rows, bias = self._rows(items)
        scores: Float32 = rows @ self.state(query)
        scores += bias
        return scores

    def _rows(self, items: Int32) -> tuple[Float32, Float32]:
        """Return float32[k, d] and float32[k], of the index if there is one: two copies of all rows are too many."""
        return (self.items[items], self.bias[items]) if self._index is None else self._index.rows_of(items)

    def states(self, histories: Histories, keep_on: Callable[[], None] = lambda: None) -> Float32:
        """Return float32[users, d]: what the product with the items is taken of."""
        return self._in_blocks([histories.of(user) for user in range(histories.n_users)], keep_on)

    def product(self) -> tuple[Float32, Float32]:
        """Return the items and the bias of each."""
        return self.items, self.bias

    def shortlist(self, query: Query, size: int) -> tuple[Int32, Float32] | None:
        """Return the likely best items and their exact scores; ``None`` without an index."""
        if self._index is None:
            return None
        return self._index.search(self.state(query), size)

    def state(self, query: Query) -> Float32:
        """Return float32[d]: of one history."""
        if query.state is not None:
            return query.state
        state: Float32 = self._states([query.history])[0]
        return state

    def _in_blocks(self, histories: Sequence[Int32], keep_on: Callable[[], None] = lambda: None) -> Float32:
        """Return float32[histories, d]; histories of about one length are computed together."""
        states = np.empty((len(histories), self.config.d), np.float32)
        ends = [history[-self.config.window :] for history in histories]
        order = sorted(range(len(ends)), key=lambda at: len(ends[at]))
        while order:
            keep_on()
            # of the longest that are left, as many as fit into a block
            chosen = order[-max(_BLOCK_POSITIONS // (len(ends[order[-1]]) + 1), 1) :]
            del order[-len(chosen) :]
            states[chosen] = self._states([ends[at] for at in chosen])
        return states

    def _states(self, histories: Sequence[Int32]) -> Float32:
        """Return float32[histories, d] of histories that are computed as one block."""
        x, last = self._inputs(histories)
        for layer in self._layers[:-1]:
            x = _block(x, layer, self.config.heads)
        if self._layers:
            found = _last_of_block(x, last, self._layers[-1], self.config.heads)
        else:
            found = x[np.arange(len(x)), last]
        return _normed(found, self._norm)

    def _inputs(self, histories: Sequence[Int32]) -> tuple[Float32, NDArray[np.intp]]:
        """Return float32[histories, length, d], padded on the right, and where each one's last position is."""
        window = self.config.window
        lengths = np.array([min(len(history) + 1, window) for history in histories])
        x = np.zeros((len(histories), lengths.max(), self.config.d), np.float32)
        for row, history in enumerate(histories):
            # a history that fills the window has no start, as in training
            begins = int(len(history) < window)
            if begins:
                x[row, 0] = self._arrays["start"]
            x[row, begins : lengths[row]] = self._rows(history[-window:])[0]
        return x, lengths - 1

    def settings(self) -> dict[str, Any]:
        """Return the config, and the record of the training."""
        return {**asdict(self.config), "record": self.record}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the parameters as the training left them."""
        return dict(self._arrays)

    @classmethod
    def restored(cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the model of these settings and arrays."""
        known = {one.name for one in fields(Config)}  # versions before this one had others besides
        config = Config(**{name: value for name, value in settings.items() if name in known})
        return cls(config, arrays, settings.get("record"))


def fit(data: TrainingData, config: Config | None = None, run: Run | None = None) -> SequenceModel:
    """Return a fitted model; on a GPU if there is one.

    Args:
        data: what it is fitted on; the order of each history counts, and metadata: what the items' tokens say is part
            of their rows, so that an item without interactions has one too.
        config: ``None`` lets the data decide.
        run: how it runs.

    Raises:
        Stopped: the run says so.
        ModuleNotFoundError: torch is not installed.
        ValueError: there are no interactions.
    """
    from sartor.models import sequence_training

    if not len(data.histories.items):
        raise ValueError("There are no interactions to learn from.")
    run = run or Run()
    catalogue = Catalogue.of(data)
    decided = (config or Config()).decided(
        Amount.of(data.histories), on_gpu=sequence_training.gpu() is not None
    )
    arrays, record = sequence_training.train(catalogue, decided, run)
    model = SequenceModel(decided, catalogue.widened(arrays), record)
    return indexed(model, data, run) if data.n_items >= retrieval.LEAST_ITEMS else model


def indexed(model: SequenceModel, data: TrainingData, run: Run) -> SequenceModel:
    """Return the model with an index of its items, if that is worth it for the histories it was fitted on."""
    rng = np.random.default_rng(run.seed)
    known = np.flatnonzero(data.histories.lengths)
    users = rng.choice(known, min(_INDEX_QUERIES, len(known)), replace=False)
    states = np.stack([model.state(Query(data.histories.of(int(user)))) for user in users])
    index = retrieval.Index.made(model.items, model.bias, states, run.seed, run.keep_on)
    if index is None:
        return model
    own = {f"{_INDEX}{name}": array for name, array in index.arrays().items()}
    return SequenceModel(model.config, {**model.arrays(), **own}, model.record)


def _layer(config: Config, arrays: Mapping[str, NDArray[Any]], number: int) -> _Layer:
    """Return one block with what can be computed beforehand; copies, as a mapped file is slow to find again."""

    def pair(name: str, end: str = "weight") -> tuple[Float32, Float32]:
        return np.array(arrays[f"{number}.{name}.{end}"]), np.array(arrays[f"{number}.{name}.shift"])

    weight, shift = pair("qkv")
    scale = np.float32((config.d // config.heads) ** -0.5)
    weight[:, : config.d] *= scale
    shift[: config.d] *= scale
    steps = np.arange(config.window)
    distance = steps[:, None] - steps
    near = np.where(distance >= 0, arrays[f"{number}.near"][:, np.maximum(distance, 0)], _FUTURE)
    return _Layer(
        norm1=pair("norm1", "gain"),
        qkv=(weight, shift),
        near=near.astype(np.float32),
        out=pair("out"),
        norm2=pair("norm2", "gain"),
        up=pair("up"),
        down=pair("down"),
    )


def _block(x: Float32, layer: _Layer, heads: int) -> Float32:
    """Return float32[histories, length, d]: the whole block, changed in place."""
    histories, length, d = x.shape
    qkv = _linear(_normed(x, layer.norm1), layer.qkv).reshape(histories, length, 3, heads, d // heads)
    q, k, v = qkv.transpose(2, 0, 3, 1, 4)  # float32[histories, heads, length, d / heads] each
    y = np.empty((histories, length, heads, d // heads), np.float32)
    for first in range(0, length, _ATTENTION_BLOCK):
        # nobody looks at what comes later, so most of it need not be computed
        end = min(first + _ATTENTION_BLOCK, length)
        attention = q[:, :, first:end] @ k[:, :, :end].swapaxes(2, 3)
        attention += layer.near[:, first:end, :end]
        y[:, first:end] = (_softmax(attention) @ v[:, :, :end]).transpose(0, 2, 1, 3)
    x += _linear(y.reshape(x.shape), layer.out)
    x += _feed_forward(x, layer)
    return x


def _last_of_block(x: Float32, last: NDArray[np.intp], layer: _Layer, heads: int) -> Float32:
    """Return float32[histories, d]: the block at each history's last position alone."""
    histories, length, d = x.shape
    each = d // heads
    rows = np.arange(histories)
    weight, shift = layer.qkv
    y = _normed(x, layer.norm1)
    q = _linear(y[rows, last], (weight[:, :d], shift[:d])).reshape(histories, heads, 1, each)
    kv = _linear(y, (weight[:, d:], shift[d:])).reshape(histories, length, 2, heads, each)
    k, v = kv.transpose(2, 0, 3, 1, 4)
    attention = q @ k.swapaxes(2, 3)  # float32[histories, heads, 1, length]
    attention += layer.near[:, last, None, :length].swapaxes(0, 1)
    found: Float32 = x[rows, last]
    found += _linear((_softmax(attention) @ v).reshape(histories, d), layer.out)
    found += _feed_forward(found, layer)
    return found


def _feed_forward(x: Float32, layer: _Layer) -> Float32:
    return _linear(_gelu(_linear(_normed(x, layer.norm2), layer.up)), layer.down)


def _linear(x: Float32, pair: tuple[Float32, Float32]) -> Float32:
    # as one matrix: numpy multiplies a stack of matrices one by one
    found: Float32 = x.reshape(-1, x.shape[-1]) @ pair[0]
    found += pair[1]
    return found.reshape(*x.shape[:-1], -1)


def _normed(x: Float32, pair: tuple[Float32, Float32]) -> Float32:
    rows = x.reshape(-1, x.shape[-1])
    # a product with equal weights takes a third of the time that ``mean`` takes
    equal = np.full((x.shape[-1], 1), 1 / x.shape[-1], np.float32)
    found: Float32 = rows - rows @ equal
    variance = (found * found) @ equal
    variance += _EPSILON
    found /= np.sqrt(variance)
    found *= pair[0]
    found += pair[1]
    return found.reshape(x.shape)


def _softmax(x: Float32) -> Float32:
    """Return the softmax of the last dimension, in place."""
    x -= x.max(axis=-1, keepdims=True)
    np.exp(x, out=x)
    x /= x.sum(axis=-1, keepdims=True)
    return x


def _gelu(x: Float32) -> Float32:
    """Return GELU by way of tanh, which numpy has, as in the training of earlier versions."""
    found: Float32 = x * x
    found *= np.float32(0.044715)
    found += np.float32(1)
    found *= x
    found *= _ROOT_2_BY_PI
    np.tanh(found, out=found)
    found += np.float32(1)
    found *= x
    found *= np.float32(0.5)
    return found


MODEL = SequenceModel
