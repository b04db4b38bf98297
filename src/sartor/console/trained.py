"""``/sartor/v1/models``: what was trained, side by side: how good each is, and what two of them answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from sartor.console import asked
from sartor.console.deployed import items_of
from sartor.console.newest import newest
from sartor.console.overview import quality_of
from sartor.errors import invalid_input, not_found
from sartor.realtime.bulk import Only
from sartor.realtime.deployments import Deployment, Deployments
from sartor.realtime.filtering import Filters
from sartor.realtime.recommend import Recommender
from sartor.realtime.version import Version
from sartor.resources.kind_names import RECOMMENDER, SOLUTION_VERSION
from sartor.resources.kinds import kind_of
from sartor.resources.store import Resource
from sartor.wire.sign import Caller, HttpRequest

_KINDS: Final = (SOLUTION_VERSION, RECOMMENDER)
_MOST: Final = 200
#: What can be compared is asked as campaigns are, and explores nothing.
_ASKED_AS: Final = ("Campaign", {"itemExplorationConfig": {"explorationWeight": "0"}})
_OPERATION: Final = "GetRecommendations"
#: What is kept of a comparison, in bytes: nobody asks again.
_KEPT_BYTES: Final = 2**20
#: So many of the first version's users are drawn for each that is asked; the other may not know all of them.
_DRAWN: Final = 20


@dataclass(frozen=True)
class TrainedPages:
    """Answers for one service.

    Attributes:
        deployments: loads what was trained.
        filters: which filter nothing here.
    """

    deployments: Deployments
    filters: Filters

    def answer(self, caller: Caller, request: HttpRequest, path: str) -> dict[str, Any] | None:
        """Return the answer to a request, ``None`` if it is for no page of this module.

        Raises:
            ApiError: what it names is not there or cannot be compared, or the request has a fault.
        """
        if path == "/sartor/v1/models" and request.method != "POST":
            return self._models(caller, request.parameters)
        if path == "/sartor/v1/models/compare" and request.method == "POST":
            return self._compared(caller, asked.body(request, "Comparison"))
        return None

    def _models(self, caller: Caller, query: Mapping[str, str]) -> dict[str, Any]:
        """Return a page of what was trained, newest first."""
        store = self.deployments.means.store
        limit, search = asked.number(query, "limit", 50, _MOST), query.get("search", "")
        found, more = newest(
            store, caller, _KINDS, ("models", search), limit, query.get("after"), search=search
        )
        return {"models": [_model(one) for one in found], **more}

    def _compared(self, caller: Caller, members: Mapping[str, Any]) -> dict[str, Any]:
        """Return what two versions recommend to the same users, or beside the same items."""
        one, other = (self._trained(caller, members[name]) for name in ("one", "other"))
        pair = [self.deployments.version(arn) for arn in (one.arn, other.arn)]
        needs = {version.serving.needs for version in pair}
        operations = {version.serving.operation for version in pair}
        if operations != {_OPERATION} or not (needs <= {None, "userId"} or needs == {"itemId"}):
            raise invalid_input(
                "Two versions are compared that GetRecommendations asks, by the same userId or itemId."
            )
        member = "itemId" if needs == {"itemId"} else "userId"
        names = _known_to_both(pair, member, members.get("users", 20))
        wanted = members.get("numResults", 10)
        answers = [self._answers(caller, version, member, names, wanted) for version in pair]
        rows = [
            {
                member: name,
                "shared": len({item["itemId"] for item in first} & {item["itemId"] for item in second}),
                "one": first,
                "other": second,
            }
            for name, first, second in zip(names, *answers, strict=True)
        ]
        return {"one": one.arn, "other": other.arn, "by": member, "numResults": wanted, "answers": rows}

    def _trained(self, caller: Caller, arn: str) -> Resource:
        """Return what the caller has trained."""
        kind = kind_of(arn, caller.region, caller.account)
        found = self.deployments.means.store.get(arn) if kind is not None and kind.name in _KINDS else None
        if found is None:
            raise not_found(arn)
        if "artifact" not in found.private:
            raise invalid_input(f"{arn} is not trained yet.")
        return found

    def _answers(
        self, caller: Caller, version: Version, member: str, names: Sequence[str], wanted: int
    ) -> list[list[dict[str, str]]]:
        """Return the best items of a version for each."""
        noun, config = _ASKED_AS
        deployment = Deployment(version.trained.arn, noun, version, config)
        recommender = Recommender(Only(deployment), self.filters, kept_bytes=_KEPT_BYTES)
        found = []
        for name in names:
            request = {"campaignArn": deployment.arn, member: name, "numResults": wanted}
            _, picked = recommender.recommend(caller, request)
            found.append(items_of(version.items, [version.items.name(one.row) for one in picked]))
        return found


def _model(model: Resource) -> dict[str, Any]:
    """Return what was trained with how good it is, and what it is of."""
    body = model.body
    members = ("recipeArn", "datasetGroupArn", "solutionArn", "trainingHours")
    record: Mapping[str, Any] = model.private.get("record") or {}
    return {
        **quality_of(model),
        **{name: body[name] for name in members if name in body},
        "warnings": len(record.get("warnings", ())),
        "trainedAt": record.get("trainedAt"),
        "interactions": record.get("interactions"),
    }


def _known_to_both(pair: Sequence[Version], member: str, wanted: int) -> list[str]:
    """Return users, or items, that two versions know, drawn at even distances."""
    first, second = (
        (version.artifact.users if member == "userId" else version.artifact.items) for version in pair
    )
    drawn = (
        np.linspace(0, len(first) - 1, min(len(first), wanted * _DRAWN)).astype(int).tolist()
        if len(first)
        else []
    )
    known = [name for name in map(first.name, drawn) if second.find(name) is not None]
    places = np.linspace(0, len(known) - 1, min(len(known), wanted)).astype(int).tolist() if known else []
    return [known[place] for place in places]
