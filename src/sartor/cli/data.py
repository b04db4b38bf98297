"""The commands about data: validate, report, describe, history, rollback."""

import json
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import click

from sartor.cli.options import JSON, failures, settings_of, settings_options, show
from sartor.cli.servers import asked_about
from sartor.console import terminal, texts
from sartor.resources.kind_names import BATCH_INFERENCE_JOB, DATA_DELETION_JOB, DATASET, DATASET_IMPORT_JOB

#: What has a report, and where.
_REPORTED: Final = {
    DATASET_IMPORT_JOB: "import-jobs",
    DATA_DELETION_JOB: "deletion-jobs",
    BATCH_INFERENCE_JOB: "batch-inference-jobs",
}


@click.command()
@click.argument("files", nargs=-1, required=True)
@click.option(
    "--schema",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The schema's JSON file.",
)
@click.option("--dataset-type", help="The dataset's type; must be the schema's.  [default: the schema's]")
@click.option(
    "--domain", type=click.Choice(["ECOMMERCE", "VIDEO_ON_DEMAND"]), help="The dataset group's domain."
)
@settings_options("data", "bucket", "s3_endpoint", "account", "quotas", "bad_cells")
@JSON
def validate(
    files: tuple[str, ...],
    schema: Path,
    dataset_type: str | None,
    domain: str | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Check files as an import job would, and write nothing.

    FILES are local files or folders, s3:// locations, or - for standard input.
    The exit code is 0 if a job would import them, 1 if not.

    \b
    Example:
      sartor validate interactions.csv --schema interactions.json
    """
    settings = settings_of(flags)
    from sartor.errors import ApiError, JobFailed
    from sartor.work.validate import validate as run

    with failures(ApiError, JobFailed, OSError):
        report = run(files, schema.read_text(encoding="utf-8"), dataset_type, domain, settings)
    if as_json:
        click.echo(json.dumps(report.to_json(), indent=2, ensure_ascii=False))
    else:
        show(texts.report(report.to_json(), tried=True))
    raise click.exceptions.Exit(0 if report.verdict == "imported" else 1)


@click.command()
@click.argument("job")
@settings_options("data", "host", "port")
@JSON
def report(job: str, as_json: bool, **flags: Any) -> None:
    """Print the report of a dataset import or data deletion job, or how far it or a batch inference job is.

    JOB is its name or its ARN.

    \b
    Example:
      sartor report monday
    """
    server, arn = asked_about(job, list(_REPORTED), "an import, deletion or batch inference job", flags)
    kind, _, name = arn.rpartition(":")[2].partition("/")
    path = f"/sartor/v1/{_REPORTED[kind]}/{name}/report"
    answer = server.ask(path)
    if "progress" in answer and not as_json and sys.stdout.isatty():
        answer = _followed(answer, lambda: server.ask(path))
    if as_json:
        click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
        return
    if "verdict" in answer:
        show(texts.report(answer))
        return
    if "trainedWith" in answer:
        show(texts.deletion(answer))
        return
    show(f"{answer['jobArn']}: {answer['status']}")
    if "failureReason" in answer:
        show(answer["failureReason"])
    if answer.get("progress"):
        show(texts.progress(answer["progress"]))


@click.command()
@click.argument("dataset")
@click.option(
    "--tables",
    is_flag=True,
    help="Print where its Delta tables lie, a line each, for DuckDB, Polars or Spark.",
)
@settings_options("data", "host", "port")
@JSON
def describe(dataset: str, tables: bool, as_json: bool, **flags: Any) -> None:
    """Show what is in a dataset: columns, events by type and day, users, and advice.

    DATASET is GROUP/TYPE or its ARN.

    \b
    Example:
      sartor describe shop/INTERACTIONS
      sartor describe shop/INTERACTIONS --tables
    """
    server, arn = asked_about(dataset, [DATASET], "a dataset", flags)
    if tables:
        found = server.ask(_of_dataset(arn, "tables"))
        lines = [table["uri"] for table in found["tables"]]
        click.echo(json.dumps(found, indent=2) if as_json else "\n".join(lines) or "It has no records yet.")
        return
    path = _of_dataset(arn, "statistics")
    answer = _followed(server.ask(path), lambda: server.ask(path))
    if "failureReason" in answer:
        raise click.ClickException(answer["failureReason"])
    if as_json:
        click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
        return
    show(texts.statistics(answer))


@click.command()
@click.argument("dataset")
@click.option("--before", type=click.IntRange(0), metavar="N", help="Only versions older than this one.")
@settings_options("data", "host", "port")
@JSON
def history(dataset: str, before: int | None, as_json: bool, **flags: Any) -> None:
    """List the newest versions of a dataset's imported records: what each added, replaced and removed.

    DATASET is GROUP/TYPE or its ARN.

    \b
    Example:
      sartor history shop/ITEMS
    """
    answer = _asked_dataset(dataset, "history" if before is None else f"history?before={before}", flags)
    if as_json:
        click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
        return
    if not answer["versions"]:
        show("Nothing has been imported yet." if before is None else "There is nothing older.")
        return
    rows = []
    for one in answer["versions"]:
        moment = f"{datetime.fromtimestamp(one['timestamp']):%Y-%m-%d %H:%M:%S}"
        counts = [f"{one[name]:,}" for name in ("rows", "added", "replaced", "removed")]
        job = one.get("jobArn", "").rpartition("/")[2]
        what = f"{one['action']} {job}".strip() + ("" if one["restorable"] else ", kept no longer")
        rows.append((str(one["version"]), moment, *counts, what))
    headings = ("version", "when", "rows", "added", "replaced", "removed", "what")
    click.echo(terminal.table(headings, rows, align=">>>>>>"))
    if "before" in answer:
        click.echo(f"Older versions: --before {answer['before']}")


@click.command()
@click.argument("dataset")
@click.option("--to", "version", type=int, required=True, metavar="N", help="The version to go back to.")
@settings_options("data", "host", "port")
@JSON
def rollback(dataset: str, version: int, as_json: bool, **flags: Any) -> None:
    """Make a dataset's imported records what they were in an older version, as a new version.

    DATASET is GROUP/TYPE or its ARN.

    \b
    Example:
      sartor rollback shop/ITEMS --to 3
    """
    answer = _asked_dataset(dataset, "rollback", flags, {"to": version})
    if as_json:
        click.echo(json.dumps(answer, indent=2))
        return
    show(f"Version {answer['version']} is what version {answer['restored']} was.")


def _asked_dataset(
    dataset: str, what: str, flags: dict[str, Any], members: dict[str, Any] | None = None
) -> Any:
    """Return what a running server answers about a dataset; with members, to a POST of them."""
    server, arn = asked_about(dataset, [DATASET], "a dataset", flags)
    return server.ask(_of_dataset(arn, what), members)


def _of_dataset(arn: str, what: str) -> str:
    """Return the path of what is known of a dataset."""
    return f"/sartor/v1/datasets/{quote(arn, safe='')}/{what}"


def _followed(answer: dict[str, Any], ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Show the progress of work until it ends, and return what it has to report then."""
    import time

    with terminal.Progress() as shown:
        while "progress" in answer:
            shown.show(f"{answer['status']}  {texts.progress(answer['progress'])}")
            time.sleep(0.5)
            answer = ask()
    return answer
