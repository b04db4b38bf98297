"""The service models that Sartor is tested with, and what a newer botocore changes of them."""

import copy
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore
import pytest
from conformance.wire import facts_in

from sartor import doctor, serve
from sartor.wire import fingerprint, operations
from sartor.wire.fingerprint import Difference

Models = dict[str, Any]


def test_the_installed_service_models_are_those_that_were_kept() -> None:
    assert [str(one) for one in fingerprint.installed()] == []


def test_the_models_of_a_folder_can_be_compared_too() -> None:
    folder = Path(botocore.__file__).parent / "data"
    assert facts_in(folder) == fingerprint.facts(operations.service_models())


def test_the_record_can_be_read_and_compared_by_people() -> None:
    lines = fingerprint.RECORD.read_text().splitlines()[1:]
    assert lines == sorted(lines, key=lambda line: line.partition(": ")[0])
    for operation in operations.load().all:
        assert any(line.startswith(f"{operation.service} {operation.name}: http=") for line in lines)


def changed(change: Callable[[Models], object]) -> list[str]:
    """Return what is said of models that were changed."""
    models = copy.deepcopy(dict(operations.service_models()))
    change(models)
    was = fingerprint.facts(operations.service_models())
    return [str(one) for one in fingerprint.differences(was, fingerprint.facts(models))]


EVENTS = "personalize-events"


def shape(models: Models, name: str, service: str = "personalize") -> Any:
    return models[service]["shapes"][name]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda models: shape(models, "Name").update(max=64),
            "personalize Name is now: max=64 min=1 pattern=^[a-zA-Z0-9][a-zA-Z0-9\\-_]* type=string; "
            "it was: max=63 min=1 pattern=^[a-zA-Z0-9][a-zA-Z0-9\\-_]* type=string",
        ),
        (
            lambda models: shape(models, "CreateFilterRequest")["members"].update(color={"shape": "Name"}),
            "personalize CreateFilterRequest.color is new: shape=Name",
        ),
        (
            lambda models: shape(models, "CreateFilterRequest")["required"].remove("name"),
            "personalize CreateFilterRequest.name is now: shape=Name; it was: shape=Name required",
        ),
        (
            lambda models: models["personalize"]["operations"]["ListFilters"]["errors"].pop(),
            "personalize ListFilters error InvalidNextTokenException is gone; it was: declared",
        ),
        (
            lambda models: shape(models, "ResourceNotFoundException", EVENTS)["error"].update(
                httpStatusCode=410
            ),
            'personalize-events ResourceNotFoundException is now: error={"httpStatusCode": 410} ',
        ),
        (
            lambda models: shape(models, "Event", EVENTS)["members"]["properties"].pop("jsonvalue"),
            "personalize-events Event.properties is now: shape=EventPropertiesJSON; it was: jsonvalue=true",
        ),
        (
            lambda models: models[EVENTS]["metadata"].update(protocol="smithy-rpc-v2-cbor"),
            "personalize-events is now: ",
        ),
    ],
)
def test_what_changes_for_a_program_is_said_in_a_line(change: Callable[[Models], object], said: str) -> None:
    (found,) = changed(change)
    assert found.startswith(said)


def test_what_changes_for_readers_only_is_not_said() -> None:
    assert changed(lambda models: shape(models, "Name").update(documentation="Other words.")) == []


def test_a_new_operation_brings_its_shapes() -> None:
    def add(models: Models) -> None:
        models["personalize"]["operations"]["MakeTea"] = {
            "http": {"method": "POST", "requestUri": "/"},
            "input": {"shape": "MakeTeaRequest"},
        }
        models["personalize"]["shapes"]["MakeTeaRequest"] = {"type": "structure", "members": {}}

    assert changed(add) == [
        'personalize MakeTea is new: http={"method": "POST", "requestUri": "/"} input=MakeTeaRequest',
        "personalize MakeTeaRequest is new: type=structure",
    ]


def test_a_shape_that_nothing_leads_to_says_nothing() -> None:
    assert changed(lambda models: models["personalize"]["shapes"].update(Left={"type": "string"})) == []


NEW = tuple(Difference(f"personalize Shape{n}", None, "type=string") for n in range(25))


def test_the_doctor_lists_what_differs_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor._botocore().ok
    monkeypatch.setattr(fingerprint, "installed", lambda: NEW)
    finding = doctor._botocore()
    assert not finding.ok
    assert f"install botocore {fingerprint.tested_with()}" in finding.text
    assert all(str(one) in finding.text for one in NEW)


def test_a_start_logs_a_line_for_each_difference_up_to_ten(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        serve._say_what_differs()
        assert caplog.messages == []
        monkeypatch.setattr(fingerprint, "installed", lambda: NEW)
        serve._say_what_differs()
    assert caplog.messages[:10] == [f"botocore's service models: {one}" for one in NEW[:10]]
    assert len(caplog.messages) == 11
    assert "15 more" in caplog.messages[10]
