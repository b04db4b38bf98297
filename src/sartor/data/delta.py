"""Delta's words: what a commit of ours says, and what is read of a snapshot."""

import json
import re
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Final, TypeAlias

from deltalake import DeltaTable, Field
from deltalake import Schema as DeltaSchema
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.schema import PrimitiveType
from deltalake.transaction import AddAction, PostCommitHookProperties, RemoveAction

from sartor.data.log import LoggedPart
from sartor.data.parts import Part
from sartor.data.schema import Schema
from sartor.errors import Damaged

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
#: An entry of the log.
Action: TypeAlias = AddAction | RemoveAction
#: A mark of the version that has the data, and of the version that merged its parts.
DATA, MERGED = "sartor.data", "sartor.merged"
#: Marks of the moments (epoch milliseconds) up to which parts that nobody named, and parts of versions, are deleted.
SWEPT, VACUUMED = "sartor.swept", "sartor.vacuumed"
#: A mark of the newest version that made an older one's parts data again.
RESTORED: Final = "sartor.restore"
#: What deltalake says of a log that is broken, and not of storage that does not answer.
_DAMAGE: Final = re.compile(
    "Json error|Parquet error|Arrow error|contiguous commit files|No table metadata or protocol"
)
#: What has passed for Delta is dropped by the next checkpoint: parts that were replaced, and old marks of jobs.
CONFIGURATION: Final = {
    "delta.deletedFileRetentionDuration": "interval 0 days",  # which of them are stored is in the log's chapters
    "delta.setTransactionRetentionDuration": "interval 3650 days",
}
#: A commit ends with its entry in the log; what Delta would do after it might fail, and turn the job's verdict.
NO_HOOKS: Final = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)


class Snapshot:
    """One version of a table; or a table that is not there yet, which has no version and no parts.

    Args:
        table: as deltalake has it.

    Attributes:
        table: as given.
        version: its number, -1 if there is none.
    """

    def __init__(self, table: DeltaTable | None) -> None:
        self.table = table
        self.version = -1 if table is None else table.version()

    def number(self, application: str) -> int | None:
        """Return the number that the newest commit of an application carries, ``None`` if it made none.

        An application is a job, by its ARN and with the version that it made, or a chore of ours.
        """
        return None if self.table is None else self.table.transaction_version(application)

    @property
    def data_version(self) -> int | None:
        """The newest version that changed the data: its own, or the one whose parts it merged."""
        if self.table is None:
            return None
        found = self.number(DATA) if self.number(MERGED) == self.version else None
        return self.version if found is None else found

    @property
    def vacuumed_until(self) -> float:
        """Parts that were replaced before this time may be deleted; epoch seconds, 0 if none may."""
        return (self.number(VACUUMED) or 0) / 1000

    @property
    def restored_in(self) -> int:
        """The newest version that made an older one's parts data again, -1 if none did."""
        found = self.number(RESTORED)
        return -1 if found is None else found

    @cached_property
    def parts(self) -> dict[str, LoggedPart]:
        """Its parts, by name and in the order of their names."""
        if self.table is None:
            return {}
        found = self.table.get_add_actions()
        columns = (found.column(name).to_pylist() for name in ("path", "size_bytes", "num_records"))
        rows = sorted(zip(*columns, strict=True))
        return {str(name): LoggedPart(int(size), int(count)) for name, size, count in rows}

    @property
    def columns(self) -> set[str]:
        """The names of its columns."""
        return set() if self.table is None else {field.name for field in self.table.schema().fields}

    def unchanged(self, marks: Mapping[str, int]) -> dict[str, int]:
        """Return marks, with those of a commit on top of this version that leaves the data and its version."""
        if self.data_version is None:
            return dict(marks)
        return {**marks, DATA: self.data_version, MERGED: self.version + 1}


def opened(uri: str, options: Mapping[str, str]) -> Snapshot:
    """Return the newest version of the table at ``uri``.

    Raises:
        Damaged: its log cannot be read any more.
        DeltaError: storage does not answer.
    """
    try:
        return Snapshot(DeltaTable(uri, storage_options=dict(options)))
    except TableNotFoundError:
        return Snapshot(None)
    except DeltaError as error:
        what = str(error).partition("\n")[0]
        if not _DAMAGE.search(what):
            raise  # storage that does not answer now may answer later
        raise Damaged(
            f"The table {uri} is damaged: {what[:300]}. Put its folder back from a backup, or delete the dataset "
            "and import its data again."
        ) from error


def adds(parts: Sequence[Part]) -> list[Action]:
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


def add(name: str, part: LoggedPart, changes_data: bool = True) -> AddAction:
    """Return the log's entry of a part that is stored already."""
    statistics = json.dumps({"numRecords": part.rows})
    return AddAction(name, part.size_bytes, {}, round(time.time() * 1000), changes_data, statistics)


def remove(name: str, changes_data: bool = True) -> RemoveAction:
    """Return the log's entry of a part that is data no longer."""
    return RemoveAction(path=name, data_change=changes_data, deletion_timestamp=round(time.time() * 1000))


def schema_of(schema: Schema, more_columns: Mapping[str, str]) -> DeltaSchema:
    """Return Delta's schema; every column is nullable there, what may be null is the check's to say."""
    columns = {field.name: _DELTA_TYPES[field.type] for field in schema.fields}
    columns |= {name: _MORE_TYPES[kind] for name, kind in more_columns.items()}
    return DeltaSchema([Field(name, PrimitiveType(kind), nullable=True) for name, kind in columns.items()])
