"""What people read fits a terminal of 80 columns, however long names are: help, tables and sentences."""

import io
from collections.abc import Iterator
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor.cli import cli, moving
from sartor.console import standing, terminal, texts
from sartor.moving.declared import Declared
from sartor.moving.doing import Outcome
from sartor.moving.plan import Change, Step

LONG = "customer-recommendations-production-eu-west-1-second-generation"  # as long as Amazon lets a name be
ARN = f"arn:aws:personalize:eu-west-1:111122223333:solution/{LONG}"
RULE = "Every row must have as many cells as the header; quote a text that has commas."
RESOURCE = {"kind": "dataset-import-job", "name": LONG, "status": "CREATE FAILED", "updatedAt": 1.7e9}
TASK = {
    "arn": ARN,
    "kind": "solution-version",
    "name": LONG,
    "verb": "create",
    "lane": "training",
    "seconds": 3700,
}
REPORT = {
    "verdict": "failed",
    "rowsRead": 51,
    "rowsImported": 0,
    "rowsRejected": 51,
    "bytesRead": 262,
    "seconds": 0.3,
    "files": [],
    "faults": [
        {
            "code": "INVALID_CSV",
            "column": "",
            "count": 12_345,
            "rule": RULE,
            "examples": [{"file": f"s3://{LONG}/rows.csv", "line": 52, "value": "a,b,c"}],
        }
    ],
    "warnings": [],
}


class Terminal(io.StringIO):
    """A stream that a terminal shows."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def commands(group: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    yield name, group
    if isinstance(group, click.Group):
        for word, command in group.commands.items():
            yield from commands(command, f"{name} {word}")


@pytest.mark.parametrize(("name", "command"), list(commands(cli, "sartor")))
def test_every_help_fits(name: str, command: click.Command) -> None:
    with click.Context(command, info_name=name, terminal_width=80) as context:
        wide = [line for line in command.get_help(context).splitlines() if len(line) > 80]
    assert wide == []


def declared(kind: str, name: str = LONG) -> Declared:
    return Declared(kind, name, place="shop.yaml:12")


STEPS = [
    Step("create", declared("metric-attribution")),
    Step(
        "update",
        declared("dataset-group"),
        declared("dataset-group"),
        (Change("tags.team", LONG, f"{LONG}-2"),),
    ),
    Step(
        "cannot change",
        declared("filter"),
        declared("filter"),
        (),
        f"filterExpression of {LONG} is fixed: {RULE}",
    ),
]
SHOWN: dict[str, Any] = {
    "list": lambda: standing.listed([{**RESOURCE, "failureReason": RULE}, {**RESOURCE, "kind": "schema"}]),
    "status": lambda: standing.status(
        "http://recommendations.internal.example.com:4900",
        {
            "version": "0.1.0",
            "resources": dict.fromkeys(
                ("dataset-group", "dataset-import-job", "solution-version", "campaign"), 1234
            ),
            "work": [
                {**TASK, "state": "running", "attempt": 2, "progress": {"phase": "reading"}},
                {**TASK, "state": "waiting", "attempt": 0, "progress": {}}
                | {"running": 1, "before": 3, "waitsFor": [ARN]},
            ],
        },
    ),
    "report": lambda: texts.report(REPORT),
    "plan": lambda: moving.planned(STEPS),
    "applied": lambda: moving.concluded(STEPS, Outcome(), False),
    "left": lambda: moving.concluded(
        STEPS[:2], Outcome(failed={("campaign", LONG): RULE}, left={("campaign", f"{LONG}2"): RULE}), False
    ),
}


@pytest.mark.parametrize("name", SHOWN)
def test_tables_and_sentences_fit_but_for_words_that_are_copied_whole(name: str) -> None:
    shown = click.unstyle(terminal.fitted(SHOWN[name](), Terminal()))
    for line in shown.splitlines():
        assert len(line) <= 80 or " " not in line.strip(), line


def test_names_in_tables_are_broken_at_their_seams_and_numbers_not_at_all() -> None:
    table = terminal.table(
        ("name", "when", "rows"), [(f"{LONG}/ITEMS", "2026-11-27 23:29:38", "1,234,567")], align="<>>"
    )
    rows = [line.split("  ")[0].strip() for line in table.splitlines()[2:]]
    assert "".join(rows) == f"{LONG}/ITEMS"
    assert all(row.endswith(("-", "/", "ITEMS")) for row in rows)
    assert table.splitlines()[2].endswith("2026-11-27 23:29:38  1,234,567")


@given(st.lists(st.text(st.characters(codec="ascii", exclude_categories=("C",)), max_size=120), max_size=4))
def test_sentences_lose_no_word_and_break_none(lines: list[str]) -> None:
    text = "\n".join(lines)
    shown = terminal.fitted(text, Terminal())
    assert shown.split() == text.split()
    assert all(len(line) <= 80 or " " not in line.strip() for line in shown.split("\n"))
    assert terminal.fitted(text, io.StringIO()) == text
