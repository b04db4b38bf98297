"""Metadata as whole columns, one row for each item (user, action) of a catalogue: what filters run over.

A block is columns of equal length that never change. ``Columns`` is a block and the few rows that have changed since
it was built; an update gives new ``Columns`` and leaves the old ones to whoever reads them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from sartor.filters.schema import Field

Mask: TypeAlias = npt.NDArray[np.bool_]
Rows: TypeAlias = npt.NDArray[np.integer[Any]]

#: How many changed rows are kept beside a block until they are put into a new one.
CHANGED_ROWS: Final = 512
#: The array that holds each numeric Avro type; whole numbers stay exact, a ``float`` compares as a ``float``.
_NUMERIC: Final[Mapping[str, npt.DTypeLike]] = {
    "int": np.int64,
    "long": np.int64,
    "float": np.float32,
    "double": np.float64,
}
_SEPARATOR: Final = "|"
_versions = count(1)


@dataclass(frozen=True, eq=False)
class Numeric:
    """A column of numbers.

    Attributes:
        values: one a row; 0 where there is none.
        valid: which rows have a value; None: all have.
    """

    values: npt.NDArray[Any]
    valid: Mask | None

    def at(self, row: int) -> tuple[int | float, ...]:
        """Return the number of a row, or nothing; a ``float`` as it would be written, 9.99 and not 9.98999977."""
        text = self.text(row)
        if text is None:
            return ()
        return (int(text),) if self.values.dtype.kind == "i" else (float(text),)

    def text(self, row: int) -> str | None:
        """Return a row's number as a text, in the shortest form that reads back as the same number."""
        present = self.valid is None or self.valid[row]
        return str(self.values[row]) if present else None


