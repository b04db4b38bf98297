"""GetRecommendations and GetPersonalizedRanking: a question to a campaign or a recommender, and what answers it.

Source of the rules: the service model of personalize-runtime and the guide's pages on getting recommendations.
"""

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

from sartor.errors import invalid_input, quick_enough
from sartor.models.base import Bool, Float32, Int32
from sartor.models.best import top
from sartor.realtime import exploration, promotions
from sartor.realtime.answer import Answer, How
from sartor.realtime.answer_ids import new_recommendation_id
from sartor.realtime.asked import Asked, Deployed, deployment_of
from sartor.realtime.attention import IMPRESSIONS, Answers
from sartor.realtime.deployments import Deployment
from sartor.realtime.filtering import Filters
from sartor.realtime.histories import History
from sartor.realtime.picked import Picked
from sartor.realtime.scoring import (
    CACHE_BYTES,
    LARGE_CATALOGUE,
    Kept,
    Scores,
    all_scores,
    best_of,
    few_allowed,
    scores_of,
)
from sartor.realtime.version import Version
from sartor.recipes import Serving
from sartor.wire.handling import Handling, Request

if TYPE_CHECKING:
    from sartor.wire.sign import Caller

DEFAULT_RESULTS: Final = 25
MOST_RESULTS: Final = 500
MOST_RESULTS_WITH_METADATA: Final = 50
#: Scores have so many digits after the point.
DIGITS: Final = 7
#: No sum of shares is taken for less, so that nothing is divided by zero.
_LEAST: Final = 1e-30
_HISTORY_BYTES: Final = 64 * 2**20
_ANSWER_BYTES: Final = 128 * 2**20
#: What each item of a history takes once filters have asked for its id.
_SEEN_BYTES: Final = 100
POPULAR: Final = "Popular item"


