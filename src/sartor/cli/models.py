"""The commands about models and what they answer: training, retrain, explain, filter test."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from sartor.cli.options import JSON, failures, settings_of, settings_options
from sartor.cli.servers import Asked, asked_about, asked_for
from sartor.console import terminal, texts
from sartor.resources.kind_names import CAMPAIGN, DATASET_GROUP, RECOMMENDER, SOLUTION, SOLUTION_VERSION

if TYPE_CHECKING:
    from sartor.work.tools import Tools

#: How often a training is looked at, in seconds.
_LOOK_SECONDS = 0.5
#: Statuses after which a training goes on no more.
_ENDED = ("ACTIVE", "CREATE FAILED", "CREATE STOPPED")
VALUE = click.option(
    "--value", "values", multiple=True, metavar="NAME=VALUE", help="A placeholder's value; can be repeated."
)


@click.command()
@click.argument("arn")
@click.option("--follow", is_flag=True, help="Wait for its end; the exit code is 1 if it was not trained.")
@settings_options("data", "host", "port")
@JSON
def training(arn: str, follow: bool, as_json: bool, **flags: Any) -> None:
    """Show how far the training of a solution version or a recommender is; once it is done, what came of it.

    \b
    Example:
      sartor training arn:aws:personalize:us-east-1:000000000000:solution/for-you/1a2b3c4d --follow
    """
    kind = RECOMMENDER if _is_recommender(arn) else SOLUTION
    word = "recommenders" if _is_recommender(arn) else "solution-versions"
    server = asked_about(arn, kind, "a solution version or a recommender", flags)
    path = f"/sartor/v1/{word}/{quote(arn, safe='')}"
    answer = server.ask(path)
    if follow:
        answer = _followed(answer, lambda: server.ask(path), quiet=as_json)
    if as_json:
        click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        click.echo(texts.training(answer))
    raise click.exceptions.Exit(1 if follow and answer["status"] != "ACTIVE" else 0)


@click.command()
@click.argument("arn")
@click.option("--verify", is_flag=True, required=True, help="Compare and keep nothing.")
@click.option("--force", is_flag=True, help="Compare although the data changed since.")
@settings_options("data", "database", "storage", "s3_endpoint")
@JSON
def retrain(arn: str, verify: bool, force: bool, as_json: bool, **flags: Any) -> None:
    """Train a solution version or a recommender again from its provenance, and compare with what it made.

    Reads the server's data folder; the server may run. The exit code is 0 if every number is equal, 1 if not.

    \b
    Example:
      sartor retrain arn:aws:personalize:us-east-1:000000000000:solution/for-you/1a2b3c4d --verify
    """
    if not verify:
        raise click.UsageError("retrain needs --verify; a new version is made by CreateSolutionVersion.")
    from sartor.errors import JobFailed
    from sartor.models.base import Run
    from sartor.work.retrain import Moved
    from sartor.work.retrain import verify as run

    with failures(JobFailed, Moved, OSError, ValueError, ImportError), _tools(flags) as tools:
        version = tools.store.get(arn)
        if version is None or version.kind not in (SOLUTION_VERSION, RECOMMENDER):
            raise click.ClickException(
                f"There is no solution version or recommender {arn} in this data folder."
            )
        with _progress(quiet=as_json) as say:
            found = run(version, tools, Run(threads=tools.threads, progress=say), force)
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=2, ensure_ascii=False))
    else:
        click.echo(texts.comparison(found.to_json()))
    raise click.exceptions.Exit(0 if found.equal else 1)


@click.command()
@click.argument("arn")
@click.option("--user", metavar="ID", help="Who asks; recipes for users need it.")
@click.option("--item", metavar="ID", help="The item that is looked at; recipes for related items need it.")
@click.option("--filter", "filter_arn", metavar="ARN", help="A filter of the request.")
@VALUE
@click.option("--results", type=click.IntRange(1, 500), default=10, show_default=True, help="How many items.")
@settings_options("data", "host", "port")
@JSON
def explain(
    arn: str,
    user: str | None,
    item: str | None,
    filter_arn: str | None,
    values: tuple[str, ...],
    results: int,
    as_json: bool,
    **flags: Any,
) -> None:
    """Show why a campaign or a recommender answers as it does: the model, what was removed, the evidence.

    \b
    Example:
      sartor explain arn:aws:personalize:us-east-1:000000000000:campaign/for-you --user anna
    """
    kind = RECOMMENDER if _is_recommender(arn) else CAMPAIGN
    server = asked_about(arn, kind, "a campaign or a recommender", flags)
    asked = {f"{kind}Arn": arn, "userId": user, "itemId": item, "filterArn": filter_arn}
    answer = server.ask("/sartor/v1/explain", given({**asked, "numResults": results}, values))
    if as_json:
        click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
        return
    click.echo(texts.explanation(answer))


@click.group("filter")
def filters() -> None:
    """Filters, tried before they are made.

    \b
    Example:
      sartor filter test 'EXCLUDE ItemID WHERE Items.GENRE IN ("Drama")' --group shop
    """


@filters.command("test")
@click.argument("expression")
@click.option("--group", required=True, metavar="ARN_OR_NAME", help="The dataset group.")
@click.option("--user", metavar="ID", help="Who would ask; expressions about users and interactions need it.")
@click.option("--item", metavar="ID", help="The item that would be looked at.")
@VALUE
@settings_options("data", "host", "port")
@JSON
def filter_test(
    expression: str,
    group: str,
    user: str | None,
    item: str | None,
    values: tuple[str, ...],
    as_json: bool,
    **flags: Any,
) -> None:
    """Show how many items a filter expression keeps, and some of them. Nothing is made.

    \b
    Example:
      sartor filter test 'INCLUDE ItemID WHERE Items.GENRE IN ($GENRE)' --group shop --value GENRE=Drama
    """
    server = _of_group(group, flags)
    asked = {"datasetGroupArn": group, "filterExpression": expression, "userId": user, "itemId": item}
    answer = server.ask("/sartor/v1/filters/test", given(asked, values))
    if as_json:
        click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
        return
    click.echo(texts.trial(answer))


def _is_recommender(arn: str) -> bool:
    return ":recommender/" in arn


def _of_group(group: str, flags: dict[str, Any]) -> Asked:
    """Return the server to ask about a dataset group by its ARN or its name."""
    if group.startswith("arn:"):
        return asked_about(group, DATASET_GROUP, "a dataset group", flags)
    return asked_for(flags)


def given(members: dict[str, Any], values: tuple[str, ...]) -> dict[str, Any]:
    """Return the members that were given, with the values of placeholders."""
    given = {name: value for name, value in members.items() if value is not None}
    if values:
        given["filterValues"] = pairs = {}
        for text in values:
            name, equals, value = text.partition("=")
            if not equals or not name:
                raise click.UsageError(f"--value must be NAME=VALUE, not {text}.")
            pairs[name.removeprefix("$")] = value
    return given


def _followed(answer: dict[str, Any], ask: Callable[[], dict[str, Any]], quiet: bool) -> dict[str, Any]:
    """Tell a training's progress until it ends, and return what it is then."""
    with _progress(quiet) as say:
        while answer["status"] not in _ENDED:
            known = answer.get("progress") or {}
            say(known, f"{answer['status']}  {texts.progress(known)}")
            time.sleep(_LOOK_SECONDS)
            answer = ask()
    return answer


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[..., None]]:
    """Give what takes progress: one line that changes on a terminal, else a line on stderr for each new step."""
    shown = terminal.Progress(sys.stderr)
    if shown.watched and not quiet:
        with shown:
            yield lambda progress, text=None: shown.show(text or texts.progress(progress))
        return
    told: list[tuple[Any, ...]] = []

    def say(progress: dict[str, Any], text: str | None = None) -> None:
        step = (progress.get("phase"), progress.get("epoch"))
        if not quiet and any(step) and step not in told:
            told.append(step)
            click.echo(text or texts.progress(progress), err=True)

    yield say


@contextmanager
def _tools(flags: dict[str, Any]) -> Iterator["Tools"]:
    """Give what a training needs, of a data folder."""
    from sartor.app import open_backend, tools_of
    from sartor.serve import wait_without_spinning

    wait_without_spinning()
    settings = settings_of(flags)
    if not settings.data.exists():
        raise click.ClickException(f"There is no data folder {settings.data}; name the server's with --data.")
    backend = open_backend(settings)
    try:
        yield tools_of(backend)
    finally:
        backend.close()
