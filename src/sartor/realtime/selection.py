"""Which interactions and columns a solution version trains on, out of its configuration."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sartor.data.training import EventRule, Selection

#: A member that says whether ``eventType`` is meant in any case, as use cases mean theirs.
IN_ANY_CASE: Final = "inAnyCase"


def selection_of(version: Mapping[str, Any], item_columns: Iterable[str] = ()) -> Selection:
    """Return what a solution version's members say of the data.

    Args:
        version: its body, with ``eventType`` and ``solutionConfig`` if they were given; what a use case counts is
            meant in any case.
        item_columns: the columns of the Items dataset, as its schema spells them.
    """
    columns = list(item_columns)
    config: Mapping[str, Any] = version.get("solutionConfig", {})
    threshold = config.get("eventValueThreshold")
    rules = {
        one["eventType"]: EventRule(float(one.get("weight", 1.0)), one.get("eventValueThreshold"))
        for one in config.get("eventsConfig", {}).get("eventParametersList", [])
    }
    of_columns = config.get("trainingDataConfig", {})
    objective = config.get("optimizationObjective", {})
    wanted = objective.get("itemAttribute", "").casefold()
    return Selection(
        version.get("eventType"),
        None if threshold is None else float(threshold),
        rules,
        _folded(of_columns.get("excludedDatasetColumns", {})),
        next((name for name in columns if name.casefold() == wanted), None),
        _folded(of_columns.get("includedDatasetColumns", {})),
        in_any_case=bool(version.get(IN_ANY_CASE, False)),
    )


def _folded(columns: Mapping[str, Iterable[str]]) -> dict[str, frozenset[str]]:
    """Return columns by dataset type, all in lower case."""
    return {of_type.casefold(): frozenset(map(str.casefold, some)) for of_type, some in columns.items()}
