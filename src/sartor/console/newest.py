"""A page of the caller's newest resources of some kinds, and where the next page goes on."""

from collections.abc import Collection, Sequence

from sartor.resources import paging
from sartor.resources.store import Resource, Store
from sartor.wire.sign import Caller


def newest(
    store: Store,
    caller: Caller,
    kinds: Sequence[str],
    words: Sequence[str],
    limit: int,
    token: str | None,
    *,
    search: str = "",
    statuses: Collection[str] | None = None,
) -> tuple[list[Resource], dict[str, str]]:
    """Return up to ``limit`` resources, newest first, and as ``next`` the token of those behind them, if there are any.

    Args:
        store: the metadata database.
        caller: whose they are.
        kinds: which are wanted.
        words: what makes the list this list: its name, then its filters.
        limit: how many are wanted.
        token: of the page before; ``None`` or empty: from the newest on.
        search: what their names have.
        statuses: which they have; ``None`` takes all.

    Raises:
        ApiError: ``InvalidNextTokenException``: the token is of another list.
    """
    list_name, *filters = words
    asked_of = (list_name, caller.account, caller.region, *filters)
    after = paging.unseal(store.secret, asked_of, token) if token else None
    with store.read() as transaction:
        found = [
            one
            for kind in kinds
            for one in transaction.page(
                kind,
                caller.account,
                caller.region,
                limit=limit + 1,
                after=None if after is None else (after[0], after[1]),
                search=search,
                statuses=statuses,
            )
        ]
    found.sort(key=lambda one: (one.created_at, one.seq), reverse=True)
    if not limit or len(found) <= limit:
        return found[:limit], {}
    last = found[limit - 1]
    return found[:limit], {"next": paging.seal(store.secret, asked_of, [last.created_at, last.seq])}