class Recommender:
    """Answers the questions to the campaigns of one service.

    Args:
        deployments: what can be asked.
        filters: what filters allow.
        at_once: gives the reads of a request one moment.
        kept_bytes: of scores that are kept for who asks again.

    Attributes:
        answers: those whose items count as seen if an event names the answer.
        answered: how many answers came about how, by the ARN of what was asked and ``Answer.how``.
    """

    def __init__(
        self,
        deployments: Deployed,
        filters: Filters,
        at_once: Callable[[], AbstractContextManager[None]] = nullcontext,
        kept_bytes: int = CACHE_BYTES,
    ) -> None:
        self._deployments = deployments
        self._at_once = at_once
        self._filters = filters
        self._histories: Kept[History] = Kept(min(_HISTORY_BYTES, kept_bytes))
        self._scores: Kept[Scores] = Kept(kept_bytes)
        self._answers: Kept[Answer] = Kept(min(_ANSWER_BYTES, kept_bytes))
        self.answers = Answers()
        self.answered = Counter[tuple[str, str]]()
        self._counting = threading.Lock()  # most calls come on the event loop, what takes long in threads

    def _ask(self, caller: "Caller", request: Request, deployment: Deployment) -> Asked:
        """Return a request to a deployment with what is known of it.

        Raises:
            ApiError: it cannot be asked so.
        """
        serving = deployment.version.serving
        history = self.history(deployment.version, request.get("userId"))
        allowed = self._filters.allowed(caller, deployment, request, history)
        return Asked(deployment, serving, request, history, self._scored, allowed)

    def recommend(self, caller: "Caller", request: Request) -> tuple[Asked, list[Picked]]:
        """Return what a GetRecommendations request asks, and the items that answer it, best first.

        Raises:
            ApiError: the request does not fit the campaign.
        """
        return self._recommend(caller, request, self._asked(caller, request, "GetRecommendations"))

    def _recommend(
        self, caller: "Caller", request: Request, deployment: Deployment
    ) -> tuple[Asked, list[Picked]]:
        n = _wanted(request)
        return self._picked(caller, self._ask(caller, request, deployment), n)

    def _picked(self, caller: "Caller", asked: Asked, n: int) -> tuple[Asked, list[Picked]]:
        request, picked = asked.request, _explored(asked, _ranked(asked, n))
        promotion = next(iter(request.get("promotions") or ()), None)
        if promotion is None:
            return asked, picked
        if not asked.serving.promotes:
            raise invalid_input(f"Recipe {asked.version.recipe.name} takes no promotions.")
        of_promotion = {**request, "filterArn": promotion.get("filterArn")}
        of_promotion["filterValues"] = promotion.get("filterValues", {})
        allowed = self._filters.allowed(caller, asked.deployment, of_promotion, asked.history)
        among = replace(asked, allowed=allowed)
        return asked, promotions.merged(promotion, _ranked(among, n), picked, n)

    def rank(self, caller: "Caller", request: Request) -> tuple[Asked, list[Picked], list[str]]:
        """Return what a GetPersonalizedRanking request asks, and its items: the known ones, best first, and the others.

        Raises:
            ApiError: the request does not fit the campaign.
        """
        return self._rank(caller, request, self._asked(caller, request, "GetPersonalizedRanking"))

    def _rank(
        self, caller: "Caller", request: Request, deployment: Deployment
    ) -> tuple[Asked, list[Picked], list[str]]:
        names = list(dict.fromkeys(request["inputList"]))
        most = MOST_RESULTS_WITH_METADATA if request.get("metadataColumns") else MOST_RESULTS
        if len(names) > most:
            raise invalid_input(f"inputList must have at most {most} items, not {len(names)}.")
        asked = self._ask(caller, request, deployment)
        version = asked.version
        rows = {name: version.items.find(name) for name in names}
        if asked.allowed is not None:
            rows = {name: row for name, row in rows.items() if _passes(asked.allowed, row)}
        known = np.array([row for row in rows.values() if _is_known(version, row)], np.int32)
        unknown = [name for name, row in rows.items() if not _is_known(version, row)]
        scores = _all(asked)
        shares = scores.shares(known)
        shares /= max(float(shares.sum()), _LEAST)
        order = np.argsort(-scores.values[known], kind="stable")
        return asked, _with_shares(asked.serving, known[order], shares[order]), unknown

    def get_recommendations(self, caller: "Caller", request: Request) -> bytes:
        """Answer with the best items for a user, or those related to an item."""

        def made(deployment: Deployment) -> Answer:
            n = _wanted(request)
            asked = self._ask(caller, request, deployment)
            at_once = _at_once(asked, n)
            if at_once is not None:
                return at_once
            _, picked = self._picked(caller, asked, n)
            return Answer.of("itemList", _written(asked, picked), _how(asked, picked))

        deployment, answer = self._counted(caller, request, "GetRecommendations", made)
        recommendation_id = new_recommendation_id(deployment.arn)
        if deployment.version.serving.explores == "configured":
            self.answers.remember(recommendation_id, answer.shown)
        return answer.body(recommendation_id)

    def get_personalized_ranking(self, caller: "Caller", request: Request) -> bytes:
        """Answer with the items of the request, best first; those that the model does not know come last."""

        def made(deployment: Deployment) -> Answer:
            asked, picked, unknown = self._rank(caller, request, deployment)
            ranking = [*_written(asked, picked), *({"itemId": name} for name in unknown)]
            return Answer.of("personalizedRanking", ranking, _how(asked, picked, unknown))

        deployment, answer = self._counted(caller, request, "GetPersonalizedRanking", made)
        return answer.body(new_recommendation_id(deployment.arn))

    def _counted(
        self, caller: "Caller", request: Request, operation: str, make: Callable[[Deployment], Answer]
    ) -> tuple[Deployment, Answer]:
        """Return what is asked and its answer, which is counted by how it came about."""
        deployment, answer = self._answer(caller, request, operation, make)
        with self._counting:
            self.answered[deployment.arn, answer.how] += 1
        return deployment, answer

    def _answer(
        self, caller: "Caller", request: Request, operation: str, make: Callable[[Deployment], Answer]
    ) -> tuple[Deployment, Answer]:
        """Return what is asked and its answer: the one of before, if nothing that it came from has changed since."""
        with self._at_once():
            deployment = self._asked(caller, request, operation)
            if request.get("promotions"):  # they stand at random places
                return deployment, make(deployment)
            asked = orjson.dumps(request)

            def made() -> tuple[Answer, int]:
                found = make(deployment)
                return found, found.nbytes + len(asked)

            return deployment, self._answers.get(asked, self._state(caller, request, deployment), made)

    def _state(self, caller: "Caller", request: Request, deployment: Deployment) -> tuple[object, ...]:
        """Return what is another once anything has changed that the answer to a request comes from.

        Read before the answer is made: that may know more than its state says, never less.
        """
        version, user, arn = deployment.version, request.get("userId"), request.get("filterArn")
        return (
            deployment.number,
            version.state(),
            None if user is None else version.histories.newest(user),
            None if arn is None else self._filters.of(caller, arn, version.trained.group),
            exploration.hour(),
        )

    def _asked(self, caller: "Caller", request: Request, operation: str) -> Deployment:
        return deployment_of(self._deployments, caller, request, operation)

    def history(self, version: Version, user: str | None) -> History | None:
        """Return what a user did up to now; ``None`` if no user asks."""
        if user is None:
            return None
        newest = version.histories.newest(user)

        def made() -> tuple[History, int]:
            found = version.histories.of(user, newest)
            return found, 1024 + found.items.nbytes + found.times.nbytes + _SEEN_BYTES * len(found.items)

        return self._histories.get((*version.key, user, version.histories.state()), newest, made)

    def _scored(self, asked: Asked) -> Scores:
        """Return what the model says for a request; kept until something new is known of who or what is asked for."""
        version, needs = asked.version, asked.serving.needs
        if version.trends is not None:
            return version.trends.scores
        newest = asked.history.newest if needs == "userId" and asked.history is not None else 0

        def made() -> tuple[Scores, int]:
            quick_enough(version.model_items >= LARGE_CATALOGUE)
            found = scores_of(version.model, asked.query, asked.serving.scored == "subset")
            found = _in_context(asked, found)
            return found, found.nbytes

        who = None if needs is None else asked.request.get(needs)
        key = (*version.key, who, version.changes, asked.context, asked.deployment.influence)
        found = self._scores.get(key, newest, made)
        new = version.new
        if new is None or not new.changes:
            return found

        def widened() -> tuple[Scores, int]:
            known = new.among(found)
            return known, known.nbytes

        return self._scores.get((*key, new.changes), newest, widened)


