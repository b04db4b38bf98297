"""Filters at work: which rows of a deployment's catalogue may be in the answer, by its use case and by the request.

A filter's expression is parsed and held against the schemas once, and again when its resource or they change.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from sartor.errors import invalid_input, not_found
from sartor.filters import apply, tree, values
from sartor.filters.masks import Masks
from sartor.filters.tree import Filter
from sartor.models.base import Bool, Int32
from sartor.realtime.catalogue import Catalogue
from sartor.realtime.deployments import Deployment
from sartor.realtime.scoring import Kept
from sartor.realtime.version import Version
from sartor.resources.call import inactive
from sartor.resources.filters import read
from sartor.resources.kind_names import FILTER
from sartor.resources.kinds import kind_of
from sartor.resources.store import Store

if TYPE_CHECKING:
    from sartor.wire.sign import Caller

Request = dict[str, Any]

#: What may be kept of what users have seen, in bytes.
_UNSEEN_BYTES: Final = 64 * 2**20


class HasSeen(Protocol):
    """What a user did, with items or with actions."""

    @property
    def newest(self) -> int:
        """The number of the user's newest put record."""

    @property
    def seen(self) -> Mapping[str, frozenset[str]]:
        """The ids of the newest ones by event type, in the form in which types are compared."""


@dataclass(frozen=True)
class _Known:
    stamps: frozenset[tuple[Any, ...]]
    arns: tuple[str, ...]
    group: str
    filter: Filter


