"""A schema guessed from a file: its names say what columns mean, its cells of which type they are."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sartor.data import csv_lines, engine, formats, headers
from sartor.data.dataset_types import DATASET_TYPES, DatasetType
from sartor.data.rules import PATTERN_OF_DECIMAL, PATTERN_OF_WHOLE
from sartor.data.schema import FIELD_NAME, folded, parse
from sartor.data.sql import sql_text
from sartor.errors import invalid_input

#: So many rows are looked at.
_ROWS: Final = 1_000_000
_MEMORY_BYTES: Final = 300 * 2**20
#: What columns are called elsewhere, folded.
_SYNONYMS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("user", "customerid", "visitorid", "memberid", "profileid"), "USER_ID"),
    **dict.fromkeys(
        ("item", "productid", "movieid", "articleid", "contentid", "videoid", "songid"), "ITEM_ID"
    ),
    **dict.fromkeys(("sku", "asin"), "ITEM_ID"),
    **dict.fromkeys(("time", "ts", "eventtime", "unixtime", "unixtimestamp", "unixreviewtime"), "TIMESTAMP"),
    **dict.fromkeys(("event", "eventname"), "EVENT_TYPE"),
    **dict.fromkeys(("rating", "score", "overall"), "EVENT_VALUE"),
}
#: A string of more characters, on average, is text to understand.
_TEXT_CHARACTERS: Final = 60
#: A string with fewer different values than this share of its rows, or than this, is a category.
_CATEGORY_SHARE: Final = 0.5
_CATEGORIES: Final = 100
_INTEGERS: Final = (("int", 2**31), ("long", 2**63))


@dataclass(frozen=True)
class Draft:
    """A schema, and what a person should know of it.

    Attributes:
        schema: the Avro record.
        notes: one sentence each.
    """

    schema: dict[str, Any]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Column:
    """What the cells of a column are.

    Attributes:
        name: in the file.
        keyword: the column with a meaning that it is taken for, or its own name.
        rows: how many were looked at.
        filled: how many of them have a value.
        type: the narrowest Avro type that all have.
        distinct: about how many different values there are.
        characters: the average length.
    """

    name: str
    keyword: str
    rows: int
    filled: int
    type: str
    distinct: int
    characters: float

    @property
    def is_category(self) -> bool:
        """Whether few values come again and again."""
        return self.distinct <= max(_CATEGORIES, _CATEGORY_SHARE * self.filled)


def draft(path: Path, uri: str, scratch: Path, domain: str | None = None) -> Draft:
    """Return a schema for a file.

    Args:
        path: the file.
        uri: its name, which tells its format.
        scratch: a folder for what DuckDB spills.
        domain: of the dataset group, if it has one.

    Raises:
        ApiError: ``InvalidInputException``: no type of dataset has such columns, or it must have more.
        JobFailed: the file cannot be read.
    """
    names = formats.column_names(uri, path.stat().st_size, lambda at, length: _bytes(path, at, length))
    keywords = _keywords(names, domain)
    of_type = _type(names, keywords, domain)
    notes: list[str] = []
    taken = [_named(name, keywords[name], of_type) for name in names]
    columns = list(_columns(path, uri, names, taken, scratch))
    fields = []
    metadata = 0
    textual = _textual(columns, of_type)
    for column in columns:
        if not FIELD_NAME.fullmatch(column.keyword):
            notes.append(
                f"Left out {column.name!r}: a name is letters, digits and underscores. Rename it in the file."
            )
            continue
        known = of_type.keywords.get(column.keyword)
        metadata += known is None or known.is_metadata
        if (known is None or known.is_metadata) and metadata > of_type.maximum_metadata:
            notes.append(
                f"Left out {column.name}: {of_type.record} has at most {of_type.maximum_metadata} such columns."
            )
            continue
        if column.name.casefold() != column.keyword.casefold():
            notes.append(f"Rename the column {column.name} of the file to {column.keyword}.")
        fields.append(_field(column, of_type, column is textual, notes))
    record = {
        "type": "record",
        "name": of_type.record,
        "namespace": "com.amazonaws.personalize.schema",
        "fields": fields,
        "version": "1.0",
    }
    parse(json.dumps(record), domain)  # which says what a file of such columns lacks
    return Draft(record, tuple(notes))


def first_rows(
    path: Path, uri: str, scratch: Path, limit: int
) -> tuple[list[str], list[tuple[str | None, ...]]]:
    """Return a file's columns and the cells of its first rows as texts; what is no row is left out.

    Args:
        path: the file, or its beginning.
        uri: its name, which tells its format.
        scratch: a folder for what DuckDB spills.
        limit: how many rows at most.

    Raises:
        JobFailed: the file cannot be read.
    """
    names = formats.column_names(uri, path.stat().st_size, lambda at, length: _bytes(path, at, length))
    source, cells = _read(path, uri, names)
    with engine.connect(_MEMORY_BYTES, scratch) as connection:
        rows = connection.execute(f"SELECT {', '.join(cells)} FROM {source} LIMIT {limit:d}").fetchall()
    return names, rows


def _bytes(path: Path, at: int, length: int) -> bytes:
    with path.open("rb") as file:
        file.seek(at)
        return file.read(length)


def _keywords(names: Sequence[str], domain: str | None) -> dict[str, str]:
    """Return for each name the column with a meaning that it stands for, or itself; no meaning is given twice."""
    known = {folded(word): word for of_type in DATASET_TYPES[domain].values() for word in of_type.keywords}
    found = {name: known.get(folded(name), name) for name in names}
    for name in names:
        meant = _SYNONYMS.get(folded(name))
        if found[name] == name and meant is not None and meant not in found.values():
            found[name] = meant
    return found


def _type(names: Sequence[str], keywords: Mapping[str, str], domain: str | None) -> DatasetType:
    """Return the type with the most required columns, all of which are there.

    Raises:
        ApiError: there is none.
    """
    there = set(keywords.values())
    fitting: list[tuple[int, DatasetType]] = []
    for of_type in DATASET_TYPES[domain].values():
        required = {word.name for word in of_type.keywords.values() if word.required}
        if required <= there:
            fitting.append((len(required), of_type))
    if not fitting:
        needed = "; ".join(
            f"{of_type.record}: {', '.join(word.name for word in of_type.keywords.values() if word.required)}"
            for of_type in DATASET_TYPES[domain].values()
        )
        raise invalid_input(
            f"No dataset has such columns: {headers.in_words(names, [])}. Needed are, for {needed}."
        )
    return max(fitting, key=lambda one: one[0])[1]


def _named(name: str, keyword: str, of_type: DatasetType) -> str:
    """Return what a column is called in a schema of a type: a meaning that the type does not know is none."""
    return keyword if keyword in of_type.keywords else name


def _columns(
    path: Path, uri: str, names: Sequence[str], keywords: Sequence[str], scratch: Path
) -> Iterator[_Column]:
    """Yield what the cells of each column are."""
    source, cells = _read(path, uri, names)
    aggregates = ", ".join(
        f"count(x{at}), coalesce(bool_and(regexp_full_match(x{at}, {sql_text(PATTERN_OF_WHOLE)})), false), "
        f"coalesce(max(abs(try_cast(x{at} AS HUGEINT))), 0), "
        f"coalesce(bool_and(regexp_full_match(x{at}, {sql_text(PATTERN_OF_DECIMAL)})), false), "
        f"coalesce(bool_and(x{at} IN ('true', 'false')), false), "
        f"approx_count_distinct(x{at}), coalesce(avg(length(x{at})), 0)"
        for at in range(len(names))
    )
    rows = ", ".join(f"nullif({cell}, '') AS x{at}" for at, cell in enumerate(cells))
    with engine.connect(_MEMORY_BYTES, scratch) as connection:
        query = f"SELECT count(*), {aggregates} FROM (SELECT {rows} FROM {source} LIMIT {_ROWS})"
        ((count, *found),) = connection.execute(query).fetchall()
    for at, (name, keyword) in enumerate(zip(names, keywords, strict=True)):
        filled, whole, largest, decimal, boolean, distinct, characters = found[7 * at : 7 * at + 7]
        kind = _narrowest(bool(whole), int(largest), bool(decimal), bool(boolean))
        yield _Column(name, keyword, int(count), int(filled), kind, int(distinct), float(characters))


def _read(path: Path, uri: str, names: Sequence[str]) -> tuple[str, list[str]]:
    """Return the SQL of a file's rows, and of the text of each of their cells."""
    if uri.lower().endswith(".parquet"):
        source = engine.parquet([path])
        cells = [f'CAST("{name.replace(chr(34), 2 * chr(34))}" AS VARCHAR)' for name in names]
    else:
        kinds = ", ".join(f"'c{at}': 'VARCHAR'" for at in range(len(names)))
        packed = csv_lines.compression(uri)
        compression = {None: "none", "gz": "gzip", "zst": "zstd"}[packed]
        source = engine.csv(
            [path],
            "auto_detect = false, header = true, delim = ',', quote = '\"', escape = '\"', nullstr = '', "
            f"ignore_errors = true, compression = '{compression}', columns = {{{kinds}}}",
        )
        cells = [f"c{at}" for at in range(len(names))]
    return source, cells