#: The operations of this module. A ranking takes long enough that calls take turns.
OPERATIONS: Final[Mapping[str, Handling[Recommender]]] = {
    "GetRecommendations": Handling(Recommender.get_recommendations, "turns"),
    "GetPersonalizedRanking": Handling(Recommender.get_personalized_ranking, "turns"),
}


def _ranked(asked: Asked, n: int) -> list[Picked]:
    """Return the model's choice among what is allowed; a recipe of a subset fills it with popular items."""
    version = asked.version
    mask = asked.allowed
    if asked.serving.needs == "itemId":
        mask = _without(mask, version.model_item(asked.request["itemId"]), len(version.items))
    picked = _best(asked, mask, n)
    if asked.serving.scored != "subset" or len(picked) >= n:
        return picked
    there = {one.row for one in picked}
    newer = range(len(version.popular_rows), 0 if mask is None else len(mask))
    more = (int(row) for row in chain(version.popular_rows, newer) if mask is None or mask[row])
    fill = (Picked(row, reason=POPULAR) for row in more if row not in there)
    return [*picked, *(one for one, _ in zip(fill, range(n - len(picked)), strict=False))]


def _best(asked: Asked, mask: Bool | None, n: int) -> list[Picked]:
    """Return the best allowed items of those that the model scored; a recipe of a subset scores the best alone."""
    serving, known = asked.serving, _of_head(asked, mask, n)
    if known is not None:
        return _with_shares(serving, *known)
    scores = asked.scores
    subset = serving.scored == "subset"
    if scores.items is not None:
        few = None if subset or mask is None else few_allowed(asked.version.model, mask, n)
        if few is not None:
            scores = scores.joined(_in_context(asked, best_of(asked.version.model, asked.query, few)))
        assert scores.items is not None, "a shortlist stays one"
        places = _first(scores.items, mask, n)
        if subset or few is not None or len(places) >= n:
            return _with_shares(serving, scores.items[places], scores.shares(places))
        scores = _all(asked)
    rows = _top(scores.values, n, mask)
    if subset:
        rows = rows[scores.values[rows] >= scores.edge]
    return _with_shares(serving, rows, scores.shares(rows))


