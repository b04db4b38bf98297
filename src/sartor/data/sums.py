"""The statistics of a large dataset out of sums that lie beside its parts.

A part's sums say of each column how often each value occurs in it. All that statistics say follows from them, and is
exact. They are written once for each part; what is not simply a part's is summed each time. Of a column that is nearly
unique they would be as large as it is: then a mark says so, and the part's own column is read.
"""

import itertools
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import duckdb

from sartor.compute.contract import Compute, Heard, Need
from sartor.compute.here import Here
from sartor.data import engine
from sartor.data.dataset import DatasetRecords, PartRows
from sartor.data.machines import require_folders, scratch_here
from sartor.data.schema import Field, Schema
from sartor.data.sections import Section, select, together
from sartor.data.statistics import Found, Rows, answer, find, joined
from sartor.data.watch import interrupting, stop_of
from sartor.errors import Unavailable

#: About how much text is summed at a time where pieces run beside each other.
PIECE_BYTES: Final = 2**26
#: A column with more values than this share of its rows, about, has no sums but this mark.
_NEARLY_UNIQUE: Final = 0.5
_MARK: Final = b"See the column."
_PARQUET: Final = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, PARQUET_VERSION v2"
_SUMMED: Final = Rows(
    "",
    "value",
    "coalesce(sum(n), 0)::BIGINT",
    "coalesce(sum(n) FILTER (WHERE value IS NOT NULL), 0)::BIGINT",
)


@dataclass(frozen=True)
class Reach:
    """What all pieces share.

    Attributes:
        schema: of the dataset.
        folder: where sums are written.
        scratch: where DuckDB spills.
        memory_bytes: how much it may use.
        threads: how many threads it may use; as many as there are, if ``None``.
    """

    schema: Schema
    folder: Path
    scratch: Path
    memory_bytes: int
    threads: int | None


class Column(NamedTuple):
    """One column of a part.

    Attributes:
        rows: the part.
        field: the column.
    """

    rows: PartRows
    field: Field


class Summed(NamedTuple):
    """One column of all rows.

    Attributes:
        field: the column.
        sums: of each part's column, the file with its sums or the mark.
        known: the file with the ids that another dataset has, if the column has such.
    """

    field: Field
    sums: Sequence[tuple[Column, Path]]
    known: Path | None


def described(
    records: DatasetRecords,
    others: Mapping[str, DatasetRecords],
    compute: Compute,
    progress: Callable[[Mapping[str, Any]], None],
    stop: Callable[[], bool],
) -> dict[str, Any]:
    """Return the statistics of a dataset, as ``statistics.statistics`` does.

    Args:
        records: of the dataset.
        others: the datasets whose ids are looked for, by their column.
        compute: where pieces run that see storage.
        progress: takes what is done.
        stop: asked some times a second whether to give up.

    Raises:
        Stopped: ``stop`` said so.
        Unavailable: pieces cannot run where they should.
    """
    while True:
        with _Sums(records, compute, progress, stop) as sums:
            try:
                found = sums.found(others)
            except (duckdb.Error, OSError, Unavailable):
                if sums.stands and sums.parts <= drop_gone(records):
                    raise
                continue  # users were deleted, or parts went that were replaced long ago
            drop_gone(records)
            return answer(records.schema, joined(found))


def drop_gone(records: DatasetRecords, own: str = "", older_than_seconds: float = 0.0) -> set[str]:
    """Delete the sums of parts that are no data any more, and what dead runs left; return the names of the parts.

    Args:
        records: of the dataset.
        own: the name of what the caller goes on with.
        older_than_seconds: what is younger stays.
    """
    parts = {name for table in (records.bulk_table, records.put_table) for name in table.snapshot().parts}
    before = time.time() - older_than_seconds
    places = {
        path.removeprefix(f"{records.sums_folder}/").partition("/")[0]
        for path, changed in records.storage.list(records.sums_folder)
        if changed <= before
    }
    for place in places - parts - {own}:
        records.storage.delete_folder(f"{records.sums_folder}/{place}")
    return parts


