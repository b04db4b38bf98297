"""The rules of a cell and of a file, one table; which hold for a column follows from its schema.

Each rule of a cell is a SQL condition that is true when the cell breaks it. ``{raw}`` is the cell's text, NULL when it
is empty; ``{typed}`` is its value, NULL when it cannot be cast; ``{odd}`` says whether that value is written
otherwise; ``{kept}`` is the value that is kept, of a time without its fraction (a cast rounds: ``-0.5`` is -1).
DuckDB's casts take more than the service does (``1e3`` and ``1.5`` as whole numbers, ``nan`` as a float), so what
looks unusual goes through a pattern.
What is dear stands behind a CASE: DuckDB changes the order of what AND and OR join, and would try it on every row.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from sartor.data.dataset_types import ACTION_EVENT_TYPES
from sartor.data.schema import Field, Schema, folded
from sartor.numbers import LATEST_TIME

#: The longest line and the longest record of a CSV file.
LINE_BYTES: Final = 2_000_000
#: The longest id and the longest string, in characters.
ID_CHARACTERS: Final = 256
STRING_CHARACTERS: Final = 1000
#: The longest text; longer ones are cut, not refused. Chinese and Japanese count more.
TEXT_CHARACTERS: Final = 20_000
CJK_TEXT_CHARACTERS: Final = 7_000

_FORMATTING = (
    "If no values exceed the character limit, make sure your data follows the formatting guidelines listed in "
    "https://docs.aws.amazon.com/personalize/latest/dg/data-prep-formatting.html."
)


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        code: its stable name in reports.
        text: what it demands; ``{column}`` is the column.
        broken: the SQL condition of a cell that breaks it; empty for a rule of a line, a file or a job.
    """

    code: str
    text: str
    broken: str = ""


#: Times that are larger look like milliseconds: as seconds they lie after the year 5138.
MILLISECONDS_FROM: Final = 100_000_000_000
#: pandas writes ``12.0`` where a column has gaps; nothing is lost by taking it.
PATTERN_OF_WHOLE: Final = r"[+-]?[0-9]+(\.0*)?"
#: The fraction of a time is cut off.
_PATTERN_OF_TIME: Final = r"[+-]?[0-9]+(\.[0-9]*)?"
PATTERN_OF_DECIMAL: Final = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"


def _unlike(pattern: str) -> str:
    """Return the condition of a whole number that is not written like a pattern."""
    return (
        f"CASE WHEN {{odd}} THEN NOT regexp_full_match({{raw}}, '{pattern}') "
        "ELSE {typed} IS NULL AND {raw} IS NOT NULL END"
    )


_BROKEN_WHOLE: Final = _unlike(PATTERN_OF_WHOLE)
_BROKEN_DECIMAL: Final = (
    "CASE WHEN {raw} IS NULL THEN false WHEN {typed} IS NULL OR NOT isfinite({typed}) THEN true "
    "WHEN {raw} > ':' OR {raw} < '+' OR contains({raw}, '_') OR contains({raw}, ' ') "
    f"THEN NOT regexp_full_match({{raw}}, '{PATTERN_OF_DECIMAL}') ELSE false END"
)


def _longer_than(characters: int) -> str:
    """Return the condition of a longer text; bytes are quicker to count, and never fewer."""
    return f"CASE WHEN strlen({{raw}}) > {characters} THEN length({{raw}}) > {characters} ELSE false END"


