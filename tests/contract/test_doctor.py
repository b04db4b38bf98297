"""What ``sartor doctor`` does to a database that servers share: nothing."""

from pathlib import Path

import sqlalchemy as sa

from sartor import doctor, settings
from sartor.resources.store import Store
from sartor.resources.tables import SETTING


def looked(tmp_path: Path, url: str) -> doctor.Finding:
    here = settings.load({"data": str(tmp_path), "database": url, "storage": str(tmp_path)})
    return next(finding for finding in doctor.examine(here) if finding.name == "database")


def contents(url: str) -> dict[str, list[str]]:
    """Return every row of every table."""
    engine = sa.create_engine(
        sa.make_url(url.replace("postgresql:", "postgresql+psycopg:")), poolclass=sa.NullPool
    )
    with engine.connect() as connection:
        names = sa.inspect(connection).get_table_names()
        return {
            name: sorted(map(str, connection.execute(sa.text(f'SELECT * FROM "{name}"')))) for name in names
        }


def test_a_database_without_a_service_stays_empty(database_url: str, tmp_path: Path) -> None:
    found = looked(tmp_path, database_url)
    assert found.ok
    assert "yet; the first `sartor serve` makes" in found.text
    assert list(tmp_path.iterdir()) == []
    assert contents(database_url) == {}


def test_nothing_of_a_service_is_leased_registered_or_taken_over(database_url: str, tmp_path: Path) -> None:
    store = Store.open(database_url)
    try:
        before = contents(database_url)
        assert looked(tmp_path, database_url).text.endswith("answers")
        assert contents(database_url) == before
        with store.database.write() as connection:
            connection.execute(sa.update(SETTING).where(SETTING.c.key == "schema_version").values(value="2"))
        earlier = contents(database_url)
        found = looked(tmp_path, database_url)
        assert not found.ok
        assert "`sartor upgrade --check` says" in found.text
        assert contents(database_url) == earlier != before
    finally:
        store.close()
