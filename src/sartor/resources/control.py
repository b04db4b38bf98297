"""Create, Describe, List and Delete of every kind, from the table of kinds; and the table of all operations.

A handler gets a request that the service model has validated, and answers with members of the output shape.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sartor import clock
from sartor.errors import JobFailed, in_use, invalid_input, not_found
from sartor.resources import audit, catalogue, lifecycle, paging, rules
from sartor.resources.call import Call, Request, lock_of
from sartor.resources.kinds import BY_ARN_MEMBER, KINDS, UNFINISHED, Kind, kind_of
from sartor.resources.store import Resource, Store, Transaction
from sartor.traces import TRACEPARENT
from sartor.wire.handling import Handling

if TYPE_CHECKING:
    from sartor.data.sources import Sources
    from sartor.wire.sign import Caller


class Control:
    """The control plane over one metadata database.

    Args:
        store: the database.
        quotas_on: whether Amazon's numbers of resources and jobs apply.
        sources: where training data is read from.
        clock: gives epoch seconds.
    """

    def __init__(
        self, store: Store, quotas_on: bool, sources: "Sources", clock: Callable[[], float] = clock.now
    ) -> None:
        self._store = store
        self._quotas_on = quotas_on
        self._sources = sources
        self._clock = clock

    def create(self, caller: "Caller", request: Request, kind: Kind) -> dict[str, Any]:
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
            call = self._call(caller, transaction)
            draft = rule(call, request)
            draft = replace(draft, private={**draft.private, **at_call})
            lifecycle.begin(call, kind, draft)
            answer = {kind.arn_member: draft.arn, **draft.answer}
            _record(call, caller, f"Create{kind.noun}", request, answer)
        return answer

    def describe(self, caller: "Caller", request: Request, kind: Kind) -> dict[str, Any]:
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

    def page(self, caller: "Caller", request: Request, kind: Kind) -> dict[str, Any]:
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

    def delete(self, caller: "Caller", request: Request, kind: Kind) -> dict[str, Any]:
        """Delete a resource that nothing needs; what has a life of its own is gone once its task has run."""
        with self._store.write(lock_of(caller.account, caller.region)) as transaction:
            call = self._call(caller, transaction)
            resource = call.find(request[kind.arn_member], kind.name)
            if resource.status is not None and resource.status not in kind.deleted_in:
                raise in_use(
                    f"Resource {resource.arn} cannot be deleted while its status is {resource.status}."
                )
            if not lifecycle.make_way(transaction, resource.arn):
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
                transaction.set_status(resource.arn, status, call.now)
                lifecycle.owe(transaction, resource.arn, kind.name, "delete")
            _record(call, caller, f"Delete{kind.noun}", request, {})
        return {}

    def write(
        self, caller: "Caller", request: Request, name: str, rule: Callable[[Call, Request], dict[str, Any]]
    ) -> dict[str, Any]:
        """Run the rule of an operation that changes what is remembered."""
        with self._store.write(lock_of(caller.account, caller.region)) as transaction:
            call = self._call(caller, transaction)
            answer = rule(call, request)
            _record(call, caller, name, request, answer)
        return answer

    def read(
        self, caller: "Caller", request: Request, rule: Callable[[Call, Request], dict[str, Any]]
    ) -> dict[str, Any]:
        """Run a rule that only reads."""
        with self._store.read() as transaction:
            return rule(self._call(caller, transaction), request)

    def list_recipes(self, _caller: "Caller", request: Request) -> dict[str, Any]:
        """Answer with a page of the recipes, which are the same for everybody."""
        return catalogue.list_recipes(self._store.secret, request)

    def _call(self, caller: "Caller", transaction: Transaction) -> Call:
        now = round(self._clock(), 3)
        return Call(transaction, caller.account, caller.region, self._quotas_on, now, self._store.secret)


def _record(
    call: Call, caller: "Caller", operation: str, request: Request, answer: Mapping[str, Any]
) -> None:
    """Keep who changed what, in the transaction of the change, and whose trace its work belongs to."""
    record = audit.record_of(caller, operation, request, answer, call.now)
    call.transaction.append_audit(caller.account, caller.region, record)
    traceparent = None if caller.request is None else caller.request.scope.get(TRACEPARENT)
    if traceparent is not None:
        lifecycle.trace(call.transaction, traceparent)


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


def _of_catalogue(rule: Callable[[Request], dict[str, Any]]) -> Handling[Control]:
    """Return the row of an operation that needs nothing but memory."""
    return Handling(lambda _control, _caller, request: rule(request), "loop", "loop")


def _of_kind(kind: Kind) -> dict[str, Handling[Control]]:
    """Return the rows of a kind."""
    by_key = kind.name not in rules.DESCRIBE
    rows: dict[str, Handling[Control]] = {
        f"Create{kind.noun}": Handling(partial(Control.create, kind=kind)),
        f"Describe{kind.noun}": Handling(
            partial(Control.describe, kind=kind), "loop" if by_key else "thread"
        ),
        f"List{kind.noun}s": Handling(partial(Control.page, kind=kind)),
    }
    if kind.deletable:
        rows[f"Delete{kind.noun}"] = Handling(partial(Control.delete, kind=kind))
    return rows


#: Every operation that the control plane answers.
OPERATIONS: Final[Mapping[str, Handling[Control]]] = {
    **{operation: row for name in rules.CREATE for operation, row in _of_kind(KINDS[name]).items()},
    **{name: Handling(partial(Control.write, name=name, rule=rule)) for name, rule in rules.CHANGE.items()},
    **{name: Handling(partial(Control.read, rule=rule)) for name, rule in rules.READ.items()},
    "ListRecipes": Handling(Control.list_recipes, "loop", "loop"),
    "DescribeRecipe": _of_catalogue(catalogue.describe_recipe),
    "DescribeAlgorithm": _of_catalogue(catalogue.describe_algorithm),
    "DescribeFeatureTransformation": _of_catalogue(catalogue.describe_feature_transformation),
}
