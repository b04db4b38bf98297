"""Records as calls bring them: properties in camelCase become columns of a schema, cell by cell.

A pure mapping. What Amazon refuses is an error; what it takes and cannot use comes back as a note beside the
row, so that nothing is dropped in silence.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Final

import orjson
import regex

from sartor.data.rules import (
    CJK_TEXT_CHARACTERS,
    ID_CHARACTERS,
    STRING_CHARACTERS,
    TEXT_CHARACTERS,
    rules_of,
)
from sartor.data.schema import Field, Schema, folded
from sartor.errors import invalid_input
from sartor.numbers import INFINITE_FLOAT, is_time, number

#: Keys that properties of an event may not have, in the form in which names are compared.
FORBIDDEN: Final = frozenset(
    ("userid", "sessionid", "eventtype", "timestamp", "recommendationid", "impression")
)
#: What an event says of its source: it is kept for metric attributions though the schema has no column for it.
SOURCE_COLUMNS: Final = ("RECOMMENDATION_ID", "EVENT_ATTRIBUTION_SOURCE")
#: The largest event, in bytes of its JSON ("Amazon Personalize endpoints and quotas").
MAXIMUM_EVENT_BYTES: Final = 10_240
#: A number of so few digits that Python reads it, and no one waits for it.
_WHOLE = re.compile(r"([+-]?)0*([0-9]{1,20})(?:\.([0-9]*))?")
_RANGES: Final = {"int": 2**31, "long": 2**63}
#: What lies outside is infinite in the column.
_BOUNDS: Final = {"float": INFINITE_FLOAT, "double": math.inf}
_MARKUP = re.compile(r"<[^>]*>|&[a-zA-Z0-9#]+;")
#: White space, as DuckDB's patterns have it, and as its trim.
_SPACE = re.compile(r"[ \t\n\f\r]+")
_ENDS = regex.compile(r"\A\p{Zs}+|\p{Zs}+\Z")
_CJK = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}]")

#: What the rules of files allow, by their codes.
_WITHIN: Final[Mapping[str, Callable[[float], bool]]] = {
    "NEGATIVE_TIMESTAMP": is_time,
    "VALUE_OUT_OF_RANGE": lambda value: 1 <= value <= 10,
    "DAYS_OUT_OF_RANGE": lambda days: 0 <= days <= 30,
}

#: What a value cannot become; never stored.
_UNUSABLE: Final = object()


@dataclass(frozen=True)
class Note:
    """Something that was taken and could not be used.

    Attributes:
        code: its stable name: ``UNKNOWN_KEY``, ``INVALID_VALUE``, ``NULL_SESSION``, ``NO_ITEM`` or
            ``REPEATED_EVENT_ID``.
        reason: what it was, in words.
    """

    code: str
    reason: str


@dataclass(slots=True)
class Row:
    """One record that is to be stored.

    Attributes:
        key: whose history it belongs to: the user, else the session; the id of an item, user or action.
        cells: values by column; a column that is not here is null.
        session: the session of an event.
        event: the event's id, if the client gave one.
        notes: what of it could not be used.
        stored: whether the record itself is of use; if not, only its notes are kept.
    """

    key: str
    cells: dict[str, Any]
    session: str | None = None
    event: str | None = None
    notes: list[Note] = field(default_factory=list)
    stored: bool = True


class Mapper:
    """Turns the members of calls into rows of one schema.

    Args:
        schema: of the dataset that is written to.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._fields = {folded(one.name): one for one in schema.fields}
        self._cells: dict[str, Callable[[Any], Any]] = {
            key: _cell_reader(one, schema) for key, one in self._fields.items()
        }

    def record(self, id_column: str, record_id: str, properties: str | None) -> Row:
        """Return the row of one user, item or action.

        Args:
            id_column: such as ``ITEM_ID``.
            record_id: its value.
            properties: the JSON text of the other columns.

        Raises:
            ApiError: ``InvalidInputException``: the id cannot be kept, or the properties do not match the schema.
        """
        row = Row(_kept(record_id), {id_column: record_id})
        given = _object(properties)
        for key, value in given.items():
            place = folded(key)
            one = self._fields.get(place)
            if one is None or one.name == id_column:
                if one is None:
                    row.notes.append(Note("UNKNOWN_KEY", f"The schema has no field for {_short(key)}."))
                continue
            cell = self._cells[place](value)
            if cell is _UNUSABLE:
                raise invalid_input(f"{one.name}: {_short(value)} is not a valid {_wanted(one)}.")
            if cell is not None:
                row.cells[one.name] = cell
        missing = [
            one.name for one in self._schema.fields if not one.nullable and row.cells.get(one.name) is None
        ]
        if missing:
            raise invalid_input(f"Properties miss a value for the fields: [{', '.join(missing)}].")
        return row

    def event(
        self,
        members: Mapping[str, Any],
        properties: str | None,
        *,
        item_column: str = "ITEM_ID",
        user: str | None,
        session: str,
        event: str | None,
    ) -> Row:
        """Return the row of one event.

        Args:
            members: values by column: what the event says outside its properties.
            properties: the JSON text of further columns.
            item_column: the column that must have a value for the event to be of use.
            user: who did it, if it is known.
            session: in which session.
            event: the event's id, if the client gave one.

        Raises:
            ApiError: ``InvalidInputException``: the properties are no JSON object or have a forbidden key, or
                an id cannot be kept or is none.
        """
        row = Row(_kept(user or session), {}, _kept(session), event and _kept(event))
        item_key = folded(item_column)
        for key, value in (_object(properties) if properties else {}).items():
            place = folded(key)
            if place in FORBIDDEN:
                raise invalid_input(f"The properties of an event may not have the key {_short(key)}.")
            if place == item_key and value is not None:
                _require_id(key, value)
            if place in self._fields:
                self._set(row, place, value)
            else:
                row.notes.append(Note("UNKNOWN_KEY", f"The schema has no field for {_short(key)}."))
        for column, value in members.items():
            place = folded(column)
            if value is not None and place in self._fields:
                self._set(row, place, value)
            elif value is not None and column in SOURCE_COLUMNS:
                row.cells[column] = value
        if session.casefold() == "null":
            row.notes.append(Note("NULL_SESSION", f'The session id is "{session}": it names no session.'))
        elif row.cells.get(item_column) is None:
            row.notes.append(Note("NO_ITEM", f"The event has no {item_column}."))
        else:
            return row
        return Row(row.key, row.cells, session, event, row.notes, stored=False)

    def _set(self, row: Row, place: str, value: Any) -> None:
        """Set one cell of an event, or note why it cannot be used."""
        one, cell = self._fields[place], self._cells[place](value)
        if cell is _UNUSABLE:
            row.notes.append(
                Note("INVALID_VALUE", f"{one.name}: {_short(value)} is not a valid {_wanted(one)}.")
            )
        elif cell is not None:
            row.cells[one.name] = cell


