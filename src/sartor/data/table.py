"""A dataset's table: a Delta Lake table whose commits carry the ARN of the job that made them.

Parts are written elsewhere; a commit names them without reading them. INCREMENTAL imports append: which record
of an id counts is settled on the one read path, by the order of arrival. A part's name begins with the time of
its import and its rows keep the order of their file, so name and row number are that order.

Opening a table costs the same after twenty commits and after twenty thousand: see ``_settle``.
"""

import logging
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, cast

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.schema import PrimitiveType
from deltalake.transaction import (
    AddAction,
    CommitProperties,
    RemoveAction,
    Transaction,
    create_table_with_add_actions,
)

from sartor.data import delta, engine, merged
from sartor.data.blobs import Blobs
from sartor.data.check import Part
from sartor.data.dataset_types import DATASET_TYPES
from sartor.data.engine import FILE, ROW
from sartor.data.log import CHAPTER_VERSIONS, COMMIT, Entries, Log, LoggedPart, Made
from sartor.data.schema import Schema

LOG = logging.getLogger("sartor.data")

Mode = Literal["FULL", "INCREMENTAL"]

_COMMIT_ATTEMPTS: Final = 20
#: Applications of Sartor itself; every other one is a job, whose mark is needed only until the job has ended.
_OWN = "sartor."
#: A job's mark is kept until so many versions followed its own.
_MARK_VERSIONS: Final = 1000
_LONG_AGO_MS: Final = 1
#: In so few seconds nobody makes as many versions as Delta's log keeps.
_QUICK_SECONDS: Final = 0.2
#: How much memory a query of the whole table may use.
_QUERY_BYTES: Final = 600_000_000
Result = TypeVar("Result")


