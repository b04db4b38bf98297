"""What a solution's configuration says of the data, held against its recipe and the schemas of its datasets.

Sources: the developer guide's pages on creating a solution, "Optimizing a solution for an additional objective",
"Optimizing a solution with events configuration", "Choosing the item interaction data used for training" and
"Configuring columns used when training".
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sartor.data.schema import Schema
from sartor.errors import invalid_input
from sartor.numbers import number, whole
from sartor.recipes import Recipe

#: How often a solution is trained by itself when it does not say so, in days; the least and the most.
DEFAULT_DAYS: Final = 7
MIN_DAYS: Final = 1
MAX_DAYS: Final = 30
#: The most event types that can be weighted.
MAX_EVENT_TYPES: Final = 10
#: The columns that no training can do without.
_NEEDED: Final = frozenset({"USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE"})
_NUMERIC: Final = frozenset({"int", "long", "float", "double"})
_RATE: Final = re.compile(r"rate\(([0-9]+) days?\)")


def keep(
    recipe: Recipe, config: Mapping[str, Any], event_type: str | None, schemas: Mapping[str, Schema]
) -> None:
    """Refuse a configuration whose columns or features are not there.

    Args:
        recipe: of the solution.
        config: ``solutionConfig``.
        event_type: the one type of events to train on, if given.
        schemas: of the group's datasets, by type; the one that the recipe needs is among them.

    Raises:
        ApiError: ``InvalidInputException``.
    """
    if event_type is not None:
        _require_column(schemas, "EVENT_TYPE", "eventType")
    _require_threshold(config.get("eventValueThreshold"), schemas)
    if "eventsConfig" in config:
        if event_type is not None or "eventValueThreshold" in config:
            raise invalid_input(
                "eventsConfig cannot be given together with eventType or eventValueThreshold: "
                "it names the event types and their thresholds itself."
            )
        require_events(recipe, config["eventsConfig"], schemas)
    if "optimizationObjective" in config:
        _require_objective(recipe, config["optimizationObjective"], schemas)
    columns = config.get("trainingDataConfig", {})
    require_columns(recipe, columns, schemas)
    if "ITEMS" in recipe.needs:
        _require_texts(recipe, columns, schemas)
    require_schedule(config.get("autoTrainingConfig", {}))


def days_of(config: Mapping[str, Any]) -> int:
    """Return how often a solution of this configuration is trained by itself, in days."""
    text = config.get("autoTrainingConfig", {}).get("schedulingExpression")
    match = None if text is None else _RATE.fullmatch(text)
    return DEFAULT_DAYS if match is None else int(match[1])


def scheduled(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with its schedule, the default one if it does not say."""
    schedule = {"schedulingExpression": f"rate({DEFAULT_DAYS} days)", **config.get("autoTrainingConfig", {})}
    return {**config, "autoTrainingConfig": schedule}


def require_schedule(given: Mapping[str, Any]) -> None:
    """Refuse a schedule that is not of whole days from 1 to 30.

    Raises:
        ApiError: ``InvalidInputException``.
    """
    text = given.get("schedulingExpression")
    match = None if text is None else _RATE.fullmatch(text)
    if text is not None and (match is None or whole(match[1], MIN_DAYS, MAX_DAYS) is None):
        raise invalid_input(
            f"schedulingExpression must be rate(value unit) with {MIN_DAYS} to {MAX_DAYS} days, not {text}."
        )


def require_events(recipe: Recipe, given: Mapping[str, Any], schemas: Mapping[str, Schema]) -> None:
    """Refuse weights of event types that the recipe does not know or the data do not have.

    Raises:
        ApiError: ``InvalidInputException``.
    """
    if "weights" not in recipe.features:
        raise invalid_input(f"eventsConfig is not supported by recipe {recipe.name}.")
    listed: Sequence[Mapping[str, Any]] = given.get("eventParametersList", [])
    if not listed:
        return
    _require_column(schemas, "EVENT_TYPE", "eventsConfig")
    if len(listed) > MAX_EVENT_TYPES:
        raise invalid_input(f"eventsConfig can have at most {MAX_EVENT_TYPES} event types.")
    names = [one.get("eventType", "") for one in listed]
    if not all(names) or len(set(names)) < len(names):
        raise invalid_input("eventsConfig: each entry must have an eventType of its own.")
    if all(one.get("weight", 1.0) == 0 for one in listed):
        raise invalid_input("eventsConfig: at least one weight must be greater than 0.")
    if any("eventValueThreshold" in one for one in listed):
        _require_column(schemas, "EVENT_VALUE", "eventsConfig with an eventValueThreshold")


