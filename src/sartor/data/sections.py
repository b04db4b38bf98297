"""The rows of parts in sections, which are read beside each other."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from sartor.data import engine, parquet_spans
from sartor.data.input_files import InputFile
from sartor.data.parquet_spans import TEXT_BYTES, RowGroups
from sartor.data.parts import PartRows
from sartor.data.schema import Schema

T = TypeVar("T")


class Section(NamedTuple):
    """Some rows of a part.

    Attributes:
        part: its file.
        groups: the row groups that have them, if not all do.
        condition: the SQL of which of these.
        stored: the path of the part in storage.
    """

    part: Path
    groups: RowGroups | None
    condition: str
    stored: str = ""


def sections(parts: Sequence[PartRows], piece_bytes: int) -> list[list[Section]]:
    """Return the rows of parts in pieces of about so many bytes of text, in the parts' order."""
    found: list[tuple[Section, int]] = []
    for part, condition, stored in parts:
        whole = Section(part, None, condition, stored)
        size_bytes = part.stat().st_size
        groups = parquet_spans.spans(InputFile(part, "", size_bytes), piece_bytes)
        found += [(whole._replace(groups=one), one.size_bytes) for one in groups] or [(whole, size_bytes)]
    return together(found, piece_bytes)


def whole_parts(parts: Sequence[Path], piece_bytes: int) -> list[list[Path]]:
    """Return parts in pieces of about so many bytes of text, in their order."""
    return together([(part, part.stat().st_size) for part in parts], piece_bytes)


def together(sizes: Sequence[tuple[T, int]], piece_bytes: int) -> list[list[T]]:
    """Return what has a size in Parquet in pieces that have about so many bytes of text."""
    pieces: list[list[T]] = []
    left_bytes = 0
    for one, size_bytes in sizes:
        text_bytes = size_bytes * TEXT_BYTES
        if not pieces or text_bytes > left_bytes:
            pieces.append([])
            left_bytes = piece_bytes
        pieces[-1].append(one)
        left_bytes -= text_bytes
    return pieces


def select(piece: Sequence[Section], schema: Schema) -> str:
    """Return the SELECT of the schema's columns of sections; a column that a part lacks is null."""
    empty = ", ".join(f'NULL::{one.sql_type} AS "{one.name}"' for one in schema.fields)
    columns = ", ".join(f'"{one.name}"' for one in schema.fields)
    whole: dict[str, list[Path]] = {}
    sources: list[tuple[str, str]] = []
    for part, groups, condition, _ in piece:
        if groups is None:
            whole.setdefault(condition, []).append(part)
        else:
            sources.append((engine.parquet_rows(part, *groups.rows), condition))
    sources += [(engine.parquet(parts), condition) for condition, parts in whole.items()]
    selects = [f"SELECT * FROM {source} WHERE {condition}" for source, condition in sources]
    return f"SELECT {columns} FROM ({' UNION ALL BY NAME '.join([f'SELECT {empty} WHERE false', *selects])})"
