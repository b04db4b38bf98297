"""Which interactions and columns a solution version trains on, out of its configuration."""

from collections.abc import Iterable, Mapping
from typing import Any

from sartor.data.training import EventRule, Selection


def selection_of(version: Mapping[str, Any], item_columns: Iterable[str] = ()) -> Selection:
    """Return what a solution version's members say of the data.

    Args:
        version: its body, with ``eventType`` and ``solutionConfig`` if they were given.
        item_columns: the columns of the Items dataset, as its schema spells them.
    """
    columns = list(item_columns)
    config: Mapping[str, Any] = version.get("solutionConfig", {})
    threshold = config.get("eventValueThreshold")
    rules = {
        one["eventType"]: EventRule(float(one.get("weight", 1.0)), one.get("eventValueThreshold"))
        for one in config.get("eventsConfig", {}).get("eventParametersList", [])
    }
    excluded = {
        dataset.casefold(): frozenset(map(str.casefold, left_out))
        for dataset, left_out in config.get("trainingDataConfig", {})
        .get("excludedDatasetColumns", {})
        .items()
    }
    objective = config.get("optimizationObjective", {})
    wanted = objective.get("itemAttribute", "").casefold()
    return Selection(
        version.get("eventType"),
        None if threshold is None else float(threshold),
        rules,
        excluded,
        next((name for name in columns if name.casefold() == wanted), None),
    )
