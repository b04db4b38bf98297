"""Tables of items as tests make and read them."""

import itertools
import json
from typing import Any

import duckdb

from sartor.data import schema
from sartor.data.check import Part
from sartor.data.dataset import write_part
from sartor.data.table import Table

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


def items(table: Table) -> list[str]:
    return [item for (item,) in table.query("SELECT ITEM_ID FROM data ORDER BY 1")]


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
