"""The commands about models and what they answer: training, retrain, explain, filter test."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from sartor.cli.options import JSON, failures, settings_of, settings_options, show
from sartor.cli.servers import asked_about, server_of
from sartor.console import terminal, texts
from sartor.resources.kind_names import CAMPAIGN, DATASET_GROUP, FILTER, RECOMMENDER, SOLUTION_VERSION

if TYPE_CHECKING:
    from sartor.resources.store import Resource
    from sartor.work.tools import Tools

#: What is trained.
_TRAINED = (SOLUTION_VERSION, RECOMMENDER)
#: How often a training is looked at, in seconds.
_LOOK_SECONDS = 0.5
#: Statuses after which a training goes on no more.
_ENDED = ("ACTIVE", "CREATE FAILED", "CREATE STOPPED")
VALUE = click.option(
    "--value", "values", multiple=True, metavar="NAME=VALUE", help="A placeholder's value; can be repeated."
)


@click.command()
@click.argument("trained")
@click.option("--follow", is_flag=True, help="Wait for its end; the exit code is 1 if it was not trained.")
@settings_options("data", "host", "port")
@JSON
def training(trained: str, follow: bool, as_json: bool, **flags: Any) -> None:
    """Show how far the training of a solution version or a recommender is; once it is done, what came of it.

    TRAINED is its ARN or its name; a solution's name stands for its newest version.

    \b
    Example:
      sartor training for-you --follow
    """
    server, arn = asked_about(trained, _TRAINED, "a solution version or recommender", flags)
    word = "recommenders" if _is_recommender(arn) else "solution-versions"
    path = f"/sartor/v1/{word}/{quote(arn, safe='')}"
    answer = server.ask(path)
    if follow:
        answer = _followed(answer, lambda: server.ask(path), quiet=as_json)
    if as_json:
        click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        show(texts.training(answer))
    raise click.exceptions.Exit(1 if follow and answer["status"] != "ACTIVE" else 0)


@click.command()
@click.argument("trained")
@click.option("--verify", is_flag=True, required=True, help="Compare and keep nothing.")
@click.option("--force", is_flag=True, help="Compare although the data changed since.")
@settings_options("data", "database", "storage", "s3_endpoint")
@JSON
def retrain(trained: str, verify: bool, force: bool, as_json: bool, **flags: Any) -> None:
    """Train a solution version or a recommender again from its provenance, and compare with what it made.

    TRAINED is its ARN or its name; a solution's name stands for its newest version. Reads the server's data folder;
    the server may run. The exit code is 0 if every number is equal, 1 if not.

    \b
    Example:
      sartor retrain for-you --verify
    """
    if not verify:
        raise click.UsageError("retrain needs --verify; a new version is made by CreateSolutionVersion.")
    from sartor.errors import JobFailed
    from sartor.models.base import Run
    from sartor.work.retrain import Moved
    from sartor.work.retrain import verify as run

    with failures(JobFailed, Moved, OSError, ValueError, ImportError), _tools(flags) as tools:
        version = _trained(tools, trained, flags)
        with _progress(quiet=as_json) as say:
            found = run(version, tools, Run(threads=tools.threads, progress=say), force)
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=2, ensure_ascii=False))
    else:
        show(texts.comparison(found.to_json()))
    raise click.exceptions.Exit(0 if found.equal else 1)


@click.command()
@click.argument("deployed")
@click.option("--user", metavar="ID", help="Who asks; recipes for users need it.")
@click.option("--item", metavar="ID", help="The item that is looked at; recipes for related items need it.")
@click.option("--filter", "filtered", metavar="NAME_OR_ARN", help="A filter of the request.")
@VALUE
@click.option("--results", type=click.IntRange(1, 500), default=10, show_default=True, help="How many items.")
@settings_options("data", "host", "port")
@JSON
def explain(
    deployed: str,
    user: str | None,
    item: str | None,
    filtered: str | None,
    values: tuple[str, ...],
    results: int,
    as_json: bool,
    **flags: Any,
) -> None:
    """Show why a campaign or a recommender answers as it does: the model, what was removed, the evidence.

    DEPLOYED is its name or its ARN.

    \b
    Example:
      sartor explain for-you --user anna
    """
    server, arn = asked_about(deployed, (CAMPAIGN, RECOMMENDER), "a campaign or recommender", flags)
    kind = RECOMMENDER if _is_recommender(arn) else CAMPAIGN
    filter_arn = None if filtered is None else asked_about(filtered, (FILTER,), "a filter", flags)[1]
    asked = {f"{kind}Arn": arn, "userId": user, "itemId": item, "filterArn": filter_arn}
    answer = server.ask("/sartor/v1/explain", given({**asked, "numResults": results}, values))
    if as_json:
        click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
        return
    show(texts.explanation(answer))


@click.group("filter")
def filters() -> None:
    """Filters, tried before they are made.

    \b
    Example:
      sartor filter test --group shop \\
        'EXCLUDE ItemID WHERE Items.GENRE IN ("Drama")'
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
      sartor filter test --group shop --value GENRE=Drama \\
        'INCLUDE ItemID WHERE Items.GENRE IN ($GENRE)'
    """
    server, arn = asked_about(group, (DATASET_GROUP,), "a dataset group", flags)
    asked = {"datasetGroupArn": arn, "filterExpression": expression, "userId": user, "itemId": item}
    answer = server.ask("/sartor/v1/filters/test", given(asked, values))
    if as_json:
        click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
        return
    show(texts.trial(answer))


def _is_recommender(arn: str) -> bool:
    return ":recommender/" in arn


def _trained(tools: "Tools", name: str, flags: dict[str, Any]) -> "Resource":
    """Return the row of a solution version or a recommender, by its ARN or its name."""
    from sartor.resources.naming import called

    settings = settings_of(flags)
    with tools.store.read() as transaction:
        if name.startswith("arn:"):
            one = transaction.get(name)
            found = [one] if one is not None and one.kind in _TRAINED else []
        else:
            server = server_of(settings)
            account, region = server.get("account", settings.account), server.get("region", settings.region)
            found = called(transaction, _TRAINED, account, region, name)
    if len(found) != 1:
        raise click.ClickException(f"There is no solution version or recommender {name} in this data folder.")
    return found[0]


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
