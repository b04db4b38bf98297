"""Records as CSV files that read the same for everybody: our own import, Amazon's, pandas, DuckDB.

A cell is quoted only if it must be. Where it is not, a backslash is but a backslash to all of them.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import duckdb

from sartor.compute.contract import Compute, Heard, Need
from sartor.compute.here import Here
from sartor.data import engine
from sartor.data.dataset import DatasetRecords, Store
from sartor.data.schema import Field, Schema
from sartor.data.sections import Section, sections, select
from sartor.data.watch import interrupting, stop_of

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


#: About how much text a piece is where pieces run beside each other. Less than two are written here.
PIECE_BYTES: Final = 2**27


@dataclass(frozen=True)
class Form:
    """What all pieces of an export share.

    Attributes:
        schema: the columns.
        cells: the SQL of what is written of them.
        folder: where.
        file_bytes: about how large one file becomes at most.
        memory_bytes: how much DuckDB may use.
    """

    schema: Schema
    cells: str
    folder: Path
    file_bytes: int
    memory_bytes: int


def write_csv(
    records: DatasetRecords,
    store: Store,
    folder: Path,
    stop: Callable[[], bool] = lambda: False,
    compute: Compute | None = None,
) -> Sequence[Path]:
    """Write records as CSV files with a header, in the schema's order of columns; there is at least one file.

    Null is an empty cell. A cell is quoted if it has a comma, a quote or a line end, or begins or ends with white
    space; in quotes a backslash is doubled, elsewhere it stands as it is.

    Args:
        records: of the dataset.
        store: which of them.
        folder: an empty local folder.
        stop: asked some times a second whether to give up.
        compute: where pieces run that see the folder; here, if not given.

    Raises:
        Stopped: ``stop`` said so.
        Unavailable: pieces cannot run where they should.
    """
    file_bytes = min(_FILE_BYTES, records.memory_bytes // _MEMORY_FILES)
    with records.connection() as connection, records.shown(connection, store) as shown:
        needs_quotes = _AT_ITS_EDGES if shown.facts.unquoted else f"{_INSIDE} OR {_AT_ITS_EDGES}"
        cells = ", ".join(_cell(field, needs_quotes) for field in records.schema.fields)
        form = Form(records.schema, cells, folder, file_bytes, records.memory_bytes)
        apart = compute is not None and not isinstance(compute, Here)
        pieces = sections(shown.parts, PIECE_BYTES) if apart else []
        if compute is None or len(pieces) < 2:
            return _written(connection, "SELECT * FROM data", form, stop)
        found: dict[int, list[Path]] = {}
        need = Need(records.memory_bytes)
        compute.map(partial(write_piece, form), pieces, need, done=found.__setitem__, stop=stop)
        rest = [] if shown.rest is None else _written(connection, shown.rest, form, stop)
    return [*(file for _, files in sorted(found.items()) for file in files), *rest]


def write_piece(form: Form, piece: Sequence[Section], heard: Heard) -> list[Path]:
    """Write the rows of a piece and return its files; those that a killed run has left are none of them."""
    with engine.connect(form.memory_bytes, form.folder, 1) as connection:
        return _written(connection, select(piece, form.schema), form, stop_of(heard))


def _written(
    connection: duckdb.DuckDBPyConnection, rows: str, form: Form, stop: Callable[[], bool]
) -> list[Path]:
    """Write the rows of a SELECT."""
    place = form.folder / f"rows-{secrets.token_hex(4)}"
    # DuckDB's own quoting is off: it does not know what a backslash is, and quotes what needs none
    options = f"FORMAT csv, HEADER, QUOTE '', ESCAPE '', FILE_SIZE_BYTES {form.file_bytes}"
    connection.execute("SET preserve_insertion_order = false")
    with interrupting(connection, stop):
        connection.execute(engine.copy(f"SELECT {form.cells} FROM ({rows})", place, options))
    return sorted(place.glob("*.csv"), key=lambda file: (len(file.name), file.name))


def _cell(field: Field, needs_quotes: str) -> str:
    """Return the SQL of a column as it is written; ``needs_quotes`` is that of whether a ``{text}`` does."""
    name = f'"{field.name}"'
    if field.type != "string":
        return name
    quoted = f"CASE WHEN {needs_quotes} THEN {_QUOTED} ELSE {{text}} END"
    return f"{quoted.format(text=name)} AS {name}"
