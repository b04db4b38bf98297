"""A question to a campaign or a recommender: whom it asks, and what is known of who asks.

Source of the rules: the service model of personalize-runtime and the guide's pages on getting recommendations.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from sartor.data.ids import code_of
from sartor.errors import invalid_input, not_found
from sartor.models.base import Bool, Query
from sartor.realtime import exploration
from sartor.realtime.deployments import Deployment
from sartor.realtime.heads import Head
from sartor.realtime.histories import History
from sartor.realtime.in_context import MOST_INTERACTIONS
from sartor.realtime.scoring import Scores
from sartor.realtime.version import Version
from sartor.recipes import Serving
from sartor.wire.handling import Request

if TYPE_CHECKING:
    from sartor.wire.sign import Caller

MOST_METADATA_COLUMNS: Final = 10


@dataclass(frozen=True)
class Asked:
    """A request to a deployment, with what is known of it.

    Attributes:
        deployment: the campaign or recommender.
        serving: how its recipe answers.
        request: as it came.
        history: what its user did; ``None`` if no user asks.
        find_scores: returns ``scores``.
        allowed: bool[rows], what the request's filter allows; ``None`` allows all.
    """

    deployment: Deployment
    serving: Serving
    request: Request
    history: History | None
    find_scores: "Callable[[Asked], Scores]"
    allowed: Bool | None

    @cached_property
    def scores(self) -> Scores:
        """What the model says."""
        return self.find_scores(self)

    @property
    def head(self) -> Head | None:
        """The best items of all, if they are known and nothing but the user's history has a say in them."""
        history, version = self.history, self.version
        if history is None or history.head is None or self.context or version.changes:
            return None
        return None if version.new is not None and version.new.changes else history.head

    @property
    def item_row(self) -> int | None:
        """The row of the request's item."""
        name = self.request.get("itemId")
        return None if name is None else self.version.items.find(name)

    @property
    def user(self) -> dict[str, str] | None:
        """The attributes of the request's user."""
        return self.version.user(self.request.get("userId"))

    @property
    def version(self) -> Version:
        """The solution version that answers."""
        return self.deployment.version

    @property
    def interactions(self) -> int:
        """How many interactions of the request's user the model is asked with."""
        return 0 if self.history is None else len(self.history.items)

    @property
    def is_of_stranger(self) -> bool:
        """Whether a user asks of whom the model knows nothing that he did."""
        return self.serving.needs == "userId" and not self.interactions

    @cached_property
    def context(self) -> tuple[int, ...]:
        """The numbers of what the version knows of the request's context and of its user."""
        if not self.serving.in_context or not self.version.in_context:
            return ()
        user = self.user if self.interactions <= MOST_INTERACTIONS else None
        return self.version.in_context.values(self.request.get("context") or {}, user or {})

    @cached_property
    def explored(self) -> tuple[float, int]:
        """The share of the answer's places that are explored, and what decides which."""
        share, version = self.deployment.explored_share, self.version
        if share <= 0.0:
            return 0.0, 0
        newest = version.histories.since_training(self.history)
        seeds = exploration.Seeds(version.key)
        return share, seeds.of(code_of(self.request.get("userId") or ""), newest)

    @property
    def query(self) -> Query:
        """The request as the model takes it."""
        history = self.history
        items = np.zeros(0, np.int32) if history is None else history.items
        item = self.version.model_item(self.request["itemId"]) if self.serving.needs == "itemId" else None
        return Query(items, item, None if history is None else history.state, *self.deployment.influence)


class Deployed(Protocol):
    """What can be asked."""

    def of(self, caller: "Caller", arn: str) -> Deployment:
        """Return what the caller asks, as it serves now."""


def deployment_of(deployments: Deployed, caller: "Caller", request: Request, operation: str) -> Deployment:
    """Return the campaign or recommender that a request asks, if it can be asked so.

    Raises:
        ApiError: there is none, or its recipe takes other requests.
    """
    campaign, recommender = request.get("campaignArn"), request.get("recommenderArn")
    if (campaign is None) == (recommender is None):
        raise invalid_input("Provide either campaignArn or recommenderArn.")
    arn = campaign or recommender or ""
    deployment = deployments.of(caller, arn)
    if deployment.is_recommender != (recommender is not None):
        raise not_found(arn)
    recipe = deployment.version.recipe
    serving = deployment.version.serving
    if serving.operation != operation:
        raise invalid_input(
            f"{deployment.noun} {deployment.arn} has the recipe {recipe.name}, "
            f"which {serving.operation} asks, not {operation}."
        )
    for member in (serving.needs, *serving.requires):
        if member is not None and not request.get(member):
            raise invalid_input(f"{member} is required for the recipe {recipe.name}.")
    _require_metadata(deployment, request)
    return deployment


def _require_metadata(deployment: Deployment, request: Request) -> None:
    """Refuse metadata that the campaign or the Items dataset does not give.

    Raises:
        ApiError: ``InvalidInputException``.
    """
    wanted: Mapping[str, Sequence[str]] = request.get("metadataColumns") or {}
    if not wanted:
        return
    if not deployment.metadata_on:
        raise invalid_input(
            f"{deployment.noun} {deployment.arn} does not give metadata: "
            "set enableMetadataWithRecommendations in its configuration."
        )
    columns = wanted.get("ITEMS")
    if columns is None or len(wanted) > 1:
        raise invalid_input("metadataColumns has columns of ITEMS only.")
    if len(columns) > MOST_METADATA_COLUMNS:
        raise invalid_input(
            f"metadataColumns has at most {MOST_METADATA_COLUMNS} columns, not {len(columns)}."
        )
    items = deployment.version.items
    unknown = [name for name in columns if items.metadata_column(name) is None]
    if unknown:
        raise invalid_input(f"The Items dataset has no metadata column {', '.join(unknown)}.")
