"""The newest rows of an Items or Users dataset by number, as filters, metadata and exploration see them.

Rows of a model's items come first, in the model's order; what is newer stands behind them. What calls put is taken
up by the next request, what imports bring by a thread within seconds.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

from sartor.data.dataset import DatasetRecords
from sartor.data.ids import Ids
from sartor.data.schema import Field
from sartor.errors import quick_enough
from sartor.filters.columns import Columns, Numeric, Tokens
from sartor.models.base import Int64

#: From here on names are looked up in the arrays of the ids, which processes share: a dictionary has 200 bytes a name.
_MANY_NAMES: Final = 100_000
#: How often the dataset's table is looked at for imports, in seconds.
IMPORT_LOOK_SECONDS: Final = 5.0
#: What a column of titles is called where the schema does not say which it is.
_TITLES: Final = ("title", "name", "item_name", "product_name", "product_title")
#: Parts of what a column with the address of a picture is called, and how such an address begins.
_IMAGES: Final = ("image", "img", "picture", "photo", "thumbnail", "poster", "cover")
_IMAGE_ADDRESS: Final = "https://"
#: So many records that calls put are taken up row by row; after more of them the dataset is read anew.
_MOST_PUT: Final = 10_000

#: bytes[rows], ids as JSON; an array of objects gives many of them at once.
JsonNames = NDArray[np.object_]


def as_json(names: Sequence[str]) -> JsonNames:
    """Return ids as they are written into answers."""
    found = np.empty(len(names), object)
    found[:] = [orjson.dumps(name) for name in names]
    return found


class Catalogue:
    """Rows by number; safe to share between threads.

    Args:
        find_records: gives the dataset's records under its newest schema; ``None`` if there is no dataset.
        id_column: the column that names a row.
        base: the ids of the first rows; ``None`` for as they come.
    """

    def __init__(
        self, find_records: Callable[[], DatasetRecords | None], id_column: str, base: Ids | None
    ) -> None:
        self._find_records = find_records
        self._id_column = id_column
        self._base = Ids.of([]) if base is None or len(base) < _MANY_NAMES else base
        self._first = len(self._base)
        #: the names of the rows from ``_first`` on, and their rows
        self._names = [] if base is None or self._first else base.names()
        self._rows = {name: row for row, name in enumerate(self._names)}
        self._json_names = as_json([])
        self._changing = threading.Lock()
        self._looked = 0.0
        self._bulk_version: int | None = None
        self._put_number = 0
        self._records = find_records()
        self.columns = Columns.build((), {}, self._n_rows)
        self._fresh()

    def __len__(self) -> int:
        return self.columns.n_rows

    @property
    def changes(self) -> int:
        """What is another number once a row is another."""
        return self.columns.version

    def find(self, name: str) -> int | None:
        """Return the row of an id."""
        row = self._rows.get(name)
        return self._base.find(name) if row is None and self._first else row

    def name(self, row: int) -> str:
        """Return the id of a row."""
        return self._names[row - self._first] if row >= self._first else self._base.name(row)

    def names_as_json(self, rows: list[int]) -> JsonNames:
        """Return the ids of some rows as they are written into answers."""
        return as_json([self.name(row) for row in rows]) if self._first else self.json_names[rows]

    @property
    def json_names(self) -> JsonNames:
        """The ids of all rows as they are written into answers; of a large catalogue ``names_as_json`` has some."""
        known = self._json_names
        if len(known) < self._n_rows:
            new = [self.name(row) for row in range(len(known), self._n_rows)]
            known = self._json_names = np.concatenate([known, as_json(new)])
        return known

    def metadata_column(self, name: str) -> str | None:
        """Return the metadata column of a name, in any case, as the schema spells it; ``None``: there is none."""
        return next((one.name for one in self.columns.fields if one.name.casefold() == name.casefold()), None)

    def metadata(self, row: int, columns: Sequence[str]) -> dict[str, str]:
        """Return what a row has in some columns, as texts, by their names in lower case; nulls are left out."""
        return {name.lower(): text for name, text in self.columns.texts(row, columns).items()}

    def titles(self, names: Iterable[str]) -> dict[str, str]:
        """Return what people call items, by their ids, where a column says so; who has no title is left out."""
        return self._texts_of(names, self._title_column)

    def images(self, names: Iterable[str]) -> dict[str, str]:
        """Return the addresses of items' pictures, by their ids, where a column is called like one."""
        called = (one.name for one in self._fields if any(part in one.name.casefold() for part in _IMAGES))
        found = self._texts_of(names, next(called, None))
        return {name: text for name, text in found.items() if text.startswith(_IMAGE_ADDRESS)}

    def called(self, text: str, limit: int) -> list[int]:
        """Return the rows of items whose titles have a text, in any case: so many at most."""
        column, word, columns = self._title_column, text.casefold(), self.columns
        stored = None if column is None else columns.block.columns.get(column)
        if column is None or not isinstance(stored, Tokens):
            return []
        codes = [code for code, title in enumerate(stored.tokens) if word in title.casefold()]
        rows, of = stored.entries
        found = [row for row in rows[np.isin(of, codes)].tolist() if row not in columns.changed]
        changed = (
            row for row in columns.changed if word in columns.texts(row, [column]).get(column, "").casefold()
        )
        return [*found[:limit], *changed][:limit]

    @property
    def _fields(self) -> Sequence[Field]:
        return () if self._records is None else self._records.schema.fields

    @property
    def _title_column(self) -> str | None:
        """The column that says what people call an item."""
        column = next((one.name for one in self._fields if one.item_name), None)
        return column or next((one.name for one in self._fields if one.name.casefold() in _TITLES), None)

    def _texts_of(self, names: Iterable[str], column: str | None) -> dict[str, str]:
        """Return what items have in a column, by their ids; who has nothing is left out."""
        if column is None:
            return {}
        rows = {name: row for name in names if (row := self.find(name)) is not None}
        texts = {name: self.columns.texts(row, [column]).get(column) for name, row in rows.items()}
        return {name: text for name, text in texts.items() if text}

    def numbers(self, column: str) -> Int64:
        """Return int64[rows]: the numbers of a column, -1 where there is none."""
        return numbers_of(self.columns, column)

    def add(self, names: Iterable[str]) -> None:
        """Give ids rows that have none, without anything else being known of them."""
        new = [name for name in names if self.find(name) is None]
        if new:
            with self._changing:
                for name in new:
                    self._row_of(name)
                self._update([])

    def take_up(self) -> None:
        """Take up what calls have put since the last look."""
        records = self._records
        if records is None or records.put.newest(records.number) <= self._put_number:
            return
        quick_enough(self._changing.locked())
        with self._changing:
            newest = records.put.newest(records.number)
            if newest <= self._put_number:
                return
            new = list(records.put.since(records.number, self._put_number, newest, _MOST_PUT))
            if len(new) >= _MOST_PUT:
                quick_enough(takes_long=True)
                self._read(records)
                return
            self._update([one.cells for one in new])
            self._put_number = newest

    def look(self) -> None:
        """Take up what calls have put, and now and then what imports have brought."""
        self.take_up()
        if time.monotonic() - self._looked >= IMPORT_LOOK_SECONDS:
            self._fresh()

    def _fresh(self) -> None:
        """Read the dataset anew if its table or schema has changed."""
        self._looked = time.monotonic()
        records = self._find_records()
        if records is None:
            return
        version = records.bulk_table.version()
        known = self._records
        if self._bulk_version is not None and version == self._bulk_version and known == records:
            return
        with self._changing:
            self._records = records
            self._read(records)
            self._bulk_version = -1 if version is None else version

    def _read(self, records: DatasetRecords) -> None:
        """Read all rows."""
        number = records.put.newest(records.number)
        fields = [one for one in records.schema.fields if one.name != self._id_column]
        names = ", ".join(f'"{one.name}"' for one in [*fields])
        with records.open("ALL") as connection:
            select = ", ".join(part for part in (f'"{self._id_column}"', names) if part)
            values: dict[str, Any] = connection.execute(f"SELECT {select} FROM data").fetchnumpy()
        ids = values.pop(self._id_column).tolist()
        known = self._base.find_all(ids).tolist() if self._first else [-1] * len(ids)
        found = (self._row_of(name) if row < 0 else row for name, row in zip(ids, known, strict=True))
        rows = np.fromiter(found, np.int64, len(ids))
        self.columns = Columns.build(fields, values, self._n_rows, rows)
        self._put_number = number

    def _update(self, cells: Sequence[Mapping[str, Any]]) -> None:
        """Take up some records, in the order in which they came."""
        changed = {self._row_of(one[self._id_column]): one for one in cells if self._id_column in one}
        self.columns = self.columns.updated(changed, self._n_rows)

    def _row_of(self, name: str) -> int:
        """Return the row of an id; one that is new gets the next."""
        row = self.find(name)
        if row is None:
            row = self._rows[name] = self._n_rows
            self._names.append(name)
        return row

    @property
    def _n_rows(self) -> int:
        return self._first + len(self._names)


def numbers_of(columns: Columns, name: str) -> Int64:
    """Return int64[rows]: the numbers of a column of one moment, -1 where there is none."""
    values = np.full(columns.n_rows, -1, np.int64)
    stored = columns.block.columns.get(name)
    if not isinstance(stored, Numeric):
        return values
    valid = np.ones(len(stored.values), np.bool_) if stored.valid is None else stored.valid
    values[: len(valid)] = np.where(valid, stored.values, -1)
    for row in columns.changed:
        at = columns.at(row, name)
        values[row] = int(at[0]) if at else -1
    return values