class _Sums:
    """One way through the records of a dataset; a context that removes what is not kept."""

    def __init__(
        self,
        records: DatasetRecords,
        compute: Compute,
        progress: Callable[[Mapping[str, Any]], None],
        stop: Callable[[], bool],
    ) -> None:
        self._records = records
        self._compute = compute
        self._progress = progress
        self._stop = stop
        self._storage = records.storage
        self._folder = self._storage.stage(records.sums_folder)
        self._now = self._folder / f"now-{secrets.token_hex(6)}"
        threads = None if isinstance(compute, Here) else 1
        self.parts: set[str] = set()
        self._reach = Reach(records.schema, self._now, records.scratch, records.memory_bytes, threads)

    def __enter__(self) -> "_Sums":
        self._now.mkdir()
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._now, ignore_errors=True)

    @property
    def stands(self) -> bool:
        """Whether nobody has removed what this writes, as a deletion of users does."""
        return self._now.is_dir()

    def found(self, others: Mapping[str, DatasetRecords]) -> list[Found]:
        """Return what is found in each column, in their order; ``parts`` are from now on those that are read."""
        self.parts = drop_gone(self._records, self._now.name)
        with self._laid_out() as (parts, rest):
            summed = self._sum(parts, self._places(parts))
            more = self._sum(rest, {})
        known = {column: self._ids(column, other) for column, other in others.items()}
        pieces = [
            Summed(field, [*summed[field.name], *more[field.name]], known.get(field.name))
            for field in self._records.schema.fields
        ]
        found: dict[int, Found] = {}
        self._progress({"phase": "merging"})
        self._map(partial(merge, self._reach), pieces, found.__setitem__)
        return [one for _, one in sorted(found.items())]

    @contextmanager
    def _laid_out(self) -> Iterator[tuple[Sequence[PartRows], Sequence[PartRows]]]:
        """Give the parts, and the rows that are not simply those of parts, as a part of their own."""
        with self._records.connection() as connection, self._records.shown(connection) as shown:
            rest = []
            if shown.rest is not None:
                file = self._now / "rest.parquet"
                with interrupting(connection, self._stop):
                    connection.execute(engine.copy(shown.rest, file, _PARQUET))
                rest.append(PartRows(file, "true"))
            yield shown.parts, rest

    def _ids(self, column: str, other: DatasetRecords) -> Path:
        """Write the ids that another dataset has, and return the file."""
        file = self._now / f"known-{column}.parquet"
        with (
            other.connection() as connection,
            other.shown(connection),
            interrupting(connection, self._stop),
        ):
            connection.execute(engine.copy(f'SELECT "{column}" FROM data', file, _PARQUET))
        return file

    def _places(self, parts: Sequence[PartRows]) -> dict[Column, str]:
        """Return where in storage the sums of each column of each part are kept."""
        return {
            Column(rows, field): f"{self._records.sums_folder}/{rows.part.name}/{field.name}.parquet"
            for rows in parts
            for field in self._records.schema.fields
        }

    def _sum(
        self, parts: Sequence[PartRows], places: Mapping[Column, str]
    ) -> dict[str, list[tuple[Column, Path]]]:
        """Return the sums of parts by column; those that have a place are written if they are not there.

        Args:
            parts: the parts.
            places: of what is kept.
        """
        stored = {path for path, _ in self._storage.list(self._records.sums_folder)} if places else set()
        columns = [Column(rows, field) for rows in parts for field in self._records.schema.fields]
        missing = [one for one in columns if places.get(one) not in stored]
        n_columns = len(self._records.schema.fields)
        sizes = [(one, one.rows.part.stat().st_size // n_columns) for one in missing]
        pieces = together(sizes, PIECE_BYTES)
        files: dict[Column, Path] = {}
        pieces_done = itertools.count(1)

        def done(number: int, written: Sequence[Path]) -> None:
            for one, file in zip(pieces[number], written, strict=True):
                if one in places:
                    self._storage.put_file(places[one], file)
                else:
                    files[one] = file
            self._progress({"phase": "summing", "done": next(pieces_done), "of": len(pieces)})

        self._map(partial(sum_columns, self._reach), pieces, done)
        by_name: dict[str, list[tuple[Column, Path]]] = {
            field.name: [] for field in self._records.schema.fields
        }
        for one in columns:
            file = self._storage.local(places[one]) if one in places else files[one]
            by_name[one.field.name].append((one, file))
        return by_name

    def _map(self, work: Any, pieces: Sequence[Any], done: Callable[[int, Any], None]) -> None:
        self._compute.map(work, pieces, Need(self._reach.memory_bytes), done=done, stop=self._stop)


def sum_columns(reach: Reach, columns: Sequence[Column], heard: Heard) -> list[Path]:
    """Write how often each value occurs in columns of parts, or the mark, and return a file for each.

    Raises:
        Stopped: ``heard`` raised it.
        Unavailable: this machine does not see the parts.
    """
    require_folders({reach.folder, *(one.rows.part.parent for one in columns)})
    files = []
    with _connected(reach, heard) as connection:
        for one in columns:
            file = reach.folder / f"{secrets.token_hex(8)}.parquet"
            values = _values(reach, [one])
            ((different, rows),) = connection.execute(
                f"SELECT approx_count_distinct(value), count(*) FROM ({values})"
            ).fetchall()
            if different > _NEARLY_UNIQUE * rows:
                file.write_bytes(_MARK)
            else:
                groups = f"SELECT value, count(*) AS n FROM ({values}) GROUP BY ALL"
                connection.execute(engine.copy(groups, file, _PARQUET))
            files.append(file)
    return files


def merge(reach: Reach, summed: Summed, heard: Heard) -> Found:
    """Return what the sums of a column say of it.

    Raises:
        Stopped: ``heard`` raised it.
        Unavailable: this machine does not see the sums, or the parts.
    """
    require_folders({reach.folder, *(file.parent for _, file in summed.sums)})
    field = summed.field
    known = {} if summed.known is None else {field.name: engine.parquet([summed.known])}
    marked = [one for one, file in summed.sums if file.stat().st_size == len(_MARK)]
    files = [file for one, file in summed.sums if one not in marked]
    require_folders({one.rows.part.parent for one in marked})
    selects = [f"SELECT NULL::{field.sql_type} AS value, 0 AS n WHERE false"]
    if files:
        selects.append(f"SELECT value, n FROM {engine.parquet(files)}")
    if marked:
        selects.append(_values(reach, marked))
    rows = _SUMMED._replace(source=f"({' UNION ALL '.join(selects)})")
    with _connected(reach, heard) as connection:
        return find(connection, reach.schema, [field], rows, known)


def _values(reach: Reach, columns: Sequence[Column]) -> str:
    """Return the SELECT of each value of one column in some parts, as sums that have not been added."""
    (field,) = {one.field for one in columns}
    sections = [Section(part, None, condition) for (part, condition), _ in columns]
    rows = select(sections, replace(reach.schema, fields=(field,)))
    return f'SELECT "{field.name}" AS value, 1 AS n FROM ({rows})'


@contextmanager
def _connected(reach: Reach, heard: Heard) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a connection whose statements end when the piece must stop."""
    with ExitStack() as opened:
        scratch = scratch_here(reach.scratch)
        connection = opened.enter_context(engine.connect(reach.memory_bytes, scratch, reach.threads))
        opened.enter_context(interrupting(connection, stop_of(heard)))
        yield connection