@dataclass(frozen=True, eq=False)
class Tokens:
    """A column of texts, each row with none, one or several of a dictionary.

    Attributes:
        tokens: the distinct texts.
        codes: places in ``tokens``. If ``rows`` is None: one a row, -1 where there is none.
        rows: the row of each code, ascending; None: each row has at most one.
        length: the number of rows.
    """

    tokens: tuple[str, ...]
    codes: npt.NDArray[np.int32]
    rows: npt.NDArray[np.int32] | None
    length: int

    @cached_property
    def code_of(self) -> Mapping[str, int]:
        """The place of each token."""
        return {token: code for code, token in enumerate(self.tokens)}

    def at(self, row: int) -> tuple[str, ...]:
        """Return the texts of a row."""
        if self.rows is None:
            code = self.codes[row]
            return (self.tokens[code],) if code >= 0 else ()
        first, last = np.searchsorted(self.rows, [row, row + 1])
        return tuple(self.tokens[code] for code in self.codes[first:last])

    def text(self, row: int) -> str | None:
        """Return a row's texts as they were given."""
        found = self.at(row)
        return _SEPARATOR.join(found) if found else None

    @property
    def entries(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """The rows that have a token, as often as they have one, and its code."""
        if self.rows is not None:
            return self.rows, self.codes
        rows = np.flatnonzero(self.codes >= 0).astype(np.int32)
        return rows, self.codes[rows]


Column: TypeAlias = Numeric | Tokens


@dataclass(frozen=True, eq=False)
class Block:
    """Columns of equal length that never change.

    Attributes:
        columns: by name.
        length: the number of rows.
        version: no two blocks have the same.
    """

    columns: Mapping[str, Column]
    length: int
    version: int


@dataclass(frozen=True, eq=False)
class Columns:
    """A consistent view of a catalogue's metadata.

    Attributes:
        fields: the columns that it has.
        block: the rows as they were built.
        changed: the rows that have another value now, or are new, with their values by column.
        n_rows: the number of rows.
        version: no two views have the same.
    """

    fields: tuple[Field, ...]
    block: Block
    changed: Mapping[int, Mapping[str, Any]]
    n_rows: int
    version: int

    @classmethod
    def build(
        cls,
        fields: Iterable[Field],
        values: Mapping[str, Sequence[Any] | npt.NDArray[Any]],
        n_rows: int,
        rows: Sequence[int] | Rows | None = None,
    ) -> "Columns":
        """Make columns of lists, NumPy arrays or what DuckDB's ``fetchnumpy`` returns.

        Args:
            fields: the columns to keep; one that ``values`` lacks is null everywhere.
            values: by column; None, NaN and masked places are null.
            n_rows: the length of the catalogue.
            rows: the catalogue's row for each value; None: values are in its order. Rows without a value are null.
        """
        kept = tuple(fields)
        return cls(kept, _block(kept, values, n_rows, rows), {}, n_rows, next(_versions))

    @cached_property
    def patch(self) -> tuple[npt.NDArray[np.int64], Block]:
        """The changed rows, ascending, and a block of their values."""
        rows = sorted(self.changed)
        records = [self.changed[row] for row in rows]
        values = {field.name: [record.get(field.name) for record in records] for field in self.fields}
        return np.array(rows, dtype=np.int64), _block(self.fields, values, len(rows), None)

    def updated(self, rows: Mapping[int, Mapping[str, Any]], n_rows: int | None = None) -> "Columns":
        """Return columns in which some rows are others; these here stay as they are.

        Args:
            rows: whole records by row: a column that a record lacks is null from now on.
            n_rows: the new length when the catalogue has grown; new rows without a record are null.
        """
        length = self.n_rows if n_rows is None else n_rows
        grown: dict[int, Mapping[str, Any]] = {row: {} for row in range(self.n_rows, length)}
        found = Columns(self.fields, self.block, {**self.changed, **grown, **rows}, length, next(_versions))
        return found if len(found.changed) <= CHANGED_ROWS else found._settled()

    def at(self, row: int, name: str) -> tuple[str | int | float, ...]:
        """Return what a row has in a column: nothing, one value, or several categories."""
        column, place = self._place(row, name)
        return () if column is None else column.at(place)

    def texts(self, row: int, names: Iterable[str]) -> dict[str, str]:
        """Return what a row has in some columns as texts, categories parted by ``|``; nulls are left out."""
        found = {}
        for name in names:
            column, place = self._place(row, name)
            text = None if column is None else column.text(place)
            if text is not None:
                found[name] = text
        return found

    def _place(self, row: int, name: str) -> tuple[Column | None, int]:
        """Return the column that holds a row's value, and the row's place in it."""
        if row not in self.changed:
            return self.block.columns.get(name), row
        rows, patch = self.patch
        return patch.columns.get(name), int(np.searchsorted(rows, row))

    def _settled(self) -> "Columns":
        """Return the same rows in one block."""
        rows, patch = self.patch
        columns = {
            name: _merged(column, rows, patch.columns[name], self.n_rows)
            for name, column in self.block.columns.items()
        }
        block = Block(columns, self.n_rows, next(_versions))
        return Columns(self.fields, block, {}, self.n_rows, self.version)


def _block(
    fields: Sequence[Field],
    values: Mapping[str, Sequence[Any] | npt.NDArray[Any]],
    n_rows: int,
    rows: Sequence[int] | Rows | None,
) -> Block:
    at = None if rows is None else np.asarray(rows, dtype=np.int64)
    columns: dict[str, Column] = {}
    for field in fields:
        given = values.get(field.name, ())
        place = np.empty(0, dtype=np.int64) if field.name not in values else at
        make = _numeric if field.type in _NUMERIC else _tokens
        columns[field.name] = make(field, given, n_rows, place)
    return Block(columns, n_rows, next(_versions))


def _numeric(
    field: Field, given: Sequence[Any] | npt.NDArray[Any], n_rows: int, rows: npt.NDArray[np.int64] | None
) -> Numeric:
    """Return a column of numbers."""
    dtype = _NUMERIC[field.type]
    missing: Mask
    if isinstance(given, np.ndarray) and given.dtype != object:
        missing = np.ma.getmaskarray(given).copy()
        plain = np.ma.getdata(given)
        if plain.dtype.kind == "f":
            missing |= np.isnan(plain)
        found = np.where(missing, 0, plain).astype(dtype)
    else:
        listed = _listed(given)
        missing = np.array([value is None or value != value for value in listed], dtype=bool)
        found = np.array([0 if gone else value for value, gone in zip(listed, missing, strict=True)], dtype)
    if rows is not None:
        placed, found = found, np.zeros(n_rows, dtype)
        there, missing = ~missing, np.ones(n_rows, dtype=bool)
        found[rows] = placed
        missing[rows] = ~there
    _of_length(field, len(found), n_rows)
    return Numeric(found, ~missing if missing.any() else None)


def _tokens(
    field: Field, given: Sequence[Any] | npt.NDArray[Any], n_rows: int, rows: npt.NDArray[np.int64] | None
) -> Tokens:
    """Return a column of texts: each distinct text is taken apart once."""
    whole: dict[str, int] = {}
    coded = np.array(
        [
            -1 if value is None or value != value else whole.setdefault(_text(value), len(whole))
            for value in _listed(given)
        ],
        dtype=np.int32,
    )
    if rows is not None:
        placed, coded = coded, np.full(n_rows, -1, dtype=np.int32)
        coded[rows] = placed
    _of_length(field, len(coded), n_rows)
    if not field.categorical or not any(_SEPARATOR in text for text in whole):
        return Tokens(tuple(whole), coded, None, n_rows)
    index: dict[str, int] = {}
    parts = [[index.setdefault(part, len(index)) for part in text.split(_SEPARATOR)] for text in whole]
    lengths = np.array([len(part) for part in parts], dtype=np.int64)
    flat = np.array([code for part in parts for code in part], dtype=np.int32)
    present = np.flatnonzero(coded >= 0)
    of = coded[present]
    counts = lengths[of]
    # The place of each code in `flat`: where its text begins there, plus 0, 1, … within the row.
    begins = np.repeat((np.cumsum(lengths) - lengths)[of], counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return Tokens(tuple(index), flat[begins + within], np.repeat(present, counts).astype(np.int32), n_rows)


def _of_length(field: Field, found: int, n_rows: int) -> None:
    if found != n_rows:
        raise ValueError(f"column {field.name} has {found} values for {n_rows} rows")


def _listed(given: Sequence[Any] | npt.NDArray[Any]) -> Sequence[Any]:
    """Return plain Python values; masked places are None."""
    return given.tolist() if isinstance(given, np.ndarray) else given


def _text(value: Any) -> str:
    """Return a value of a column of texts; booleans as JSON has them."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _merged(column: Column, rows: npt.NDArray[np.int64], patch: Column, n_rows: int) -> Column:
    """Return a column with other values in some rows."""
    if isinstance(column, Numeric) and isinstance(patch, Numeric):
        values = np.zeros(n_rows, dtype=column.values.dtype)
        values[: len(column.values)] = column.values
        values[rows] = patch.values
        if column.valid is None and patch.valid is None:
            return Numeric(values, None)
        valid = np.ones(n_rows, dtype=bool)
        if column.valid is not None:
            valid[: len(column.valid)] = column.valid
        valid[rows] = True if patch.valid is None else patch.valid
        return Numeric(values, valid)
    if isinstance(column, Tokens) and isinstance(patch, Tokens):
        return _merged_tokens(column, rows, patch, n_rows)
    raise TypeError("a column and its patch are of one kind")


def _merged_tokens(column: Tokens, rows: npt.NDArray[np.int64], patch: Tokens, n_rows: int) -> Tokens:
    index = dict(column.code_of)
    recoded = np.array([index.setdefault(token, len(index)) for token in patch.tokens], dtype=np.int32)
    replaced = np.zeros(n_rows, dtype=bool)
    replaced[rows] = True
    old_rows, old_codes = column.entries
    kept = ~replaced[old_rows]
    new_rows, new_codes = patch.entries
    at = np.concatenate([old_rows[kept], rows[new_rows].astype(np.int32)])
    codes = np.concatenate([old_codes[kept], recoded[new_codes]]).astype(np.int32)
    if column.rows is None and patch.rows is None:
        dense = np.full(n_rows, -1, dtype=np.int32)
        dense[at] = codes
        return Tokens(tuple(index), dense, None, n_rows)
    order = np.argsort(at, kind="stable")
    return Tokens(tuple(index), codes[order], at[order], n_rows)
