"""A request's filter: found and checked once, again when it or a schema changes, and applied to what is there."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from contract.conftest import Caller, Files, Service
from sartor.errors import ApiError
from sartor.filters import parse
from sartor.filters.columns import Columns
from sartor.realtime.filtering import Filters, seen_rows
from sartor.realtime.histories import History
from sartor.recipes import Serving
from sartor.resources.store import Store

CALLER = Caller()
ITEMS = ("a", "b", "c")
GENRES = ("comedy", "drama", None)


class Catalogue:
    """Three items by genre; what is taken up is counted."""

    def __init__(self) -> None:
        field = SimpleNamespace(name="GENRE", type="string", categorical=True, textual=False)
        self.columns = Columns.build([field], {"GENRE": list(GENRES)}, len(ITEMS))
        self.taken_up = 0

    def take_up(self) -> None:
        self.taken_up += 1

    def find(self, name: str) -> int | None:
        return ITEMS.index(name) if name in ITEMS else None


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    store = Store.open(f"sqlite:///{tmp_path / 's.db'}")
    yield Service(store, cast("Files", Files()), quotas_on=False)
    store.close()


@pytest.fixture
def group(service: Service) -> str:
    return service.data_group()


def made(service: Service, group: str, expression: str, name: str = "f", work: bool = True) -> str:
    arn = service("CreateFilter", name=name, datasetGroupArn=group, filterExpression=expression)["filterArn"]
    if work:
        service.work()
    return str(arn)


def deployed(
    group: str, needs: str = "userId", user: dict[str, str] | None = None, removes: str | None = None
) -> Any:
    items = Catalogue()
    version = SimpleNamespace(
        trained=SimpleNamespace(group=group),
        items=items,
        catalogue=items,
        serving=Serving(needs=cast("Any", needs), removes=removes),
        user=lambda _name: user,
        key=("folder", "users", 0),
        histories=SimpleNamespace(state=lambda: 1),
        masks={},
    )
    return SimpleNamespace(version=version, noun="Campaign")


def history(**seen: frozenset[str]) -> History:
    return History(0, np.zeros(0, np.int32), np.zeros(0, np.int64), lambda: seen)


def allowed(
    service: Service, deployment: Any, past: History | None = None, **request: Any
) -> list[str] | None:
    mask = Filters(service.store).allowed(CALLER, deployment, request, past)
    return None if mask is None else [name for name, fits in zip(ITEMS, mask, strict=True) if fits]


DRAMA = 'INCLUDE ItemID WHERE Items.GENRE IN ("drama")'
NOT_WATCHED = 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("Watch")'
SAME_GENRE = "INCLUDE ItemID WHERE Items.GENRE IN CurrentItem.GENRE"


def test_without_a_filter_nothing_is_looked_at(service: Service, group: str) -> None:
    deployment = deployed(group)
    assert allowed(service, deployment) is None
    assert deployment.version.items.taken_up == 0


def test_a_filter_of_metadata_allows_by_the_newest_rows(service: Service, group: str) -> None:
    deployment = deployed(group)
    assert allowed(service, deployment, filterArn=made(service, group, DRAMA)) == ["b"]
    assert deployment.version.items.taken_up == 1


def test_a_placeholder_takes_the_requests_value(service: Service, group: str) -> None:
    arn = made(service, group, "INCLUDE ItemID WHERE Items.GENRE IN ($WANTED)")
    asked = {"filterArn": arn, "filterValues": {"WANTED": '"comedy"'}}
    assert allowed(service, deployed(group), **asked) == ["a"]


def test_what_a_user_did_is_left_out_and_new_items_that_were_seen_are_no_matter(
    service: Service, group: str
) -> None:
    past = history(watch=frozenset({"a", "unknown"}), click=frozenset({"b"}))
    arn = made(service, group, NOT_WATCHED)
    assert allowed(service, deployed(group), past, filterArn=arn, userId="u") == ["b", "c"]
    rows = seen_rows(deployed(group).version.catalogue, past)
    assert {kind: found.tolist() for kind, found in rows.items()} == {"watch": [0], "click": [1]}


def test_a_filter_that_looks_at_the_current_item_is_for_related_items(service: Service, group: str) -> None:
    arn = made(service, group, SAME_GENRE)
    related = deployed(group, needs="itemId")
    assert allowed(service, related, filterArn=arn, itemId="b", userId="u") == ["b"]
    with pytest.raises(ApiError, match="only recipes for related items"):
        allowed(service, deployed(group), filterArn=arn, userId="u")


def test_a_filter_that_looks_at_the_user_needs_one(service: Service, group: str) -> None:
    with pytest.raises(ApiError, match="userId is required"):
        allowed(service, deployed(group), filterArn=made(service, group, NOT_WATCHED))


def test_a_use_case_leaves_out_what_a_user_did_before_a_filter_is_looked_at(
    service: Service, group: str
) -> None:
    bought = deployed(group, removes="Purchase")
    past = history(purchase=frozenset({"a", "unknown"}), view=frozenset({"b"}))
    assert allowed(service, bought, past, userId="u") == ["b", "c"]
    assert allowed(service, bought, history(view=frozenset({"b"})), userId="v") is None
    assert allowed(service, bought, None) is None
    arn = made(service, group, 'INCLUDE ItemID WHERE Items.GENRE IN ("comedy", "drama")')
    assert allowed(service, bought, past, filterArn=arn, userId="u") == ["b"]


def test_what_a_use_case_leaves_out_is_found_once_until_something_new_is_done(
    service: Service, group: str
) -> None:
    filters, deployment = Filters(service.store), deployed(group, removes="Watch")
    past = history(watch=frozenset("a"))
    first = filters.allowed(CALLER, deployment, {"userId": "u"}, past)
    assert filters.allowed(CALLER, deployment, {"userId": "u"}, past) is first
    assert first is not None
    assert not first.flags.writeable
    newer = History(1, past.items, past.times, lambda: {"watch": frozenset("ab")})
    after = filters.allowed(CALLER, deployment, {"userId": "u"}, newer)
    assert after is not None
    assert after.tolist() == [False, False, True]


def test_it_is_parsed_once_however_often_it_is_asked_for(
    service: Service, group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = made(service, group, DRAMA)
    filters, parsed = Filters(service.store), list[str]()
    original = parse.parse
    monkeypatch.setattr(parse, "parse", lambda text: parsed.append(text) or original(text))  # type: ignore
    found = {id(filters.of(CALLER, arn, group)) for _ in range(3)}
    assert (len(found), parsed) == (1, [DRAMA])


def test_it_is_checked_again_once_a_schema_has_changed(service: Service, group: str) -> None:
    arn = made(service, group, DRAMA)
    filters = Filters(service.store)
    filters.of(CALLER, arn, group)
    items = group.replace(":dataset-group/", ":dataset/") + "/ITEMS"
    plain = service.schema("Items", "without-genre")
    with service.store.write() as transaction:
        row = transaction.get(items)
        assert row is not None
        transaction.replace_body(items, {**row.body, "schemaArn": plain}, row.private, row.updated_at + 1)
    with pytest.raises(ApiError, match="GENRE"):
        filters.of(CALLER, arn, group)


def test_one_that_is_deleted_is_there_no_longer_and_one_of_its_name_is_another(
    service: Service, group: str
) -> None:
    filters = Filters(service.store)
    arn = made(service, group, DRAMA)
    filters.of(CALLER, arn, group)
    service("DeleteFilter", filterArn=arn)
    service.work()
    with pytest.raises(ApiError, match="does not exist"):
        filters.of(CALLER, arn, group)
    made(service, group, 'INCLUDE ItemID WHERE Items.GENRE IN ("comedy")')
    asked = {"filterArn": arn}
    mask = filters.allowed(CALLER, deployed(group), asked, None)
    assert mask is not None
    assert mask.tolist() == [True, False, False]


def test_what_is_no_filter_of_the_caller_and_the_group_is_refused(service: Service, group: str) -> None:
    filters = Filters(service.store)
    waiting = made(service, group, DRAMA, "waits", work=False)
    with pytest.raises(ApiError) as refused:
        filters.of(CALLER, waiting, group)
    assert refused.value.code == "InvalidInputException"
    service.work()
    assert filters.of(CALLER, waiting, group)
    for caller, arn, of in (
        (CALLER, group, group),
        (CALLER, waiting + "x", group),
        (Caller(account="444455556666"), waiting, group),
        (CALLER, waiting, group + "-other"),
    ):
        with pytest.raises(ApiError) as refused:
            filters.of(caller, arn, of)
        assert refused.value.code == "InvalidInputException"
