"""A dataset's table: a Delta Lake table whose commits carry the ARN of the job that made them.

Parts are written elsewhere; a commit names them without reading them. INCREMENTAL imports append: which record
of an id counts is settled on the one read path, by the order of arrival. A part's name begins with the time of
its import and its rows keep the order of their file, so name and row number are that order.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, cast

from deltalake import DeltaTable, Field
from deltalake import Schema as DeltaSchema
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.schema import PrimitiveType
from deltalake.transaction import (
    AddAction,
    CommitProperties,
    PostCommitHookProperties,
    RemoveAction,
    Transaction,
    create_table_with_add_actions,
)

from sartor.data import engine
from sartor.data.blobs import Blobs
from sartor.data.check import Part
from sartor.data.dataset_types import DATASET_TYPES
from sartor.data.engine import FILE, ROW
from sartor.data.schema import SQL_TYPES, Schema

Mode = Literal["FULL", "INCREMENTAL"]

#: Avro's types in Delta's words.
_DELTA_TYPES: Final[Mapping[str, str]] = {
    "string": "string",
    "int": "integer",
    "long": "long",
    "float": "float",
    "double": "double",
    "boolean": "boolean",
}
#: DuckDB's types in Delta's words, for columns that no schema has.
_MORE_TYPES: Final[Mapping[str, str]] = {"VARCHAR": "string", "BIGINT": "long"}
#: Delta's types in DuckDB's words.
_SQL_TYPES: Final = {delta: SQL_TYPES[avro] for avro, delta in _DELTA_TYPES.items()}
_COMMIT_ATTEMPTS = 20
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

    def stage(self) -> Any:
        """Return the local folder into which an import writes its parts."""
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
            deltalake.exceptions.DeltaError: storage refuses the commit.
        """
        self._store_parts(parts)
        metadata = {"sartor.job": job_arn, "sartor.mode": mode, **(note or {})}

        def attempt(table: DeltaTable | None) -> int | None:
            version = None if table is None else table.transaction_version(job_arn)
            if version is not None:
                return version
            version = 0 if table is None else table.version() + 1
            how: Literal["overwrite", "append"] = "overwrite" if mode == "FULL" else "append"
            self._write(table, _adds(parts), how, schema, {}, metadata, (job_arn, version))
            return None

        return self._until_committed(attempt, lambda: self._version_of_application(job_arn))

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
            False if another was first; then these parts are nobody's and are swept later.
        """
        self._store_parts(adds)
        name, number = application

        def attempt(table: DeltaTable | None) -> bool | None:
            found = 0 if table is None else table.transaction_version(name) or 0
            if found == number if expected is None else found != expected:
                return False
            there = set() if table is None else {_name(uri) for uri in table.file_uris()}
            if not there.issuperset(removes):
                return False
            actions: list[AddAction | RemoveAction] = [*_adds(adds), *(_remove(one) for one in removes)]
            self._write(table, actions, "append", schema, more_columns or {}, dict(note or {}), application)
            return None

        return self._until_committed(attempt, lambda: True)

    def restore(self, version: int, schema: Schema) -> int:
        """Make the data what it was in an older version, as a new version, and return its number.

        Args:
            version: the older one.
            schema: of the dataset.

        Raises:
            LookupError: there is no such version, or its files are gone.
        """

        def attempt(table: DeltaTable | None) -> int | None:
            if table is None or not 0 <= version <= table.version():
                newest = "no version" if table is None else f"versions 0 to {table.version()}"
                raise LookupError(f"The table has {newest}; there is no version {version}.")
            now = {_name(uri) for uri in table.file_uris()}
            wanted = self.parts_of(version)
            back = [part for name, part in wanted.items() if name not in now]
            there = self.stored_names()
            gone = [name for name in wanted if name not in there]
            if gone:
                raise LookupError(
                    f"Version {version} is no longer kept: {len(gone)} of its {len(wanted)} files are deleted."
                )
            actions: list[AddAction | RemoveAction] = [
                *back,
                *(_remove(name) for name in now if name not in wanted),
            ]
            lost = self.parts_of(table.version())
            note = {
                "sartor.restored": str(version),
                "sartor.added": str(sum(self.rows_in(vars(part)) for part in back)),
                "sartor.removed": str(sum(self.rows_in(vars(lost[name])) for name in now - set(wanted))),
            }
            self._write(table, actions, "append", schema, {}, note, ("sartor.restore", table.version() + 1))
            return None

        return self._until_committed(attempt, lambda: self._version_of_application("sartor.restore"))

    def add_columns(self, schema: Schema) -> None:
        """Give the table the columns that a newer schema has and it lacks; old rows read null."""
        table = self._open()
        if table is None:
            return
        there = {field.name for field in table.schema().fields}
        missing = [field for field in _delta_schema(schema, {}).fields if field.name not in there]
        if missing:
            table.alter.add_columns(
                missing,
                commit_properties=CommitProperties(custom_metadata={"sartor.columns": "added"}),
                post_commithook_properties=_keeping_log(),
            )

    def application_version(self, name: str) -> int:
        """Return the number that the newest commit of an application carries, 0 if it has none."""
        return self._version_of_application(name)

    def snapshot(self, application: str) -> tuple[list[str], int]:
        """Return the names of the parts of the newest version, and the number of an application in it."""
        table = self._open()
        if table is None:
            return [], 0
        names = sorted(_name(uri) for uri in table.file_uris())
        return names, table.transaction_version(application) or 0

    def part_names(self) -> list[str]:
        """Return the names of the parts of the newest version."""
        return self.snapshot("")[0]

    def rows_of_parts(self) -> dict[str, int]:
        """Return how many rows each part of the newest version has."""
        table = self._open()
        if table is None:
            return {}
        version = table.version()
        return {
            name: int(json.loads(part.stats)["numRecords"]) for name, part in self.parts_of(version).items()
        }

    def added_in(self, version: int) -> list[str]:
        """Return the names of the parts that a version's commit added."""
        text = self._storage.get(f"{self._path}/_delta_log/{version:020d}.json")
        entries = (json.loads(line) for line in text.splitlines() if line.strip())
        return [entry["add"]["path"] for entry in entries if "add" in entry]

    @staticmethod
    def rows_in(entry: Mapping[str, Any]) -> int:
        """Return how many rows a part has, from its entry in the log."""
        return int(json.loads(entry["stats"])["numRecords"])

    def stored_names(self) -> set[str]:
        """Return the names of all parts that are stored, of whatever version."""
        return {path.rpartition("/")[2] for path, _ in self._storage.list(self._path)}

    def local(self, name: str) -> Path:
        """Return a local file with a part's content."""
        return self._storage.local(f"{self._path}/{name}")

    def parts_of(self, version: int) -> dict[str, AddAction]:
        """Return the parts of a version by name, as the log's entries have them."""
        parts: dict[str, AddAction] = {}
        for entries in self.log(version):
            for entry in entries:
                if "remove" in entry:
                    parts.pop(entry["remove"]["path"], None)
            for entry in entries:
                if "add" in entry:
                    add = entry["add"]
                    moment = round(time.time() * 1000)
                    parts[add["path"]] = AddAction(add["path"], add["size"], {}, moment, True, add["stats"])
        return parts

    def log(self, upto: int | None = None) -> Iterator[list[dict[str, Any]]]:
        """Yield the log's entries of each version, oldest first, up to a version or the newest."""
        last = self.version() if upto is None else upto
        for version in range(0 if last is None else last + 1):
            text = self._storage.get(f"{self._path}/_delta_log/{version:020d}.json")
            yield [json.loads(line) for line in text.splitlines() if line.strip()]

    def vacuum(self, before: float) -> int:
        """Delete the parts that only versions have which were replaced before a time, and return how many.

        Args:
            before: epoch seconds; a version that was the newest at that time is kept.
        """
        newest = self.version()
        if newest is None:
            return 0
        replaced_at: dict[str, float] = {}
        for entries in self.log(newest):
            moment = next((entry["commitInfo"]["timestamp"] for entry in entries if "commitInfo" in entry), 0)
            for entry in entries:
                if "remove" in entry:
                    replaced_at[entry["remove"]["path"]] = moment / 1000
            for entry in entries:
                if "add" in entry:
                    replaced_at.pop(entry["add"]["path"], None)
        there = {path.rpartition("/")[2]: path for path, _ in self._storage.list(self._path)}
        gone = [name for name, moment in replaced_at.items() if moment < before and name in there]
        for name in gone:
            self._storage.delete(there[name])
        return len(gone)

    def version_of(self, job_arn: str) -> int | None:
        """Return the version that a job's commit made, or ``None`` if it has not committed."""
        table = self._open()
        return None if table is None else table.transaction_version(job_arn)

    def committed(self, job_arn: str) -> bool:
        """Return whether a job's parts are data already."""
        return self.version_of(job_arn) is not None

    def version(self) -> int | None:
        """Return the newest version, or ``None`` when nothing was ever imported."""
        table = self._open()
        return None if table is None else table.version()

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

        These are what jobs that died left behind.
        """
        table = self._open()
        named = set(_names(table)) if table is not None else set()
        swept = 0
        for path, changed in list(self._storage.list(self._path)):
            name = path.rpartition("/")[2]
            is_part = path.count("/") == self._path.count("/") + 1 and name.endswith(".parquet")
            if is_part and name not in named and time.time() - changed > older_than_seconds:
                self._storage.delete(path)
                swept += 1
        return swept

    @property
    def _uri(self) -> str:
        return f"{self._storage.uri}/{self._path}"

    def _open(self) -> DeltaTable | None:
        try:
            return DeltaTable(self._uri, storage_options=self._storage.delta_options)
        except TableNotFoundError:
            return None

    def _version_of_application(self, name: str) -> int:
        table = self._open()
        return 0 if table is None else table.transaction_version(name) or 0

    def _store_parts(self, parts: Sequence[Part]) -> None:
        for part in parts:
            self._storage.put_file(f"{self._path}/{part.path.name}", part.path)

    def _until_committed(
        self, attempt: Callable[[DeltaTable | None], Result | None], done: Callable[[], Result]
    ) -> Result:
        """Commit on top of the newest version, again while other writers are first.

        Args:
            attempt: commits on top of a version; a result that is not ``None`` means there is nothing to do.
            done: gives the result after a commit.
        """
        for number in range(_COMMIT_ATTEMPTS):
            table = self._open()
            try:  # on top of the very version that was looked at, so that a twin of this writer is a conflict
                found = attempt(table)
            except DeltaError as error:
                made = table is None and self._open() is not None  # the table, by another writer
                if not made and not isinstance(error, CommitFailedError):
                    raise
                time.sleep(0.01 * number)  # another writer was first; look again
                continue
            return done() if found is None else found
        raise DeltaError(f"{_COMMIT_ATTEMPTS} commits to {self._path} were overtaken by others")

    def _write(
        self,
        table: DeltaTable | None,
        actions: Sequence[AddAction | RemoveAction],
        mode: Literal["overwrite", "append"],
        schema: Schema,
        more_columns: Mapping[str, str],
        metadata: Mapping[str, str],
        application: tuple[str, int],
    ) -> None:
        """Try one commit on top of this version."""
        name, number = application
        properties = CommitProperties(
            custom_metadata=dict(metadata),
            max_commit_retries=0,  # a retry must look first whether it is still wanted
            app_transactions=[Transaction(app_id=name, version=number)],
        )
        if table is None:
            create_table_with_add_actions(
                self._uri,
                _delta_schema(schema, more_columns),
                [action for action in actions if isinstance(action, AddAction)],
                mode="error",
                name=schema.dataset_type,
                storage_options=self._storage.delta_options,
                commit_properties=properties,
            )
        else:
            table.create_write_transaction(
                list(actions),
                mode=mode,
                schema=_delta_schema(schema, more_columns),
                commit_properties=properties,
                post_commithook_properties=_keeping_log(),
            )

    def _view(self) -> str:
        """Return the SELECT of the one read path."""
        table = self._open()
        if table is None:
            raise LookupError(f"Nothing has been imported into {self._path} yet.")
        kinds = {
            field.name: _SQL_TYPES[cast(PrimitiveType, field.type).type] for field in table.schema().fields
        }
        columns = ", ".join(f'"{name}"' for name in kinds)
        # no file needs to have a column that was added, and no file needs to be left
        none = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in kinds.items())
        rows = f'SELECT {none}, NULL AS "{FILE}", NULL AS "{ROW}" WHERE false'
        paths = sorted(str(self._storage.local(f"{self._path}/{_name(uri)}")) for uri in table.file_uris())
        if paths:
            rows += f" UNION ALL BY NAME SELECT * FROM {engine.placed(paths, kinds)}"
        id_column = DATASET_TYPES[None][table.metadata().name].identity
        if id_column is None:
            return f"SELECT DISTINCT {columns} FROM ({rows})"
        return (
            f"SELECT {columns} FROM ({rows}) QUALIFY row_number() OVER (PARTITION BY "
            f'"{id_column}" ORDER BY "{FILE}" DESC, "{ROW}" DESC) = 1'
        )


def _keeping_log() -> PostCommitHookProperties:
    """Return what keeps a commit from cleaning up the log: that would forget the versions that undo needs."""
    return PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False)


def _adds(parts: Sequence[Part]) -> list[AddAction]:
    """Return the log's entries of new parts."""
    return [
        AddAction(
            path=part.path.name,
            size=part.size_bytes,
            partition_values={},
            modification_time=round(time.time() * 1000),
            data_change=True,
            stats=json.dumps(part.statistics),
        )
        for part in parts
    ]


def _remove(name: str) -> RemoveAction:
    return RemoveAction(path=name, data_change=True, deletion_timestamp=round(time.time() * 1000))


def _delta_schema(schema: Schema, more_columns: Mapping[str, str]) -> DeltaSchema:
    """Return Delta's schema; every column is nullable there, what may be null is the check's to say."""
    columns = {field.name: _DELTA_TYPES[field.type] for field in schema.fields}
    columns |= {name: _MORE_TYPES[kind] for name, kind in more_columns.items()}
    return DeltaSchema([Field(name, PrimitiveType(kind), nullable=True) for name, kind in columns.items()])


def _names(table: DeltaTable) -> list[str]:
    """Return the file names of every version that the log still knows."""
    names = {_name(uri) for uri in table.file_uris()}
    for version in range(table.version()):
        try:
            table.load_as_version(version)
        except DeltaError:
            continue  # its log is vacuumed
        names.update(_name(uri) for uri in table.file_uris())
    return sorted(names)


def _name(uri: str) -> str:
    return uri.rpartition("/")[2]
