"""Texts in the SQL that is written for DuckDB where no parameter can stand."""


def sql_text(value: str) -> str:
    """Return a SQL string."""
    return "'" + value.replace("'", "''") + "'"
