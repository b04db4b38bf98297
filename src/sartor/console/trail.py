"""``/sartor/v1/access/audit``: what calls changed, newest first, a page at a time; and whether the chain is whole."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sartor.console import asked
from sartor.errors import invalid_input
from sartor.resources.audit import Chain, Row, verify
from sartor.resources.store import Store, Transaction
from sartor.wire.sign import Caller, HttpRequest

_MOST: Final = 1000
#: So many records are read at once while those that are looked for are few.
_READ_AT_ONCE: Final = 1000
_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?Z?)?")


@dataclass(frozen=True)
class Wanted:
    """Which records are looked for; an empty text is any.

    Attributes:
        action: a part of their ``eventName``.
        who: a part of the ``userIdentity``: an access key, an ARN.
        text: a part of anything.
        since: the earliest ``eventTime``.
        until: up to which, not it itself.
    """

    action: str = ""
    who: str = ""
    text: str = ""
    since: str = ""
    until: str = ""

    @property
    def having(self) -> list[str]:
        """What each record has somewhere, as JSON writes it."""
        return [
            json.dumps(one, ensure_ascii=False)[1:-1] for one in (self.action, self.who, self.text) if one
        ]

    def takes(self, record: Mapping[str, Any]) -> bool:
        """Return whether a record that has all texts has them where they belong."""
        who = json.dumps(record.get("userIdentity", {}), ensure_ascii=False).casefold()
        return (
            self.action.casefold() in str(record.get("eventName", "")).casefold()
            and self.who.casefold() in who
        )


@dataclass(frozen=True)
class TrailPages:
    """Answers for one service.

    Attributes:
        store: the metadata database.
    """

    store: Store

    def answer(self, caller: Caller, request: HttpRequest, path: str) -> dict[str, Any] | None:
        """Return the answer to a request, ``None`` if it is for no page of this module.

        Raises:
            ApiError: ``InvalidInputException``: the query has a fault.
        """
        if request.method == "POST":
            return None
        if path == "/sartor/v1/access/audit":
            return self._records(caller, request.parameters)
        if path == "/sartor/v1/access/audit/verification":
            return self._verification(caller, request.parameters.get("head", ""))
        return None

    def _records(self, caller: Caller, query: Mapping[str, str]) -> dict[str, Any]:
        """Return the newest records that are looked for, and before which number there may be more."""
        limit = asked.number(query, "limit", 100, _MOST)
        before = asked.number(query, "before", 0, 2**62) or None
        since, until = _times(query)
        action, who, text = (query.get(name, "").strip() for name in ("action", "who", "text"))
        wanted = Wanted(action, who, text, since, until)
        found: list[dict[str, Any]] = []
        at_once = _READ_AT_ONCE if wanted.having else limit + 1
        with self.store.read() as transaction:
            chain = (transaction, caller.account, caller.region)
            if wanted.until:
                last = _first_since(*chain, wanted.until)
                before = last if before is None else min(before, last)
            while limit:
                rows = transaction.audit_before(*chain[1:], before, at_once, wanted.having)
                for row in rows:
                    record = json.loads(row.record)
                    if wanted.since and record["eventTime"] < wanted.since:
                        return {"records": found}
                    if not wanted.takes(record):
                        continue
                    if len(found) == limit:
                        return {"records": found, "before": found[-1]["number"]}
                    found.append({"number": row.number, "hash": row.hash, "record": record})
                if len(rows) < at_once:
                    break
                before = rows[-1].number
        return {"records": found}

    def _verification(self, caller: Caller, head: str) -> dict[str, Any]:
        """Return whether every record of the caller's account and region is as it was written."""
        heads = {head} if head else set()
        with self.store.read() as transaction:
            chains = list(verify(transaction.audit(caller.account, caller.region), heads))
        chain = chains[0] if chains else Chain(f"{caller.account}/{caller.region}")
        return {**vars(chain), "missing": sorted(heads)}


def _times(query: Mapping[str, str]) -> list[str]:
    """Return from when and until when records are looked for, as they write it.

    Raises:
        ApiError: ``InvalidInputException``: one is no time.
    """
    found = []
    for name in ("since", "until"):
        text = query.get(name, "").strip()
        if text and not _TIME.fullmatch(text):
            raise invalid_input(f"{name} must be a time in UTC, such as 2026-01-31 or 2026-01-31T12:00:00Z.")
        found.append(text.removesuffix("Z"))
    return found


def _first_since(transaction: Transaction, account: str, region: str, moment: str) -> int:
    """Return the number of the first record that is not before a moment, by halving: records are in order of time."""
    newest = transaction.audit_before(account, region, None, 1)
    low, high = 1, newest[0].number + 1 if newest else 1
    while low < high:
        middle = (low + high) // 2
        (row,) = transaction.audit_before(account, region, middle + 1, 1) or [
            Row(account, region, 0, "{}", "")
        ]
        if json.loads(row.record).get("eventTime", "") < moment:
            low = middle + 1
        else:
            high = middle
    return low
