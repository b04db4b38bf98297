"""One dataset's records: what imports brought, what calls put in, and both on the one read path.

Calls' records are in the database first and are drained into a second Delta table. That table's commit says up
to which number it has them, so a reader takes the table and, from the database, what comes after: no gap, and
nothing twice, at any moment.
"""

import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from hashlib import blake2b
from itertools import accumulate
from pathlib import Path
from typing import Final, Literal, NamedTuple
from uuid import uuid4

import duckdb
import orjson

from sartor.data import alike, engine, merged
from sartor.data.blobs import Blobs
from sartor.data.engine import FILE, ROW
from sartor.data.events import PutRecords, Stored
from sartor.data.log import LoggedPart
from sartor.data.parts import UNQUOTED, PartRows, write_part
from sartor.data.put import SOURCE_COLUMNS
from sartor.data.schema import Schema
from sartor.data.table import Table

#: Which records: imported, put in by calls, or both.
Store = Literal["BULK", "PUT", "ALL"]

#: What the table of put records has beside the schema's columns; no schema can have these names.
SEQ: Final = "put-seq"
AT: Final = "put-at"
SESSION: Final = "put-session"
_OWN_COLUMNS: Final = {SEQ: "BIGINT", AT: "BIGINT", SESSION: "VARCHAR"}
#: What the database's records may have beside both.
_OF_SOURCES: Final = dict.fromkeys(SOURCE_COLUMNS, "VARCHAR")
_NO_MORE: Final[Mapping[str, str]] = {}
#: The application whose transaction says how far the database is drained.
_DRAINED: Final = "sartor.drain"
#: Parts are merged once there are this many small ones, the smaller half of them at once.
_MANY_PARTS: Final = 16
#: From which size on a part is not small any more, and how much is merged at once.
_LARGE_BYTES: Final = 2**26
_MERGE_BYTES: Final = 2**28
_MERGE_PARTS: Final = 1000
#: The columns of a part without each row's place.
_AS_WRITTEN: Final = f'* EXCLUDE ("{FILE}", "{ROW}")'
#: When an imported record came: its job's time, then its row; both stand in its part's name.
_BULK_ORDER: Final = (
    f"{_AS_WRITTEN}, "
    f'regexp_extract("{FILE}", \'/([0-9]{{13}})-([0-9]+)-[^/]*$\', 1)::BIGINT AS "#at", '
    f'(regexp_extract("{FILE}", \'/([0-9]{{13}})-([0-9]+)-[^/]*$\', 2)::BIGINT << 40) + "{ROW}" AS "#n"'
)


@dataclass(frozen=True)
class Facts:
    """What is known of the rows of a view before they are read.

    Attributes:
        rows: how many there are, equal ones counted each.
        unique: whether no two are alike.
        unquoted: whether no cell has a comma, a quote or a line end; false where nobody has looked.
    """

    rows: int
    unique: bool
    unquoted: bool


@dataclass(frozen=True)
class Shown:
    """What a view shows.

    Attributes:
        facts: of its rows.
        parts: of which it has just these rows, each by itself; none where what a row is depends on the others.
        rest: the SELECT of all its other rows, over its connection; ``None`` if there are none.
    """

    facts: Facts
    parts: Sequence[PartRows]
    rest: str | None


@dataclass(frozen=True)
class _Relation:
    """Records of one store.

    Attributes:
        of_parts: the SELECTs of what is in its parts.
        rest: those of what is not, or is not what it is there.
        version: what stands for exactly these records; ``None`` if it cannot be said.
        parts: of the first.
    """

    of_parts: list[str]
    version: str | None
    parts: Sequence[PartRows] = ()
    rest: Sequence[str] = ()

    @property
    def selects(self) -> list[str]:
        """The SELECTs of all records."""
        return [*self.of_parts, *self.rest]


_NOTHING: Final = _Relation([], "")
_ALL: Final = "true"
_KNOWN: Final = '"USER_ID" IS NOT NULL'


