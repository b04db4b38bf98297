"""Users out of a dataset: out of the database, the tables, their older versions and the import reports."""

import csv
import io
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import duckdb

from sartor.data import engine
from sartor.data.check import JobRules, read_and_check
from sartor.data.dataset import SEQ, SESSION, DatasetRecords, write_part
from sartor.data.events import NEWEST
from sartor.data.input_files import InputFile
from sartor.data.parts import Part
from sartor.data.schema import Field, Schema
from sartor.data.table import Table
from sartor.data.watch import interrupting
from sartor.errors import JobFailed, Stopped

_DELETED: Final = "(deleted)"
_NOBODY: Final = "SELECT id FROM (SELECT NULL::VARCHAR AS id)"


#: What a file of a deletion job must have; its other columns are nobody's business.
_USERS: Final = Schema("USERS", None, (Field("USER_ID", "string", nullable=True),))


def read_users(
    files: Sequence[InputFile], target: Path, memory_bytes: int, stop: Callable[[], bool] = lambda: False
) -> None:
    """Write the distinct users that CSV files with a column USER_ID name, as Parquet.

    They are read as an import reads them: a row that could not be read could be a user who is not deleted.

    Args:
        files: the files.
        target: where to write; copies and parts lie beside it meanwhile.
        memory_bytes: how much DuckDB may use.
        stop: asked some times a second whether to give up.

    Raises:
        JobFailed: a file cannot be read, with the line.
        Stopped: ``stop`` said so.
    """
    with tempfile.TemporaryDirectory(prefix="users-", dir=target.parent) as folder:
        checked = read_and_check(
            files,
            _USERS,
            Path(folder),
            "users",
            scratch=Path(folder),
            job=JobRules(0, None),
            memory_bytes=memory_bytes,
            progress=lambda _: None,
            stop=stop,
        )
        report = checked.report
        if report.verdict == "failed" and any(fault.code != "NO_ROWS" for fault in report.faults):
            raise JobFailed(report.failure_reason())
        with engine.connect(memory_bytes, target.parent) as connection, interrupting(connection, stop):
            parts = [part.path for part in checked.parts]
            ids = f'SELECT DISTINCT "USER_ID" AS id FROM {engine.parquet(parts)}' if parts else _NOBODY
            connection.execute(engine.copy(f"{ids} WHERE id IS NOT NULL", target, "FORMAT parquet"))


def users_in(file: Path, memory_bytes: int) -> list[str]:
    """Return the users that ``read_users`` wrote; DuckDB may use so much memory beside."""
    with engine.connect(memory_bytes) as connection:
        return [row[0] for row in connection.execute(f"SELECT id FROM {engine.parquet([file])}").fetchall()]


def count_users(datasets: Sequence[DatasetRecords], users: Path, upto: Mapping[int, int]) -> int:
    """Return how many of the users occur in any of the datasets' tables, in what was put up to a number of each."""
    found = []
    for dataset in datasets:
        for table, which in ((dataset.bulk_table, "true"), (dataset.put_table, _until(upto[dataset.number]))):
            files = _files(table)
            if files:
                found.append(f'SELECT "USER_ID" AS id FROM {engine.parquet(files)} WHERE {which}')
    if not found:
        return 0
    with datasets[0].connection() as connection:
        ((count,),) = connection.execute(
            f"SELECT count(DISTINCT id) FROM ({' UNION ALL '.join(found)}) "
            f"WHERE id IN (SELECT id FROM {engine.parquet([users])})"
        ).fetchall()
    return int(count)


def drain(dataset: DatasetRecords, upto: int) -> None:
    """Move what was put up to a number into the dataset's table, whatever is put meanwhile."""
    while dataset.drained() < upto and dataset.drain():
        pass


def delete_users(
    dataset: DatasetRecords,
    users: Path,
    job_arn: str,
    stop: Callable[[], bool] = lambda: False,
    upto: int = NEWEST,
) -> None:
    """Delete all that users have in a dataset whose put records are drained; doing it again is harmless.

    The parts of older versions are deleted with it: undo ends here.

    Args:
        dataset: whose records.
        users: a Parquet file with a column ``id``.
        job_arn: the job; its tables' commits carry it.
        stop: asked some times a second whether to give up.
        upto: the number of the last put record that goes; what came later stays.

    Raises:
        Stopped: ``stop`` said so.
    """
    with dataset.connection() as connection, interrupting(connection, stop):
        try:
            connection.execute(f"CREATE TEMP TABLE users AS SELECT id FROM {engine.parquet([users])}")
            connection.execute("CREATE TEMP TABLE sessions (id VARCHAR)")
            ids = [row[0] for row in connection.execute("SELECT id FROM users").fetchall()]
            put_files = _files(dataset.put_table)
            if put_files and dataset.schema.type_rules.identity is None:
                connection.execute(
                    # a session is the user's to whom it was linked last
                    f'INSERT INTO sessions SELECT "{SESSION}" FROM {engine.parquet(put_files)} '
                    f'WHERE "USER_ID" IS NOT NULL AND "{SESSION}" IS NOT NULL AND {_until(upto)} GROUP BY ALL '
                    f'HAVING arg_max("USER_ID", "{SEQ}") IN (SELECT id FROM users)'
                )
            sessions = [row[0] for row in connection.execute("SELECT id FROM sessions").fetchall()]
            dataset.put.delete_keys(dataset.number, ids, sessions, upto)
            for table, theirs in (
                (dataset.bulk_table, '"USER_ID" IN (SELECT id FROM users)'),
                (
                    dataset.put_table,
                    f'{_until(upto)} AND ("USER_ID" IN (SELECT id FROM users) OR '
                    f'("USER_ID" IS NULL AND "{SESSION}" IN (SELECT id FROM sessions)))',
                ),
            ):
                _rewrite(connection, dataset, table, theirs, job_arn)
        except duckdb.InterruptException as error:
            raise Stopped from error
    dataset.forget_seen()
    _redact_reports(dataset, set(ids))


