"""``sartor demo``: from nothing to recommendations that change with what their user does."""

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path
from shlex import quote
from typing import Any, Final

import click

from sartor.app import Backend, open_backend
from sartor.console import terminal, texts
from sartor.data.dataset import DatasetRecords
from sartor.data.synthetic import World
from sartor.demo import data, script, summary
from sartor.demo.data import DataFile
from sartor.demo.personal import Personal
from sartor.demo.script import DemoError, Import
from sartor.demo.server import Server
from sartor.resources.records import records_of
from sartor.settings import load

#: Amazon asks for 1,000 interactions at least; the trainings see those that are views, three of four.
MINIMUM_INTERACTIONS: Final = 2000
#: What is trained within a minute on two cores.
INTERACTIONS: Final = 80_000
#: Rows of the file that is broken on purpose.
_BROKEN_ROWS: Final = 2000


#: What is shown of the recommendations, in this order.
_SHOWN: Final[tuple[tuple[str, tuple[Callable[[Personal], None], ...]], ...]] = (
    ("Training four recipes on what was looked at", (Personal.train,)),
    ("Deploying two of them, and asking for a user", (Personal.deploy, Personal.ask)),
    ("A filter, with a placeholder that each request fills", (Personal.filter,)),
    ("One event off the user's taste, and the next answer", (Personal.put_event,)),
    ("Similar items", (Personal.similar,)),
    ("A recommender of the shop's domain, which trains itself", (Personal.recommender,)),
    ("Recommendations for many users, as a file", (Personal.batch,)),
    ("Why? What Amazon does not tell", (Personal.explain,)),
)


