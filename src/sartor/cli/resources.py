"""The commands about what there is: list, status, jobs, stop."""

import json
from typing import Any
from urllib.parse import urlencode

import click

from sartor.cli.options import JSON, settings_options, show
from sartor.cli.servers import asked_about, asked_for
from sartor.console import standing
from sartor.resources.kind_names import (
    BATCH_INFERENCE_JOB,
    BATCH_SEGMENT_JOB,
    DATASET_EXPORT_JOB,
    DATASET_IMPORT_JOB,
)
from sartor.resources.kinds import KINDS

#: What ``sartor stop`` stops.
_STOPPABLE = (DATASET_IMPORT_JOB, DATASET_EXPORT_JOB, BATCH_INFERENCE_JOB, BATCH_SEGMENT_JOB)


class _Kind(click.ParamType[str]):
    """A kind of resource, in the singular or the plural, with dashes or spaces."""

    name = "kind"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the kind's name."""
        folded = str(value).lower().replace("_", "-").replace(" ", "-")
        for kind in KINDS:
            if folded in (kind, f"{kind}s"):
                return kind
        return self.fail(f"there is no kind {value!r}; it is one of {', '.join(KINDS)}.", param, ctx)


@click.command("list")
@click.argument("kind", required=False, type=_Kind())
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=100,
    show_default=True,
    help="How many of a kind, the newest.",
)
@settings_options("data", "host", "port")
@JSON
def list_resources(kind: str | None, limit: int, as_json: bool, **flags: Any) -> None:
    """List what there is, of one KIND or of all: datasets, solutions, campaigns, import jobs and so on.

    \b
    Example:
      sartor list campaigns
    """
    of_kind = f"&kinds={kind}" if kind is not None else ""
    found = asked_for(flags).ask(f"/sartor/v1/resources?limit={limit}{of_kind}")
    if as_json:
        click.echo(json.dumps(found["resources"], indent=2, ensure_ascii=False))
        return
    show(standing.listed(found["resources"]))


@click.command()
@settings_options("data", "host", "port")
@JSON
def status(as_json: bool, **flags: Any) -> None:
    """Show what there is, what runs, what waits and why.

    \b
    Example:
      sartor status
    """
    server = asked_for(flags)
    found = server.ask("/sartor/v1/status")
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    show(standing.status(server.url, found))


@click.command()
@click.option("--state", type=click.Choice(("unfinished", "failed", "done")), help="Only those that are so.")
@click.option("--search", metavar="TEXT", help="Only those whose name or kind has this text.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many, the newest."
)
@settings_options("data", "host", "port")
@JSON
def jobs(state: str | None, search: str | None, limit: int, as_json: bool, **flags: Any) -> None:
    """List imports, exports, deletions, trainings and batch jobs, the newest first.

    \b
    Example:
      sartor jobs --state failed
    """
    given = {"limit": limit, "state": state, "search": search}
    query = urlencode({name: value for name, value in given.items() if value is not None})
    found = asked_for(flags).ask(f"/sartor/v1/jobs?{query}")["jobs"]
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    show(standing.listed(found))


@click.command()
@click.argument("job")
@settings_options("data", "host", "port")
@JSON
def stop(job: str, as_json: bool, **flags: Any) -> None:
    """Stop an import, an export or a batch job that waits or runs: it fails, and nothing of it is kept.

    JOB is its name or its ARN. Trainings are stopped by `aws personalize stop-solution-version-creation`.

    \b
    Example:
      sartor stop monday
    """
    server, arn = asked_about(job, _STOPPABLE, "an import, export or batch job", flags)
    answer = server.ask("/sartor/v1/jobs/stop", {"jobArn": arn})
    if as_json:
        click.echo(json.dumps(answer, indent=2))
        return
    show(f"{answer['jobArn']}: {answer['status']}")
