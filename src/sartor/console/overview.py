"""``/sartor/v1/overview``: the newest groups with their data, the newest models with their age, and what is asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sartor.console import asked
from sartor.console.datasets import with_rows
from sartor.console.resources import shown
from sartor.console.traffic import Traffic
from sartor.resources.kind_names import CAMPAIGN, DATASET_GROUP, RECOMMENDER, SOLUTION_VERSION
from sartor.resources.records import Means
from sartor.resources.store import Resource
from sartor.wire.sign import Caller, HttpRequest

_MOST: Final = 100
#: How the record of a training calls the model that it made, among those that it compares.
_OWN: Final = "version"


@dataclass(frozen=True)
class OverviewPages:
    """Answers for one service.

    Attributes:
        means: to reach datasets.
        traffic: of this process.
    """

    means: Means
    traffic: Traffic

    def answer(self, caller: Caller, request: HttpRequest, path: str) -> dict[str, Any] | None:
        """Return the answer to a request, ``None`` if it is for no page of this module.

        Raises:
            ApiError: ``InvalidInputException``: the query has a fault.
        """
        if request.method == "POST":
            return None
        if path == "/sartor/v1/overview":
            return self._overview(caller, asked.number(request.parameters, "limit", 10, _MOST))
        if path == "/sartor/v1/traffic":
            return self.traffic.over(f":{caller.region}:{caller.account}:")
        return None

    def _overview(self, caller: Caller, limit: int) -> dict[str, Any]:
        """Return the newest of each sort."""
        with self.means.store.read() as transaction:
            groups, trained, campaigns, recommenders = (
                transaction.page(kind, caller.account, caller.region, limit=limit)
                for kind in (DATASET_GROUP, SOLUTION_VERSION, CAMPAIGN, RECOMMENDER)
            )
            datasets = {group.arn: transaction.datasets(group.arn) for group in groups}
        return {
            "groups": [
                {**shown(one), "datasets": [with_rows(of, self.means) for of in datasets[one.arn].values()]}
                for one in groups
            ],
            "models": [quality_of(one) for one in (*trained, *recommenders)],
            "deployed": [_deployed(one) for one in (*campaigns, *recommenders)],
        }


def quality_of(model: Resource) -> dict[str, Any]:
    """Return a model with how good it is by the metric that decides, beside others of the same examination."""
    found = shown(model)
    evaluation: list[Mapping[str, Any]] = model.private.get("evaluation") or []
    for one in evaluation:
        name = one.get("decides", "")
        beside = one.get("metrics", {}).get(name, {})
        if _OWN in beside:
            others = {model: values["value"] for model, values in beside.items() if model != _OWN}
            above = [
                model
                for model, difference in one.get("differences", {}).get(name, {}).items()
                if difference["low"] > 0
            ]
            return {**found, "metric": name, **beside[_OWN], "others": others, "surelyAbove": above}
    return found


def _deployed(one: Resource) -> dict[str, Any]:
    """Return a campaign or a recommender, with what it serves."""
    served = one.body.get("solutionVersionArn")
    return shown(one) if served is None else {**shown(one), "solutionVersionArn": served}