def run(
    *,
    interactions: int = INTERACTIONS,
    users: int | None = None,
    items: int | None = None,
    seed: int = 1,
    keep: bool = False,
    data_folder: Path | None = None,
) -> None:
    """Make a shop's data, serve, import it as a customer would, train, deploy, ask, and show what came of it.

    Args:
        interactions: rows of interactions, from 2,000 to 100 million.
        users: rows of users; default: in proportion.
        items: rows of items; default: one for each 100 interactions, from 200 up to a hundred thousand.
        seed: another seed, another shop.
        keep: leave the server up and say how to stop it.
        data_folder: the server's ``--data``; default: a temporary folder, removed at the end unless ``keep``.

    Raises:
        ValueError: a size is too small.
        DemoError: the service refused what should work.
        ServerStartError: the server did not start.
    """
    if interactions < MINIMUM_INTERACTIONS:
        raise ValueError(f"a training on views needs at least {MINIMUM_INTERACTIONS:,} rows of interactions")
    if items is None:
        items = min(max(interactions // 100, 200), 100_000)
    world = data.shop(interactions, users, items, seed)
    home = (data_folder or Path(tempfile.mkdtemp(prefix="sartor-demo-"))).absolute()
    with ExitStack() as cleanup:
        if not data_folder:
            cleanup.callback(shutil.rmtree, home, ignore_errors=True)
        _step("Making a shop's data: users, items, and a year of what they did")
        files = _make_files(world, home / "demo")
        _step("Starting the service")
        server = Server(home, {data.BUCKET: home / "demo"})
        cleanup.callback(server.stop)
        click.echo(f"{server.url} is ready after {server.ready_seconds:.1f} s")
        # to read what the service has by then
        with closing(open_backend(load({"data": str(home)}))) as backend:
            personal = _toured(_Tour(server, backend), files)
        if keep:
            cleanup.pop_all()
    _say_what_next(server, home, personal, keep=keep, stays=keep or data_folder is not None)


def _toured(tour: "_Tour", files: list[DataFile]) -> Personal:
    """Go through all that is shown, step by step."""
    _step("Importing it, as any boto3 script does")
    tour.import_all(files)
    _step("Importing a file with three broken rows")
    tour.import_broken(files[-1])
    personal = tour.personal(files)
    for words, steps in _SHOWN:
        _step(words)
        for step in steps:
            step(personal)
    return personal


class _Tour:
    """The part of the demo that talks to the service."""

    def __init__(self, server: Server, backend: Backend) -> None:
        self.server = server
        self.backend = backend
        self.client = server.client()
        self.group = script.free_group_name(self.client)
        self.group_arn = ""
        self.datasets: dict[str, str] = {}

    def import_all(self, files: list[DataFile]) -> None:
        """Create the datasets, import all files at once, show what is in the datasets then."""
        self.group_arn = script.create_group(self.client, self.group)
        self.datasets = script.create_datasets(self.client, self.group_arn, self.group)
        jobs = {file.dataset_type: self._start(file.dataset_type, file.path, "full") for file in files}
        rows = {file.dataset_type: file.rows for file in files}
        ended = self._wait(jobs, rows)
        for name, job in ended.items():
            if job["status"] != "ACTIVE":
                raise DemoError(f"the import of {name} failed: {job['failureReason']}")
        reports = {name: self._report(job) for name, job in jobs.items()}
        click.echo(f"\n{summary.imports(reports)}")
        click.echo(f"\n{summary.contents({name: self._query(name) for name in self.datasets})}")

    def import_broken(self, good: DataFile) -> None:
        """Import a file with broken rows, show why it is refused and that nothing changed."""
        before = self._count(good.dataset_type)
        broken = good.path.with_name("broken.csv")
        _write_broken(good.path, broken)
        job = self._start(good.dataset_type, broken, "broken")
        ended = self._wait({"broken.csv": job}, {"broken.csv": _BROKEN_ROWS})["broken.csv"]
        if ended["status"] != "CREATE FAILED":
            raise DemoError("a file with broken rows was imported")
        click.echo(summary.refusal(ended["failureReason"], self._report(job)))
        now = self._count(good.dataset_type)
        click.echo(f"\nThe dataset is as it was: {before:,} rows before, {now:,} now.")

    def personal(self, files: list[DataFile]) -> Personal:
        """Return what follows once the data is imported."""
        paths = {file.dataset_type: file.path for file in files}
        return Personal(self.server, self.group, self.group_arn, paths["Items"], self._query("Interactions"))

    def _start(self, dataset_type: str, file: Path, word: str) -> Import:
        name = f"{self.group}-{dataset_type.lower()}-{word}"
        return script.start_import(
            self.client, dataset_type, self.datasets[dataset_type], name, f"s3://{data.BUCKET}/{file.name}"
        )

    def _wait(self, jobs: Mapping[str, Import], rows: Mapping[str, int]) -> dict[str, dict[str, Any]]:
        """Wait for the jobs, with a bar for each on a terminal."""
        gauges = {job.arn: (name, 0.0, "") for name, job in jobs.items()}
        with terminal.Progress() as progress:

            def watch(job: Import, described: dict[str, Any]) -> None:
                name = gauges[job.arn][0]
                if described["status"] == "CREATE IN_PROGRESS" and progress.watched:
                    known = self._report(job).get("progress") or {}
                    done = {key: known.get(key) for key in ("rowsRead", "rowsPerSecond", "secondsLeft")}
                    share = (known.get("rowsRead") or 0) / rows[name]
                    gauges[job.arn] = (name, share, texts.progress(done))
                elif described["status"] == "ACTIVE":
                    gauges[job.arn] = (name, 1.0, f"{rows[name]:,} rows")
                progress.show(terminal.gauges(gauges.values()))

            return script.wait_for_imports(self.client, jobs, watch)

    def _report(self, job: Import) -> dict[str, Any]:
        return self.server.get(f"/sartor/v1/import-jobs/{job.job_name}/report")

    def _query(self, dataset_type: str) -> summary.Query:
        """Return what runs a SELECT over a dataset, as models will read it."""

        def query(select: str) -> list[tuple[Any, ...]]:
            with self._records(dataset_type).open() as connection:
                return connection.execute(select).fetchall()

        return query

    def _count(self, dataset_type: str) -> int:
        return self._records(dataset_type).count()

    def _records(self, dataset_type: str) -> DatasetRecords:
        dataset = self.backend.store.get(self.datasets[dataset_type])
        assert dataset is not None, "it was created a moment ago"
        return records_of(dataset, self.backend.means)


def _make_files(world: World, folder: Path) -> list[DataFile]:
    begun = time.monotonic()
    with terminal.Progress() as progress:

        def watch(rows: int) -> None:
            rate = rows / (time.monotonic() - begun)
            left = (world.interactions - rows) / rate
            words = texts.progress({"rowsRead": rows, "rowsPerSecond": round(rate), "secondsLeft": left})
            progress.show(terminal.gauges([("interactions.csv", rows / world.interactions, words)]))

        files = data.write(world, folder, watch)
    for file in files:
        size = file.path.stat().st_size / 1e6
        click.echo(f"{file.path.name}: {file.rows:,} rows, {size:,.1f} MB, {file.seconds:.1f} s")
    return files


def _write_broken(good: Path, broken: Path) -> None:
    """Write the head of a good file with three rows spoilt: a time, an id, a type."""
    with good.open() as source:
        lines = list(islice(source, _BROKEN_ROWS + 1))
    columns = lines[0].rstrip("\n").split(",")
    for line, column, value in (
        (100, "TIMESTAMP", "yesterday"),
        (500, "USER_ID", ""),
        (900, "EVENT_TYPE", ""),
    ):
        cells = lines[line].rstrip("\n").split(",")
        cells[columns.index(column)] = value
        lines[line] = ",".join(cells) + "\n"
    broken.write_text("".join(lines))


def _step(text: str) -> None:
    click.echo(f"\n{click.style(text, bold=True)}")


def _say_what_next(server: Server, home: Path, personal: Personal, *, keep: bool, stays: bool) -> None:
    """Print the lines to type from here on; commands stand alone on unbroken lines, to be copied."""

    def say(*lines: str) -> None:
        click.echo("\n".join(lines))

    _step("Next")
    if not stays:
        say(
            "Everything was in a temporary folder and is gone. To keep it, and the server up:",
            "",
            "    sartor demo --keep",
        )
        return
    if not keep:
        say(
            "The server has ended. It starts again with:",
            "",
            f"    sartor serve --data {quote(str(home))}",
            "",
        )
    say(
        "Any AWS SDK or the AWS CLI talks to it from a shell that has its environment:",
        "",
        f'    eval "$(sartor env --data {quote(str(home))})"',
        "    aws personalize list-solutions",
        f"    aws personalize-runtime get-recommendations --campaign-arn {personal.campaign} --user-id {personal.user}",
        f"    sartor explain {personal.campaign.rpartition('/')[2]} --user {personal.user}",
        f"    sartor training {personal.version.split('/')[1]}",
        f"    sartor filter test 'INCLUDE ItemID WHERE Items.PRICE < 20' --group {personal.group}",
        "",
        "The same in Python:",
        "",
        "    import boto3",
        '    runtime = boto3.client("personalize-runtime")',
        f'    runtime.get_recommendations(campaignArn="{personal.campaign}", userId="{personal.user}")["itemList"]',
        "",
        "And with nothing but curl:",
        "",
        '    curl --aws-sigv4 "aws:amz:$AWS_REGION:personalize" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" '
        '"$AWS_ENDPOINT_URL_PERSONALIZE_RUNTIME/recommendations" --header "Content-Type: application/json" '
        f"""--data '{{"campaignArn": "{personal.campaign}", "userId": "{personal.user}"}}'""",
    )
    if keep:
        say(
            "",
            f"The server listens on {server.url}, its data lies in {home}. To stop it:",
            "",
            f"    kill {server.process.pid}",
        )