@dataclass(frozen=True)
class DatasetRecords:
    """The records of one dataset.

    Attributes:
        storage: where its tables lie.
        folder: its folder there.
        number: of its resource; the key of its put records.
        schema: that it has now.
        put: the put records of the service.
        memory_bytes: how much DuckDB may use.
        scratch: a local folder for what need not survive.
    """

    storage: Blobs
    folder: str
    number: int
    schema: Schema
    put: PutRecords
    memory_bytes: int
    scratch: Path

    @property
    def bulk_table(self) -> Table:
        """The table of imported records."""
        return Table(self.storage, f"{self.folder}/bulk")

    @property
    def put_table(self) -> Table:
        """The table of drained records."""
        return Table(self.storage, f"{self.folder}/put")

    @property
    def seen_folder(self) -> str:
        """Where lists lie of what users have interacted with, which whoever answers writes."""
        return f"{self.folder}/seen"

    @property
    def sums_folder(self) -> str:
        """Where sums lie of the parts of its tables, which statistics are made of."""
        return f"{self.folder}/sums"

    def standing(self) -> str:
        """Return what is another whenever the records, or their schema, are."""
        names = [name for table in (self.bulk_table, self.put_table) for name in table.snapshot().parts]
        return f"{_fingerprint([*names, *self._columns()])}-{self.put.newest(self.number)}"

    @property
    def stored_rows(self) -> int:
        """How many rows its tables have, equal ones counted each."""
        tables = (self.bulk_table, self.put_table)
        return sum(part.rows for table in tables for part in table.snapshot().parts.values())

    @property
    def stored_bytes(self) -> int:
        """How many bytes its tables have."""
        tables = (self.bulk_table, self.put_table)
        return sum(part.size_bytes for table in tables for part in table.snapshot().parts.values())

    @property
    def _deletion(self) -> str:
        return f"{self.folder}/deletion.txt"

    def last_deletion(self) -> bytes:
        """Return what is another once users were deleted."""
        try:
            return self.storage.get(self._deletion)
        except FileNotFoundError:
            return b""

    def forget_seen(self) -> None:
        """Delete the lists of what users have interacted with; who is writing some now deletes them at the end."""
        self.storage.put(self._deletion, uuid4().hex.encode())
        self.storage.delete_folder(self.seen_folder)

    @contextmanager
    def open(self, store: Store = "ALL", view: str = "data") -> Iterator[duckdb.DuckDBPyConnection]:
        """Give a connection on which ``view`` is what training, filters and exports see.

        The newest record of an id counts; interactions that are alike in every column count once; those of a
        session that was never linked to a user are left out.

        Args:
            store: which records; of ``BULK`` or ``PUT`` alone every version of an id is there.
            view: the view's name.
        """
        with self.connection() as connection, self.shown(connection, store, view):
            yield connection

    @contextmanager
    def connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Give a connection with this dataset's limits."""
        with engine.connect(self.memory_bytes, self.scratch) as connection:
            yield connection

    @contextmanager
    def shown(
        self,
        connection: duckdb.DuckDBPyConnection,
        store: Store = "ALL",
        view: str = "data",
        outlined: bool = False,
    ) -> Iterator[Shown]:
        """Create the view on a connection for as long as this is open, and give what it shows.

        Args:
            connection: of the view.
            store: which records.
            view: its name.
            outlined: whether imported parts need not be here, if others read them: where the rows of each are known
                to be by themselves, and lie on no folder, only the footers are brought, and the view is not read.
        """
        columns = ", ".join(f'"{name}"' for name in self._columns())
        identity = self.schema.type_rules.identity if store == "ALL" else None
        with tempfile.TemporaryDirectory(prefix="tail-", dir=self.scratch) as folder:
            put = self._put(Path(folder)) if store != "BULK" else _NOTHING
            names = list(self.bulk_table.snapshot().parts) if store != "PUT" else None
            versions = None if put.version is None else f"{_version(names)}-{put.version}"
            facts = self._known_facts(store, versions)
            are_apart = facts is not None and facts.unique and identity is None
            bulk = self._bulk(names or [], Path(folder) if outlined and are_apart else None)
            selects = [self._empty(), *bulk.selects, *put.selects]
            if identity is not None:
                newest = f'(PARTITION BY "{identity}" ORDER BY "#at" DESC, "#n" DESC) = 1'
                selects = [f"SELECT * FROM ({_union(selects)}) QUALIFY row_number() OVER {newest}"]
            if facts is None:
                facts = self._facts(connection, store, bulk, put, selects)
                self._keep_facts(store, versions, facts)
            distinct = "" if facts.unique else "DISTINCT "
            select = f"SELECT {distinct}{columns} FROM ({_union(selects)})"
            connection.execute(f'CREATE OR REPLACE TEMP VIEW "{view}" AS {select}')
            if identity is None and facts.unique:
                rest = [*bulk.rest, *put.rest]
                others = f"SELECT {columns} FROM ({_union([self._empty(), *rest])})" if rest else None
                yield Shown(facts, [*bulk.parts, *put.parts], others)
            else:
                yield Shown(facts, [], f'SELECT * FROM "{view}"')

    @contextmanager
    def put_between(
        self, connection: duckdb.DuckDBPyConnection, after: int, upto: int, view: str
    ) -> Iterator[None]:
        """Create a view of the database's records with ``after < number <= upto`` for as long as this is open.

        It has the columns of the schema, and what events say of their source though the schema does not have it.
        """
        with tempfile.TemporaryDirectory(prefix="between-", dir=self.scratch) as folder:
            text = Path(folder) / "records.json"
            written = _write_lines(self.put.since(self.number, after, upto, 2**62), text)
            rows = self._lines(text, written, _OF_SOURCES) if written.lines else self._empty(_OF_SOURCES)
            connection.execute(f'CREATE OR REPLACE TEMP VIEW "{view}" AS {rows}')
            yield

    def count(self, store: Store = "ALL") -> int:
        """Return how many records there are."""
        with self.open(store) as connection:
            ((count,),) = connection.execute("SELECT count(*) FROM data").fetchall()
        return int(count)

    def drain(self, limit: int = 1_000_000) -> int:
        """Move records from the database's end into the table, once each, and return how many.

        None are moved when another drain was first.
        """
        table = self.put_table
        now = table.snapshot()
        after = now.number(_DRAINED) or 0
        upto = self.put.newest(self.number)
        if upto <= after:
            return 0
        stage = table.stage()
        with tempfile.TemporaryDirectory(prefix="drain-", dir=self.scratch) as folder:
            text = Path(folder) / "records.json"
            written = _write_lines(self.put.since(self.number, after, upto, limit), text)
            count = written.lines
            if count == 0:
                return 0
            last = upto if count < limit else written.last
            with self.connection() as connection:
                old = _small_parts(now.parts)
                files = [table.local(name) for name in old]
                rows = [self._lines(text, written), *_parquets(files, _AS_WRITTEN, self._columns())]
                path = stage / f"{round(time.time() * 1000):013d}-{last}.parquet"
                part = write_part(connection, f'{_union(rows)} ORDER BY "{SEQ}"', path)
        moved = table.change(
            [part],
            old,
            schema=self.schema,
            more_columns=_OWN_COLUMNS,
            application=(_DRAINED, last),
            expected=after,
            note={"sartor.rows": str(count)},
        )
        return count if moved else 0

    def merge_imported(self) -> bool:
        """Merge imported parts that are small, once they are many, and return whether some were.

        The caller holds the drain lease, as a deletion does: nobody else rewrites parts then.
        """
        table = self.bulk_table
        small = _small_parts(table.snapshot().parts)
        if not small:
            return False
        path = table.stage() / merged.name_of(small)
        files = [table.local(name) for name in small]
        with self.connection() as connection:
            rows = _union(_parquets(files, merged.kept_place(), self._columns()))
            part = write_part(connection, rows, path)
        return table.merge(part, small, self.schema)

    def drained(self) -> int:
        """Return up to which number the table has the database's records."""
        return self.put_table.snapshot().number(_DRAINED) or 0

    def _bulk(self, names: Sequence[str], outlines: Path | None) -> "_Relation":
        """Return imported records with the order in which they came.

        Args:
            names: of the parts.
            outlines: where what is not here gets no more than its footer; ``None`` brings the parts.
        """
        table = self.bulk_table
        parts = [table.local(name) if outlines is None else table.outline(name, outlines) for name in names]
        selects = _parquets(parts, _BULK_ORDER, self._columns())
        return _Relation(selects, _version(names), _rows_of(table, parts, _ALL))

    def _put(self, folder: Path) -> "_Relation":
        """Return put records; those that are not drained are copied into a folder first."""
        table = self.put_table
        now = table.snapshot()
        names, after = list(now.parts), now.number(_DRAINED) or 0
        text = folder / "tail.json"
        written = _write_lines(self.put.since(self.number, after, 2**62, 2**62), text)
        order = f'"{AT}" AS "#at", "{SEQ}" AS "#n"'
        parts = [table.local(name) for name in names]
        of_parts = _parquets(parts, f"{_AS_WRITTEN}, {order}", self._columns())
        tail = [f"SELECT *, {order} FROM ({self._lines(text, written)})"] if written.lines else []
        version = None if written.lines else _fingerprint(names)
        found = _union([self._empty(), *of_parts, *tail])
        if (
            not (names or tail)
            or "USER_ID" not in self._columns()
            or self.schema.type_rules.identity is not None
        ):
            return _Relation(of_parts, version, _rows_of(table, parts, _ALL), tail)
        # what an anonymous session did belongs to the user that it was linked to last
        links = (
            f'SELECT "{SESSION}" AS session, arg_max("USER_ID", "#n") AS user FROM ({found}) '
            f"WHERE {_KNOWN} GROUP BY ALL"
        )
        linked = (
            f'SELECT records.* REPLACE (links.user AS "USER_ID") FROM ({found}) records '
            f'JOIN ({links}) links ON records."{SESSION}" = links.session WHERE records."USER_ID" IS NULL'
        )
        known, known_tail = (
            [f"SELECT * FROM ({select}) WHERE {_KNOWN}" for select in selects] for selects in (of_parts, tail)
        )
        return _Relation(known, version, _rows_of(table, parts, _KNOWN), [*known_tail, linked])

    def _known_facts(self, store: Store, versions: str | None) -> Facts | None:
        """Return what the last look at the same versions found, if there was one; it saves a sort of all rows."""
        if versions is not None:
            with suppress(FileNotFoundError, ValueError, KeyError):
                known = json.loads(self.storage.get(f"{self.folder}/facts/{store}.json"))
                if known["versions"] == versions and known["columns"] == self._columns():
                    return Facts(**{one.name: known[one.name] for one in fields(Facts)})
        return None

    def _keep_facts(self, store: Store, versions: str | None, facts: Facts) -> None:
        """Keep what a look at some versions found."""
        if versions is not None:
            known = {"versions": versions, "columns": self._columns(), **asdict(facts)}
            self.storage.put(f"{self.folder}/facts/{store}.json", json.dumps(known).encode())

    def _facts(
        self,
        connection: duckdb.DuckDBPyConnection,
        store: Store,
        bulk: _Relation,
        put: _Relation,
        selects: Sequence[str],
    ) -> Facts:
        """Return what holds for the rows of the SELECTs, by a look at them."""
        # one after the other: of a union DuckDB counts row by row
        count = sum(connection.execute(f"SELECT count(*) FROM ({one})").fetchall()[0][0] for one in selects)
        # only the newest record of each id is left of all of them
        unique = store == "ALL" and self.schema.type_rules.identity is not None
        unique = unique or self._different(connection, _union(selects), count)
        unquoted = not put.selects and _unquoted(connection, [one.part for one in bulk.parts])
        return Facts(count, unique, unquoted)

    def _different(self, connection: duckdb.DuckDBPyConnection, rows: str, count: int) -> bool:
        """Return whether no two of the rows are alike.

        Sorted hashes tell in a third of the time that DuckDB takes for a table of them.
        """
        columns = ", ".join(f'"{name}"' for name in self._columns())
        found = engine.batches(connection, f"SELECT hash({columns}) AS hash FROM ({rows})")
        hashes = (batch["hash"] for batch in found)
        return alike.all_differ(hashes, count, self.memory_bytes, self.scratch)

    def _columns(self) -> list[str]:
        return [one.name for one in self.schema.fields]

    def _empty(self, more: Mapping[str, str] = _NO_MORE) -> str:
        """Return a SELECT without rows that has every column: older files lack newer ones."""
        columns = [f'NULL::{kind} AS "{name}"' for name, kind in self._of_records(more).items()]
        return f'SELECT {", ".join(columns)}, NULL::BIGINT AS "#at", NULL::BIGINT AS "#n" WHERE false'

    def _lines(self, text: Path, written: "_Written", more: Mapping[str, str] = _NO_MORE) -> str:
        return f"SELECT * FROM {engine.json_lines(text, self._of_records(more), written.longest_bytes)}"

    def _of_records(self, more: Mapping[str, str]) -> dict[str, str]:
        """Return the SQL types of the columns of records as calls put them."""
        return {**more, **{one.name: one.sql_type for one in self.schema.fields}, **_OWN_COLUMNS}