def _require_column(schemas: Mapping[str, Schema], column: str, why: str) -> None:
    """Refuse what needs a column of the interactions that their schema lacks."""
    if "INTERACTIONS" not in schemas or all(one.name != column for one in schemas["INTERACTIONS"].fields):
        raise invalid_input(
            f"{why} needs the column {column} in the schema of the Item interactions dataset."
        )


def _require_threshold(text: str | None, schemas: Mapping[str, Schema]) -> None:
    """Refuse a threshold that is no number, or for values that are not there."""
    if text is None:
        return
    if number(text) is None:
        raise invalid_input(f"eventValueThreshold must be a number, not {text}.")
    _require_column(schemas, "EVENT_VALUE", "eventValueThreshold")


def _require_objective(recipe: Recipe, given: Mapping[str, Any], schemas: Mapping[str, Schema]) -> None:
    """Refuse an objective that is no numeric column of the items, or that the recipe does not know."""
    if "objective" not in recipe.features:
        raise invalid_input(f"optimizationObjective is not supported by recipe {recipe.name}.")
    name = given.get("itemAttribute")
    if name is None:
        raise invalid_input("optimizationObjective must have an itemAttribute.")
    if "ITEMS" not in schemas:
        raise invalid_input("optimizationObjective needs an Items dataset.")
    fields = {field.name: field for field in schemas["ITEMS"].fields}
    if name not in fields or fields[name].type not in _NUMERIC or fields[name].nullable:
        raise invalid_input(
            f"optimizationObjective: {name} must be a numeric column of the Items schema that cannot be null."
        )


def require_columns(recipe: Recipe, given: Mapping[str, Any], schemas: Mapping[str, Schema]) -> None:
    """Refuse to leave out or to choose columns that are not there, or to leave out what no training can do without.

    Args:
        recipe: of a solution or a recommender.
        given: its ``trainingDataConfig``.
        schemas: of the group's datasets, by type.

    Raises:
        ApiError: ``InvalidInputException``.
    """
    if recipe.of_actions and any(given.values()):
        raise invalid_input(f"trainingDataConfig is not supported by recipe {recipe.name}.")
    excluded = _columns("excludedDatasetColumns", given, schemas)
    included = _columns("includedDatasetColumns", given, schemas)
    for of_type, columns in excluded.items():
        for column in sorted(columns & _NEEDED):
            raise invalid_input(f"excludedDatasetColumns: {column} is needed by every training.")
        for column in sorted(columns & included.get(of_type, frozenset())):
            raise invalid_input(
                f"trainingDataConfig: {column} of {of_type} cannot be both included and excluded."
            )


def _columns(
    member: str, given: Mapping[str, Any], schemas: Mapping[str, Schema]
) -> dict[str, frozenset[str]]:
    """Return the columns that a member names, by the dataset's type in capitals; each is there."""
    found: dict[str, frozenset[str]] = {}
    for name, columns in given.get(member, {}).items():
        of_type = name.upper()
        if of_type in found:
            raise invalid_input(f"{member} names a dataset more than once.")
        if of_type not in schemas:
            raise invalid_input(f"{member}: the dataset group has no dataset {name}.")
        there = {field.name for field in schemas[of_type].fields}
        for column in columns:
            if column not in there:
                raise invalid_input(f"{member}: the dataset {name} has no column {column}.")
        found[of_type] = frozenset(columns)
    return found


def _require_texts(recipe: Recipe, given: Mapping[str, Any], schemas: Mapping[str, Schema]) -> None:
    """Refuse to compare the texts of items whose schema has none, or whose texts are left out."""
    fields = schemas["ITEMS"].fields if "ITEMS" in schemas else ()
    wanted = {
        "the name of the item (itemName: true)": {one.name for one in fields if one.item_name},
        "text (textual: true)": {one.name for one in fields if one.textual},
    }
    excluded = _columns("excludedDatasetColumns", given, schemas).get("ITEMS", frozenset())
    included = _columns("includedDatasetColumns", given, schemas).get("ITEMS")
    for what, names in wanted.items():
        if not names:
            raise invalid_input(
                f"Recipe {recipe.name} needs a string column with {what} in the Items schema."
            )
        kept = (names if included is None else names & included) - excluded
        if not kept:
            raise invalid_input(
                f"Recipe {recipe.name} needs the column {', '.join(names)} of Items in training."
            )
