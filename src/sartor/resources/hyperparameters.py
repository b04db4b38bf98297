"""The hyperparameters of a solution and the ranges of their optimization, held against the recipe's table.

Source: the developer guide's recipe pages and "Configuring hyperparameters and HPO".
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sartor.errors import invalid_input
from sartor.numbers import whole
from sartor.recipes import Parameter, Recipe

#: The most jobs that an optimization may have, in all and at once.
MAX_JOBS: Final[Mapping[str, int]] = {"maxNumberOfTrainingJobs": 40, "maxParallelTrainingJobs": 10}
#: The lists of ranges, by the kind of their parameters.
_LISTS: Final[Mapping[str, str]] = {
    kind: f"{kind}HyperParameterRanges" for kind in ("integer", "continuous", "categorical")
}
#: Pairs of parameters of which the first cannot be greater than the second.
_ORDERED: Final = (
    ("min_user_history_length_percentile", "max_user_history_length_percentile"),
    ("min_item_interaction_count_percentile", "max_item_interaction_count_percentile"),
)


def keep(recipe: Recipe, config: Mapping[str, Any], performs_hpo: bool) -> None:
    """Refuse what a solution's configuration says of hyperparameters unless the recipe's table has it.

    Args:
        recipe: of the solution.
        config: ``solutionConfig``.
        performs_hpo: ``performHPO``.

    Raises:
        ApiError: ``InvalidInputException`` that names the parameter and what it can be.
    """
    if performs_hpo and not recipe.tunable:
        raise invalid_input(f"performHPO is not supported by recipe {recipe.name}.")
    fixed = config.get("algorithmHyperParameters", {})
    _require_values(recipe, "algorithmHyperParameters", recipe.parameters, fixed)
    features = config.get("featureTransformationParameters", {})
    _require_values(recipe, "featureTransformationParameters", recipe.transformation.parameters, features)
    _require_ordered(recipe.transformation.parameters, features)
    if "hpoConfig" in config:
        _require_jobs(config["hpoConfig"].get("hpoResourceConfig", {}))
        _require_ranges(recipe, config["hpoConfig"].get("algorithmHyperParameterRanges"), fixed)


def plain(name: str) -> str:
    """Return the name of a parameter without the prefix that the service shows in ranges."""
    return name.rpartition(".")[2]


def shown(recipe: Recipe, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a solution's configuration as the service shows it: the names in ranges have prefixes.

    Args:
        recipe: of the solution.
        config: ``solutionConfig``, which ``keep`` has allowed.
    """
    hpo = config.get("hpoConfig", {})
    ranges = hpo.get("algorithmHyperParameterRanges")
    if not ranges:
        return dict(config)
    prefixes = {one.name: one.prefix for one in recipe.parameters}
    named = {
        member: [{**one, "name": prefixes[plain(one["name"])] + plain(one["name"])} for one in ranges[member]]
        for member in ranges
    }
    return {**config, "hpoConfig": {**hpo, "algorithmHyperParameterRanges": named}}


def _require_values(
    recipe: Recipe, member: str, parameters: Sequence[Parameter], given: Mapping[str, str]
) -> None:
    """Refuse names that a map of parameters cannot have, and values that their parameters cannot have."""
    known = {one.name: one for one in parameters}
    for name, text in given.items():
        if name not in known:
            raise invalid_input(_unknown(recipe, member, name, list(known)))
        parameter = known[name]
        if parameter.only_tuned:
            raise invalid_input(
                f"{name} of recipe {recipe.name} can only be set by HPO: give its range in "
                "hpoConfig.algorithmHyperParameterRanges."
            )
        _require_value(f"{member} of recipe {recipe.name}: {name}", parameter, text)


def _require_value(where: str, parameter: Parameter, text: str) -> None:
    try:
        parameter.read(text)
    except ValueError:
        raise invalid_input(f"{where} must be {parameter.rule}, not {text}.") from None


def _require_ordered(parameters: Sequence[Parameter], given: Mapping[str, str]) -> None:
    """Refuse a least that is more than its greatest."""
    known = {one.name: one for one in parameters}
    for least, greatest in _ORDERED:
        if least in known:
            low, high = (float(given.get(name, known[name].default)) for name in (least, greatest))
            if low > high:
                raise invalid_input(f"{least} ({low}) must not be greater than {greatest} ({high}).")


def _require_jobs(given: Mapping[str, str]) -> None:
    """Refuse numbers of jobs that are no numbers or too large."""
    for name, most in MAX_JOBS.items():
        text = given.get(name)
        if text is not None and whole(text, 1, most) is None:
            raise invalid_input(f"hpoConfig: {name} must be a whole number from 1 to {most}, not {text}.")


def _require_ranges(
    recipe: Recipe, ranges: Mapping[str, Sequence[Mapping[str, Any]]] | None, fixed: Mapping[str, str]
) -> None:
    """Refuse ranges of what cannot be tuned, in the wrong list, twice, or of what has a fixed value."""
    if ranges is None:
        return
    missing = [member for member in _LISTS.values() if member not in ranges]
    if missing:
        raise invalid_input(
            f"algorithmHyperParameterRanges must have all three lists, perhaps empty. Missing: {', '.join(missing)}."
        )
    seen: set[str] = set()
    tunable = {one.name: one for one in recipe.parameters if one.tunable}
    for kind, member in _LISTS.items():
        for one in ranges[member]:
            name = plain(one.get("name", ""))
            parameter = tunable.get(name)
            if parameter is None or parameter.kind != kind:
                allowed = [other.name for other in tunable.values() if other.kind == kind]
                raise invalid_input(_unknown(recipe, member, one.get("name", ""), allowed))
            if name in seen or name in fixed:
                raise invalid_input(f"{member}: {name} has more than one range, or a range and a value.")
            seen.add(name)
            _require_range(member, parameter, one)


def _require_range(member: str, parameter: Parameter, given: Mapping[str, Any]) -> None:
    """Refuse a range that is empty or exceeds what the parameter can be."""
    where = f"{member}: {parameter.name}"
    if parameter.kind == "categorical":
        values = given.get("values", [])
        if not values:
            raise invalid_input(f"{where} must have at least one of its values.")
        for text in values:
            _require_value(where, parameter, text)
        return
    if "minValue" not in given or "maxValue" not in given:
        raise invalid_input(f"{where} must have a minValue and a maxValue.")
    for bound in ("minValue", "maxValue"):
        _require_value(f"{where}: {bound}", parameter, str(given[bound]))
    if given["minValue"] > given["maxValue"]:
        raise invalid_input(f"{where}: minValue must not be greater than maxValue.")


def _unknown(recipe: Recipe, member: str, name: str, known: Sequence[str]) -> str:
    """Return the text for a name that a member cannot have."""
    allowed = f"It can have {', '.join(known)}." if known else "It has none."
    return f"{member} of recipe {recipe.name} cannot have {name}. {allowed}"
