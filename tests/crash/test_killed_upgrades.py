"""What earlier Sartors left is taken over whole, whoever is killed in it, and answers as it did."""

import json
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from crash.dying_upgrade import NEVER, opened_by_many, require_whole, upgraded_but_killed
from layouts import service
from layouts.kept import SORTS, VERSIONS, Kept, brought
from sartor.cli.upgrades import upgrade
from sartor.demo.server import Server
from sartor.resources.store import Store, stored_versions
from sartor.resources.upgrades import SCHEMA_VERSION

#: From each version, and of each the sort of database.
EVERY = [(version, sort) for version in VERSIONS for sort in SORTS]
#: Moments in steps that no other number of moments is a multiple of, so that each run meets other ones.
MOMENTS = range(1, 120, 17)


@pytest.fixture
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    version, sort = request.param
    server = request.getfixturevalue("postgres_url") if sort == "postgresql" else None
    with brought(version, sort, tmp_path / "data", server) as found:
        yield found


def each(of: list[tuple[str, str]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("kept", of, ids="-".join, indirect=True)


@each(EVERY)
def test_an_upgrade_that_is_killed_again_and_again_loses_no_row(kept: Kept) -> None:
    before, deaths = kept.rows(), 0
    for moment in MOMENTS:
        if stored_versions(kept.url).schema_version == SCHEMA_VERSION:
            break
        deaths += upgraded_but_killed(kept, moment) == -signal.SIGKILL
    assert deaths >= 3
    require_whole(kept, before)


@each(EVERY)
def test_of_many_who_start_at_once_one_upgrades_and_keeps_a_copy_of_before(kept: Kept) -> None:
    before, was = kept.rows(), stored_versions(kept.url)
    assert opened_by_many(kept, 4) == [0] * 4
    require_whole(kept, before)
    copy = copy_of(kept, was.schema_version)
    assert copy.items() >= before.items()
    assert not any(copy[name] for name in copy.keys() - before.keys())  # made in the same transaction


def copy_of(kept: Kept, version: str) -> dict[str, list[str]]:
    """Return the rows of the copy that was kept, by the table."""
    if kept.url.startswith("sqlite"):
        return Kept(kept.data, f"{kept.url}.version-{version}", {}).rows()
    schema = f"sartor_version_{version}"
    engine = sa.create_engine(sa.make_url(kept.url).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        names = sa.inspect(connection).get_table_names(schema)
    engine.dispose()
    rows = kept.rows(tuple(f"{schema}.{name}" for name in names))
    return {name.removeprefix(f"{schema}."): found for name, found in rows.items()}


@each([*((version, "sqlite") for version in VERSIONS), (VERSIONS[0], "postgresql")])
def test_a_service_of_an_earlier_version_answers_as_it_did(kept: Kept, tmp_path: Path) -> None:
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    options = () if kept.url.startswith("sqlite") else ("--database", kept.url)
    with Server(kept.data, {"training": bucket}, options) as server:
        answers = service.answers(server)
        for question, answer in kept.answers.items():
            if question == "rows":
                assert service.exported(server, bucket) == answer
            elif isinstance(answer, dict):  # later versions may say more
                assert answer.items() <= answers[question].items(), question
            else:
                assert answers[question] == answer, question


def test_an_upgrade_without_room_for_the_copy_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with brought("3", "sqlite", tmp_path) as kept:
        monkeypatch.setattr("sartor.database.sqlite.shutil.disk_usage", lambda _: SimpleNamespace(free=0))
        with pytest.raises(ValueError, match="no room for a copy"):
            Store.open(kept.url)
        assert stored_versions(kept.url).schema_version == "3"
        Store.open(kept.url, keep_copy=False).close()
        assert stored_versions(kept.url).schema_version == SCHEMA_VERSION
        assert not list(tmp_path.glob("*.version-*"))


def test_a_newer_layout_of_storage_is_refused(tmp_path: Path) -> None:
    with brought("3", "sqlite", tmp_path) as kept:
        assert upgraded_but_killed(kept, NEVER) == 0
        with closing(sqlite3.connect(tmp_path / "sartor.db")) as connection:
            connection.execute("UPDATE setting SET value = '2' WHERE key = 'storage_layout'")
            connection.commit()
        with pytest.raises(
            ValueError, match="storage has the layout of version 2, this Sartor knows version 1"
        ):
            Store.open(kept.url)


def test_the_command_says_what_it_would_do_then_does_it_once(tmp_path: Path) -> None:
    with brought("2", "sqlite", tmp_path):
        told = CliRunner().invoke(upgrade, ["--check", "--json", "--data", str(tmp_path)])
        steps = [step["version"] for step in json.loads(told.stdout)["steps"]]
        assert (told.exit_code, steps) == (1, ["3", "4"])
        assert CliRunner().invoke(upgrade, ["--data", str(tmp_path)]).exit_code == 0
        again = CliRunner().invoke(upgrade, ["--check", "--data", str(tmp_path)])
        assert (again.exit_code, again.stdout.splitlines()[-1].strip()) == (0, "nothing to do")
    nowhere = CliRunner().invoke(upgrade, ["--check", "--data", str(tmp_path / "nowhere")])
    assert nowhere.exit_code == 1
    assert "There is no service" in nowhere.output
