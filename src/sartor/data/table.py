"""A dataset's table: a Delta Lake table whose commits carry the ARN of the job that made them.

Parts are written by the check; a commit names them without reading them. INCREMENTAL imports append: which
record of an id counts is settled on the one read path, by the order of arrival. A part's name begins with the
time of its import and its rows keep the order of their file, so name and row number are that order.
"""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import duckdb
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

from sartor.data.blobs import Blobs
from sartor.data.check import Part
from sartor.data.dataset_types import DATASET_TYPES
from sartor.data.schema import Schema

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
_COMMIT_ATTEMPTS = 20


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

    def commit(self, parts: Sequence[Part], mode: Mode, schema: Schema, job_arn: str) -> int:
        """Make the parts the data (FULL) or add them to it (INCREMENTAL), all or nothing and once a job.

        Returns:
            The version that the job's commit made, by this call or an earlier one.

        Raises:
            deltalake.exceptions.DeltaError: storage refuses the commit.
        """
        for part in parts:
            self._storage.put_file(f"{self._path}/{part.path.name}", part.path)
        for attempt in range(_COMMIT_ATTEMPTS):
            table = self._open()
            version = None if table is None else table.transaction_version(job_arn)
            if version is not None:
                return version
            try:  # on top of the very version that was looked at, so that a twin of this job is a conflict
                self._commit(table, parts, mode, schema, job_arn)
            except CommitFailedError:  # another writer was first; look again
                time.sleep(0.01 * attempt)
        raise DeltaError(f"{_COMMIT_ATTEMPTS} commits to {self._path} were overtaken by others")

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
        with duckdb.connect() as connection:
            connection.execute("SET memory_limit = '600MB'")
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

    def _commit(
        self, table: DeltaTable | None, parts: Sequence[Part], mode: Mode, schema: Schema, job_arn: str
    ) -> None:
        """Try one commit on top of this version."""
        actions = [
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
        version = 0 if table is None else table.version() + 1
        properties = CommitProperties(
            custom_metadata={"sartor.job": job_arn, "sartor.mode": mode},
            max_commit_retries=0,  # a retry must look first whether the job has committed meanwhile
            app_transactions=[Transaction(app_id=job_arn, version=version)],
        )
        if table is None:
            create_table_with_add_actions(
                self._uri,
                _delta_schema(schema),
                actions,
                mode="error",
                name=schema.dataset_type,
                storage_options=self._storage.delta_options,
                commit_properties=properties,
            )
        else:
            table.create_write_transaction(
                list[AddAction | RemoveAction](actions),
                mode="overwrite" if mode == "FULL" else "append",
                schema=_delta_schema(schema),
                commit_properties=properties,
                # log clean-up would forget the versions that undo needs
                post_commithook_properties=PostCommitHookProperties(
                    create_checkpoint=True, cleanup_expired_logs=False
                ),
            )

    def _view(self) -> str:
        """Return the SELECT of the one read path."""
        table = self._open()
        if table is None:
            raise LookupError(f"Nothing has been imported into {self._path} yet.")
        columns = ", ".join(f'"{field.name}"' for field in table.schema().fields)
        paths = sorted(str(self._storage.local(f"{self._path}/{_name(uri)}")) for uri in table.file_uris())
        files = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
        rows = f"read_parquet([{files}], union_by_name = true, filename = true, file_row_number = true)"
        id_column = DATASET_TYPES[None][table.metadata().name].identity
        if id_column is None:
            return f"SELECT DISTINCT {columns} FROM {rows}"
        return (
            f"SELECT {columns} FROM {rows} QUALIFY row_number() OVER (PARTITION BY "
            f'"{id_column}" ORDER BY filename DESC, file_row_number DESC) = 1'
        )


def _delta_schema(schema: Schema) -> DeltaSchema:
    """Return Delta's schema; every column is nullable there, what may be null is the check's to say."""
    return DeltaSchema(
        [Field(field.name, PrimitiveType(_DELTA_TYPES[field.type]), nullable=True) for field in schema.fields]
    )


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
