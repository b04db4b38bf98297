"""Texts in the SQL that is written for DuckDB where no parameter can stand."""

from collections.abc import Iterable
from pathlib import Path


def sql_text(value: str) -> str:
    """Return a SQL string."""
    return "'" + value.replace("'", "''") + "'"


def sql_files(paths: Iterable[str | Path]) -> str:
    """Return a SQL list of files."""
    return f"[{', '.join(sql_text(str(path)) for path in paths)}]"
