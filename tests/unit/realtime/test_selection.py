"""Which interactions and columns count, out of a solution version's members as Amazon spells them."""

from typing import Any

import pytest

from sartor.data.training import EventRule, Selection
from sartor.realtime.selection import selection_of


@pytest.mark.parametrize(
    ("version", "selection"),
    [
        ({}, Selection()),
        ({"eventType": "Watch"}, Selection(event_type="Watch")),
        (
            {"eventType": "Buy", "solutionConfig": {"eventValueThreshold": "2.5"}},
            Selection(event_type="Buy", threshold=2.5),
        ),
        (
            {
                "solutionConfig": {
                    "eventsConfig": {
                        "eventParametersList": [
                            {"eventType": "Buy", "weight": 3, "eventValueThreshold": 10.0},
                            {"eventType": "Click"},
                        ]
                    }
                }
            },
            Selection(event_rules={"Buy": EventRule(3.0, 10.0), "Click": EventRule(1.0, None)}),
        ),
        (
            {
                "solutionConfig": {
                    "trainingDataConfig": {
                        "excludedDatasetColumns": {"ITEMS": ["Genre", "PRICE"], "Users": []}
                    }
                }
            },
            Selection(excluded={"items": frozenset({"genre", "price"}), "users": frozenset()}),
        ),
    ],
    ids=["nothing", "type", "threshold", "rules", "columns"],
)
def test_what_a_version_says_of_the_data(version: dict[str, Any], selection: Selection) -> None:
    assert selection_of(version) == selection


@pytest.mark.parametrize(
    ("named", "found"), [("Price", "PRICE"), ("PRICE", "PRICE"), ("weight", None), ("", None)]
)
def test_an_objectives_column_is_spelled_as_the_schema_spells_it(named: str, found: str | None) -> None:
    version = {"solutionConfig": {"optimizationObjective": {"itemAttribute": named}}}
    assert selection_of(version, ["GENRE", "PRICE"]).objective == found