def _narrowest(whole: bool, largest: int, decimal: bool, boolean: bool) -> str:
    """Return the narrowest type of a column's cells."""
    if boolean:
        return "boolean"
    if whole:
        return next((kind for kind, bound in _INTEGERS if largest < bound), "string")
    return "float" if decimal else "string"


def _textual(columns: Sequence[_Column], of_type: DatasetType) -> _Column | None:
    """Return the one column that is text to understand, if there is one."""
    if not of_type.textual_allowed:
        return None
    texts = [
        one
        for one in columns
        if one.type == "string" and one.characters > _TEXT_CHARACTERS and one.keyword not in of_type.keywords
    ]
    if any(
        of_type.keywords[one.keyword].use == "textual" for one in columns if one.keyword in of_type.keywords
    ):
        return None
    return max(texts, key=lambda one: one.characters, default=None)


def _field(column: _Column, of_type: DatasetType, is_textual: bool, notes: list[str]) -> dict[str, Any]:
    """Return a field of the schema."""
    known = of_type.keywords.get(column.keyword)
    kind, use = column.type, "plain"
    if known is not None:
        kind, use = (kind if kind in known.types else known.types[0]), known.use
    elif kind == "string":
        use = "textual" if is_textual else "categorical" if column.is_category else "plain"
    blank = column.rows - column.filled
    nullable = blank > 0 and (known is None or known.nullable)
    if blank and not nullable:
        notes.append(f"{column.keyword} must have a value in every row, and {blank:,} rows have none.")
    if (
        known is not None
        and column.filled
        and kind not in ("string", column.type)
        and column.type == "string"
    ):
        notes.append(f"{column.keyword} must be of type {kind}, and some cells are not.")
    field: dict[str, Any] = {"name": column.keyword, "type": ["null", kind] if nullable else kind}
    return field if use == "plain" else {**field, use: True}
