"""Delta's words: what a commit of ours says, and what is read of a snapshot."""

import json
import re
import time
from collections.abc import Mapping, Sequence
from typing import Final

from deltalake import DeltaTable, Field
from deltalake import Schema as DeltaSchema
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.schema import PrimitiveType
from deltalake.transaction import AddAction, PostCommitHookProperties, RemoveAction

from sartor.data import schema
from sartor.data.check import Part
from sartor.data.log import LoggedPart
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
#: Delta's types in DuckDB's words.
SQL_TYPES: Final = {delta: schema.SQL_TYPES[avro] for avro, delta in _DELTA_TYPES.items()}
#: A mark of the version that has the data, and of the version that merged its parts.
DATA, MERGED = "sartor.data", "sartor.merged"
#: Marks of the moments (epoch milliseconds) up to which parts that nobody named, and parts of versions, are deleted.
SWEPT, VACUUMED = "sartor.swept", "sartor.vacuumed"
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


def opened(uri: str, options: Mapping[str, str]) -> DeltaTable | None:
    """Return the newest version of the table at ``uri``, ``None`` if there is none.

    Raises:
        Damaged: its log cannot be read any more.
        DeltaError: storage does not answer.
    """
    try:
        return DeltaTable(uri, storage_options=dict(options))
    except TableNotFoundError:
        return None
    except DeltaError as error:
        what = str(error).partition("\n")[0]
        if not _DAMAGE.search(what):
            raise  # storage that does not answer now may answer later
        raise Damaged(
            f"The table {uri} is damaged: {what[:300]}. Put its folder back from a backup, or delete the dataset "
            "and import its data again."
        ) from error


def adds(parts: Sequence[Part]) -> list[AddAction | RemoveAction]:
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


def data_version(table: DeltaTable) -> int:
    """Return the newest version that changed the data: the table's own, or the one whose parts it merged."""
    merged_in = table.transaction_version(MERGED)
    found = table.transaction_version(DATA) if merged_in == table.version() else None
    return table.version() if found is None else found


def rows_of_parts(table: DeltaTable) -> dict[str, int]:
    """Return how many rows each part has."""
    return numbers_of_parts(table, "num_records")


def numbers_of_parts(table: DeltaTable, number: str) -> dict[str, int]:
    """Return a number that the snapshot has of each part, by the part's name."""
    found = table.get_add_actions()
    names, numbers = found.column("path").to_pylist(), found.column(number).to_pylist()
    return {str(name): int(one) for name, one in zip(names, numbers, strict=True)}
