"""What is like a history by its metadata: the cosine of rare tokens, newer items louder. Nothing is learned."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from sartor.models.base import Bool, Features, Float32, Int32, Int64, Model, Query, Run, TrainingData
from sartor.models.token_overlap import Tokens

#: Of all tokens of a history the weightiest count, so that a long one costs no more.
_PROFILE: Final = 128
#: What is at least so near to the history as this share of what is nearest relates to it.
_RELATED: Final = np.float32(0.5)


@dataclass(frozen=True)
class Config:
    """What is decided before a training.

    Attributes:
        recency: an item that was there ``k`` steps before the query counts ``recency ** (k - 1)``.
        window: how many items of a history count.
    """

    recency: float = 0.85
    window: int = 30


class TokenCosineModel(Model):
    """Scores how much of a history's rare tokens an item has, new ones too; 0 is nothing.

    Args:
        config: what it was made with.
        n_items: how many items there are.
        arrays: ``starts`` int64[items + 1]: an item has ``tokens[starts[i]:starts[i + 1]]``, int32, and of its length
            each is ``shares``, float32; ``holders``, ``held`` and ``held_shares`` are the same by token.
    """

    name: ClassVar[str] = "token_cosine"
    knows_new: ClassVar[bool] = True

    def __init__(self, config: Config, n_items: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.config = config
        self.n_items = n_items
        self._arrays = dict(arrays)
        self._starts: Int64 = np.asarray(arrays["starts"])
        self._tokens: Int32 = np.asarray(arrays["tokens"])
        self._shares: Float32 = np.asarray(arrays["shares"])
        self._holders: Int64 = np.asarray(arrays["holders"])
        self._held: Int32 = np.asarray(arrays["held"])
        self._held_shares: Float32 = np.asarray(arrays["held_shares"])
        self._recency = (config.recency ** np.arange(config.window)).astype(np.float32)

    def score(self, query: Query) -> Float32:
        """Return float32[items]; no item speaks for itself."""
        newest_first = query.history[::-1][: self.config.window]
        recency = self._recency[: len(newest_first)]
        entries, owner = _joined(self._starts, newest_first)
        if not len(entries):
            return np.zeros(self.n_items, np.float32)
        tokens, place = np.unique(self._tokens[entries], return_inverse=True)
        profile = np.bincount(place, self._shares[entries] * recency[owner])
        if len(tokens) > _PROFILE:
            weightiest = np.sort(np.argpartition(-profile, _PROFILE)[:_PROFILE])
            tokens, profile = tokens[weightiest], profile[weightiest]
        entries, owner = _joined(self._holders, tokens)
        found = np.bincount(self._held[entries], self._held_shares[entries] * profile[owner], self.n_items)
        own = np.bincount(newest_first, recency, self.n_items)
        others: Float32 = np.maximum(found - own, 0).astype(np.float32)
        return others

    def related(self, scores: Float32) -> Bool:
        """Return bool[queries, items]: what is about as near to the history as anything."""
        found: Bool = (scores > 0) & (scores >= _RELATED * scores.max(axis=1, keepdims=True))
        return found

    def settings(self) -> dict[str, Any]:
        """Return the config and how many items there are."""
        return {"config": asdict(self.config), "n_items": self.n_items}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what the constructor takes."""
        return dict(self._arrays)

    @classmethod
    def restored(cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the model of these settings and arrays."""
        return cls(Config(**settings["config"]), settings["n_items"], arrays)


def fit(data: TrainingData, config: Config | None = None, run: Run | None = None) -> TokenCosineModel:
    """Return a model of what the items have.

    Args:
        data: what is known of items; interactions do not count.
        config: ``None`` takes the defaults.
        run: how it runs.

    Raises:
        Stopped: the run says so.
    """
    (run or Run()).keep_on()
    nothing = Features(np.zeros(0, np.int32), np.zeros(data.n_items + 1, np.int64), 0)
    tokens = Tokens(data.features or nothing)
    order = np.lexsort((tokens.items, tokens.tokens))
    arrays: dict[str, NDArray[Any]] = {
        "starts": np.searchsorted(tokens.items, np.arange(data.n_items + 1)).astype(np.int64),
        "tokens": tokens.tokens.astype(np.int32),
        "shares": tokens.shares,
        "holders": np.searchsorted(tokens.tokens[order], np.arange(tokens.n_tokens + 1)).astype(np.int64),
        "held": tokens.items[order].astype(np.int32),
        "held_shares": tokens.shares[order],
    }
    return TokenCosineModel(config or Config(), data.n_items, arrays)


def _joined(starts: Int64, rows: NDArray[np.integer[Any]]) -> tuple[Int64, Int64]:
    """Return int64[entries] twice: the entries of some rows, one row after the other, and which row each is of."""
    begins = starts[rows]
    sizes = starts[rows + 1] - begins
    owner = np.repeat(np.arange(len(rows)), sizes)
    return np.arange(len(owner)) + (begins - (np.cumsum(sizes) - sizes))[owner], owner


MODEL = TokenCosineModel
