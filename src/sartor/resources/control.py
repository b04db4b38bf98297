"""Create, Describe, List and Delete of every kind, from the table of kinds; and everything about tags.

A handler gets a request that the service model has validated, and answers with members of the output shape.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sartor.errors import JobFailed, already_exists, in_use, invalid_input, not_found
from sartor.resources import attribution, catalogue, lifecycle, paging, rules, tags
from sartor.resources.call import Call, Draft, Request, lock_of
from sartor.resources.kinds import BY_ARN_MEMBER, KINDS, UNFINISHED, Kind, kind_of
from sartor.resources.statuses import State
from sartor.resources.store import Duplicate, Resource, Store, Transaction

if TYPE_CHECKING:
    from sartor.data.sources import Sources
    from sartor.wire.sign import Caller

Handler = Callable[["Caller", Request], dict[str, Any]]

#: The statuses in which a resource can be deleted.
_DELETABLE: Final = ("ACTIVE", "CREATE FAILED")


#: The operations that this control plane answers.
ANSWERED: Final = frozenset(
    [f"{verb}{KINDS[name].noun}" for name in rules.CREATE for verb in ("Create", "Describe")]
    + [f"List{KINDS[name].noun}s" for name in rules.CREATE]
    + [f"Delete{KINDS[name].noun}" for name in rules.CREATE if KINDS[name].deletable]
    + [*rules.CHANGE, *rules.READ, "ListMetricAttributionMetrics"]
    + ["TagResource", "UntagResource", "ListRecipes"]
    + ["DescribeRecipe", "DescribeAlgorithm", "DescribeFeatureTransformation"]
)


class Control:
    """The control plane over one metadata database.

    Args:
        store: the database.
        quotas_on: whether Amazon's numbers of resources and jobs apply.
        sources: where training data is read from.
        clock: gives epoch seconds.
    """

    def __init__(
        self, store: Store, quotas_on: bool, sources: "Sources", clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._quotas_on = quotas_on
        self._sources = sources
        self._clock = clock

    def handlers(self) -> dict[str, Handler]:
        """Return what answers each operation, by its name; operations of later issues are absent."""
        handlers: dict[str, Handler] = {}
        for kind in (KINDS[name] for name in rules.CREATE):
            handlers[f"Create{kind.noun}"] = partial(self._create, kind)
            handlers[f"Describe{kind.noun}"] = partial(self._describe, kind)
            handlers[f"List{kind.noun}s"] = partial(self._list, kind)
            if kind.deletable:
                handlers[f"Delete{kind.noun}"] = partial(self._delete, kind)
        for name, change in rules.CHANGE.items():
            handlers[name] = partial(self._write, partial(change, self._now))
        for name, rule in rules.READ.items():
            handlers[name] = partial(self._read, rule)
        secret = self._store.secret
        return handlers | {
            "TagResource": partial(self._write, tags.tag_resource),
            "UntagResource": partial(self._write, tags.untag_resource),
            "ListMetricAttributionMetrics": self._list_metrics,
            "ListRecipes": lambda _caller, request: catalogue.list_recipes(secret, request),
            "DescribeRecipe": lambda _caller, request: catalogue.describe_recipe(request),
            "DescribeAlgorithm": lambda _caller, request: catalogue.describe_algorithm(request),
            "DescribeFeatureTransformation": lambda _caller, request: (
                catalogue.describe_feature_transformation(request)
            ),
        }

    def inline_operations(self) -> frozenset[str]:
        """Return the operations that are quick enough to run on an event loop: one read by key, or none."""
        from_memory = {
            "ListRecipes",
            "DescribeRecipe",
            "DescribeAlgorithm",
            "DescribeFeatureTransformation",
        }
        kinds = [name for name in rules.CREATE if name not in rules.DESCRIBE]
        by_key = {f"Describe{KINDS[name].noun}" for name in kinds} if self._store.local else set()
        return frozenset(from_memory | by_key)

    def _create(self, kind: Kind, caller: "Caller", request: Request) -> dict[str, Any]:
        """Create a resource with its references, tags and task, all or nothing."""
        rule = rules.CREATE[kind.name]
        with self._store.read() as transaction:
            draft = rule(self._call(caller, transaction), request)
        at_call = draft.at_call
        if draft.slow_check is not None:
            try:
                draft.slow_check(self._sources)
            except JobFailed as failure:  # what ends a job ends the call while there is no job yet
                raise invalid_input(failure.reason) from failure
        with self._store.write(lock_of(caller.account, caller.region)) as transaction:
            draft = rule(self._call(caller, transaction), request)
            draft = replace(draft, private={**draft.private, **at_call})
            state: State = "finished" if kind.created_at_once else "waiting"
            status = None if kind.lane is None else lifecycle.status_of(kind.name, "create", state)
            try:
                transaction.add(self._resource(caller, kind.name, draft, status), draft.parents)
                for name, one in draft.also.items():
                    if transaction.get(one.arn) is None:
                        transaction.add(self._resource(caller, name, one, "ACTIVE"), one.parents)
            except Duplicate:
                raise already_exists(draft.arn) from None
            transaction.set_tags(draft.arn, draft.tags)
            if kind.lane is not None and not kind.created_at_once:
                lifecycle.owe(transaction, draft.arn, kind.name, "create", kind.lane)
        return {kind.arn_member: draft.arn, **draft.answer}

    def _resource(self, caller: "Caller", kind: str, draft: Draft, status: str | None) -> Resource:
        """Return a draft as the resource that is written."""
        now = self._now()
        return Resource(
            draft.arn,
            kind,
            caller.account,
            caller.region,
            draft.name,
            status,
            draft.body,
            draft.private,
            created_at=now,
            updated_at=now,
        )

    def _describe(self, kind: Kind, caller: "Caller", request: Request) -> dict[str, Any]:
        """Answer with one resource."""
        arn = request[kind.arn_member]
        resource = self._store.get(arn) if kind_of(arn, caller.region, caller.account) is kind else None
        if resource is None:
            raise not_found(arn)
        shown = _shown(kind, resource)
        more = rules.DESCRIBE.get(kind.name)
        if more is not None:
            with self._store.read() as transaction:
                shown |= more(transaction, resource)
        return {kind.member: shown}

    def _list(self, kind: Kind, caller: "Caller", request: Request) -> dict[str, Any]:
        """Answer with a page of the caller's resources of one kind, newest first."""
        parent = request.get(kind.listed_by) if kind.listed_by else None
        query = (kind.list_member, caller.account, caller.region, parent)
        token = request.get("nextToken")
        after = paging.unseal(self._store.secret, query, token) if token else None
        limit = request.get("maxResults") or paging.DEFAULT_RESULTS
        known = parent is None or kind_of(parent, caller.region, caller.account) is not None
        if not known and not kind.listed_by_known:
            return {kind.list_member: []}  # nobody's here, so nothing of the caller's can name it
        with self._store.read() as transaction:
            if parent is not None and kind.listed_by_known:
                self._call(caller, transaction).find(parent, BY_ARN_MEMBER[kind.listed_by or ""].name)
            found = transaction.page(
                kind.name,
                caller.account,
                caller.region,
                limit=limit + 1,
                parent=parent,
                after=None if after is None else (after[0], after[1]),
            )
        answer: dict[str, Any] = {kind.list_member: [_shown(kind, resource) for resource in found[:limit]]}
        if len(found) > limit:
            last = found[limit - 1]
            answer["nextToken"] = paging.seal(self._store.secret, query, [last.created_at, last.seq])
        return answer

    def _delete(self, kind: Kind, caller: "Caller", request: Request) -> dict[str, Any]:
        """Delete a resource that nothing needs; what has a life of its own is gone once its task has run."""
        with self._store.write(lock_of(caller.account, caller.region)) as transaction:
            resource = self._call(caller, transaction).find(request[kind.arn_member], kind.name)
            if resource.status is not None and resource.status not in _DELETABLE:
                raise in_use(
                    f"Resource {resource.arn} cannot be deleted while its status is {resource.status}."
                )
            if transaction.task(resource.arn) is not None:
                raise in_use(f"Resource {resource.arn} cannot be deleted: it is being updated.")
            holders = [(name, None) for name in kind.held_by]
            workers = [(name, UNFINISHED) for name in kind.held_by_work]
            for name, statuses in (*holders, *workers):
                holder = transaction.child(resource.arn, name, statuses)
                if holder is not None:
                    raise in_use(f"Resource {resource.arn} cannot be deleted: {holder.arn} uses it.")
            if kind.lane is None:
                transaction.remove(resource.arn)
            else:
                status = lifecycle.status_of(kind.name, "delete", "waiting")
                transaction.set_status(resource.arn, status, self._now())
                lifecycle.owe(transaction, resource.arn, kind.name, "delete", "quick")
        return {}

    def _write(
        self, rule: Callable[[Call, Request], dict[str, Any]], caller: "Caller", request: Request
    ) -> dict[str, Any]:
        """Run a rule that changes what is remembered."""
        with self._store.write(lock_of(caller.account, caller.region)) as transaction:
            return rule(self._call(caller, transaction), request)

    def _read(
        self, rule: Callable[[Call, Request], dict[str, Any]], caller: "Caller", request: Request
    ) -> dict[str, Any]:
        """Run a rule that only reads."""
        with self._store.read() as transaction:
            return rule(self._call(caller, transaction), request)

    def _list_metrics(self, caller: "Caller", request: Request) -> dict[str, Any]:
        with self._store.read() as transaction:
            return attribution.list_metric_attribution_metrics(
                self._store.secret, transaction, caller.account, caller.region, request
            )

    def _call(self, caller: "Caller", transaction: Transaction) -> Call:
        return Call(transaction, caller.account, caller.region, self._quotas_on)

    def _now(self) -> float:
        """Return epoch seconds with milliseconds, as the service gives them."""
        return round(self._clock(), 3)


def _shown(kind: Kind, resource: Resource) -> dict[str, Any]:
    """Return a resource with the members of its Describe answer, which are more than those of a list."""
    shown = {
        kind.name_member: resource.name,
        kind.arn_member: resource.arn,
        **resource.body,
        "creationDateTime": resource.created_at,
        "lastUpdatedDateTime": resource.updated_at,
    }
    if resource.status is not None:
        shown["status"] = resource.status
    if resource.failure_reason is not None:
        shown["failureReason"] = resource.failure_reason
    return shown