class Filters:
    """The filters of one service; safe to share between threads.

    Args:
        store: the metadata database.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, _Known] = {}
        self._masks = Masks()
        self._unseen: Kept[Bool | None] = Kept(_UNSEEN_BYTES)

    def allowed(
        self, caller: "Caller", deployment: Deployment, request: Request, history: HasSeen | None
    ) -> Bool | None:
        """Return bool[rows]: what its use case and the request's filter allow; ``None`` allows all.

        Args:
            caller: who asks.
            deployment: the campaign or recommender.
            request: with ``filterArn`` and ``filterValues``, and what the filter looks at: ``userId``, ``itemId``.
            history: what the user did.

        Raises:
            ApiError: there is no such filter, or it cannot be applied to this request.
        """
        unseen = self.unseen(deployment.version, request, history)
        arn = request.get("filterArn")
        if arn is None:
            return unseen
        found = self.of(caller, arn, deployment.version.trained.group)
        self._require_applicable(found, deployment, request, arn)
        allowed = self._evaluated(found, arn, deployment.version, request, history)
        return allowed if unseen is None else _both(allowed, unseen)

    def _evaluated(
        self, found: Filter, arn: str, version: Version, request: Request, history: HasSeen | None
    ) -> Bool:
        """Return bool[rows]: what a filter allows a request."""
        version.catalogue.take_up()
        columns = version.catalogue.columns
        if found.is_of_catalogue:
            known = version.masks.get(arn)
            if known is not None and known[0] is found and known[1] is columns:
                return known[2]
        user = version.user(request.get("userId")) if tree.uses_current_user(found) else None
        seen = None
        if tree.uses_history(found) and history is not None:
            seen = seen_rows(version.catalogue, history)
        current = version.items.find(request["itemId"]) if request.get("itemId") else None
        parameters = values.read(found, request.get("filterValues"))
        allowed = apply.evaluate(found, parameters, columns, columns.n_rows, user, seen, current, self._masks)
        if found.is_of_catalogue:
            version.masks[arn] = (found, columns, allowed)
        return allowed

    def unseen(self, version: Version, request: Request, history: HasSeen | None) -> Bool | None:
        """Return bool[rows]: what a use case does not remove by itself of what a user did; ``None`` if nothing is.

        Source: the guide's pages of use cases: purchased items, or watched ones.
        """
        event_type = version.serving.removes
        if event_type is None or history is None:
            return None
        version.items.take_up()
        columns = version.items.columns

        def made() -> tuple[Bool | None, int]:
            names = history.seen.get(event_type.casefold(), ())
            found_rows = (version.items.find(name) for name in names)
            rows = [row for row in found_rows if row is not None and row < columns.n_rows]
            if not rows:
                return None, 0
            found = np.ones(columns.n_rows, np.bool_)
            found[rows] = False
            found.flags.writeable = False  # who asks again is answered with what was answered
            return found, found.nbytes

        key = (*version.key, request["userId"], version.histories.state(), columns.n_rows)
        return self._unseen.get(key, history.newest, made)

    def shared(
        self, of: Filter, version: Version, user: str | None, given: Mapping[str, str] | None
    ) -> apply.Shared | None:
        """Return what of a filter users share, for a request of one; ``None``: it has to be applied as a whole.

        Args:
            of: the filter.
            version: what answers; its items are taken as they are.
            user: the id of who asks; ``None``: the filter has no IF.
            given: the ``filterValues``.

        Raises:
            ApiError: it cannot be applied to this request.
        """
        if tree.target(of) != "ItemID" or tree.uses_current_item(of):
            return None
        attributes = version.user(user) if tree.uses_current_user(of) else None
        parameters = values.read(of, given)
        return apply.shared(of, parameters, version.items.columns, attributes, self._masks)

    def of(self, caller: "Caller", arn: str, group: str) -> Filter:
        """Return the caller's active filter of a dataset group, checked.

        Raises:
            ApiError: ``InvalidInputException`` for one that is not there or not active, is another group's, or does
                not fit the schemas any more. Of what a request names only an unknown campaign is not found.
        """
        kind = kind_of(arn, caller.region, caller.account)
        if kind is None or kind.name != FILTER:
            raise invalid_input(not_found(arn).message)
        known = self._known.get(arn)
        if known is None or frozenset(self._store.stamps(known.arns)) != known.stamps:
            known = self._known[arn] = self._checked(arn)
        if known.group != group:
            raise invalid_input(f"Filter {arn} belongs to another dataset group than what is asked.")
        return known.filter

    def _checked(self, arn: str) -> _Known:
        self._known.pop(arn, None)
        stamp = self._store.stamps((arn,))
        found = self._store.get(arn)
        if found is None:
            raise invalid_input(not_found(arn).message)
        if found.status != "ACTIVE":
            raise inactive(found, invalid_input)
        group = found.body["datasetGroupArn"]
        arns = (arn, *(dataset.arn for dataset in self._store.datasets(group).values()))
        # each before what it vouches for, so that nothing can be older than they say
        stamps = frozenset([*stamp, *self._store.stamps(arns[1:])])
        datasets = self._store.datasets(group)
        return _Known(stamps, arns, group, read(found.body["filterExpression"], datasets, self._store))

    def _require_applicable(self, found: Filter, deployment: Deployment, request: Request, arn: str) -> None:
        """Refuse a filter that this request cannot be filtered with.

        Raises:
            ApiError: ``InvalidInputException``.
        """
        serving = deployment.version.serving
        if tree.target(found) != serving.target:
            raise invalid_input(
                f"Filter {arn} is about {tree.target(found)}; {serving.operation} needs {serving.target}."
            )
        if tree.uses_current_item(found) and serving.needs != "itemId":
            raise invalid_input(f"Filter {arn} uses CurrentItem, which only recipes for related items have.")
        needs_user = tree.uses_history(found) or tree.uses_current_user(found)
        if needs_user and not request.get("userId"):
            raise invalid_input(f"Filter {arn} looks at the user: userId is required.")


def _both(allowed: Bool, unseen: Bool) -> Bool:
    """Return what both allow; what is newer than one of them waits."""
    rows = min(len(allowed), len(unseen))
    found: Bool = allowed[:rows] & unseen[:rows]
    return found


def seen_rows(catalogue: Catalogue, history: HasSeen) -> dict[str, Int32]:
    """Return the rows of what a user interacted with, by event type."""
    found = {
        kind: [row for name in names if (row := catalogue.find(name)) is not None]
        for kind, names in history.seen.items()
    }
    return {kind: np.array(rows, np.int32) for kind, rows in found.items()}
