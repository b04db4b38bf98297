"""``/sartor/v1``: solution versions and their training, explanations, and filters that are tried out."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sartor.errors import invalid_input, not_found
from sartor.realtime.deployments import Deployments
from sartor.realtime.explain import explain
from sartor.realtime.filtering import Filters
from sartor.realtime.recommend import Recommender
from sartor.realtime.trial import try_filter
from sartor.resources.kinds import KINDS, arn_of, kind_of
from sartor.resources.store import Resource
from sartor.wire.sign import Caller, HttpRequest

_VERSION: Final = re.compile(r"/sartor/v1/solution-versions/(.+)")


@dataclass(frozen=True)
class ModelPages:
    """Answers for one service.

    Attributes:
        deployments: the campaigns, and the way to the data.
        recommender: which answers their questions.
        filters: which filter them.
    """

    deployments: Deployments
    recommender: Recommender
    filters: Filters

    def answer(self, caller: Caller, request: HttpRequest, path: str) -> dict[str, Any] | None:
        """Return the answer to a request, ``None`` if it is for no page of this module.

        Raises:
            ApiError: what it names is not there, or it has a fault.
        """
        found = _VERSION.fullmatch(path)
        if found is not None and request.method != "POST":
            return self._version(self._find(caller, "solution-version", found[1]))
        if path == "/sartor/v1/explain" and request.method == "POST":
            return explain(self.recommender, self.filters, caller, _asked(request, "campaignArn"))
        if path == "/sartor/v1/filters/test" and request.method == "POST":
            asked = _asked(request, "datasetGroupArn", "filterExpression")
            group = self._find(caller, "dataset-group", asked["datasetGroupArn"])
            return try_filter(group, asked, self.deployments)
        return None

    def _find(self, caller: Caller, kind: str, name: str) -> Resource:
        """Return a resource of the caller's by its ARN, or by the ARN's end."""
        arn = name
        if not name.startswith("arn:"):
            solution, _, number = name.partition("/")
            names = {"solution": solution, "id": number} if kind == "solution-version" else {"name": name}
            arn = arn_of(KINDS[kind], caller.region, caller.account, **names)
        named = kind_of(arn, caller.region, caller.account)
        found = self.deployments.store.get(arn) if named is not None and named.name == kind else None
        if found is None:
            raise not_found(arn)
        return found

    def _version(self, version: Resource) -> dict[str, Any]:
        """Return how far a training is, or what it made and of what."""
        with self.deployments.store.read() as transaction:
            task = transaction.task(version.arn)
        answer: dict[str, Any] = {"solutionVersionArn": version.arn, "status": version.status}
        if version.failure_reason is not None:
            answer["failureReason"] = version.failure_reason
        if task is not None:
            answer["attempt"] = task.attempt
            answer["progress"] = task.progress or {}
        for member in ("metrics", "record"):
            if member in version.private:
                answer[member] = version.private[member]
        return answer


def _asked(request: HttpRequest, *required: str) -> dict[str, Any]:
    """Return the JSON object of a request's body.

    Raises:
        ApiError: ``InvalidInputException``: it is none, or lacks something.
    """
    try:
        found: Any = json.loads(request.body or b"{}")
    except ValueError as error:
        raise invalid_input("The body must be a JSON object.") from error
    if not isinstance(found, Mapping):
        raise invalid_input("The body must be a JSON object.")
    missing = [name for name in required if not isinstance(found.get(name), str)]
    if missing:
        raise invalid_input(f"The body misses {', '.join(missing)}.")
    return dict(found)
