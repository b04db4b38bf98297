"""Many users answered together: one product for all of them, then the best items of each.

Only users of whom nothing is new since the training are answered so, which in a batch are most; the others are asked
for one by one. What each is answered is what ``recommend`` answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

from sartor.data.ids import codes_of
from sartor.errors import ApiError
from sartor.filters import tree
from sartor.filters.apply import Shared
from sartor.filters.tree import Filter
from sartor.models.base import Bool, Float32, Int32, Int64, Query, top_of_each
from sartor.realtime import exploration, seen
from sartor.realtime.deployments import Deployment
from sartor.realtime.filtering import Filters
from sartor.realtime.histories import SEEN_OF_A_TYPE
from sartor.realtime.in_context import MOST_INTERACTIONS
from sartor.realtime.picked import Picked
from sartor.realtime.recommend import DIGITS, POPULAR
from sartor.realtime.scoring import LARGE_CATALOGUE, Shares

if TYPE_CHECKING:
    from sartor.wire.sign import Caller

Request = dict[str, Any]
Float64 = NDArray[np.float64]

#: The scores of one block take about so many bytes: they stay near the processor.
_BLOCK_BYTES: Final = 2**22
_LEAST_ROWS, _MOST_ROWS = 8, 256
_NO_ITEMS: Final = np.zeros(0, np.int32)
_NOTHING: Final[frozenset[str]] = frozenset()
_EVERYTHING: Final = Shared(np.zeros(0, np.bool_), _NOTHING)


@dataclass(frozen=True)
class _Asked:
    """The users of a block.

    Attributes:
        places: which requests of the block they have made.
        codes: uint64[users], which stand for their ids.
        newest: uint64[users], the number of each one's newest put record.
        numbers: int64[users], in the artifact; -1 is unknown.
        shared: what the filter says for each.
    """

    places: list[int]
    codes: exploration.Numbers
    newest: exploration.Numbers
    numbers: Int64
    shared: list[Shared]


class Blocks:
    """Answers many users of one deployment at once; safe to share between threads.

    Args:
        deployment: what is asked.
        caller: whose filters may be named.
        filters: what filters allow.
        filter_arn: the filter of all requests; ``None`` allows all.
        results: how many items an answer has at most.
    """

    def __init__(
        self, deployment: Deployment, caller: "Caller", filters: Filters, filter_arn: str | None, results: int
    ) -> None:
        self._version = deployment.version
        self._serving = self._version.serving
        self._caller, self._filters, self._filter_arn = caller, filters, filter_arn
        self._results = results
        self._share = exploration.share_of(self._serving.explores, deployment.exploration)
        self._cut_off_seconds = exploration.cut_off_seconds(deployment.exploration)
        self._seeds = exploration.Seeds(self._version.key)
        self._subset = self._serving.scored == "subset"
        self._names: list[bytes] = []
        self._penalties: dict[int, tuple[Bool, Float32]] = {}

    @property
    def able(self) -> bool:
        """Whether users are asked about, and a look at every item is quick."""
        version, serving = self._version, self._serving
        asks = serving.operation == "GetRecommendations" and serving.needs == "userId"
        return asks and version.trends is None and version.model_items < LARGE_CATALOGUE

    @property
    def rows(self) -> int:
        """How many users make a good block."""
        fitting = _BLOCK_BYTES // (4 * max(self._version.model_items, 1))
        return int(np.clip(fitting, _LEAST_ROWS, _MOST_ROWS))

    def outputs(self, requests: Mapping[int, Request]) -> dict[int, bytes]:
        """Return the answers to those requests that can be answered together, as JSON, by their places."""
        self._version.items.take_up()
        asked = self._asked(requests)
        if not asked.places:
            return {}
        model, new = self._version.model, self._version.new
        scores = model.score_batch(self._queries(asked))
        scores = scores if new is None else new.among_all(scores)
        shares = Shares.of(scores, model.has_logits, self._subset)
        gone = self._gone(asked)
        self._mask(scores, asked, gone)
        rows = top_of_each(scores, min(self._results, scores.shape[1]))
        values = np.take_along_axis(scores, np.maximum(rows, 0), axis=1)
        rows[values < shares.edge[:, None]] = -1
        with np.errstate(invalid="ignore"):
            rounded = shares.at(values).astype(np.float64).round(DIGITS)
        return self._written(asked, rows, rounded, gone)

    def _asked(self, requests: Mapping[int, Request]) -> _Asked:
        """Return the users who can be answered together."""
        plain = {at: one for at, one in requests.items() if one.get("userId") and not one.get("context")}
        newest = self._version.histories.unchanged([one["userId"] for one in plain.values()])
        found = [(at, one) for at, one in plain.items() if one["userId"] in newest]
        codes = codes_of([one["userId"] for _, one in found])
        numbers = self._version.artifact.users.find_codes(codes)
        shared = self._shared([one for _, one in found])
        kept = [
            at
            for at, (one, number) in enumerate(zip(found, numbers.tolist(), strict=True))
            if shared[at] is not None and not self._in_context(one[1]["userId"], number)
        ]
        return _Asked(
            places=[found[at][0] for at in kept],
            codes=codes[kept],
            newest=np.array([newest[found[at][1]["userId"]] for at in kept], np.uint64),
            numbers=numbers[kept],
            shared=[one for at in kept if (one := shared[at]) is not None],
        )

    def _shared(self, requests: Sequence[Request]) -> list[Shared | None]:
        """Return what the filter says for each request; ``None`` if the request is to be asked alone."""
        if self._filter_arn is None:
            return [_EVERYTHING] * len(requests)
        try:
            found = self._filters.of(self._caller, self._filter_arn, self._version.trained.group)
        except ApiError:
            return [None] * len(requests)
        if tree.uses_current_user(found):
            return [self._shared_of(found, one) for one in requests]
        known: dict[tuple[tuple[str, str], ...], Shared | None] = {}
        of_each = []
        for one in requests:
            key = tuple(sorted(one["filterValues"].items())) if one.get("filterValues") else ()
            if key not in known:
                known[key] = self._shared_of(found, one)
            of_each.append(known[key])
        return of_each

    def _shared_of(self, found: Filter, request: Request) -> Shared | None:
        try:
            return self._filters.shared(found, self._version, request)
        except ApiError:
            return None

    def _in_context(self, name: str, number: int) -> bool:
        """Return whether a user's attributes say something, which is looked at one by one."""
        if not self._serving.in_context or not self._version.in_context:
            return False
        offsets = self._version.artifact.offsets
        if number >= 0 and int(offsets[number + 1] - offsets[number]) > MOST_INTERACTIONS:
            return False
        user = self._version.user(name)
        return bool(user) and bool(self._version.in_context.values({}, user or {}))

    def _queries(self, asked: _Asked) -> list[Query]:
        found = self._version.artifact
        states, items = found.states, found.item
        begins, ends = found.offsets[asked.numbers].tolist(), found.offsets[asked.numbers + 1].tolist()
        return [
            Query(_NO_ITEMS)
            if number < 0
            else Query(items[begin:end], None, None if states is None else states[number])
            for number, begin, end in zip(asked.numbers.tolist(), begins, ends, strict=True)
        ]

    def _gone(self, asked: _Asked) -> dict[int, Int32]:
        """Return the rows that users have had, as far as the filter removes them, by the user's place in the block."""
        users = [at for at, one in enumerate(asked.shared) if one.removed != _NOTHING]
        if not users:
            return {}
        now = self._version.seen.seen
        who, items, kinds = seen.newest_of_types(now, asked.codes[users], SEEN_OF_A_TYPE)
        rows = self._rows_of(now)[items]
        removing: dict[frozenset[str] | None, Bool] = {
            one: np.array([one is None or kind in one for kind in now.types], np.bool_)
            for one in {asked.shared[at].removed for at in users}
        }
        edges = np.searchsorted(who, np.arange(len(users) + 1))
        found = {}
        for place, at in enumerate(users):
            part = slice(edges[place], edges[place + 1])
            some = rows[part][removing[asked.shared[at].removed][kinds[part]]]
            found[at] = some[some >= 0]
        return found

    def _rows_of(self, now: seen.Seen) -> Int32:
        """Return int32[seen items]: the row of each item that was seen."""
        if now.items is self._version.artifact.items:
            return np.arange(len(now.items), dtype=np.int32)
        rows = (self._version.items.find(name) for name in now.items.names())
        return np.array([-1 if row is None else row for row in rows], np.int32)

    def _mask(self, scores: Float32, asked: _Asked, gone: Mapping[int, Int32]) -> None:
        """Give minus infinity to what filters do not allow."""
        n_items = scores.shape[1]
        kept = [id(one.kept) for one in asked.shared]
        if self._filter_arn is None:
            return
        if len(set(kept)) == 1:
            scores += self._penalty(asked.shared[0].kept, n_items)
        else:
            for at, one in enumerate(asked.shared):
                scores[at] += self._penalty(one.kept, n_items)
        if gone:
            where = np.repeat(np.fromiter(gone, np.int64, len(gone)), [len(one) for one in gone.values()])
            rows = np.concatenate(list(gone.values()))
            known = rows < n_items
            scores[where[known], rows[known]] = -np.inf

    def _penalty(self, kept: Bool, n_items: int) -> Float32:
        """Return float32[items]: 0 for what a mask keeps, else minus infinity."""
        found = self._penalties.get(id(kept))
        if found is None or found[0] is not kept:
            found = (kept, np.where(kept[:n_items], 0, -np.inf).astype(np.float32))
            if len(self._penalties) >= _MOST_ROWS:
                self._penalties.clear()
            self._penalties[id(kept)] = found
        return found[1]

    def _written(
        self, asked: _Asked, rows: Int32, shares: Float64, gone: Mapping[int, Int32]
    ) -> dict[int, bytes]:
        """Return each user's answer."""
        counts = (rows >= 0).sum(axis=1)
        changed = self._explored(asked, rows, counts, gone)
        explored = changed != rows
        last = np.take_along_axis(shares, np.maximum(counts - 1, 0)[:, None], axis=1)
        items, scores = changed.tolist(), np.where(explored, last, shares).tolist()
        wanted = min(self._results, self._version.model_items)
        found = {}
        for at, (place, n, others) in enumerate(
            zip(asked.places, counts.tolist(), explored.any(axis=1).tolist(), strict=True)
        ):
            if not self._subset or (n == wanted and not others):
                found[place] = self._plain(items[at][:n], scores[at][:n])
                continue
            picked = [
                Picked(row, share)
                for row, share in zip(rows[at, :n].tolist(), shares[at].tolist(), strict=False)
            ]
            if n < wanted:
                found[place] = self._with_reasons(self._filled(asked, at, picked, gone.get(at)))
            else:
                found[place] = self._with_reasons(exploration.with_explored(picked, items[at]))
        return found

    def _filled(self, asked: _Asked, at: int, picked: list[Picked], gone: Int32 | None) -> list[Picked]:
        """Return an answer with popular items where the model has none, explored as a whole."""
        allowed = self._allowed(asked.shared[at], gone)
        picked = [*picked, *self._fill(picked, allowed)]
        new = self._version.new_items(self._cut_off_seconds)
        seed = self._seeds.of(int(asked.codes[at]), int(asked.newest[at]))
        return exploration.explored(picked, new, allowed, self._share, seed)

    def _explored(self, asked: _Asked, rows: Int32, counts: Int64, gone: Mapping[int, Int32]) -> Int32:
        """Return int32[users, n]: the answers with new items at the places that are explored."""
        if self._share <= 0.0:
            return rows
        new = self._version.new_items(self._cut_off_seconds)
        seeds = self._seeds.of_all(asked.codes, asked.newest)
        users = np.flatnonzero(exploration.any_explored(self._share, seeds, counts))
        if not len(users) or not len(new.rows):
            return rows
        result = rows.copy()
        is_free = self._is_free(asked, users, gone, new.limit)
        result[users] = exploration.explored_rows(rows[users], new, is_free, self._share, seeds[users])
        return result

    def _is_free(
        self, asked: _Asked, users: Int64, gone: Mapping[int, Int32], limit: int
    ) -> exploration.Free:
        """Return what says which rows some users' answers may have, by their places among these users."""
        if self._filter_arn is None:
            return lambda _at, rows: exploration.within(rows, limit, None)
        kept = [asked.shared[at].kept for at in users.tolist()]
        alike = all(one is kept[0] for one in kept)
        width = max(len(one) for one in kept)
        had = [at * width + gone[user] for at, user in enumerate(users.tolist()) if user in gone]
        taken = np.concatenate(had) if had else _NO_ITEMS

        def is_free(at: Int64, rows: Int32) -> Bool:
            if alike:
                free = exploration.within(rows, width, kept[0])
            else:
                pairs = zip(at.tolist(), rows.tolist(), strict=True)
                free = np.array([row < len(kept[one]) and kept[one][row] for one, row in pairs], np.bool_)
            return free & ~np.isin(at * width + rows, taken) if len(taken) else free

        return is_free

    def _allowed(self, shared: Shared, gone: Int32 | None) -> Bool | None:
        """Return bool[rows]: what the filter allows one user; ``None`` allows all."""
        if self._filter_arn is None:
            return None
        if gone is None or not len(gone):
            return shared.kept
        mask = shared.kept.copy()
        mask[gone[gone < len(mask)]] = False
        return mask

    def _fill(self, picked: Sequence[Picked], allowed: Bool | None) -> list[Picked]:
        """Return popular items for the places that are left."""
        popular = self._version.popular_rows
        if allowed is not None:
            every = np.concatenate([popular, np.arange(len(popular), len(allowed), dtype=np.int32)])
            popular = every[allowed[every]]
        free = popular[~np.isin(popular, [one.row for one in picked])][: self._results - len(picked)]
        return [Picked(row, reason=POPULAR) for row in free.tolist()]

    def _plain(self, rows: list[int], scores: list[float]) -> bytes:
        """Return an answer of the model's own choice."""
        known = self._known_names(rows)
        names = b",".join([known[row] for row in rows])
        reasons = b',"reasons":[%b]' % b",".join([b"[]"] * len(rows)) if self._subset else b""
        return b'{"recommendedItems":[%b],"scores":%b%b}' % (names, orjson.dumps(scores), reasons)

    def _with_reasons(self, picked: Sequence[Picked]) -> bytes:
        """Return an answer that is not the model's alone."""
        known = self._known_names([one.row for one in picked])
        names = b",".join([known[one.row] for one in picked])
        reasons = b""
        if self._subset:
            reasons = b',"reasons":%b' % orjson.dumps([[one.reason] if one.reason else [] for one in picked])
        scores = orjson.dumps([one.score for one in picked])
        return b'{"recommendedItems":[%b],"scores":%b%b}' % (names, scores, reasons)

    def _known_names(self, rows: Sequence[int]) -> list[bytes]:
        """Return items' ids as JSON, those of some rows among them."""
        if max(rows, default=-1) >= len(self._names):
            items = self._version.items
            self._names = [orjson.dumps(items.name(one)) for one in range(len(items))]
        return self._names
