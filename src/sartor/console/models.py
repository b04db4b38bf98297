"""``/sartor/v1``: solution versions and recommenders with their training, explanations, filters that are tried out."""

import json
import re
import time
from dataclasses import dataclass
from typing import Any, Final

from sartor.console import asked
from sartor.errors import invalid_input, not_found
from sartor.realtime.deployments import Deployments
from sartor.realtime.explain import explain
from sartor.realtime.filtering import Filters
from sartor.realtime.recommend import Recommender
from sartor.realtime.trial import TriedFilters, try_filter
from sartor.resources import audit
from sartor.resources.call import lock_of
from sartor.resources.kind_names import DATASET_GROUP
from sartor.resources.kinds import KINDS, arn_at, kind_of
from sartor.resources.lifecycle import FAILED, VERIFICATION_FAILED
from sartor.resources.store import Resource
from sartor.wire.read import Reader, read
from sartor.wire.sign import Caller, HttpRequest
from sartor.work import retrain
from sartor.work.retrain import VERIFIED

_TRAINED: Final = re.compile(r"/sartor/v1/(solution-version|recommender)s/(.+)")
_VERIFIED: Final = re.compile(r"/sartor/v1/(solution-version|recommender)s/(.+)/verify")

#: What is kept of answers to filters that are tried, in bytes: nobody asks again.
_KEPT_BYTES: Final = 2**20


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
        verified = _VERIFIED.fullmatch(path)
        if verified is not None and request.method == "POST":
            return self._verify(caller, self._find(caller, verified[1], verified[2]), request)
        if path == "/sartor/v1/explain" and request.method == "POST":
            return self._explained(caller, request.body)
        if path == "/sartor/v1/filters/test" and request.method == "POST":
            members = asked.body(request, "FilterTest")
            group = self._find(caller, DATASET_GROUP, members["datasetGroupArn"])
            return try_filter(group, members, self.deployments.means)
        return None

    def _explained(self, caller: Caller, body: bytes) -> dict[str, Any]:
        """Return why an answer is as it is; a filter may be given by its expression, before it is made."""
        expression, body = _without_expression(body)
        members = read(self.recommendation, body)
        if not {"campaignArn", "recommenderArn"} & members.keys():
            raise invalid_input("The body misses campaignArn or recommenderArn.")
        if expression is None:
            return explain(self.recommender, self.filters, caller, members)
        if "filterArn" in members:
            raise invalid_input("Provide either filterArn or filterExpression.")
        tried = TriedFilters(self.deployments.means.store, expression)
        recommender = Recommender(self.deployments, tried, kept_bytes=_KEPT_BYTES)
        return explain(recommender, tried, caller, {**members, "filterArn": expression})

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

    def _verify(self, caller: Caller, version: Resource, request: HttpRequest) -> dict[str, Any]:
        """Let a model be trained again and compared, and keep who wanted that."""
        force = asked.body(request, "Verification").get("force", False)
        with self.deployments.means.store.write(lock_of(caller.account, caller.region)) as transaction:
            now = transaction.get(version.arn)
            if now is None:
                raise not_found(version.arn)
            retrain.ask(transaction, now, force)
            members = {KINDS[version.kind].arn_member: version.arn}
            record = audit.own_record_of(
                caller, "VerifyModel", {**members, "force": force}, members, time.time()
            )
            transaction.append_audit(caller.account, caller.region, record)
        return {**members, "verifying": {}}

    def _training(self, version: Resource) -> dict[str, Any]:
        """Return how far a training is, or what it made and of what."""
        with self.deployments.means.store.read() as transaction:
            task = transaction.task(version.arn)
        answer: dict[str, Any] = {KINDS[version.kind].arn_member: version.arn, "status": version.status}
        if version.failure_reason is not None:
            answer["failureReason"] = version.failure_reason
        if task is not None and task.verb == "verify":
            answer["verifying"] = task.progress or {}
        elif task is not None:
            answer["attempt"] = task.attempt
            answer["progress"] = task.progress or {}
        for member in ("metrics", "evaluation", "record", "forgotten", FAILED, VERIFIED, VERIFICATION_FAILED):
            if version.private.get(member):
                answer[member] = version.private[member]
        return answer


def _without_expression(body: bytes) -> tuple[str | None, bytes]:
    """Return the ``filterExpression`` of a body, and the body without it; the reader refuses what is no object.

    Raises:
        ApiError: ``InvalidInputException``: it is no text.
    """
    try:
        members = json.loads(body)
    except (ValueError, RecursionError):
        return None, body
    if not isinstance(members, dict) or "filterExpression" not in members:
        return None, body
    expression = members.pop("filterExpression")
    if not isinstance(expression, str):
        raise invalid_input("filterExpression must be a text.")
    return expression, json.dumps(members).encode()
