"""Many users answered together: one product for all of them, then the best items of each.

Only users of whom nothing is new since the training are answered so, which in a batch are most; the others are asked
for one by one. What each is answered is what ``recommend`` answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sartor.data.ids import codes_of
from sartor.errors import ApiError
from sartor.filters import tree
from sartor.filters.apply import Shared
from sartor.filters.tree import Filter
from sartor.models.base import Bool, Int32, Int64
from sartor.realtime import exploration, seen
from sartor.realtime.answer_rows import AnswerRows, Pieces
from sartor.realtime.block_scores import BlockScores
from sartor.realtime.deployments import Deployment
from sartor.realtime.filtering import Filters
from sartor.realtime.in_context import MOST_INTERACTIONS
from sartor.realtime.picked import Picked
from sartor.realtime.recommend import POPULAR
from sartor.realtime.scoring import LARGE_CATALOGUE

if TYPE_CHECKING:
    from sartor.wire.sign import Caller

Values = Mapping[str, str]
Float64 = NDArray[np.float64]

_NO_ITEMS: Final = np.zeros(0, np.int32)
_NOTHING: Final[frozenset[str]] = frozenset()
_EVERYTHING: Final = Shared(np.zeros(0, np.bool_), _NOTHING)


@dataclass(frozen=True)
class _Asked:
    """The users of a block.

    Attributes:
        places: which requests of the block they have made.
        codes: uint64[users], which stand for their ids.
        numbers: int64[users], in the artifact; -1 is unknown.
        shared: what the filter says for each.
    """

    places: list[int]
    codes: exploration.Numbers
    numbers: Int64
    shared: list[Shared]


class Together(NamedTuple):
    """The answers to those users of a block who can be answered together.

    Attributes:
        places: of each user, whatever they are.
        pieces: object[users, k], what each answer is joined of, as JSON.
    """

    places: list[int]
    pieces: Pieces

    def by_place(self) -> dict[int, bytes]:
        """Return each answer."""
        return {place: b"".join(row) for place, row in zip(self.places, self.pieces.tolist(), strict=True)}


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
        self._share, self._cut_off_seconds = deployment.explored_share, deployment.cut_off_seconds
        self._seeds = exploration.Seeds(self._version.key)
        self._subset = self._serving.scored == "subset"
        self._scores = BlockScores(self._version)
        self._rows_seen: tuple[seen.Seen, Int32] | None = None
        self._known_writer: AnswerRows | None = None

    @property
    def able(self) -> bool:
        """Whether users are asked about, and a look at every item is quick."""
        version, serving = self._version, self._serving
        asks = serving.operation == "GetRecommendations" and serving.needs == "userId"
        return asks and version.trends is None and version.model_items < LARGE_CATALOGUE

    def outputs(
        self, places: Sequence[int], names: Sequence[str], values: Sequence[Values | None]
    ) -> Together:
        """Return the answers to those users that can be answered together.

        Args:
            places: of each user, whatever they are.
            names: the users' ids.
            values: the ``filterValues`` of each.
        """
        self._version.items.take_up()
        asked = self._asked(places, names, values)
        if not asked.places:
            return Together([], np.empty((0, 1), object))
        gone = self._gone(asked)
        masks = [None if one is _EVERYTHING else one.kept for one in asked.shared]
        found = self._scores.of(asked.numbers, masks, gone, self._results)
        return Together(asked.places, self._written(asked, *found, gone))

    def _asked(self, places: Sequence[int], names: Sequence[str], values: Sequence[Values | None]) -> _Asked:
        """Return the users who can be answered together."""
        codes = codes_of(names)
        numbers = self._version.artifact.users.find_codes(codes)
        shared = self._shared(names, values)
        changed = self._version.histories.changed(names)
        alone = {at for at, one in enumerate(shared) if one is None}
        if changed:
            alone.update(at for at, name in enumerate(names) if name in changed)
        if self._serving.in_context and self._version.in_context:
            alone.update(
                at
                for at, (name, number) in enumerate(zip(names, numbers.tolist(), strict=True))
                if self._in_context(name, number)
            )
        if not alone:
            return _Asked(list(places), codes, numbers, [one for one in shared if one is not None])
        together = [at for at in range(len(names)) if at not in alone]
        return _Asked(
            places=[places[at] for at in together],
            codes=codes[together],
            numbers=numbers[together],
            shared=[one for at in together if (one := shared[at]) is not None],
        )

    def _shared(self, names: Sequence[str], values: Sequence[Values | None]) -> Sequence[Shared | None]:
        """Return what the filter says for each user; ``None`` if the user is to be asked for alone."""
        if self._filter_arn is None:
            return [_EVERYTHING] * len(names)
        try:
            found = self._filters.of(self._caller, self._filter_arn, self._version.trained.group)
        except ApiError:
            return [None] * len(names)
        if tree.uses_current_user(found):
            return [self._shared_of(found, *one) for one in zip(names, values, strict=True)]
        if not any(values):
            return [self._shared_of(found, None, None)] * len(names)
        known: dict[tuple[tuple[str, str], ...], Shared | None] = {}
        of_each = []
        for given in values:
            key = tuple(sorted(given.items())) if given else ()
            if key not in known:
                known[key] = self._shared_of(found, None, given)
            of_each.append(known[key])
        return of_each

    def _shared_of(self, found: Filter, name: str | None, given: Values | None) -> Shared | None:
        try:
            return self._filters.shared(found, self._version, name, given)
        except ApiError:
            return None

    def _in_context(self, name: str, number: int) -> bool:
        """Return whether a user's attributes say something, which is looked at one by one."""
        offsets = self._version.artifact.offsets
        if number >= 0 and int(offsets[number + 1] - offsets[number]) > MOST_INTERACTIONS:
            return False
        user = self._version.user(name) or {}
        return bool(user) and bool(self._version.in_context.values({}, user))

    def _gone(self, asked: _Asked) -> dict[int, Int32]:
        """Return the rows that users have had, as far as the filter removes them, by the user's place in the block."""
        users = [at for at, one in enumerate(asked.shared) if one.removed != _NOTHING]
        if not users:
            return {}
        now = self._version.seen.seen
        who, items, kinds = seen.newest_of_types(now, asked.codes[users], seen.SEEN_OF_A_TYPE)
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
        known = self._rows_seen
        if known is None or known[0] is not now:
            rows = (self._version.items.find(name) for name in now.items.names())
            known = (now, np.array([-1 if row is None else row for row in rows], np.int32))
            self._rows_seen = known
        return known[1]

    def _written(self, asked: _Asked, rows: Int32, shares: Float64, gone: Mapping[int, Int32]) -> Pieces:
        """Return object[users, k]: what each user's answer is joined of."""
        counts = (rows >= 0).sum(axis=1)
        changed = self._explored(asked, rows, counts, gone)
        explored = changed != rows
        last = np.take_along_axis(shares, np.maximum(counts - 1, 0)[:, None], axis=1)
        scores = np.where(explored, last, shares)
        wanted = rows.shape[1]
        plain = counts == wanted
        if self._subset:
            plain &= ~explored.any(axis=1) & (counts == self._results)
        writer = self._writer
        users = np.flatnonzero(plain)
        found = writer.pieces(changed[users, :wanted], scores[users, :wanted])
        if len(users) == len(rows):
            return found
        found, some = np.full((len(rows), found.shape[1]), b"", object), found
        found[users] = some
        for at in np.flatnonzero(~plain).tolist():
            n = int(counts[at])
            if self._subset and n < self._results:
                pairs = zip(rows[at, :n].tolist(), shares[at, :n].tolist(), strict=True)
                picked = self._filled(asked, at, [Picked(*pair) for pair in pairs], gone.get(at))
                of_each = (
                    [one.row for one in picked],
                    [one.score for one in picked],
                    [one.reason for one in picked],
                )
            else:
                reasons = [exploration.EXPLORED if one else None for one in explored[at, :n].tolist()]
                of_each = changed[at, :n].tolist(), scores[at, :n].tolist(), reasons
            found[at, 0] = writer.one(*of_each)
        return found

    def _filled(self, asked: _Asked, at: int, picked: list[Picked], gone: Int32 | None) -> list[Picked]:
        """Return an answer with popular items where the model has none, explored as a whole."""
        allowed = self._allowed(asked.shared[at], gone)
        picked = [*picked, *self._fill(picked, allowed)]
        new = self._version.new_items(self._cut_off_seconds)
        seed = self._seeds.of(int(asked.codes[at]), 0)
        return exploration.explored(picked, lambda: new, allowed, self._share, seed)

    def _explored(self, asked: _Asked, rows: Int32, counts: Int64, gone: Mapping[int, Int32]) -> Int32:
        """Return int32[users, n]: the answers with new items at the places that are explored."""
        if self._share <= 0.0:
            return rows
        new = self._version.new_items(self._cut_off_seconds)
        seeds = self._seeds.of_all(asked.codes)
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
        alike = len(set(map(id, kept))) == 1
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

    @property
    def _writer(self) -> AnswerRows:
        """What writes answers about all items that are there now."""
        names, known = self._version.items.json_names, self._known_writer
        if known is None or known.names is not names:
            known = self._known_writer = AnswerRows(names, self._subset)
        return known
