"""Rows as CSV files that read the same for everybody: our own import, Amazon's, pandas, DuckDB.

A cell is quoted only if it must be. Where it is not, a backslash is but a backslash to all who read it.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from sartor.compute.contract import Heard
from sartor.data import engine
from sartor.data.schema import Field, Schema
from sartor.data.sections import Section, select
from sartor.data.watch import interrupting, stop_of

#: The SQL of whether white space or a control character, all that sorts before ``!``, begins or ends a text.
_AT_ITS_EDGES: Final = "({text} <> '' AND ({text} < '!' OR {text}[-1] < '!'))"
#: The same of whether a text has what no unquoted cell can have.
_INSIDE: Final = " OR ".join(
    f"contains({{text}}, {character})" for character in ("','", "'\"'", "chr(10)", "chr(13)")
)
#: In quotes the import, like Amazon's, takes a backslash for an escape, and two quotes for one.
_QUOTED: Final = "'\"' || replace(replace({text}, '\\', '\\\\'), '\"', '\"\"') || '\"'"


@dataclass(frozen=True)
class Form:
    """What all pieces of an export share.

    Attributes:
        schema: the columns.
        unquoted: whether no cell has a comma, a quote or a line end.
        folder: where files are written.
        file_bytes: about how large one file becomes at most.
        memory_bytes: how much DuckDB may use.
    """

    schema: Schema
    unquoted: bool
    folder: Path
    file_bytes: int
    memory_bytes: int


def write(
    connection: duckdb.DuckDBPyConnection,
    rows: str,
    form: Form,
    stop: Callable[[], bool],
    header: bool = True,
) -> list[Path]:
    """Write the rows of a SELECT and return the files; there is at least one.

    Args:
        connection: of the rows.
        rows: the SELECT.
        form: how.
        stop: asked some times a second whether to give up.
        header: whether each file begins with the columns' names.

    Raises:
        Stopped: ``stop`` said so.
    """
    place = form.folder / f"rows-{secrets.token_hex(4)}"
    needs_quotes = _AT_ITS_EDGES if form.unquoted else f"{_INSIDE} OR {_AT_ITS_EDGES}"
    cells = ", ".join(_cell(field, needs_quotes) for field in form.schema.fields)
    # DuckDB's own quoting is off: it does not know what a backslash is, and quotes what needs none
    options = f"FORMAT csv, HEADER {header}, QUOTE '', ESCAPE '', FILE_SIZE_BYTES {form.file_bytes}"
    connection.execute("SET preserve_insertion_order = false")
    with interrupting(connection, stop):
        connection.execute(engine.copy(f"SELECT {cells} FROM ({rows})", place, options))
    return sorted(place.glob("*.csv"), key=lambda file: (len(file.name), file.name))


def write_piece(form: Form, piece: Sequence[Section], heard: Heard) -> list[Path]:
    """Write the rows of a piece and return its files; those that a killed run has left are none of them."""
    with engine.connect(form.memory_bytes, form.folder, 1) as connection:
        return write(connection, select(piece, form.schema), form, stop_of(heard))


def _cell(field: Field, needs_quotes: str) -> str:
    """Return the SQL of a column as it is written; ``needs_quotes`` is that of whether a ``{text}`` does."""
    name = f'"{field.name}"'
    if field.type != "string":
        return name
    quoted = f"CASE WHEN {needs_quotes} THEN {_QUOTED} ELSE {{text}} END"
    return f"{quoted.format(text=name)} AS {name}"
