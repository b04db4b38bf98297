"""Tables of items as tests make and read them."""

import itertools
import json
from typing import Any

import duckdb

from sartor.data import engine, merged, schema
from sartor.data.dataset_types import DATASET_TYPES
from sartor.data.engine import FILE, ROW
from sartor.data.parts import Part, write_part
from sartor.data.table import Table

SQL_TYPES = {
    "string": "VARCHAR",
    "integer": "INTEGER",
    "long": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
}
MORE = {"put-seq": "BIGINT"}
_numbers = itertools.count()


def schema_of(name: str, *fields: tuple[str, Any]) -> schema.Schema:
    columns = [{"name": field, "type": kind} for field, kind in fields]
    return schema.parse(json.dumps({"type": "record", "name": name, "fields": columns}))


ID, YEAR = ("ITEM_ID", "string"), ("YEAR", ["null", "int"])
ITEMS = schema_of("Items", ID, YEAR)
NEWER_ITEMS = schema_of("Items", ID, YEAR, ("GENRE", ["null", "string"]), ("PRICE", ["null", "float"]))
EVENTS = schema_of("Interactions", ("USER_ID", "string"), ("ITEM_ID", "string"), ("TIMESTAMP", "long"))


def part(table: Table, *items: str, year: int = 1) -> Part:
    """Return a staged part with one row an item."""
    rows = ", ".join(f"('{item}', {year}::INTEGER)" for item in items)
    path = table.stage() / f"{next(_numbers):013d}-0-x.parquet"
    with duckdb.connect() as connection:
        return write_part(connection, f"SELECT * FROM (VALUES {rows}) t(ITEM_ID, YEAR)", path)


def query(table: Table, select: str) -> list[tuple[Any, ...]]:
    """Run a SELECT over ``data``: the rows of the newest version, of each id the last one, of equal ones one."""
    now = table.snapshot()
    assert now.table is not None, "nothing was ever committed"
    kinds = {one.name: SQL_TYPES[one.type.type] for one in now.table.schema().fields}
    columns = ", ".join(f'"{name}"' for name in kinds)
    files = [table.local(name) for name in now.parts]
    sources = [f"SELECT * FROM {source}" for source in merged.placed(files, list(kinds))]
    # no file needs to have a column that was added, and no file needs to be left
    none = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in kinds.items())
    sources.append(f'SELECT {none}, NULL AS "{FILE}", NULL AS "{ROW}" WHERE false')
    rows = " UNION ALL BY NAME ".join(sources)
    identity = DATASET_TYPES[None][now.table.metadata().name].identity
    newest = f'ORDER BY parse_filename("{FILE}") DESC, "{ROW}" DESC'
    last = "" if identity is None else f"QUALIFY row_number() OVER (PARTITION BY {identity} {newest}) = 1"
    with engine.connect(10**8) as connection:
        distinct = "DISTINCT" if identity is None else ""
        connection.execute(f"CREATE VIEW data AS SELECT {distinct} {columns} FROM ({rows}) {last}")
        return connection.execute(select).fetchall()


def count(table: Table) -> int:
    return int(query(table, "SELECT count(*) FROM data")[0][0])


def items(table: Table) -> list[str]:
    return [item for (item,) in query(table, "SELECT ITEM_ID FROM data ORDER BY 1")]


def in_version(table: Table, version: int) -> list[str]:
    """Return the items of a version by Delta's own reading."""
    names = table.parts_of(version)
    found = [duckdb.read_parquet(str(table.local(name))).fetchall() for name in names]
    return sorted({row[0] for rows in found for row in rows})


def change(
    table: Table, adds: list[Part], removes: list[str], number: int, expected: int | None, name: str = "a"
) -> bool:
    return table.change(
        adds, removes, schema=ITEMS, application=(name, number), expected=expected, more_columns=MORE
    )