def _rewrite(
    connection: duckdb.DuckDBPyConnection, dataset: DatasetRecords, table: Table, theirs: str, job_arn: str
) -> None:
    """Replace every part that has rows of the users, then delete all parts that are not data any more.

    Another writer may replace parts meanwhile, such as a FULL import: then it looks again. So does an attempt after
    one that died, as rows of the users may have come since.
    """
    while not _rewritten(connection, dataset, table, theirs, job_arn):
        pass
    table.vacuum(time.time() + 1)


def _rewritten(
    connection: duckdb.DuckDBPyConnection, dataset: DatasetRecords, table: Table, theirs: str, job_arn: str
) -> bool:
    """Replace every part that has rows of the users; false if another writer replaced one of them first."""
    now = table.snapshot()
    before = now.number(job_arn) or 0
    stage = table.stage()
    new: list[Part] = []
    old: list[str] = []
    removed = 0
    for name in now.parts:
        file = engine.parquet([table.local(name)])
        ((count,),) = connection.execute(f"SELECT count(*) FROM {file} WHERE {theirs}").fetchall()
        if not count:
            continue
        removed += count
        old.append(name)
        # the name's beginning stays: it says when the rows came
        place = stage / f"{name.removesuffix('.parquet').rsplit('-', 1)[0]}-{time.time_ns():x}.parquet"
        part = write_part(connection, f"SELECT * FROM {file} WHERE ({theirs}) IS NOT TRUE", place)
        if part.rows:
            new.append(part)
        else:
            place.unlink()
    note = {"sartor.job": job_arn, "sartor.removed": str(removed)}
    application = (job_arn, before + 1)
    return not old or table.change(
        new, old, schema=dataset.schema, application=application, expected=before, note=note
    )


def _redact_reports(dataset: DatasetRecords, users: set[str]) -> None:
    """Take the users' ids out of the values that import reports quote."""
    storage = dataset.storage
    for path, _ in list(storage.list(f"{dataset.folder}/imports")):
        text = storage.get(path).decode("utf-8", "replace")
        redact = _REDACT.get(path.rpartition("/")[2])
        redacted = text if redact is None else redact(text, users)
        if redacted != text:
            storage.put(path, redacted.encode())


def _redacted_csv(text: str, users: set[str]) -> str:
    """Return a ``rejects.csv`` without users in its last column."""
    rows = list(csv.reader(io.StringIO(text, newline="")))
    if not any(_names(row[-1], users) for row in rows if row):
        return text
    target = io.StringIO(newline="")
    csv.writer(target, lineterminator="\n").writerows(
        [*row[:-1], _DELETED] if row and _names(row[-1], users) else row for row in rows
    )
    return target.getvalue()


def _redacted_json(text: str, users: set[str]) -> str:
    """Return a ``report.json`` without users in its examples."""
    report: dict[str, Any] = json.loads(text)
    found = [*report.get("faults", []), *report.get("warnings", [])]
    examples = [one for fault in found for one in fault.get("examples", [])]
    theirs = [one for one in examples if _names(str(one.get("value", "")), users)]
    for example in theirs:
        example["value"] = _DELETED
    return json.dumps(report, indent=2, ensure_ascii=False) if theirs else text


def _names(value: str, users: set[str]) -> bool:
    """Return whether a cell, or a whole line that could not be split, has one of the users."""
    return value in users or any(cell.strip('" ') in users for cell in value.split(","))


_REDACT: Final[dict[str, Callable[[str, set[str]], str]]] = {
    "rejects.csv": _redacted_csv,
    "report.json": _redacted_json,
}


def _until(number: int) -> str:
    """Return the SQL of whether a put record has at most this number."""
    return f'"{SEQ}" <= {number}'


def _files(table: Table) -> list[Path]:
    return [table.local(name) for name in table.snapshot().parts]
