"""GetActionRecommendations: which actions a user will most likely take, and should be shown next.

An action that has expired is not offered, nor one again before its ``REPEAT_FREQUENCY`` is over. An action without a
score is explored at the last places: it would else never get one. Source: the guide's "Next-Best-Action recipe",
"Actions dataset" and "Getting action recommendations".
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sartor import clock
from sartor.data.ids import code_of
from sartor.errors import invalid_input
from sartor.models.base import Bool, Float32, Person, Query
from sartor.realtime import exploration
from sartor.realtime.acting import ActionHistory, Actions, Terms
from sartor.realtime.answer_ids import new_recommendation_id
from sartor.realtime.asked import deployment_of
from sartor.realtime.deployments import Deployment, Deployments
from sartor.realtime.filtering import Filters
from sartor.realtime.picked import Picked
from sartor.realtime.recommend import Recommender
from sartor.realtime.scoring import Kept
from sartor.realtime.version import Version
from sartor.wire.handling import Handling, Request

if TYPE_CHECKING:
    from sartor.wire.sign import Caller


DEFAULT_RESULTS: Final = 5
MOST_RESULTS: Final = 100
#: A propensity that was learned from some hundreds of events has no more digits; what is equal in them is equal.
_DIGITS: Final = 4
_HISTORY_BYTES: Final = 64 * 2**20
#: What each event of a history takes once its times are asked for.
_EVENT_BYTES: Final = 200


class ActionRecommender:
    """Answers the questions to the campaigns of one service that recommend actions.

    Args:
        deployments: the campaigns.
        filters: what filters allow.
        recommender: of items, which keeps what users did with these.
        at_once: gives the reads of a request one moment.
    """

    def __init__(
        self,
        deployments: Deployments,
        filters: Filters,
        recommender: Recommender,
        at_once: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._deployments = deployments
        self._filters = filters
        self._recommender = recommender
        self._at_once = at_once
        self._histories: Kept[ActionHistory] = Kept(_HISTORY_BYTES)
        self._scores: Kept[Float32] = Kept()

    def recommend(self, caller: "Caller", request: Request) -> tuple[Actions, list[Picked]]:
        """Return the actions of a campaign, and which of them answer a request, best first.

        Raises:
            ApiError: the request does not fit the campaign.
        """
        n = _wanted(request)
        if not request.get("campaignArn"):
            raise invalid_input("campaignArn is required.")
        deployment = deployment_of(self._deployments, caller, request, "GetActionRecommendations")
        version = deployment.version
        assert version.actions is not None, "a version of this recipe has actions"
        actions, user = version.actions, request["userId"]
        history = self._history(version, actions, user)
        terms = actions.terms()
        offered = _offered(actions, terms, history, clock.now())
        allowed = self._filters.allowed(caller, deployment, request, history)
        if allowed is not None:
            offered = offered[: len(allowed)] & allowed[: len(offered)]
        scores = np.zeros(len(offered), np.float32)
        found = self._scored(version, user, history)[: len(scores)]
        scores[: len(found)] = found
        picked = _ranked(scores, terms, offered, n)
        return actions, _explored(deployment, user, history, scores, offered, picked)

    def get_action_recommendations(self, caller: "Caller", request: Request) -> dict[str, Any]:
        """Answer with the actions that a user will most likely take."""
        with self._at_once():
            actions, picked = self.recommend(caller, request)
        name = actions.catalogue.name
        shown = [{"actionId": name(one.row), "score": one.score} for one in picked]
        return {"actionList": shown, "recommendationId": new_recommendation_id(request["campaignArn"])}

    def _history(self, version: Version, actions: Actions, user: str) -> ActionHistory:
        """Return what a user did with actions up to now."""
        newest = actions.histories.newest(user)

        def made() -> tuple[ActionHistory, int]:
            found = actions.histories.of(user, newest)
            return found, 1024 + _EVENT_BYTES * len(found.actions)

        return self._histories.get((*version.key, user, actions.histories.state()), newest, made)

    def _scored(self, version: Version, user: str, history: ActionHistory) -> Float32:
        """Return float32[model's actions], rounded; kept until something new is known of the user."""
        items = self._recommender.history(version, user)
        attributes = version.in_context.values({}, version.user(user) or {})

        def made() -> tuple[Float32, int]:
            person = Person(history.actions, history.types, np.array(attributes, np.int32))
            query = Query(np.zeros(0, np.int32) if items is None else items.items, person=person)
            found = version.artifact.model.score(query).round(_DIGITS)
            return found, found.nbytes

        newest = 0 if items is None else items.newest
        return self._scores.get((*version.key, user, history.newest, attributes), newest, made)


#: The operations of this module.
OPERATIONS: Final[Mapping[str, Handling[ActionRecommender]]] = {
    "GetActionRecommendations": Handling(ActionRecommender.get_action_recommendations, "turns"),
}


def _wanted(request: Request) -> int:
    """Return how many actions a request wants.

    Raises:
        ApiError: ``InvalidInputException``: more than there may be.
    """
    n = request.get("numResults") or DEFAULT_RESULTS
    if n > MOST_RESULTS:
        raise invalid_input(f"numResults must be at most {MOST_RESULTS}, not {n}.")
    return int(n)


def _offered(actions: Actions, terms: Terms, history: ActionHistory, now: float) -> Bool:
    """Return bool[rows]: which actions have not expired, and are not waiting until they are repeated."""
    found: Bool = terms.expires > now
    for action, at in history.last.items():
        row = actions.catalogue.find(action)
        if row is not None and row < len(found) and terms.repeat_seconds[row]:
            found[row] &= at + terms.repeat_seconds[row] <= now
    return found


def _ranked(scores: Float32, terms: Terms, offered: Bool, n: int) -> list[Picked]:
    """Return the offered actions that are likeliest; of equal ones the more valuable, then the newer one."""
    rows = np.flatnonzero(offered)
    order = np.lexsort((rows, -terms.created[rows], -terms.value[rows], -scores[rows]))[:n]
    return [Picked(int(row), round(float(scores[row]), _DIGITS)) for row in rows[order]]


def _explored(
    deployment: Deployment,
    user: str,
    history: ActionHistory,
    scores: Float32,
    offered: Bool,
    picked: list[Picked],
) -> list[Picked]:
    """Return an answer with actions that have no score at its last places, at most at half of them."""
    version = deployment.version
    assert version.actions is not None, "a version of this recipe has actions"
    share = deployment.explored_share
    counts = np.zeros(len(offered), np.int64)
    had = version.actions.attention.counts[: len(counts)]
    counts[: len(had)] = had
    unscored = exploration.New.of(np.flatnonzero(scores == 0).astype(np.int32), counts)
    seed = exploration.Seeds(version.key).of(code_of(user), history.newest)
    found = exploration.explored(picked, lambda: unscored, offered, share, seed)
    explored = [one._replace(score=0.0) for one in found if one.reason == exploration.EXPLORED]
    new = explored[: len(picked) // 2]
    return [*picked[: len(picked) - len(new)], *new]
