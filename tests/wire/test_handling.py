"""Rows of the tables of operations, and what becomes of them with the parts of a service."""

from concurrent.futures import Future
from typing import Any

import pytest

from sartor.app import ANSWERED
from sartor.errors import ApiError
from sartor.realtime import recommend, recommend_actions, record
from sartor.resources import control
from sartor.wire import operations
from sartor.wire.exchange import Exchange
from sartor.wire.handling import Handling, bound
from sartor.wire.sign import Authority, Caller

CALLER = Caller("0" * 12, "us-east-1", "AKIDEXAMPLE")


class Parts:
    def answer(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any] | Future[None]:
        return {"parts": self, "caller": caller, **request}


TABLE = {
    "Slow": Handling(Parts.answer),
    "ByKey": Handling(Parts.answer, "loop"),
    "FromMemory": Handling(Parts.answer, "loop", "loop"),
}


def test_a_handler_gets_its_parts_the_caller_and_the_request() -> None:
    parts = Parts()
    for handled in bound(TABLE, parts).values():
        assert handled.handler(CALLER, {"a": 1}) == {"parts": parts, "caller": CALLER, "a": 1}


def test_no_event_loop_waits_for_a_database_on_another_machine() -> None:
    near, far = (bound(TABLE, Parts(), near=near) for near in (True, False))
    assert [handled.where for handled in near.values()] == ["thread", "loop", "loop"]
    assert [handled.where for handled in far.values()] == ["thread", "thread", "loop"]


def test_every_operation_is_in_one_table() -> None:
    tables = (control.OPERATIONS, record.OPERATIONS, recommend.OPERATIONS, recommend_actions.OPERATIONS)
    assert sum(map(len, tables)) == len(ANSWERED)
    assert {operation.name for operation in operations.load().all} == ANSWERED


def test_an_operation_that_only_a_newer_botocore_knows_is_refused_with_words() -> None:
    exchange = Exchange(operations.load(), {}, Authority(lambda *_: None, ("0" * 12, "us-east-1")))
    with pytest.raises(ApiError, match="does not know ListSchemas"):
        exchange._handled["ListSchemas"].handler(CALLER, {})
