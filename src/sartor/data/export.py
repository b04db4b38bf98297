"""Records as CSV files that our own import, and Amazon's, reads back as they were."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import duckdb

from sartor.data import engine
from sartor.data.dataset import DatasetRecords, Store
from sartor.data.watch import interrupting

#: About how large one file becomes at most.
_FILE_BYTES: Final = 512_000_000
#: DuckDB holds several times a file's size in memory while it writes it.
_MEMORY_FILES: Final = 8


def write_csv(
    records: DatasetRecords, store: Store, folder: Path, stop: Callable[[], bool] = lambda: False
) -> Sequence[Path]:
    """Write records as CSV files with a header, in the schema's order of columns; there is at least one file.

    Null is an empty cell. In a quoted cell the import takes a backslash for an escape, so columns that have any
    are quoted as a whole, with each backslash doubled.

    Args:
        records: of the dataset.
        store: which of them.
        folder: an empty local folder.
        stop: asked some times a second whether to give up.

    Raises:
        InterruptedError: ``stop`` said so.
    """
    with records.connection() as connection, records.shown(connection, store) as facts:
        columns = [
            f"replace(\"{one.name}\", '\\', '\\\\') AS \"{one.name}\""
            if one.name in facts.backslashes
            else f'"{one.name}"'
            for one in records.schema.fields
        ]
        quoted = ", ".join(f'"{name}"' for name in facts.backslashes)
        options = f", FORCE_QUOTE ({quoted})" if quoted else ""
        place = folder / "parts"
        file_bytes = min(_FILE_BYTES, records.memory_bytes // _MEMORY_FILES)
        connection.execute("SET preserve_insertion_order = false")
        with interrupting(connection, stop):
            try:
                connection.execute(
                    engine.copy(
                        f"SELECT {', '.join(columns)} FROM data",
                        place,
                        f"FORMAT csv, HEADER, FILE_SIZE_BYTES {file_bytes}{options}",
                    )
                )
            except duckdb.InterruptException as error:
                raise InterruptedError from error
    return sorted(place.glob("*.csv"), key=lambda file: (len(file.name), file.name))
