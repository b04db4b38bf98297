"""The commands that run the service: serve, worker, demo, cluster, doctor."""

import gc
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from sartor.cli.options import JSON, failures, settings_of, settings_options, show
from sartor.cli.servers import with_database
from sartor.settings import Settings, SettingsError, unknown_variables, variables


@click.command()
@settings_options()
def serve(**flags: Any) -> None:
    """Serve the API and work: the whole service in one process group.

    \b
    Example:
      sartor serve --data ./sartor-data --bucket training=./csv --port 4900
    """
    settings = settings_of(flags)
    told = unknown_variables(os.environ)  # here; the workers need not say it again
    kept = {name: value for name, value in os.environ.items() if name not in told}
    # NumPy reads it when it is loaded. An answer's products are small: threads that wait for each other's share of
    # one take several times as long as one thread, on a busy machine a hundred times. Workers keep all cores.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.disable()  # nothing of what is loaded is garbage; `sartor.serve` has it collected once that is done
    from sartor.serve import serve

    def run() -> None:
        with _data_of(settings, flags) as whole:
            serve(whole, kept | variables(whole))

    try:
        with failures(OSError, ValueError, ImportError):
            _run_to_the_end(run)
    except click.ClickException as error:
        if isinstance(error.__cause__, SettingsError):
            raise click.UsageError(error.message) from error
        raise


@click.command()
@settings_options(
    *("data", "database", "storage", "bucket", "s3_endpoint", "compute", "account", "quotas", "bad_cells"),
    *("log_level", "log_format"),
)
@click.option("--parent", type=int, hidden=True, help="End when this process is gone.")
def worker(parent: int | None, **flags: Any) -> None:
    """Work for a service: claim jobs from the same database and storage.

    \b
    Example:
      sartor worker --database postgresql://db/sartor --storage s3://models/sartor
    """
    settings = settings_of(flags)
    gc.disable()  # as `serve` does
    from sartor.serve import work

    with failures(OSError, ValueError, ImportError):
        _run_to_the_end(lambda: work(settings, parent))


@contextmanager
def _data_of(settings: Settings, flags: Mapping[str, Any]) -> Iterator[Settings]:
    """Give the settings with a data folder; one that is for tests, and that nobody has named, goes at the end."""
    if not settings.needs_temporary_data:
        yield settings
        return
    with TemporaryDirectory(prefix="sartor-for-tests-", ignore_cleanup_errors=True) as folder:
        yield settings_of({**flags, "data": folder})


def _run_to_the_end(run: Callable[[], None]) -> None:
    """Run a service; if it ends well, so does this process, at once."""
    from sartor.serve import leave

    try:
        run()
    except SystemExit as ended:
        if ended.code:
            raise
    leave()


@click.command()
@click.option(
    "--interactions",
    type=click.IntRange(2_000, 100_000_000),
    default=80_000,
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
    """Show the whole way: make data, serve, import, train, deploy, ask, and see one event change the answer.

    \b
    Example:
      sartor demo --interactions 1000000 --keep
    """
    from sartor.demo.run import run

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # else its server would outlive it
    with failures(ValueError, RuntimeError, OSError):
        run(interactions=interactions, users=users, items=items, seed=seed, keep=keep, data_folder=data)


@click.command()
@click.option("--servers", type=click.IntRange(1, 20), default=2, show_default=True, help="API processes.")
@click.option("--workers", type=click.IntRange(1, 20), default=2, show_default=True, help="Worker processes.")
@click.option("--port", type=int, default=4900, show_default=True, help="Of the first server; others follow.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Has a folder for each process.  [default: a temporary one]",
)
@click.option(
    "--database", metavar="URL", help="What they share.  [default: a PostgreSQL of the extra `cluster`]"
)
@click.option("--storage", metavar="URL", help="What they share.  [default: a folder]")
@click.option(
    "--demo", "show", is_flag=True, help="Fill it, show how it acts as one, kill a server, and end."
)
def cluster(
    servers: int,
    workers: int,
    port: int,
    data: Path | None,
    database: str | None,
    storage: str | None,
    show: bool,
) -> None:
    """Start on this machine what runs on several: servers and workers that share a database and a storage.

    \b
    Example:
      sartor cluster --servers 2 --workers 2 --demo
    """
    from sartor.demo.cluster import run

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with failures(ValueError, RuntimeError, OSError):
        run(
            servers=servers,
            workers=workers,
            port=port,
            home=data,
            database=database,
            storage=storage,
            show=show,
            environment=os.environ,
        )


@click.command()
@settings_options("data", "database", "storage", "s3_endpoint", "bucket", "compute")
@JSON
def doctor(as_json: bool, **flags: Any) -> None:
    """Check the installation, the storage and the database, and say what to mend.

    \b
    Example:
      sartor doctor --data ./sartor-data
    """
    settings = settings_of(flags)
    with failures(OSError, ValueError):
        settings = with_database(settings)
    from sartor.doctor import examine

    findings = examine(settings)
    if as_json:
        click.echo(json.dumps([finding.__dict__ for finding in findings], indent=2))
    else:
        for finding in findings:
            show(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.name}: {finding.text}")
    raise click.exceptions.Exit(0 if all(finding.ok for finding in findings) else 1)
