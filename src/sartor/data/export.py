"""Records as CSV files that read the same for everybody: our own import, Amazon's, pandas, DuckDB.

A cell is quoted only if it must be. Where it is not, a backslash is but a backslash to all of them.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from sartor.data import engine
from sartor.data.dataset import DatasetRecords, Store
from sartor.data.schema import Field
from sartor.data.watch import interrupting

#: About how large one file becomes at most.
_FILE_BYTES: Final = 512_000_000
#: DuckDB holds several times a file's size in memory while it writes it.
_MEMORY_FILES: Final = 8
#: The SQL of whether white space or a control character, all that sorts before ``!``, begins or ends a text.
_AT_ITS_EDGES: Final = "({text} <> '' AND ({text} < '!' OR {text}[-1] < '!'))"
#: The same of whether a text has what no unquoted cell can have.
_INSIDE: Final = " OR ".join(
    f"contains({{text}}, {character})" for character in ("','", "'\"'", "chr(10)", "chr(13)")
)
#: In quotes the import, like Amazon's, takes a backslash for an escape, and two quotes for one.
_QUOTED: Final = "'\"' || replace(replace({text}, '\\', '\\\\'), '\"', '\"\"') || '\"'"


def write_csv(
    records: DatasetRecords, store: Store, folder: Path, stop: Callable[[], bool] = lambda: False
) -> Sequence[Path]:
    """Write records as CSV files with a header, in the schema's order of columns; there is at least one file.

    Null is an empty cell. A cell is quoted if it has a comma, a quote or a line end, or begins or ends with white
    space; in quotes a backslash is doubled, elsewhere it stands as it is.

    Args:
        records: of the dataset.
        store: which of them.
        folder: an empty local folder.
        stop: asked some times a second whether to give up.

    Raises:
        Stopped: ``stop`` said so.
    """
    place = folder / "parts"
    file_bytes = min(_FILE_BYTES, records.memory_bytes // _MEMORY_FILES)
    # DuckDB's own quoting is off: it does not know what a backslash is, and quotes what needs none
    options = f"FORMAT csv, HEADER, QUOTE '', ESCAPE '', FILE_SIZE_BYTES {file_bytes}"
    with records.connection() as connection, records.shown(connection, store) as facts:
        needs_quotes = _AT_ITS_EDGES if facts.unquoted else f"{_INSIDE} OR {_AT_ITS_EDGES}"
        columns = ", ".join(_cell(field, needs_quotes) for field in records.schema.fields)
        connection.execute("SET preserve_insertion_order = false")
        with interrupting(connection, stop):
            connection.execute(engine.copy(f"SELECT {columns} FROM data", place, options))
    return sorted(place.glob("*.csv"), key=lambda file: (len(file.name), file.name))


def _cell(field: Field, needs_quotes: str) -> str:
    """Return the SQL of a column as it is written; ``needs_quotes`` is that of whether a ``{text}`` does."""
    name = f'"{field.name}"'
    if field.type != "string":
        return name
    quoted = f"CASE WHEN {needs_quotes} THEN {_QUOTED} ELSE {{text}} END"
    return f"{quoted.format(text=name)} AS {name}"
