"""Data events in the audit: who put records or asked for recommendations, without what was put or answered.

As CloudTrail's, they are off unless they are wanted. A call costs a line in memory; a thread writes them some at a
time, all of a second together as one link of their chain, so a process that is killed loses those of its last second.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from sartor.resources import audit
from sartor.resources.call import lock_of
from sartor.resources.store import Store
from sartor.wire.handling import Handled, Request, Result

if TYPE_CHECKING:
    from sartor.wire.sign import Caller

LOG = logging.getLogger("sartor.audit")

#: The operations, and whether they change nothing.
DATA_EVENTS: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("PutEvents", "PutUsers", "PutItems", "PutActions", "PutActionInteractions"), False),
    **dict.fromkeys(("GetRecommendations", "GetPersonalizedRanking", "GetActionRecommendations"), True),
}
#: The members of their requests that name a resource, and say nothing of anybody.
_NAMING: Final[tuple[str, ...]] = ("trackingId", "datasetArn", "campaignArn", "recommenderArn", "filterArn")
#: How often they are written, in seconds, and how many at most in one link.
WRITTEN_SECONDS: Final = 1.0
_LINK_RECORDS: Final = 1000
#: While the database is away so many wait; then the oldest are lost, and the log says so.
MOST_WAITING: Final = 200_000


#: So many beginnings of records are known at a time: one for each caller, operation and resource.
_KNOWN: Final = 10_000


class _Event(NamedTuple):
    """One call: when it was (epoch seconds), how its record begins, in which chain that is, and the request's id."""

    at: float
    begun: str
    chain: tuple[str, str]
    request_id: str


class DataEvents:
    """The data events of one process.

    Args:
        store: where the chains are.
        clock: gives epoch seconds.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._begun: dict[tuple[object, ...], str] = {}
        self._took: deque[_Event] = deque()
        self._lost = 0
        #: What the writer has taken over and not written yet, by chain.
        self._chains: dict[tuple[str, str], list[_Event]] = {}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="data-events", daemon=True)

    def after(self, handled: Mapping[str, Handled]) -> dict[str, Handled]:
        """Return who answers each operation, and leaves a record of it if that is a data event."""
        return {
            name: Handled(self._noting(name, one.handler), one.where) if name in DATA_EVENTS else one
            for name, one in handled.items()
        }

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, and end."""
        self._ending.set()
        self._thread.join()

    def write(self) -> None:
        """Write what waits, each account's and region's by itself.

        Raises:
            Unavailable: the database is away; what was not written waits on.
        """
        for _ in range(len(self._took)):
            event = self._took.popleft()
            self._chains.setdefault(event.chain, []).append(event)
        for (account, region), events in list(self._chains.items()):
            while events:
                link = audit.link_of((one.begun, one.at, one.request_id) for one in events[:_LINK_RECORDS])
                with self._store.write(lock_of(account, region)) as transaction:
                    transaction.append_audit(account, region, link)
                del events[:_LINK_RECORDS]
            del self._chains[account, region]
        if self._lost:
            LOG.error("%s data events are in no audit: the database was away for too long", self._lost)
            self._lost = 0

    def _noting(
        self, name: str, handler: Callable[["Caller", Request], Result]
    ) -> Callable[["Caller", Request], Result]:
        def answer(caller: "Caller", request: Request) -> Result:
            answered = handler(caller, request)
            if len(self._took) < MOST_WAITING:
                request_id = "" if caller.request is None else caller.request.request_id
                begun = self._beginning(name, caller, request)
                self._took.append(_Event(self._clock(), begun, (caller.account, caller.region), request_id))
            else:
                self._lost += 1
            return answered

        return answer

    def _beginning(self, name: str, caller: "Caller", request: Request) -> str:
        """Return how a call's record begins, as that of one like it did: nothing holds the request and its data."""
        named = {member: request[member] for member in _NAMING if member in request}
        origin = caller.request
        who = None if caller.principal is None else caller.principal.user_id
        key = (
            *(name, caller.account, caller.region, caller.access_key_id, who, *named.values()),
            *(() if origin is None else (origin.client, origin.headers.get("user-agent"))),
        )
        begun = self._begun.get(key)
        if begun is None:
            if len(self._begun) >= _KNOWN:
                self._begun.clear()
            begun = self._begun[key] = audit.data_event(caller, name, named, DATA_EVENTS[name])
        return begun

    def _run(self) -> None:
        while not self._ending.wait(WRITTEN_SECONDS):
            self._try()
        self._try()

    def _try(self) -> None:
        try:
            self.write()
        except Exception:  # the database may be away for a while
            LOG.exception("data events could not be written; again in %s s", WRITTEN_SECONDS)