class Table:
    """One table in storage.

    Args:
        storage: where it lies.
        path: its folder there.
    """

    def __init__(self, storage: Blobs, path: str) -> None:
        self._storage = storage
        self._path = path
        self._log = Log(storage, path)
        self._staged_at: float | None = None

    def stage(self) -> Any:
        """Return the local folder into which a writer puts the parts that it is going to commit."""
        self._staged_at = time.time()
        return self._storage.stage(self._path)

    def commit(
        self,
        parts: Sequence[Part],
        mode: Mode,
        schema: Schema,
        job_arn: str,
        note: Mapping[str, str] | None = None,
    ) -> int:
        """Make the parts the data (FULL) or add them to it (INCREMENTAL), all or nothing and once a job.

        Args:
            parts: what the job brings.
            mode: of the import.
            schema: of the dataset.
            job_arn: the job.
            note: what the table's history keeps of the job beside its ARN and mode.

        Returns:
            The version that the job's commit made, by this call or an earlier one.

        Raises:
            InterruptedError: the job has ended without this commit (see ``bar``), or a sweep took its parts.
            deltalake.exceptions.DeltaError: storage refuses the commit.
        """
        self._store_parts(parts)
        metadata = {"sartor.job": job_arn, "sartor.mode": mode, **(note or {})}

        def attempt(table: DeltaTable | None) -> int | Made:
            version = None if table is None else table.transaction_version(job_arn)
            if version is not None:
                return version
            if table is not None and table.transaction_version(_bar(job_arn)) is not None:
                raise InterruptedError(f"{job_arn} has ended; its parts are nobody's")
            if self._lost_parts(table):
                raise InterruptedError(f"the parts of {job_arn} were swept; they must be written again")
            version = 0 if table is None else table.version() + 1
            how: Literal["overwrite", "append"] = "overwrite" if mode == "FULL" else "append"
            return self._write(table, delta.adds(parts), how, schema, {}, metadata, {job_arn: version})

        return self._until_committed(attempt, lambda: self._version_of_application(job_arn))

    def bar(self, job_arn: str, schema: Schema) -> bool:
        """Let a job that has not committed never do so, though an attempt of it be on its way.

        Returns:
            False if its parts are data already.
        """

        def attempt(table: DeltaTable | None) -> bool | Made:
            if table is not None and table.transaction_version(job_arn) is not None:
                return False
            if table is not None and table.transaction_version(_bar(job_arn)) is not None:
                return True
            return self._mark(table, {_bar(job_arn): 1}, schema)

        return self._until_committed(attempt, lambda: True)

    def change(
        self,
        adds: Sequence[Part],
        removes: Sequence[str],
        *,
        schema: Schema,
        application: tuple[str, int],
        expected: int | None,
        more_columns: Mapping[str, str] | None = None,
        note: Mapping[str, str] | None = None,
    ) -> bool:
        """Replace some parts by others in one commit, if nobody has done so yet.

        Args:
            adds: new parts.
            removes: the names of parts that they replace.
            schema: of the dataset.
            application: a name and a number that the commit carries.
            expected: the number that the table must have of this application so far; 0 is none, ``None``
                anything but ``application``'s own.
            more_columns: columns beside the schema's, with DuckDB's types.
            note: what the table's history keeps of it.

        Returns:
            False if another was first, or a sweep; then these parts are nobody's and are swept later.
        """
        self._store_parts(adds)
        name, number = application

        def attempt(table: DeltaTable | None) -> bool | Made:
            found = 0 if table is None else table.transaction_version(name) or 0
            if found == number if expected is None else found != expected:
                return False
            there = {} if table is None else delta.rows_of_parts(table)
            if not there.keys() >= set(removes) or self._lost_parts(table):
                return False
            actions: list[AddAction | RemoveAction] = [
                *delta.adds(adds),
                *(delta.remove(one) for one in removes),
            ]
            return self._write(
                table, actions, "append", schema, more_columns or {}, dict(note or {}), {name: number}
            )

        return self._until_committed(attempt, lambda: True)

    def merge(self, part: Part, small: Sequence[str], schema: Schema) -> bool:
        """Put one part in the place of small ones that have the same rows; the version of the data stays.

        Returns:
            False if another writer replaced one of them first; then the part is nobody's and is swept later.
        """
        self._store_parts([part])

        def attempt(table: DeltaTable | None) -> bool | Made:
            if table is None or not delta.rows_of_parts(table).keys() >= set(small):
                return False
            if self._lost_parts(table):
                return False
            add = delta.add(part.path.name, LoggedPart(part.size_bytes, part.rows), changes_data=False)
            actions: list[AddAction | RemoveAction] = [
                add,
                *(delta.remove(name, changes_data=False) for name in small),
            ]
            marks = {delta.DATA: delta.data_version(table), delta.MERGED: table.version() + 1}
            return self._write(
                table, actions, "append", schema, {}, {"sartor.merged": str(len(small))}, marks
            )

        return self._until_committed(attempt, lambda: True)

    def restore(self, version: int, schema: Schema) -> int:
        """Make the data what it was in an older version, as a new version, and return its number.

        Args:
            version: the older one.
            schema: of the dataset.

        Raises:
            LookupError: there is no such version, or its files are gone.
        """

        def attempt(table: DeltaTable | None) -> int | Made:
            if table is None or not 0 <= version <= table.version():
                newest = "no version" if table is None else f"versions 0 to {table.version()}"
                raise LookupError(f"The table has {newest}; there is no version {version}.")
            now, wanted = delta.rows_of_parts(table), self._log.parts(version)
            back = {name: part for name, part in wanted.items() if name not in now}
            lost = [name for name in now if name not in wanted]
            replaced_at = self._log.waiting(table.version()).parts
            vacuumed = (table.transaction_version(delta.VACUUMED) or 0) / 1000
            gone = [
                name
                for name in back
                if replaced_at.get(name, 0.0) < vacuumed or not self._storage.has(f"{self._path}/{name}")
            ]
            if gone:
                raise LookupError(
                    f"Version {version} is no longer kept: {len(gone)} of its {len(wanted)} files are deleted."
                )
            note = {
                "sartor.restored": str(version),
                "sartor.added": str(sum(part.rows for part in back.values())),
                "sartor.removed": str(sum(now[name] for name in lost)),
            }
            actions: list[AddAction | RemoveAction] = [
                *(delta.add(name, part) for name, part in back.items()),
                *map(delta.remove, lost),
            ]
            return self._write(
                table, actions, "append", schema, {}, note, {"sartor.restore": table.version() + 1}
            )

        return self._until_committed(attempt, lambda: self._version_of_application("sartor.restore"))

    def add_columns(self, schema: Schema) -> None:
        """Give the table the columns that a newer schema has and it lacks; old rows read null."""
        table = self._open()
        if table is None:
            return
        there = {field.name for field in table.schema().fields}
        missing = [field for field in delta.schema_of(schema, {}).fields if field.name not in there]
        if missing:
            version = table.version() + 1
            table.alter.add_columns(
                missing,
                commit_properties=CommitProperties(custom_metadata={"sartor.columns": "added"}),
                post_commithook_properties=delta.NO_HOOKS,
            )
            self._committed(version)

    def application_version(self, name: str) -> int:
        """Return the number that the newest commit of an application carries, 0 if it has none."""
        return self._version_of_application(name)

    def snapshot(self, application: str) -> tuple[list[str], int]:
        """Return the names of the parts of the newest version, and the number of an application in it."""
        table = self._open()
        if table is None:
            return [], 0
        names = sorted(delta.rows_of_parts(table))
        return names, table.transaction_version(application) or 0

    def part_names(self) -> list[str]:
        """Return the names of the parts of the newest version."""
        return self.snapshot("")[0]

    def rows_of_parts(self) -> dict[str, int]:
        """Return how many rows each part of the newest version has."""
        table = self._open()
        return {} if table is None else delta.rows_of_parts(table)

    def sizes_of_parts(self) -> dict[str, int]:
        """Return how many bytes each part of the newest version has."""
        table = self._open()
        return {} if table is None else delta.numbers_of_parts(table, "size_bytes")

    def added_in(self, version: int) -> list[str]:
        """Return the names of the parts that a version's commit added."""
        return [
            entry["add"]["path"]
            for _, entries in self.log(version, version)
            for entry in entries
            if "add" in entry
        ]

    def stored_names(self) -> set[str]:
        """Return the names of all parts that are stored, of whatever version."""
        return {path.rpartition("/")[2] for path, _ in self._storage.files(self._path)}

    def restorable(self) -> tuple[int, set[str]]:
        """Return the newest version, -1 if there is none, and the parts of all that can be restored, by name.

        It may only have merged parts: then ``version`` is an older one.
        """
        table = self._open()
        if table is None:
            return -1, set()
        newest = table.version()
        return newest, {*delta.rows_of_parts(table), *self._log.waiting(newest).parts}

    def local(self, name: str) -> Path:
        """Return a local file with a part's content."""
        return self._storage.local(f"{self._path}/{name}")

    def parts_of(self, version: int) -> dict[str, LoggedPart]:
        """Return the parts of a version by name.

        Raises:
            LookupError: the log keeps it no longer.
        """
        return self._log.parts(version)

    def log(self, first: int = 0, last: int | None = None) -> Iterator[tuple[int, Entries]]:
        """Yield the versions from one to another or the newest, oldest first, with the entries of each in the log.

        Raises:
            LookupError: the log keeps one of them no longer.
        """
        if last is None:
            table = self._open()
            last = -1 if table is None else table.version()
        return self._log.versions(first, last)

    def vacuum(self, before: float, keep_log: bool = True) -> int:
        """Delete the parts that only versions have which were replaced before a time, and return how many.

        Args:
            before: epoch seconds; a version that was the newest at that time is kept.
            keep_log: whether anybody will ask what each version changed.
        """
        table = self._open()
        if table is None:
            return 0
        newest = table.version()
        if self._log.checkpoint() < newest - 2 * CHAPTER_VERSIONS:  # whoever should have settled it died
            self._settle()
        waiting = self._log.waiting(newest)
        if keep_log and any(moment < before for moment in waiting.parts.values()):
            # nobody restores from here on what is about to go; what was restored just now is data again
            newest = self._passed_until(delta.VACUUMED, min(before, time.time() + 0.001))
            waiting = self._log.waiting(newest)
        gone = [name for name, moment in waiting.parts.items() if moment < before]
        for name in gone:
            self._storage.delete(f"{self._path}/{name}")
        left = {name: moment for name, moment in waiting.parts.items() if moment >= before}
        waiting = replace(waiting, parts=left)
        self._log.remember(waiting if keep_log else self._log.forget(waiting))
        return len(gone)

    def version_of(self, job_arn: str) -> int | None:
        """Return the version that a job's commit made, or ``None`` if it has not committed."""
        table = self._open()
        return None if table is None else table.transaction_version(job_arn)

    def committed(self, job_arn: str) -> bool:
        """Return whether a job's parts are data already."""
        return self.version_of(job_arn) is not None

    def version(self) -> int | None:
        """Return the newest version that changed the data, or ``None`` when nothing was ever imported."""
        table = self._open()
        return None if table is None else delta.data_version(table)

    def count(self) -> int:
        """Return how many records the read path has."""
        return int(self.query("SELECT count(*) FROM data")[0][0])

    def query(self, select: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a SELECT over the view ``data``: what training, filters and exports see.

        The last record of an id counts; interactions that are alike in every column count once.

        Args:
            select: DuckDB SQL; ``data`` has the columns of the newest schema.
            parameters: values for its ``?``.
        """
        with engine.connect(_QUERY_BYTES) as connection:
            connection.execute(f"CREATE VIEW data AS {self._view()}")
            return connection.execute(select, list(parameters)).fetchall()

    def delete(self) -> None:
        """Delete every file of the table."""
        self._storage.delete_folder(self._path)

    def sweep(self, older_than_seconds: float) -> int:
        """Delete parts that no version names and that are older than this, and return how many.

        These are what jobs that died left behind. One that only slept commits none of them when it wakes up.
        """
        now = time.time()
        old = [
            path
            for path, changed in list(self._storage.files(self._path))
            if path.endswith(".parquet") and now - changed > older_than_seconds
        ]
        if not self._unnamed(old):
            return 0
        self._passed_until(delta.SWEPT, min(now, now - older_than_seconds))
        swept = self._unnamed(old)  # what was committed until then stays
        for path in swept:
            self._storage.delete(path)
        return len(swept)

    def _unnamed(self, paths: Sequence[str]) -> list[str]:
        """Return the paths of parts that no version names."""
        _, named = self.restorable()
        return [path for path in paths if path.rpartition("/")[2] not in named]

    def _lost_parts(self, table: DeltaTable | None) -> bool:
        """Return whether a sweep may have deleted what this writer has staged."""
        swept = 0 if table is None else table.transaction_version(delta.SWEPT) or 0
        return self._staged_at is not None and self._staged_at * 1000 < swept

    def _passed_until(self, mark: str, moment: float) -> int:
        """Mark the table with a moment unless it has a later one, and return the newest version then."""

        def attempt(table: DeltaTable | None) -> int | Made:
            number = round(moment * 1000)
            if table is None or (table.transaction_version(mark) or 0) >= number:
                return -1 if table is None else table.version()
            return self._mark(table, {mark: number})

        return self._until_committed(attempt, self._newest)

    def _mark(self, table: DeltaTable | None, marks: Mapping[str, int], schema: Schema | None = None) -> Made:
        """Try to commit marks and nothing else, and return the commit: the version of the data stays."""
        if table is not None:
            marks = {**marks, delta.DATA: delta.data_version(table), delta.MERGED: table.version() + 1}
        return self._write(table, [], "append", schema, {}, {"sartor.merged": "0"}, marks)

    @property
    def _uri(self) -> str:
        return f"{self._storage.uri}/{self._path}"

    def _open(self) -> DeltaTable | None:
        return delta.opened(self._uri, self._storage.delta_options)

    def _newest(self) -> int:
        table = self._open()
        return -1 if table is None else table.version()

    def _version_of_application(self, name: str) -> int:
        table = self._open()
        return 0 if table is None else table.transaction_version(name) or 0

    def _store_parts(self, parts: Sequence[Part]) -> None:
        for part in parts:
            self._storage.put_file(f"{self._path}/{part.path.name}", part.path)

    def _until_committed(
        self, attempt: Callable[[DeltaTable | None], Result | Made], done: Callable[[], Result]
    ) -> Result:
        """Commit on top of the newest version, again while other writers are first.

        Args:
            attempt: commits on top of a version; a result that is no commit means there is nothing to do.
            done: gives the result after a commit.
        """
        for number in range(_COMMIT_ATTEMPTS):
            begun, table = time.monotonic(), self._open()
            try:  # on top of the very version that was looked at, so that a twin of this writer is a conflict
                found = attempt(table)
            except DeltaError as error:
                went_on = self._newest() > (-1 if table is None else table.version())
                if not went_on and not isinstance(error, CommitFailedError):
                    raise
                time.sleep(0.01 * number)  # another writer was first; look again
                continue
            if not isinstance(found, Made):
                return found
            if time.monotonic() - begun > _QUICK_SECONDS and not self._log.stands(found, self._newest()):
                continue  # this process slept, and wrote where nobody looks any more
            self._committed(found.version)
            return done()
        raise DeltaError(f"{_COMMIT_ATTEMPTS} commits to {self._path} were overtaken by others")

    def _committed(self, version: int) -> None:
        """Settle the table every few versions; a commit stands whatever becomes of that."""
        if (version + 1) % CHAPTER_VERSIONS == 0:
            try:
                self._settle()
            except Exception:  # the next one, or a sweep, does it
                LOG.exception("the log of %s could not be shortened; it is tried again", self._path)

    def _settle(self) -> None:
        """Keep what the log says in chapters, and for Delta a checkpoint and a short log."""
        table = self._open()
        if table is None:
            return
        newest = table.version()
        self._log.keep(newest)
        self._log.remember(self._log.waiting(newest))
        table.create_checkpoint()
        self._log.shorten(newest)

    def _write(
        self,
        table: DeltaTable | None,
        actions: Sequence[AddAction | RemoveAction],
        mode: Literal["overwrite", "append"],
        schema: Schema | None,
        more_columns: Mapping[str, str],
        metadata: Mapping[str, str],
        applications: Mapping[str, int],
    ) -> Made:
        """Try one commit on top of this version, and return it; without a schema it keeps its columns."""
        made = Made(0 if table is None else table.version() + 1, secrets.token_hex(8))
        now = round(time.time() * 1000)
        marks = [
            Transaction(name, number, None if name.startswith(_OWN) else now)
            for name, number in applications.items()
        ]
        if table is not None:
            marks += self._passed(table, applications)
        properties = CommitProperties(
            custom_metadata={**metadata, COMMIT: made.name},
            max_commit_retries=0,  # a retry must look first whether it is still wanted
            app_transactions=marks,
        )
        if table is None:
            assert schema is not None, "a table begins with columns"
            create_table_with_add_actions(
                self._uri,
                delta.schema_of(schema, more_columns),
                [action for action in actions if isinstance(action, AddAction)],
                mode="error",
                name=schema.dataset_type,
                configuration=delta.CONFIGURATION,
                storage_options=self._storage.delta_options,
                commit_properties=properties,
            )
        else:
            table.create_write_transaction(
                list(actions),
                mode=mode,
                schema=table.schema() if schema is None else delta.schema_of(schema, more_columns),
                commit_properties=properties,
                post_commithook_properties=delta.NO_HOOKS,
            )
        return made

    def _passed(self, table: DeltaTable, applications: Mapping[str, int]) -> list[Transaction]:
        """Return the marks of jobs that ended long ago, dated so that the next checkpoint drops them."""
        first = table.version() + 1 - _MARK_VERSIONS
        if first < 0 or first % CHAPTER_VERSIONS:
            return []
        marks = self._log.marks(first, first + CHAPTER_VERSIONS - 1, _LONG_AGO_MS)
        return [
            Transaction(name, number, _LONG_AGO_MS)
            for name, number in marks.items()
            if name not in applications and table.transaction_version(name) == number
        ]

    def _view(self) -> str:
        """Return the SELECT of the one read path."""
        table = self._open()
        if table is None:
            raise LookupError(f"Nothing has been imported into {self._path} yet.")
        kinds = {
            field.name: delta.SQL_TYPES[cast(PrimitiveType, field.type).type]
            for field in table.schema().fields
        }
        columns = ", ".join(f'"{name}"' for name in kinds)
        # no file needs to have a column that was added, and no file needs to be left
        none = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in kinds.items())
        rows = f'SELECT {none}, NULL AS "{FILE}", NULL AS "{ROW}" WHERE false'
        for source in merged.placed(
            [self.local(name) for name in sorted(delta.rows_of_parts(table))], list(kinds)
        ):
            rows += f" UNION ALL BY NAME SELECT * FROM {source}"
        id_column = DATASET_TYPES[None][table.metadata().name].identity
        if id_column is None:
            return f"SELECT DISTINCT {columns} FROM ({rows})"
        return (
            f"SELECT {columns} FROM ({rows}) QUALIFY row_number() OVER (PARTITION BY "
            f'"{id_column}" ORDER BY parse_filename("{FILE}") DESC, "{ROW}" DESC) = 1'
        )


def _bar(job_arn: str) -> str:
    """Return the name of the mark that a job has ended without a commit."""
    return f"{job_arn}#ended"