def _of_head(asked: Asked, mask: Bool | None, n: int) -> tuple[NDArray[np.unsignedinteger], Float32] | None:
    """Return the rows and shares, best first, of those items that are known beforehand; ``None`` if too few are."""
    head = asked.head
    if head is None:
        return None
    rows, shares = head["row"], head["share"]
    # a mask knows all items of the model
    places = slice(n) if mask is None else mask[rows].nonzero()[0][:n]
    chosen = rows[places]
    return (chosen, shares[places]) if len(chosen) == n else None


def _at_once(asked: Asked, n: int) -> Answer | None:
    """Return the answer of items that are known beforehand, written without an object for each: most first answers.

    ``None`` where anything but an item and its score is to be said.
    """
    request, serving = asked.request, asked.serving
    if request.get("promotions") or request.get("metadataColumns") or serving.scored is None:
        return None
    known = _of_head(asked, asked.allowed, n)
    if known is None:
        return None
    rows, scores = known[0].tolist(), known[1].astype(np.float64).round(DIGITS).tolist()
    share, seed = asked.explored
    if exploration.explores(share, seed, n):
        if serving.scored == "subset":  # then it says why
            return None
        changed = exploration.explored_alone(rows, _new_items(asked), asked.allowed, share, seed)
        scores = [
            score if old == row else scores[-1] for score, old, row in zip(scores, rows, changed, strict=True)
        ]
        rows = changed
    name = asked.version.items.name
    shown = tuple(map(name, rows[:IMPRESSIONS])) if serving.explores == "configured" else ()
    how: How = "popular" if asked.is_of_stranger else "model"
    return Answer.of_best(asked.version.items.names_as_json(rows), scores, shown, how)


def _how(asked: Asked, picked: Sequence[Picked], others: Sequence[str] = ()) -> How:
    """Return how an answer came about, of the items that were picked and others that nobody knows."""
    if not picked and not others:
        return "empty"
    filled = asked.serving.scored == "subset" and any(one.reason == POPULAR for one in picked)
    return "popular" if filled or asked.is_of_stranger else "model"


def _top(values: Float32, n: int, mask: Bool | None) -> Int32:
    """Return int32[<= n]: the best rows that a mask allows; rows newer than the scores or the mask wait."""
    if mask is None:
        return top(values, n)
    known = min(len(values), len(mask))
    return top(values[:known], n, mask[:known])


def _first(rows: Int32, mask: Bool | None, n: int) -> NDArray[np.intp]:
    """Return intp[<= n]: the places of the first rows that a mask allows."""
    if mask is None:
        return np.arange(min(n, len(rows)))
    found = np.flatnonzero(_passing(rows[: 8 * n], mask))
    return (np.flatnonzero(_passing(rows, mask)) if len(found) < n else found)[:n]


