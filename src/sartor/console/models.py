"""``/sartor/v1``: solution versions and recommenders with their training, explanations, filters that are tried out."""

import re
from dataclasses import dataclass
from typing import Any, Final

from sartor.console import asked
from sartor.errors import invalid_input, not_found
from sartor.realtime.deployments import Deployments
from sartor.realtime.explain import explain
from sartor.realtime.filtering import Filters
from sartor.realtime.recommend import Recommender
from sartor.realtime.trial import try_filter
from sartor.resources.kind_names import DATASET_GROUP
from sartor.resources.kinds import KINDS, arn_at, kind_of
from sartor.resources.lifecycle import FAILED
from sartor.resources.store import Resource
from sartor.wire.read import Reader, read
from sartor.wire.sign import Caller, HttpRequest

_TRAINED: Final = re.compile(r"/sartor/v1/(solution-version|recommender)s/(.+)")


@dataclass(frozen=True)
class ModelPages:
    """Answers for one service.

    Attributes:
        deployments: the campaigns, and the way to the data.
        recommender: which answers their questions.
        filters: which filter them.
        recommendation: reads the members of GetRecommendations.
    """

    deployments: Deployments
    recommender: Recommender
    filters: Filters
    recommendation: Reader

    def answer(self, caller: Caller, request: HttpRequest, path: str) -> dict[str, Any] | None:
        """Return the answer to a request, ``None`` if it is for no page of this module.

        Raises:
            ApiError: what it names is not there, or it has a fault.
        """
        found = _TRAINED.fullmatch(path)
        if found is not None and request.method != "POST":
            return self._training(self._find(caller, found[1], found[2]))
        if path == "/sartor/v1/explain" and request.method == "POST":
            members = read(self.recommendation, request.body)
            if not {"campaignArn", "recommenderArn"} & members.keys():
                raise invalid_input("The body misses campaignArn or recommenderArn.")
            return explain(self.recommender, self.filters, caller, members)
        if path == "/sartor/v1/filters/test" and request.method == "POST":
            members = asked.body(request, "FilterTest")
            group = self._find(caller, DATASET_GROUP, members["datasetGroupArn"])
            return try_filter(group, members, self.deployments.means)
        return None

    def _find(self, caller: Caller, kind: str, name: str) -> Resource:
        """Return a resource of the caller's by its ARN, or by the ARN's end."""
        arn = name
        if not name.startswith("arn:"):
            arn = arn_at(KINDS[kind], caller.region, caller.account, name)
        named = kind_of(arn, caller.region, caller.account)
        found = self.deployments.means.store.get(arn) if named is not None and named.name == kind else None
        if found is None:
            raise not_found(arn)
        return found

    def _training(self, version: Resource) -> dict[str, Any]:
        """Return how far a training is, or what it made and of what."""
        with self.deployments.means.store.read() as transaction:
            task = transaction.task(version.arn)
        answer: dict[str, Any] = {KINDS[version.kind].arn_member: version.arn, "status": version.status}
        if version.failure_reason is not None:
            answer["failureReason"] = version.failure_reason
        if task is not None:
            answer["attempt"] = task.attempt
            answer["progress"] = task.progress or {}
        for member in ("metrics", "evaluation", "record", "forgotten", FAILED):
            if version.private.get(member):
                answer[member] = version.private[member]
        return answer