def _object(text: str | None) -> dict[str, Any]:
    """Return the JSON object of a text; a number that is none, such as NaN, is no JSON.

    Raises:
        ApiError: the text that users know.
    """
    if text is None:
        return {}
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise invalid_input("Error parsing properties json") from error
    if not isinstance(found, dict):
        raise invalid_input("Error parsing properties json")
    return found


def _kept(name: str) -> str:
    """Return an id that a database's column can have: PostgreSQL's text has no null characters.

    Raises:
        ApiError: this one has.
    """
    if "\0" in name:
        raise invalid_input(f"The id {_short(name)} has a null character.")
    return name


def _require_id(key: str, value: Any) -> None:
    """Refuse an item in an event's properties that the event's own member could not be.

    Raises:
        ApiError: ``InvalidInputException``.
    """
    if not isinstance(value, str) or not 0 < len(value) <= ID_CHARACTERS:
        raise invalid_input(
            f"{_short(key)} in the properties of an event must be a string of 1 to {ID_CHARACTERS} characters, "
            f"not {_short(value)}."
        )


def _cell_reader(one: Field, schema: Schema) -> Callable[[Any], Any]:
    """Return what turns a JSON value into a cell of this field."""
    codes = {rule.code for rule in rules_of(one, schema)}
    if one.type in _RANGES or one.type in _BOUNDS:
        cuts = "NEGATIVE_TIMESTAMP" in codes
        whole = one.type in _RANGES
        read = _whole(_RANGES[one.type], cuts) if whole else _decimal(_BOUNDS[one.type])
        return reduce(_within, (_WITHIN[code] for code in codes & _WITHIN.keys()), read)
    if one.type == "boolean":
        return _boolean
    if one.textual:
        return _cleaned
    longest = ID_CHARACTERS if "ID_TOO_LONG" in codes else STRING_CHARACTERS

    def text(value: Any) -> Any:
        if type(value) is str and 0 < len(value) <= longest:  # nearly every value
            return value
        found = _text(value)
        return found if found is None or found is _UNUSABLE or len(found) <= longest else _UNUSABLE

    return text


