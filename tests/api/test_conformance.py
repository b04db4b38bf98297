"""Every operation, tried through boto3: the run that the page of compatibility is written from."""

from collections import Counter
from pathlib import Path

import pytest
from conformance import page
from conformance.differences import DIFFERENCES
from conformance.made import MAKES
from conformance.run import checks, run
from conformance.world import served

from sartor.app import ANSWERED
from sartor.resources.kinds import KINDS
from sartor.wire import operations

EVERY = operations.load().all


@pytest.mark.timeout(600)
def test_every_operation_answers_as_amazon_does(tmp_path: Path) -> None:
    with served(tmp_path, MAKES) as world:
        results = run(world, checks())
        answered = world.answered
    flaws = [f"{one.check.operation} {one.check.says}: {one.flaw}" for one in results if one.flaw is not None]
    assert not flaws, "\n".join(flaws)
    assert answered == ANSWERED, "each has given an answer that is no refusal"


def test_something_is_tried_of_every_operation_and_it_is_said_once() -> None:
    tried = {check.operation for check in checks() if check.aspect in ("answers", "tags")}
    assert tried == {operation.name for operation in EVERY}
    said = Counter((check.operation, check.says) for check in checks())
    assert set(said.values()) == {1}


def test_every_kind_can_be_made() -> None:
    assert set(MAKES) == set(KINDS)


def test_the_page_lists_every_operation_and_every_difference() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    for operation in EVERY:
        assert f"| {operation.name} | " in text
    for differences in DIFFERENCES.values():
        for one in differences:
            assert f"| {one.what} | {one.amazon} | {one.sartor} | {one.why} |" in text
