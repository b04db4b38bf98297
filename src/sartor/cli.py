"""Every command, one function each. What a command needs is imported when it runs: ``--help`` is instant."""

import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from urllib.parse import quote

import click

from sartor import __version__
from sartor.settings import SETTINGS, Settings, SettingsError, load, variables

if TYPE_CHECKING:
    from sartor.keys import AccessKey

Function = TypeVar("Function", bound=Callable[..., Any])

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
#: The environment variables that `sartor env` prints, one for each service.
ENDPOINTS = (
    "AWS_ENDPOINT_URL_PERSONALIZE",
    "AWS_ENDPOINT_URL_PERSONALIZE_RUNTIME",
    "AWS_ENDPOINT_URL_PERSONALIZE_EVENTS",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sartor")
def cli() -> None:
    """Amazon Personalize that runs anywhere.

    \b
    Example:
      sartor serve &
      eval "$(sartor env)"
      aws personalize list-recipes
    """


def main() -> NoReturn:
    """Run the command line; exits with 0, 1 (it failed) or 2 (usage)."""
    try:
        status = cli(standalone_mode=False)  # click returns the code of its Exit and does not raise it
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    sys.exit(status or 0)


def settings_options(*names: str) -> Callable[[Function], Function]:
    """Return a decorator that gives a command the options of these settings, or of all."""

    def decorate(function: Function) -> Function:
        for setting in reversed(SETTINGS):
            if not setting.option or (names and setting.name not in names):
                continue
            default = f"  [default: {setting.default}]" if setting.default else ""
            text = f"{setting.help}{default}"
            repeated = setting.name == "bucket"
            option = click.option(
                setting.flag, setting.name, metavar=setting.metavar, help=text, multiple=repeated
            )
            function = option(function)
        return function

    return decorate


def _settings(flags: dict[str, Any]) -> Settings:
    """Return the settings; a wrong value is a usage error."""
    try:
        return load(flags)
    except SettingsError as error:
        raise click.UsageError(str(error)) from None


@contextmanager
def _failures(*kinds: type[Exception]) -> Iterator[None]:
    """Turn what can go wrong for a reason of the user's into exit code 1 and the reason."""
    try:
        yield
    except kinds as error:
        raise click.ClickException(str(error)) from error


@cli.command()
@settings_options()
def serve(**flags: Any) -> None:
    """Serve the API and work: the whole service in one process group.

    \b
    Example:
      sartor serve --data ./sartor-data --bucket training=./csv --port 4900
    """
    settings = _settings(flags)
    from sartor.serve import serve as run

    try:
        with _failures(OSError, ValueError, ImportError):
            run(settings, {**os.environ, **variables(settings)})
    except click.ClickException as error:
        if isinstance(error.__cause__, SettingsError):
            raise click.UsageError(error.message) from error
        raise


@cli.command()
@settings_options("data", "database", "storage", "bucket", "s3_endpoint", "quotas")
@click.option("--parent", type=int, hidden=True, help="End when this process is gone.")
def worker(parent: int | None, **flags: Any) -> None:
    """Work for a service: claim jobs from the same database and storage.

    \b
    Example:
      sartor worker --database postgresql://db/sartor --storage s3://models/sartor
    """
    settings = _settings(flags)
    from sartor.serve import work

    with _failures(OSError, ValueError, ImportError):
        work(settings, parent)


@cli.command()
@settings_options("data", "host", "port", "region", "account")
@JSON
def env(as_json: bool, **flags: Any) -> None:
    """Print what makes any AWS SDK or CLI in this shell talk to the server.

    \b
    Example:
      eval "$(sartor env --data ./sartor-data)"
    """
    settings = _settings(flags)
    server = _server(settings)
    key = _key_of(settings, flags["account"] or server.get("account", settings.account))
    region = flags["region"] or server.get("region", settings.region)
    exports = dict.fromkeys(ENDPOINTS, _server_url(settings)) | {
        "AWS_ACCESS_KEY_ID": key.access_key_id,
        "AWS_SECRET_ACCESS_KEY": key.secret_access_key,
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,  # the JavaScript SDK v3 reads no other
    }
    if as_json:
        click.echo(json.dumps(exports, indent=2))
        return
    for name, value in exports.items():
        click.echo(f"export {name}={shlex.quote(value)}")


@cli.command()
@click.option(
    "--interactions",
    type=click.IntRange(1_000, 100_000_000),
    default=1_000_000,
    show_default=True,
    help="Rows of interactions.",
)
@click.option("--users", type=click.IntRange(min=1), help="Rows of users.  [default: in proportion]")
@click.option("--items", type=click.IntRange(min=1), help="Rows of items.  [default: in proportion]")
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed, another shop.")
@click.option("--keep", is_flag=True, help="Leave the server up.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="The server's data folder.  [default: a temporary one]",
)
def demo(
    interactions: int, users: int | None, items: int | None, seed: int, keep: bool, data: Path | None
) -> None:
    """Show the whole way: make data, serve, import it, look at what came of it.

    \b
    Example:
      sartor demo --interactions 5000000 --keep
    """
    from sartor.demo.run import run

    with _failures(ValueError, RuntimeError, OSError):
        run(interactions=interactions, users=users, items=items, seed=seed, keep=keep, data_folder=data)


@cli.command()
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
@settings_options("data", "bucket", "s3_endpoint", "quotas")
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

    FILES are local files or folders, or s3:// locations.
    The exit code is 0 if a job would import them, 1 if not.

    \b
    Example:
      sartor validate interactions.csv --schema interactions.json
    """
    settings = _settings(flags)
    from sartor.errors import ApiError, JobFailed
    from sartor.work.validate import validate as run

    with _failures(ApiError, JobFailed, OSError):
        report = run(files, schema.read_text(encoding="utf-8"), dataset_type, domain, settings)
    if as_json:
        click.echo(json.dumps(report.to_json(), indent=2, ensure_ascii=False))
    else:
        report.render(_console())
    raise click.exceptions.Exit(0 if report.verdict == "imported" else 1)


@cli.command()
@click.argument("job_arn")
@settings_options("data", "host", "port")
@JSON
def report(job_arn: str, as_json: bool, **flags: Any) -> None:
    """Print the report of a dataset import job, or how far it is.

    \b
    Example:
      sartor report arn:aws:personalize:us-east-1:000000000000:dataset-import-job/monday
    """
    settings = _settings(flags)
    parts = job_arn.split(":", 5)
    if len(parts) != 6 or not parts[5].startswith("dataset-import-job/"):
        raise click.UsageError(f"{job_arn} is not the ARN of a dataset import job.")
    from sartor.wire import call

    with _failures(call.CallError):
        url, key = _asked_server(settings, flags["data"], parts[4])
        path = f"/sartor/v1/import-jobs/{parts[5].partition('/')[2]}/report"
        answer = call.get(url, path, key, parts[3])
        if "progress" in answer and not as_json and sys.stdout.isatty():
            answer = _followed(answer, lambda: call.get(url, path, key, parts[3]))
    if as_json:
        click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
        return
    if "verdict" in answer:
        from sartor.data.report import Report

        Report.from_json(answer).render(_console())
        return
    click.echo(f"{answer['jobArn']}: {answer['status']}")
    if "failureReason" in answer:
        click.echo(answer["failureReason"])
    if answer.get("progress"):
        click.echo(_progress_text(answer["progress"]))


@cli.command()
@click.argument("dataset_arn")
@settings_options("data", "host", "port")
@JSON
def describe(dataset_arn: str, as_json: bool, **flags: Any) -> None:
    """Show what is in a dataset: columns, events by type and day, users, and advice.

    \b
    Example:
      sartor describe arn:aws:personalize:us-east-1:000000000000:dataset/shop/INTERACTIONS
    """
    answer = _asked_dataset(dataset_arn, "statistics", flags)
    if as_json:
        click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
        return
    from sartor.data.statistics import render

    render(answer, _console())


@cli.command()
@click.argument("dataset_arn")
@settings_options("data", "host", "port")
@JSON
def history(dataset_arn: str, as_json: bool, **flags: Any) -> None:
    """List the versions of a dataset's imported records: what each added, replaced and removed.

    \b
    Example:
      sartor history arn:aws:personalize:us-east-1:000000000000:dataset/shop/ITEMS
    """
    answer = _asked_dataset(dataset_arn, "history", flags)
    if as_json:
        click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
        return
    if not answer["versions"]:
        click.echo("Nothing has been imported yet.")
        return
    rows: list[tuple[str, ...]] = [("version", "when", "rows", "added", "replaced", "removed", "what")]
    for one in answer["versions"]:
        moment = datetime.fromtimestamp(one["timestamp"]).astimezone().isoformat(" ", "seconds")
        counts = [f"{one[name]:,}" for name in ("rows", "added", "replaced", "removed")]
        job = one.get("jobArn", "").rpartition("/")[2]
        what = f"{one['action']} {job}".strip() + ("" if one["restorable"] else ", kept no longer")
        rows.append((str(one["version"]), moment, *counts, what))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        click.echo("  ".join([*cells, row[-1]]))


@cli.command()
@click.argument("dataset_arn")
@click.option("--to", "version", type=int, required=True, metavar="N", help="The version to go back to.")
@settings_options("data", "host", "port")
@JSON
def rollback(dataset_arn: str, version: int, as_json: bool, **flags: Any) -> None:
    """Make a dataset's imported records what they were in an older version, as a new version.

    \b
    Example:
      sartor rollback arn:aws:personalize:us-east-1:000000000000:dataset/shop/ITEMS --to 3
    """
    answer = _asked_dataset(dataset_arn, "rollback", flags, {"to": version})
    if as_json:
        click.echo(json.dumps(answer, indent=2))
        return
    click.echo(f"Version {answer['version']} is what version {answer['restored']} was.")


@cli.group()
def keys() -> None:
    """Access keys, each bound to an account. A running server knows a change at once.

    \b
    Example:
      sartor keys add --account 111122223333 --data ./sartor-data --json
    """


@keys.command("add")
@click.option("--account", required=True, metavar="DIGITS", help="The account that the key signs for.")
@settings_options("data")
@JSON
def keys_add(as_json: bool, **flags: Any) -> None:
    """Make a key pair for an account.

    \b
    Example:
      sartor keys add --account 111122223333
    """
    settings = _settings(flags)
    with _failures(OSError, ValueError):
        key = _keys(settings).add(settings.account)
    _print_keys([key], as_json, with_secret=True, one=True)


@keys.command("list")
@settings_options("data")
@JSON
def keys_list(as_json: bool, **flags: Any) -> None:
    """List the keys, without their secrets.

    \b
    Example:
      sartor keys list --json
    """
    settings = _settings(flags)
    with _failures(OSError, ValueError):
        found = _keys(settings).all()
    _print_keys(found, as_json)


@keys.command("revoke")
@click.argument("access_key_id")
@settings_options("data")
def keys_revoke(access_key_id: str, **flags: Any) -> None:
    """Remove a key; what it signs from now on is refused.

    \b
    Example:
      sartor keys revoke AKIAABCDEFGHIJKLMNOP
    """
    settings = _settings(flags)
    with _failures(OSError, ValueError):
        revoked = _keys(settings).revoke(access_key_id)
    if not revoked:
        raise click.ClickException(f"There is no key {access_key_id}; `sartor keys list` shows all.")


@cli.command()
@settings_options("data", "database", "storage", "s3_endpoint", "bucket")
@JSON
def doctor(as_json: bool, **flags: Any) -> None:
    """Check the installation, the storage and the database, and say what to mend.

    \b
    Example:
      sartor doctor --data ./sartor-data
    """
    settings = _settings(flags)
    from sartor.doctor import examine

    findings = examine(settings)
    if as_json:
        click.echo(json.dumps([finding.__dict__ for finding in findings], indent=2))
    else:
        for finding in findings:
            click.echo(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.name}: {finding.text}")
    raise click.exceptions.Exit(0 if all(finding.ok for finding in findings) else 1)


def _console() -> Any:
    from rich.console import Console

    return Console(highlight=False)


def _keys(settings: Settings) -> Any:
    from sartor.keys import Keys

    return Keys(settings.data / "keys.json")


def _key_of(settings: Settings, account: str) -> "AccessKey":
    """Return the oldest key of an account in the data folder."""
    with _failures(OSError, ValueError):
        found: list[AccessKey] = _keys(settings).all()
    for key in found:
        if key.account == account:
            return key
    raise click.ClickException(
        f"There is no key of account {account} in {settings.data}: start `sartor serve --data {settings.data}` "
        "once, make one with `sartor keys add`, or name the server's folder with --data."
    )


def _print_keys(keys: list["AccessKey"], as_json: bool, with_secret: bool = False, one: bool = False) -> None:
    rows = []
    for key in keys:
        row = {
            "accessKeyId": key.access_key_id,
            "secretAccessKey": key.secret_access_key,
            "account": key.account,
        }
        rows.append(row if with_secret else {name: row[name] for name in ("accessKeyId", "account")})
    if as_json:
        click.echo(json.dumps(rows[0] if one else rows, indent=2))
        return
    for row in rows:
        click.echo("  ".join(row.values()))


def _server(settings: Settings) -> dict[str, Any]:
    """Return what the data folder's server wrote of itself."""
    try:
        found: dict[str, Any] = json.loads((settings.data / "server.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def _server_url(settings: Settings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return str(_server(settings).get("url") or f"http://{host}:{settings.port}")


def _asked_server(settings: Settings, data: str | None, account: str) -> tuple[str, "AccessKey"]:
    """Return the address to ask and the key to sign with.

    Args:
        settings: name the data folder.
        data: the ``--data`` option; a folder that was named comes first, then the environment's server, then
            the default folder.
        account: whose resource is asked for.
    """
    from sartor.keys import AccessKey

    url = os.environ.get(ENDPOINTS[0])
    key_id, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    named = data or os.environ.get("SARTOR_DATA")
    if not named and url and key_id and secret:
        return url, AccessKey(key_id, secret, account)
    if named or (settings.data / "keys.json").exists():
        return _server_url(settings), _key_of(settings, account)
    raise click.ClickException(
        f"No server is known: {settings.data} has none, and {ENDPOINTS[0]} with AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY is not set. Name the server's folder with --data."
    )


def _asked_dataset(
    dataset_arn: str, what: str, flags: dict[str, Any], members: dict[str, Any] | None = None
) -> Any:
    """Return what a running server answers about a dataset; with members, to a POST of them."""
    settings = _settings(flags)
    parts = dataset_arn.split(":", 5)
    if len(parts) != 6 or not parts[5].startswith("dataset/"):
        raise click.UsageError(f"{dataset_arn} is not the ARN of a dataset.")
    from sartor.wire import call

    with _failures(call.CallError):
        url, key = _asked_server(settings, flags["data"], parts[4])
        path = f"/sartor/v1/datasets/{quote(dataset_arn, safe='')}/{what}"
        if members is None:
            return call.get(url, path, key, parts[3])
        return call.post(url, path, key, parts[3], members)


def _followed(answer: dict[str, Any], ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Show a running job's progress until it ends, and return what it has to report then."""
    import time

    with _console().status("") as status:
        while "progress" in answer:
            status.update(f"{answer['status']}  {_progress_text(answer['progress'])}")
            time.sleep(0.5)
            answer = ask()
    return answer


def _progress_text(progress: dict[str, Any]) -> str:
    """Return how far a job is in words; what it does not know yet is left out."""
    words = []
    if progress.get("rowsRead") is not None:
        words.append(f"{progress['rowsRead']:,} rows")
    if progress.get("bytesTotal"):
        read, total = progress.get("bytesRead", 0), progress["bytesTotal"]
        words.append(f"{read:,} of {total:,} bytes ({read / total:.0%})")
    if progress.get("rowsPerSecond"):
        words.append(f"{progress['rowsPerSecond']:,} rows/s")
    if progress.get("secondsLeft") is not None:
        words.append(f"{progress['secondsLeft']:.0f} s left")
    return ", ".join(words)
