"""Write the reference pages, board and alert rules from the code; ``--check`` says which are old (exit code 1)."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
from board import alert_rules, board

if TYPE_CHECKING:
    from sartor.recipes import Recipe, Segmenting, Serving

REFERENCE = Path(__file__).parent / "reference"
DEPLOY = Path(__file__).parents[1] / "deploy"
sys.path.append(str(Path(__file__).parent.parent))  # for what the repository has beside the package
_NOTE = "<!-- Written by docs/generate.py; change the code, not this page. -->\n"


def commands() -> Iterator[str]:
    """Yield the page of every command."""
    from sartor.cli import cli

    yield "# Commands\n"
    yield "Every command prints `--help`; the exit code is 0, 1 (it failed, the reason is on stderr) or 2 (usage).\n"
    for name, command in _commands(cli, "sartor"):
        with click.Context(command, info_name=name, terminal_width=78) as context:
            yield f"## `{name}`\n\n```\n{command.get_help(context)}\n```\n"


def _commands(group: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    yield name, group
    if isinstance(group, click.Group):
        for word, command in sorted(group.commands.items()):
            yield from _commands(command, f"{name} {word}")


def settings() -> Iterator[str]:
    """Yield the page of every setting."""
    from sartor.settings import SETTINGS

    yield "# Settings\n"
    yield (
        "A value comes from the option, else from the environment variable, else from `sartor.toml` in the current "
        "folder (or the file that `SARTOR_CONFIG` names), else from the default.\n"
    )
    yield "| key in `sartor.toml` | option of `serve` | environment | default | meaning |"
    yield "| --- | --- | --- | --- | --- |"
    for setting in SETTINGS:
        option = (
            f"`{f'{setting.flag} {setting.metavar}'.strip()}`".replace("|", "\\|") if setting.option else ""
        )
        default = f"`{setting.default}`" if setting.default else ""
        default += f"; for tests `{setting.for_tests}`" if setting.for_tests else ""
        yield f"| `{setting.name}` | {option} | `{setting.variable}` | {default} | {setting.help} |"
    yield (
        '\n`[roles."arn:aws:iam::…:role/…"]` in the file gives the S3 credentials of an import job\'s role: '
        "`aws_access_key_id`, `aws_secret_access_key`, and perhaps `aws_session_token` and `region`.\n"
    )


def operations() -> Iterator[str]:
    """Yield the page of all operations."""
    from sartor.wire.operations import load

    found = load().all
    yield "# Operations\n"
    yield (
        f"All {len(found)}, with the errors that they declare. What is tried of each, and how Amazon differs: "
        "[compatibility](compatibility.md).\n"
    )
    yield "| operation | service | errors |\n| --- | --- | --- |"
    for operation in found:
        yield f"| {operation.name} | {operation.service} | {', '.join(sorted(operation.errors))} |"


def fault_codes() -> Iterator[str]:
    """Yield the page of every rule that an import checks."""
    from sartor.data.rules import RULES

    yield "# Fault codes\n"
    yield (
        "The `code` of a fault in `report.json` and `rejects.csv`, and the rule in words. `{column}` is the column, "
        "or the number that a rule of a whole job names.\n"
    )
    yield "| code | rule |\n| --- | --- |"
    for rule in RULES.values():
        yield f"| `{rule.code}` | {rule.text} |"


def dataset_types() -> Iterator[str]:
    """Yield the page of every dataset type: the columns that have a meaning, by domain."""
    from sartor.data.dataset_types import DATASET_TYPES

    yield "# Dataset types\n"
    yield (
        "The columns whose names have a meaning; all others are metadata columns. A schema may list its columns in any "
        "order. A column that may be null may also be declared without null.\n"
    )
    for domain, types in DATASET_TYPES.items():
        yield f"## {f'Domain {domain}' if domain else 'Custom dataset groups'}\n"
        for of_type in types.values():
            least, most = of_type.minimum_metadata, of_type.maximum_metadata
            yield f"### {of_type.name}\n"
            yield (
                f"The schema's record is `{of_type.record}`, with {least} to {most} metadata columns"
                f"{', one of them `textual` and one `itemName` at most' if of_type.textual_allowed else ''}. "
                + (
                    f"A newer record replaces an older one of the same `{of_type.identity}`.\n"
                    if of_type.identity
                    else "Records that are alike in every column count once.\n"
                )
            )
            yield "| column | type | required | may be null | use |\n| --- | --- | --- | --- | --- |"
            for column in of_type.keywords.values():
                yield (
                    f"| `{column.name}` | {', '.join(column.types)} | {'yes' if column.required else ''} "
                    f"| {'yes' if column.nullable else ''} | {'' if column.use == 'plain' else column.use} |"
                )
            yield ""


def quotas() -> Iterator[str]:
    """Yield the page of every quota that is kept."""
    from sartor.data.dataset_types import DATASET_TYPES
    from sartor.data.put import MAXIMUM_EVENT_BYTES
    from sartor.data.schema import MAXIMUM_CHARACTERS
    from sartor.filters.check import MAXIMUM_FIELDS
    from sartor.realtime.rates import REQUESTS_PER_SECOND
    from sartor.recipes import RECIPES
    from sartor.resources import (
        batch_jobs,
        campaigns,
        filters,
        looks,
        recommenders,
        rules,
        solution_versions,
        solutions,
    )
    from sartor.resources.tags import MAX_TAGS
    from sartor.wire.read import MAXIMUM_BODY_BYTES
    from sartor.work.import_data import MAXIMUM_BYTES
    from sartor.work.train import MAXIMUM_ACTIONS, MINIMUM_INTERACTIONS, MINIMUM_USERS

    yield "# Quotas\n"
    yield "Numbers are for one account in one region. `--quotas off` lifts those of the first table.\n"
    yield "| quota | `--quotas aws` |\n| --- | --- |"
    yield f"| dataset groups that are pending, in progress or active | {rules.MAX_DATASET_GROUPS} |"
    yield f"| schemas | {rules.MAX_SCHEMAS} |"
    yield f"| recommenders of a dataset group, those that are stopped too | {recommenders.MAX_RECOMMENDERS} |"
    yield f"| solutions, and campaigns, of a dataset group | {solutions.MAX_SOLUTIONS}, {campaigns.MAX_CAMPAIGNS} |"
    yield f"| filters of a dataset group, and their columns | {filters.MAX_FILTERS}, {filters.MAX_FIELDS} |"
    yield f"| columns that one filter uses | {MAXIMUM_FIELDS} |"
    yield f"| solution versions that are pending or in progress | {solution_versions.MAX_UNFINISHED} |"
    yield f"| least interactions of a training, and users with two | {MINIMUM_INTERACTIONS:,}, {MINIMUM_USERS} |"
    yield f"| actions of a training | {MAXIMUM_ACTIONS:,} |"
    yield f"| dataset import jobs that are pending or in progress | {rules.MAX_IMPORT_JOBS_AT_ONCE} |"
    for mode, size in MAXIMUM_BYTES.items():
        yield f"| bytes of one {mode} import | {size:,} |"
    for of_type in DATASET_TYPES[None].values():
        if of_type.minimum_rows:
            yield f"| least rows of one import of {of_type.name} | {of_type.minimum_rows:,} |"
    yield f"| batch inference jobs that are pending or in progress | {batch_jobs.MAX_JOBS_AT_ONCE} |"
    yield f"| files, and bytes of all files, of one batch job | {batch_jobs.MAX_FILES:,}, {batch_jobs.MAX_BYTES:,} |"
    for mode, lines in batch_jobs.MAX_LINES.items():
        yield f"| lines of one file of a batch inference job, {mode} | {lines:,} |"
    yield f"| batch segment jobs that are pending or in progress | {batch_jobs.MAX_JOBS_AT_ONCE} |"
    for recipe in RECIPES:
        if recipe.segmenting is not None:
            most = recipe.segmenting.most_lines
            yield f"| lines of one file of a batch segment job, {recipe.name} | {most} |"
    yield f"| data deletion jobs of a dataset group that are pending | {rules.MAX_DELETION_JOBS_PENDING} |"
    yield f"| bytes of one data deletion job's files | {looks.MAX_DELETION_BYTES:,} |"
    for operation, rate in REQUESTS_PER_SECOND.items():
        yield f"| {operation} requests a second for one dataset and API process | {rate:,} |"
    yield "\nThese hold always:\n"
    yield "| limit | |\n| --- | --- |"
    yield f"| characters of a schema | {MAXIMUM_CHARACTERS:,} |"
    yield f"| tags of a resource | {MAX_TAGS} |"
    yield f"| items of one answer of a batch inference job | {batch_jobs.MAX_RESULTS} |"
    yield f"| users of one segment | {batch_jobs.MAX_SEGMENT:,} |"
    yield f"| bytes of one event | {MAXIMUM_EVENT_BYTES:,} |"
    yield f"| bytes of a request's body | {MAXIMUM_BODY_BYTES:,} |"
    yield "| unfinished dataset import jobs of one dataset | 1 |"


def recipes() -> Iterator[str]:
    """Yield the page of every recipe, with its parameters and what they mean here."""
    from sartor.recipes import RECIPES

    yield "# Recipes\n"
    yield (
        "Names, types, ranges and defaults are Amazon's. Hyperparameters go into `algorithmHyperParameters`, "
        "featurization parameters into `featureTransformationParameters`; a value out of range is refused when the "
        "solution is created. What a parameter means *here* stands in the last column. How the models work: "
        "[models](../explain/models.md).\n"
    )
    for recipe in RECIPES:
        serving, trainer = recipe.serving, recipe.trainer
        yield f"## `{recipe.name}`\n\n{recipe.description}\n"
        yield f"- Model: {trainer.model}"
        if recipe.domain is not None:
            yield from _use_case(recipe)
        if serving is not None:
            yield from _answers(serving)
        if recipe.segmenting is not None:
            yield from _segments(recipe.segmenting)
        rows = [("hyperparameter", one) for one in recipe.parameters]
        rows += [("featurization", one) for one in recipe.transformation.parameters]
        if rows:
            yield "\n| parameter | sort | value | default | HPO | here |\n| --- | --- | --- | --- | --- | --- |"
        for sort, one in rows:
            tuned = "only" if one.only_tuned else "yes" if one.tunable else ""
            meant = trainer.meanings.get(one.name, "accepted, changes nothing")
            yield f"| `{one.name}` | {sort} | {one.rule} | {one.default} | {tuned} | {meant} |"
        yield ""


def _use_case(recipe: "Recipe") -> Iterator[str]:
    """Yield what a use case counts."""
    counted = (
        "every event" if recipe.event_type is None else f"`{recipe.event_type}` events alone, in any case"
    )
    items = ", and an Items dataset" if recipe.needs_items else ""
    yield f"- A use case of {recipe.domain}; it counts {counted}, and needs 1,000 of them{items}"


def _answers(serving: "Serving") -> Iterator[str]:
    """Yield how a recipe answers."""
    names = sorted({one for one in (serving.needs, *serving.requires) if one is not None}, reverse=True)
    needs = f", with {' and '.join(f'`{name}`' for name in names)}" if names else ""
    scores = {"all": "of the whole catalogue", "subset": "of the best items", None: "none"}[serving.scored]
    explored = {
        "configured": "as the campaign or the recommender says",
        "managed": "a little, by itself",
        None: "no",
    }
    promotes = "yes" if serving.promotes else "no"
    yield f"- Asked by: {serving.operation}{needs}; scores: {scores}"
    yield f"- New items are explored: {explored[serving.explores]}; promotions: {promotes}"
    yield f"- In batch: {'yes' if serving.in_batch else 'no'}"
    if serving.removes is not None:
        yield f"- What the user had a `{serving.removes}` event with is not shown again"
    if serving.in_context:
        yield "- A request's context counts, and the attributes of a new user"


def _segments(segmenting: "Segmenting") -> Iterator[str]:
    """Yield how a recipe answers which users a segment has."""
    yield (
        f"- Asked by: batch segment jobs alone, with `{segmenting.asked_with}`, up to "
        f"{segmenting.most_lines} lines a file; see [segments](../how-to/segments.md)"
    )
    by_history = "Users and Interactions" if segmenting.by_history else "Users"
    yield f"- Filters: about `UserID`, on {by_history}"


def rules() -> Iterator[str]:
    """Yield the page of every documented rule."""
    from conformance.rules import lines, read

    yield from lines(read())


def metrics() -> Iterator[str]:
    """Yield the page of every figure of ``/metrics``, and of the alerts."""
    from sartor.measures import MEASURES

    yield "# Metrics\n"
    yield (
        "The figures of `/metrics`, in Prometheus' text form. How to read them, the board and the alerts: "
        "[logs and metrics](../how-to/logs-and-metrics.md).\n"
    )
    yield "| sample | type | labels | meaning | of |\n| --- | --- | --- | --- | --- |"
    for one in MEASURES:
        sample = f"`{one.sample}`" + (", with `_bucket`, `_sum`, `_count`" if one.sort == "histogram" else "")
        labels = ", ".join(f"`{label}`" for label in one.labels)
        yield f"| {sample} | {one.sort} | {labels} | {one.text} | {'service' if one.of_database else 'process'} |"
    yield (
        "\nA figure of the *process* is counted by the API process that answers: add those of all processes. One of "
        "the *service* comes from the database and every process says the same: take the largest. While the database "
        "does not answer, the figures of the service are missing, and `sartor_database_up` is 0.\n"
    )
    yield "## Alerts\n"
    yield "| alert | severity | fires after | while | what it means |\n| --- | --- | --- | --- | --- |"
    for alert in (alert for one in MEASURES for alert in one.alerts):
        yield f"| {alert.name} | {alert.severity} | {alert.lasts} | `{alert.expression}` | {alert.text} |"


PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "commands.md": commands,
    "settings.md": settings,
    "operations.md": operations,
    "fault-codes.md": fault_codes,
    "dataset-types.md": dataset_types,
    "quotas.md": quotas,
    "recipes.md": recipes,
    "rules.md": rules,
    "metrics.md": metrics,
}


def texts() -> Iterator[tuple[Path, str]]:
    """Yield every file that is written from the code, with what it says."""
    for name, page in PAGES.items():
        yield REFERENCE / name, _NOTE + "\n" + "\n".join(page()).rstrip() + "\n"
    yield DEPLOY / "grafana" / "sartor.json", board()
    yield DEPLOY / "prometheus" / "sartor.rules.yml", "\n".join(alert_rules()) + "\n"


def main(check: bool) -> int:
    """Write or check every file; return the exit code."""
    old = []
    for place, text in texts():
        if check and (not place.exists() or place.read_text(encoding="utf-8") != text):
            old.append(place.name)
        elif not check:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
    if old:
        print(f"out of date: {', '.join(old)}; run `make docs`", file=sys.stderr)
    return 1 if old else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