def _text(value: Any) -> Any:
    """Return a string's cell; an empty one is null, as in a CSV file; several categories are joined."""
    if value is None:
        return None
    words = [_word(one) for one in (value if isinstance(value, list) else [value])]
    return _UNUSABLE if None in words else "|".join(filter(None, words)) or None


def _word(value: Any) -> str | None:
    """Return one word of a string's cell, ``None`` for what is none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None


def _cleaned(value: Any) -> Any:
    """Return a textual cell as the import writes it: without markup, cut to its longest length."""
    found = _text(value)
    if not isinstance(found, str):
        return found
    words = _ENDS.sub("", _SPACE.sub(" ", _MARKUP.sub(" ", found)))
    return words[: CJK_TEXT_CHARACTERS if _CJK.search(found) else TEXT_CHARACTERS] or None


def _whole(bound: int, cuts: bool) -> Callable[[Any], Any]:
    """Return the reader of whole numbers, of which ``12.0`` is one; of times a fraction is cut off."""

    def read(value: Any) -> Any:
        if value is None or value == "":
            return None
        if isinstance(value, bool):
            return _UNUSABLE
        if isinstance(value, str):
            digits = _WHOLE.fullmatch(value)
            taken = digits is not None and (cuts or not (digits[3] or "").strip("0"))
            value = int(digits[1] + digits[2]) if digits is not None and taken else _UNUSABLE
        elif isinstance(value, float):
            value = int(value) if value.is_integer() or (cuts and math.isfinite(value)) else _UNUSABLE
        if not isinstance(value, int):
            return _UNUSABLE
        return value if -bound <= value < bound else _UNUSABLE

    return read


def _decimal(bound: float) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if value is None or value == "":
            return None
        if isinstance(value, bool):
            return _UNUSABLE
        if isinstance(value, str):
            value = number(value)
        if not isinstance(value, int | float):
            return _UNUSABLE
        return float(value) if -bound < value < bound else _UNUSABLE

    return read


def _within(read: Callable[[Any], Any], allows: Callable[[float], bool]) -> Callable[[Any], Any]:
    """Return a reader of those numbers that a rule allows."""

    def checked(value: Any) -> Any:
        found = read(value)
        return found if found is None or found is _UNUSABLE or allows(found) else _UNUSABLE

    return checked


def _boolean(value: Any) -> Any:
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value, _UNUSABLE)
    return value if isinstance(value, bool) else _UNUSABLE


def _wanted(one: Field) -> str:
    return "text of that length" if one.type == "string" else one.type


def _short(value: Any) -> str:
    """Return a value for a message; any text is such that a database's column can have it."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    text = value.replace("\0", "\\0") if isinstance(value, str) else orjson.dumps(value).decode()
    return text if len(text) <= 60 else f"{text[:57]}..."
