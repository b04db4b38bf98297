"""Users out of a dataset: out of the database, the tables, their older versions and the import reports."""

import csv
import io
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sartor.compute.contract import Compute
from sartor.data import engine, sums
from sartor.data.check import JobRules, read_and_check
from sartor.data.dataset import SEQ, SESSION, DatasetRecords
from sartor.data.events import NEWEST
from sartor.data.input_files import InputFile
from sartor.data.remote import Remote
from sartor.data.rewriting import Going, present, without
from sartor.data.rewriting_elsewhere import Elsewhere, count_elsewhere, is_large, without_elsewhere
from sartor.data.schema import Field, Schema
from sartor.data.table import Table
from sartor.data.watch import interrupting
from sartor.errors import JobFailed

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


def count_users(
    datasets: Sequence[DatasetRecords],
    users: Path,
    upto: Mapping[int, int],
    stop: Callable[[], bool] = lambda: False,
    compute: Compute | None = None,
    remote: Remote | None = None,
) -> int:
    """Return how many of the users occur in any of the datasets' tables, in what was put up to a number of each.

    The other arguments, and what is raised, are those of ``delete_users``.
    """
    found: list[NDArray[np.uint8]] = []
    for dataset in datasets:
        for table, which in ((dataset.bulk_table, "true"), (dataset.put_table, _until(upto[dataset.number]))):
            parts = table.snapshot().parts
            where = _elsewhere(dataset, table, compute, remote)
            if where is not None:
                found.append(
                    count_elsewhere(_going(dataset, table, {"users": users}, which), parts, where, stop)
                )
            elif parts:
                with dataset.connection() as connection, interrupting(connection, stop):
                    found.append(present(connection, [table.local(name) for name in parts], users, which))
    return int(np.unpackbits(np.bitwise_or.reduce(found)).sum()) if found else 0


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
    compute: Compute | None = None,
    remote: Remote | None = None,
) -> None:
    """Delete all that users have in a dataset whose put records are drained; doing it again is harmless.

    The parts of older versions are deleted with it: undo ends here.

    Args:
        dataset: whose records.
        users: a Parquet file with a column ``id``.
        job_arn: the job; its tables' commits carry it.
        stop: asked some times a second whether to give up.
        upto: the number of the last put record that goes; what came later stays.
        compute: where pieces run; here, if not given.
        remote: what pieces need there, if those machines see no parts.

    Raises:
        Stopped: ``stop`` said so.
        Unavailable: pieces cannot run where they should.
    """
    with tempfile.TemporaryDirectory(prefix="going-", dir=dataset.scratch) as folder:
        lists = {"users": users, "sessions": Path(folder) / "sessions.parquet"}
        ids, sessions = _named(dataset, lists, upto, stop)
        dataset.put.delete_keys(dataset.number, ids, sessions, upto)
        for table, theirs in (
            (dataset.bulk_table, '"USER_ID" IN (SELECT id FROM users)'),
            (
                dataset.put_table,
                f'{_until(upto)} AND ("USER_ID" IN (SELECT id FROM users) OR '
                f'("USER_ID" IS NULL AND "{SESSION}" IN (SELECT id FROM sessions)))',
            ),
        ):
            # another writer may replace parts meanwhile, such as a FULL import: then it looks again; so does an
            # attempt after one that died, as rows of the users may have come since
            going, where = _going(dataset, table, lists, theirs), _elsewhere(dataset, table, compute, remote)
            while not _rewritten(dataset, table, going, job_arn, stop, where or compute):
                pass
            table.vacuum(time.time() + 1)
    sums.drop_gone(dataset)
    dataset.forget_seen()
    _redact_reports(dataset, set(ids))


def _named(
    dataset: DatasetRecords, lists: Mapping[str, Path], upto: int, stop: Callable[[], bool]
) -> tuple[list[str], list[str]]:
    """Return the users and their sessions, and write the sessions beside the users.

    A session is the user's to whom it was linked last.
    """
    users = f"SELECT id FROM {engine.parquet([lists['users']])}"
    put_files = _files(dataset.put_table)
    sessions = _NOBODY
    if put_files and dataset.schema.type_rules.identity is None:
        sessions = (
            f'SELECT "{SESSION}" AS id FROM {engine.parquet(put_files)} '
            f'WHERE "USER_ID" IS NOT NULL AND "{SESSION}" IS NOT NULL AND {_until(upto)} GROUP BY ALL '
            f'HAVING arg_max("USER_ID", "{SEQ}") IN ({users})'
        )
    with dataset.connection() as connection, interrupting(connection, stop):
        some = f"SELECT id FROM ({sessions}) WHERE id IS NOT NULL"
        connection.execute(engine.copy(some, lists["sessions"], "FORMAT parquet"))
        found = (users, f"SELECT id FROM {engine.parquet([lists['sessions']])}")
        ids, of_them = ([row[0] for row in connection.execute(one).fetchall()] for one in found)
    return ids, of_them


def _going(dataset: DatasetRecords, table: Table, lists: Mapping[str, Path], condition: str) -> Going:
    return Going(lists, condition, table.stage(), dataset.scratch, dataset.memory_bytes)


def _elsewhere(
    dataset: DatasetRecords, table: Table, compute: Compute | None, remote: Remote | None
) -> Elsewhere | None:
    """Return where the pieces of a table run that bring its parts, if it is large; else it is read here."""
    if compute is None or remote is None or not is_large(table.snapshot().parts):
        return None
    return Elsewhere(compute, replace(remote, table=table.path), dataset.storage)


def _rewritten(
    dataset: DatasetRecords,
    table: Table,
    going: Going,
    job_arn: str,
    stop: Callable[[], bool],
    where: Compute | Elsewhere | None,
) -> bool:
    """Replace every part that has rows of the users; false if another writer replaced one of them first."""
    now = table.snapshot()
    before = now.number(job_arn) or 0
    if isinstance(where, Elsewhere):
        found = without_elsewhere(going, now.parts, where, stop)
    else:
        found = without(going, [table.local(name) for name in now.parts], where, stop)
    note = {"sartor.job": job_arn, "sartor.removed": str(sum(one.removed for one in found))}
    return not found or table.change(
        [one.part for one in found if one.part is not None],
        [one.name for one in found],
        schema=dataset.schema,
        application=(job_arn, before + 1),
        expected=before,
        note=note,
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
