"""PutEvents, PutUsers, PutItems, PutActions and PutActionInteractions: records that are durable before the 200.

A handler reads the call into rows and gives them to the writer; its answer is a future that is done once the
rows are on disk. Source of the rules: the service model of personalize-events and the guide's "Recording events".
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

import orjson

from sartor.data import schema
from sartor.data.dataset_types import ACTION_EVENT_TYPES, action_event_type
from sartor.data.put import MAXIMUM_EVENT_BYTES, Mapper, Row
from sartor.data.rules import STRING_CHARACTERS
from sartor.errors import ApiError, ChangedMeanwhile, invalid_input, not_found
from sartor.realtime.rates import Rates
from sartor.resources.call import inactive
from sartor.resources.kind_names import DATASET, EVENT_TRACKER
from sartor.resources.kinds import KINDS, arn_of, kind_of
from sartor.resources.rules import tracking_name
from sartor.resources.store import Resource, Store
from sartor.resources.unchanged import Unchanged
from sartor.wire.handling import Handling, Request

if TYPE_CHECKING:
    from sartor.wire.sign import Caller

#: How many datasets a process keeps the mappings of.
_KNOWN_TARGETS: Final = 10_000


@dataclass(frozen=True)
class _Records:
    """An operation that brings whole records.

    Attributes:
        name: of the operation.
        members: the member that has them.
        id_member: of each, the member that has its id.
        id_column: the column of that.
        dataset_type: where they go.
    """

    name: str
    members: str
    id_member: str
    id_column: str
    dataset_type: str


_RECORDS: Final = (
    _Records("PutUsers", "users", "userId", "USER_ID", "USERS"),
    _Records("PutItems", "items", "itemId", "ITEM_ID", "ITEMS"),
    _Records("PutActions", "actions", "actionId", "ACTION_ID", "ACTIONS"),
)


@dataclass(frozen=True)
class _Target:
    """Where records go.

    Attributes:
        dataset: its resource.
        mapper: turns members into its rows.
        unchanged: whether that is as it was.
    """

    dataset: Resource
    mapper: Mapper
    unchanged: Unchanged


class Recorder:
    """Takes records for the datasets of one service.

    Args:
        store: the metadata database.
        quotas_on: whether Amazon's request rates apply.
        answered: gives the items of an answer of GetRecommendations, by its id.
    """

    def __init__(
        self, store: Store, quotas_on: bool, answered: Callable[[str], Sequence[str]] = lambda _: ()
    ) -> None:
        self._store = store
        self._answered = answered
        self._rates = Rates() if quotas_on else None
        self._targets: dict[tuple[str, str, str], _Target] = {}

    def put_records(self, caller: "Caller", request: Request, of: _Records) -> "Future[None]":
        """Store users, items or actions; a newer record of an id replaces the older one."""
        arn = request["datasetArn"]
        target = self._known(caller, arn, partial(self._dataset_target, caller, arn, of.dataset_type))
        return self._put(
            of.name,
            target,
            lambda: [
                target.mapper.record(of.id_column, one[of.id_member], one.get("properties"))
                for one in request[of.members]
            ],
        )

    def put_events(self, caller: "Caller", request: Request) -> "Future[None]":
        """Store events of one user or session."""
        target = self._tracked(caller, request["trackingId"], EVENT_TRACKER)
        return self._put(
            "PutEvents",
            target,
            lambda: [
                _event(target.mapper, request, one, self._impression(one)) for one in request["eventList"]
            ],
        )

    def _impression(self, event: Mapping[str, Any]) -> str | None:
        """Return the items that were seen: as an event says itself, else those of the answer that it names."""
        if "impression" in event:
            return "|".join(event["impression"])
        if "recommendationId" not in event:  # as most
            return None
        items = self._answered(event["recommendationId"])
        lengths = accumulate(len(item) + 1 for item in items)
        fitting = [
            item for item, length in zip(items, lengths, strict=True) if length <= STRING_CHARACTERS + 1
        ]
        return "|".join(fitting) or None

    def put_action_interactions(self, caller: "Caller", request: Request) -> "Future[None]":
        """Store what users did with actions."""
        target = self._tracked(caller, request["trackingId"], DATASET)
        interactions = request["actionInteractions"]
        return self._put(
            "PutActionInteractions",
            target,
            lambda: [_action_interaction(target.mapper, one) for one in interactions],
        )

    def _put(self, operation: str, target: _Target, rows: Callable[[], list[Row]]) -> "Future[None]":
        """Count a request, read its rows and give them to the writer.

        Raises:
            ApiError: ``ThrottlingException``, or the rows cannot be read.
            ChangedMeanwhile: they cannot be read for a target that is another by now.
        """
        if self._rates is not None:
            self._rates.take(operation, target.dataset.seq)
        try:
            found = rows()
        except ApiError:
            if not self._store.still(target.unchanged):
                raise ChangedMeanwhile from None
            raise
        return self._store.put_records.put(target.dataset.seq, found, target.unchanged)

    def _known(self, caller: "Caller", name: str, find: Callable[[], _Target]) -> _Target:
        """Return a target from memory unless it was seen to have changed, else as it is now."""
        key = (caller.account, caller.region, name)
        target = self._targets.get(key)
        if target is None or not target.unchanged.was:
            self._targets.pop(key, None)
            target = find()
            if len(self._targets) >= _KNOWN_TARGETS:
                self._targets.clear()
            self._targets[key] = target
        return target

    def _tracked(self, caller: "Caller", tracking_id: str, kind: str) -> _Target:
        try:
            return self._known(caller, tracking_id, partial(self._tracked_target, caller, tracking_id, kind))
        except ApiError as error:
            if error.code != "ResourceNotFoundException" or kind != EVENT_TRACKER:
                raise
            raise invalid_input(f"There is no event tracker with the tracking id {tracking_id}.") from error

    def _tracked_target(self, caller: "Caller", tracking_id: str, kind: str) -> _Target:
        """Return where the records with a tracking id go.

        Raises:
            ApiError: nothing of the caller's has this tracking id, or it is not active.
        """
        with self._store.read() as transaction:
            named = transaction.child(tracking_name(tracking_id), kind)
        if named is None or (named.account, named.region) != (caller.account, caller.region):
            raise not_found(tracking_id)
        if kind == DATASET:
            return self._target(named.arn)
        group = named.body["datasetGroupArn"].rpartition("/")[2]
        arn = arn_of(KINDS[DATASET], caller.region, caller.account, group=group, type="INTERACTIONS")
        return self._target(arn, named.arn)

    def _dataset_target(self, caller: "Caller", arn: str, dataset_type: str) -> _Target:
        """Return where the records for a dataset go.

        Raises:
            ApiError: the caller has no such dataset, or it is of another type or not active.
        """
        named = kind_of(arn, caller.region, caller.account)
        if named is None or named.name != DATASET:
            raise not_found(arn)
        target = self._target(arn)
        found = target.dataset.body["datasetType"]
        if found != dataset_type:
            raise invalid_input(f"Dataset {arn} is of type {found}, not of type {dataset_type}.")
        return target

    def _target(self, arn: str, tracker_arn: str | None = None) -> _Target:
        """Return where the records for a dataset go, perhaps by way of an event tracker.

        Raises:
            ApiError: one of them does not exist or is not active.
        """
        # first of all, so that nothing of what is read below can be older than it says
        unchanged = self._store.unchanged([arn] if tracker_arn is None else [arn, tracker_arn])
        if tracker_arn is not None:
            tracker = self._found(tracker_arn)
            if tracker.status != "ACTIVE":
                raise inactive(tracker, invalid_input)
        dataset = self._found(arn)
        if dataset.status not in ("ACTIVE", "UPDATE PENDING", "UPDATE IN_PROGRESS"):
            raise inactive(dataset)
        of_schema = self._found(dataset.body["schemaArn"])
        wanted = schema.parse(of_schema.body["schema"], of_schema.body.get("domain"))
        return _Target(dataset, Mapper(wanted), unchanged)

    def _found(self, arn: str) -> Resource:
        found = self._store.get(arn)
        if found is None:
            raise not_found(arn)
        return found


#: The operations of this module; their answers, empty bodies, are done once the rows are durable.
OPERATIONS: Final[Mapping[str, Handling[Recorder]]] = {
    **{of.name: Handling(partial(Recorder.put_records, of=of), "loop") for of in _RECORDS},
    "PutEvents": Handling(Recorder.put_events, "loop"),
    "PutActionInteractions": Handling(Recorder.put_action_interactions, "loop"),
}


def _event(mapper: Mapper, request: Request, one: Mapping[str, Any], impression: str | None) -> Row:
    """Return the row of one event of PutEvents, with the items that were seen.

    Raises:
        ApiError: ``InvalidInputException``: it is too large, or its properties cannot be read.
    """
    user = request.get("userId")
    _require_small(one)
    members = {
        "USER_ID": user,
        "ITEM_ID": one.get("itemId"),
        "EVENT_TYPE": one["eventType"],
        "EVENT_VALUE": one.get("eventValue"),
        "TIMESTAMP": int(one["sentAt"]),
        "RECOMMENDATION_ID": one.get("recommendationId"),
    }
    if impression is not None:
        members["IMPRESSION"] = impression
    if "metricAttribution" in one:
        members["EVENT_ATTRIBUTION_SOURCE"] = one["metricAttribution"]["eventAttributionSource"]
    return mapper.event(
        members,
        one.get("properties"),
        user=user,
        session=request["sessionId"],
        event=one.get("eventId"),
    )


def _action_interaction(mapper: Mapper, one: Mapping[str, Any]) -> Row:
    """Return the row of one record of PutActionInteractions; its impression is taken and not used.

    Raises:
        ApiError: ``InvalidInputException``: its type is none, it is too large, or its properties cannot be read.
    """
    user = one.get("userId")
    if action_event_type(one["eventType"]) not in ACTION_EVENT_TYPES:
        raise invalid_input(
            f"The eventType of an action interaction must be one of {', '.join(ACTION_EVENT_TYPES)}, "
            f"not {one['eventType']}."
        )
    _require_small(one)
    return mapper.event(
        {
            "USER_ID": user,
            "ACTION_ID": one["actionId"],
            "EVENT_TYPE": one["eventType"],
            "TIMESTAMP": int(one["timestamp"]),
            "RECOMMENDATION_ID": one.get("recommendationId"),
        },
        one.get("properties"),
        item_column="ACTION_ID",
        user=user,
        session=one["sessionId"],
        event=one.get("eventId"),
    )


def _require_small(one: Mapping[str, Any]) -> None:
    """Refuse an event that is too large.

    Raises:
        ApiError: ``InvalidInputException``.
    """
    # what cannot exceed the limit is not measured: the members of most events are short
    if len(one) > 6 or "impression" in one or len(one.get("properties") or "") > 1024:
        size = len(orjson.dumps(one, default=str))
        if size > MAXIMUM_EVENT_BYTES:
            raise invalid_input(f"An event must not be larger than {MAXIMUM_EVENT_BYTES} bytes, not {size}.")