def _passing(rows: Int32, mask: Bool) -> Bool:
    """Return bool[rows]: which a mask allows; rows that are newer than it wait."""
    found: Bool = (rows < len(mask)) & mask[np.minimum(rows, len(mask) - 1)] if len(mask) else rows < 0
    return found


def _all(asked: Asked) -> Scores:
    """Return the scores of all items, also of a catalogue that is so large that a shortlist is kept."""
    if asked.scores.items is None:
        return asked.scores
    quick_enough(takes_long=True)
    return _with_new(asked, _in_context(asked, all_scores(asked.version.model, asked.query)))


def _with_new(asked: Asked, scores: Scores) -> Scores:
    """Return scores with those of newer items, if the recipe explores."""
    new = asked.version.new
    return scores if new is None else new.among(scores)


def _in_context(asked: Asked, scores: Scores) -> Scores:
    """Return scores with what the request's context and its user's attributes say."""
    if not asked.context:
        return scores
    return scores.lifted(asked.version.in_context.lift(asked.context, asked.interactions))


def _explored(asked: Asked, picked: list[Picked]) -> list[Picked]:
    """Return an answer with new items at some of its places, if the recipe explores."""
    share, seed = asked.explored
    return exploration.explored(picked, lambda: _new_items(asked), asked.allowed, share, seed)


def _new_items(asked: Asked) -> exploration.New:
    """Return what is explored."""
    if asked.allowed is None:  # else the filter has taken up what is new
        asked.version.items.take_up()
    return asked.version.new_items(asked.deployment.cut_off_seconds)


def _with_shares(serving: Serving, rows: NDArray[np.integer], shares: Float32) -> list[Picked]:
    if serving.scored is None:
        return [Picked(row) for row in rows.tolist()]
    rounded = shares.astype(np.float64).round(DIGITS)
    return list(map(Picked, rows.tolist(), rounded.tolist()))


def _written(asked: Asked, picked: Sequence[Picked]) -> list[dict[str, Any]]:
    """Return items as the service writes them."""
    wanted = (asked.request.get("metadataColumns") or {}).get("ITEMS", ())
    items = asked.version.items
    columns = [column for name in wanted if (column := items.metadata_column(name)) is not None]
    name = items.name
    shown: list[dict[str, Any]] = [
        {"itemId": name(row)} if score is None else {"itemId": name(row), "score": score}
        for row, score, _, _ in picked
    ]
    for entry, (_, _, reason, promotion) in zip(shown, picked, strict=True):
        if promotion is not None:
            entry["promotionName"] = promotion
        if reason is not None and asked.serving.scored == "subset":
            entry["reason"] = [reason]
    if columns:
        for entry, one in zip(shown, picked, strict=True):
            metadata = items.metadata(one.row, columns)
            if metadata:
                entry["metadata"] = metadata
    return shown


def _wanted(request: Request) -> int:
    """Return how many items a request wants.

    Raises:
        ApiError: ``InvalidInputException``: more than there may be.
    """
    n = request.get("numResults") or DEFAULT_RESULTS
    with_metadata = bool(request.get("metadataColumns"))
    most = MOST_RESULTS_WITH_METADATA if with_metadata else MOST_RESULTS
    if n > most:
        words = " when metadataColumns are asked for" if with_metadata else ""
        raise invalid_input(f"numResults must be at most {most}{words}, not {n}.")
    return int(n)


def _passes(allowed: Bool, row: int | None) -> bool:
    """Return whether a filter lets an item of a ranking pass; one that nobody knew when it was applied has no row."""
    return row is None or row >= len(allowed) or bool(allowed[row])


def _is_known(version: Version, row: int | None) -> bool:
    return row is not None and row < version.model_items


def _without(mask: Bool | None, row: int | None, count: int) -> Bool | None:
    """Return a mask that does not allow one row; masks are shared and never written to."""
    if row is None:
        return mask
    changed = np.ones(count, np.bool_) if mask is None else mask.copy()
    changed[row] = False
    return changed
