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
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import duckdb

from sartor.compute.contract import Compute, Need
from sartor.compute.here import Here
from sartor.data import engine
from sartor.data.column_sums import PARQUET, Column, Reach, Summed, merge, sum_columns
from sartor.data.dataset import DatasetRecords
from sartor.data.parts import PartRows
from sartor.data.sections import together
from sartor.data.statistics import Found, answer, joined
from sartor.data.watch import interrupting
from sartor.errors import Unavailable

#: About how much text is summed at a time where pieces run beside each other.
PIECE_BYTES: Final = 2**26


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
                    connection.execute(engine.copy(shown.rest, file, PARQUET))
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
            connection.execute(engine.copy(f'SELECT "{column}" FROM data', file, PARQUET))
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