_RULES = (
    Rule("MISSING_VALUE", "{column} must have a value in every row.", "{raw} IS NULL"),
    Rule(
        "INVALID_INT",
        "{column} must be a whole number from -2147483648 to 2147483647.",
        _BROKEN_WHOLE,
    ),
    Rule(
        "INVALID_LONG",
        "{column} must be a whole number of 64 bits.",
        _BROKEN_WHOLE,
    ),
    Rule(
        "INVALID_FLOAT",
        "{column} must be a decimal number such as 0.75.",
        _BROKEN_DECIMAL,
    ),
    Rule(
        "INVALID_BOOLEAN",
        "{column} must be true or false, in lower case.",
        "{raw} IS NOT NULL AND {raw} NOT IN ('true', 'false')",
    ),
    Rule(
        "ID_TOO_LONG",
        f"Length cannot be more than {ID_CHARACTERS} characters for {{column}}. {_FORMATTING}",
        _longer_than(ID_CHARACTERS),
    ),
    Rule(
        "STRING_TOO_LONG",
        f"Length cannot be more than {STRING_CHARACTERS} characters for {{column}}. {_FORMATTING}",
        _longer_than(STRING_CHARACTERS),
    ),
    Rule(
        "NEGATIVE_TIMESTAMP",
        "{column} must be Unix epoch seconds, not less than 0.",
        "CASE WHEN {typed} < 0 THEN {kept} < 0 ELSE false END",
    ),
    Rule(
        "TIMESTAMP_TOO_LARGE",
        "{column} must be Unix epoch seconds, not after the year 9999.",
        f"CASE WHEN {{typed}} > {LATEST_TIME} THEN {{kept}} > {LATEST_TIME} ELSE false END",
    ),
    Rule("VALUE_OUT_OF_RANGE", "{column} must be from 1 to 10.", "{typed} NOT BETWEEN 1 AND 10"),
    Rule("DAYS_OUT_OF_RANGE", "{column} must be from 0 to 30 days.", "{typed} NOT BETWEEN 0 AND 30"),
    Rule(
        "UNKNOWN_EVENT_TYPE",
        f"{{column}} must be {', '.join(ACTION_EVENT_TYPES[:-1])} or {ACTION_EVENT_TYPES[-1]}.",
        f"replace(upper({{raw}}), ' ', '_') NOT IN {ACTION_EVENT_TYPES}",
    ),
    Rule("TOO_FEW_CELLS", "Every row must have as many cells as the header."),
    Rule("TOO_MANY_CELLS", "Every row must have as many cells as the header; quote a text that has commas."),
    Rule("BROKEN_QUOTES", "A cell that begins with a quote must end with one; double a quote inside it."),
    Rule("INVALID_UTF8", "The file must be encoded in UTF-8."),
    Rule("LINE_TOO_LONG", f"A row must not be longer than {LINE_BYTES:,} bytes."),
    Rule("INVALID_CSV", "The row must be valid CSV."),
    Rule("REPEATED_COLUMN", "The header names the column {column} more than once; case does not count."),
    Rule("MISSING_COLUMNS", "Input csv is missing the following columns: [{column}]"),
    Rule("TOO_MANY_COLUMNS", "A file must not have more than {column} columns."),
    Rule("UNREADABLE_FILE", "The file must be readable in the format that its name says."),
    Rule("NO_ROWS", "The data must have at least one row."),
    Rule("TOO_FEW_ROWS", "One import must bring at least {column} rows."),
    Rule("TOO_MANY_BYTES", "One import must not be larger than {column} bytes."),
    Rule("WRONG_TYPE", "{column} must have the type of the schema."),
    Rule("FRACTION_CUT", "{column} has fractions of seconds; they are cut off."),
    Rule(
        "MILLISECONDS",
        "{column} looks like milliseconds and is kept as it is; Amazon counts it in seconds.",
    ),
    Rule("INTEGER_IDS", "{column} is a whole number in the file and is read as text."),
)
#: Every rule by its code.
RULES: Final = {rule.code: rule for rule in _RULES}

_NUMBERS: Final = {
    "int": "INVALID_INT",
    "long": "INVALID_LONG",
    "float": "INVALID_FLOAT",
    "double": "INVALID_FLOAT",
    "boolean": "INVALID_BOOLEAN",
}
#: What is said and breaks nothing.
WARNINGS: Final = frozenset({"FRACTION_CUT", "MILLISECONDS", "INTEGER_IDS"})
#: What a few cells of a column may break: they become null.
_TOLERATED: Final = frozenset({"MISSING_VALUE", *_NUMBERS.values()})
_IDS: Final = ("USER_ID", "ITEM_ID", "ACTION_ID")
_TIMESTAMPS: Final = (
    "TIMESTAMP",
    "CREATION_TIMESTAMP",
    "EXPIRATION_TIMESTAMP",
    "ACTION_EXPIRATION_TIMESTAMP",
)


def rules_of(field: Field, schema: Schema) -> Iterator[Rule]:
    """Yield the rules of a column's cells, in the order in which a report names them."""
    if (
        not field.nullable and field.name != "EVENT_VALUE"
    ):  # a blank EVENT_VALUE occurs in Amazon's own sample
        yield RULES["MISSING_VALUE"]
    if is_time(field):
        yield replace(RULES[_NUMBERS[field.type]], broken=_unlike(_PATTERN_OF_TIME))
    elif field.type in _NUMBERS:
        yield RULES[_NUMBERS[field.type]]
    elif is_id(field, schema):
        yield RULES["ID_TOO_LONG"]
    elif not field.textual:
        yield RULES["STRING_TOO_LONG"]
    if field.name in _TIMESTAMPS and field.type != "string":
        yield RULES["NEGATIVE_TIMESTAMP"]
        yield RULES["TIMESTAMP_TOO_LARGE"]
    if schema.dataset_type == "ACTIONS" and folded(field.name) == "value":
        yield RULES["VALUE_OUT_OF_RANGE"]
    if schema.dataset_type == "ACTIONS" and field.name == "REPEAT_FREQUENCY":
        yield RULES["DAYS_OUT_OF_RANGE"]
    if schema.dataset_type == "ACTION_INTERACTIONS" and field.name == "EVENT_TYPE":
        yield RULES["UNKNOWN_EVENT_TYPE"]


def is_id(field: Field, schema: Schema) -> bool:
    """Return whether a column has the ids of users, items or actions."""
    return field.name in _IDS and field.name in schema.type_rules.keywords


def is_time(field: Field) -> bool:
    """Return whether a column has whole epoch seconds."""
    return field.name in _TIMESTAMPS and field.type in ("int", "long")


def may_become_null(field: Field, code: str) -> bool:
    """Return whether a cell of a column that breaks a rule becomes null, as long as few do (``--bad-cells``)."""
    return code in _TOLERATED and field.type in _NUMBERS and field.name != "TIMESTAMP"
