"""Merged parts: the rows of many small parts in one, each with the part in which it came and its number there.

The order of arrival is the name of a record's part and its row in it; it must outlive the part.
"""

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sartor.data import engine
from sartor.data.engine import FILE, ROW

#: What a merged part has beside the schema's columns; no schema can have these names.
_PART: Final = "import-part"
_PART_ROW: Final = "import-row"
_MARK: Final = "-merged-"


def name_of(parts: Sequence[str]) -> str:
    """Return a name for what is merged from these parts; it begins as the newest of them does."""
    at, number = max(parts).split("-")[:2]
    return f"{at}-{number}{_MARK}{secrets.token_hex(6)}.parquet"


def placed(parts: Sequence[Path], columns: Sequence[str]) -> list[str]:
    """Return the SQL of the rows of parts with ``FILE`` and ``ROW``: in which part each came, and where in it.

    Args:
        parts: their files.
        columns: the names that the parts' own columns may have.
    """
    plain = [part for part in parts if _MARK not in part.name]
    merged = [part for part in parts if _MARK in part.name]
    found = [engine.placed(plain, columns)] if plain else []
    if merged:
        rows = engine.placed(merged, columns)
        found.append(
            f'(SELECT * EXCLUDE ("{FILE}", "{ROW}", "{_PART}", "{_PART_ROW}"), '
            f'\'/\' || "{_PART}" AS "{FILE}", "{_PART_ROW}" AS "{ROW}" FROM {rows})'
        )
    return found


def kept_place() -> str:
    """Return the SQL of what a merged part has instead of a row's ``FILE`` and ``ROW``."""
    return f'* EXCLUDE ("{FILE}", "{ROW}"), parse_filename("{FILE}") AS "{_PART}", "{ROW}"::BIGINT AS "{_PART_ROW}"'