def _unquoted(connection: duckdb.DuckDBPyConnection, parts: Sequence[Path]) -> bool:
    """Return whether every part's footer says so."""
    if not parts:
        return True
    ((noted,),) = connection.execute(
        f"SELECT count(DISTINCT file_name) FROM {engine.parquet_notes(parts)} "
        "WHERE decode(key) = ? AND decode(value) = ?",
        UNQUOTED,
    ).fetchall()
    return bool(noted == len(parts))


def _rows_of(table: Table, parts: Sequence[Path], condition: str) -> list[PartRows]:
    """Return the rows of a table's parts that a condition holds for."""
    return [PartRows(part, condition, table.stored(part.name)) for part in parts]


def _parquets(parts: Sequence[Path], select: str, columns: Sequence[str]) -> list[str]:
    """Return the SELECT of the rows of parts and of each row's place; none of no parts."""
    return [f"SELECT {select} FROM {source}" for source in merged.placed(parts, columns)]


def _small_parts(parts: Mapping[str, LoggedPart]) -> list[str]:
    """Return which of some parts to merge: none as long as few are small."""
    small = sorted((part.size_bytes, name) for name, part in parts.items() if part.size_bytes < _LARGE_BYTES)
    if len(small) < _MANY_PARTS:
        return []
    upto = accumulate(size for size, _ in small)
    half = zip(small[: min(len(small) // 2, _MERGE_PARTS)], upto, strict=False)
    return [name for (_, name), total in half if total <= _MERGE_BYTES]


def _version(names: Sequence[str] | None) -> str:
    """Return what stands for exactly these parts; for no store at all, nothing."""
    return "" if names is None else _fingerprint(names)


def _fingerprint(names: Sequence[str]) -> str:
    """Return one short word that stands for exactly these parts."""
    return blake2b("/".join(names).encode(), digest_size=12).hexdigest()


def _union(selects: Sequence[str]) -> str:
    return " UNION ALL BY NAME ".join(selects)


class _Written(NamedTuple):
    """Lines of JSON: how many, the number of the last record, and how long the longest is."""

    lines: int
    last: int
    longest_bytes: int


def _write_lines(records: Iterator[Stored], path: Path) -> _Written:
    """Write records as JSON lines with their own columns."""
    count, last, longest_bytes = 0, 0, 0
    with path.open("wb") as file:
        for record in records:
            own = orjson.dumps({SEQ: record.seq, AT: round(record.at * 1000), SESSION: record.session})
            cells = record.body.encode()
            length = file.write(own if cells == b"{}" else own[:-1] + b"," + cells[1:])
            file.write(b"\n")
            count, last, longest_bytes = count + 1, record.seq, max(longest_bytes, length + 1)
    return _Written(count, last, longest_bytes)
