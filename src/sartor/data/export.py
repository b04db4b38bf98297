"""A dataset's records as CSV files: here, in processes beside each other, or by machines that store their own."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import duckdb

from sartor.compute.contract import Compute, Need
from sartor.compute.here import Here
from sartor.data.csv_elsewhere import Target, store_piece
from sartor.data.csv_rows import Form, write, write_piece
from sartor.data.dataset import DatasetRecords, Shown, Store
from sartor.data.parquet_spans import TEXT_BYTES
from sartor.data.sections import sections

#: About how large one file becomes at most.
_FILE_BYTES: Final = 512_000_000
#: DuckDB holds several times a file's size in memory while it writes it.
_MEMORY_FILES: Final = 8
#: About how much text a piece is where pieces run beside each other. Less than two are written here.
PIECE_BYTES: Final = 2**27


class Written(NamedTuple):
    """What came of an export.

    Attributes:
        stored: how many files are at their place already, those with the first numbers.
        files: those that are here.
    """

    stored: int
    files: Sequence[Path]


def write_csv(
    records: DatasetRecords,
    store: Store,
    folder: Path,
    stop: Callable[[], bool] = lambda: False,
    compute: Compute | None = None,
) -> Sequence[Path]:
    """Write records as CSV files with a header, in the schema's order of columns; there is at least one file.

    Null is an empty cell. A cell is quoted if it has a comma, a quote or a line end, or begins or ends with white
    space; in quotes a backslash is doubled, elsewhere it stands as it is.

    Args:
        records: of the dataset.
        store: which of them.
        folder: an empty local folder.
        stop: asked some times a second whether to give up.
        compute: where pieces run that see the folder; here, if not given.

    Raises:
        Stopped: ``stop`` said so.
        Unavailable: pieces cannot run where they should.
    """
    with _formed(records, store, folder) as (connection, shown, form):
        apart = compute is not None and not isinstance(compute, Here)
        pieces = sections(shown.parts, PIECE_BYTES) if apart else []
        if compute is None or len(pieces) < 2:
            return write(connection, "SELECT * FROM data", form, stop)
        found: dict[int, list[Path]] = {}
        need = Need(records.memory_bytes)
        compute.map(partial(write_piece, form), pieces, need, done=found.__setitem__, stop=stop)
        rest = [] if shown.rest is None else write(connection, shown.rest, form, stop)
    return [*(file for _, files in sorted(found.items()) for file in files), *rest]


def store_csv(
    records: DatasetRecords,
    store: Store,
    folder: Path,
    target: Target,
    compute: Compute,
    done: Callable[[int, int], None],
    stop: Callable[[], bool],
) -> Written:
    """Write records as ``write_csv`` does, by machines that store a file for each piece.

    Args:
        records: of the dataset.
        store: which of them.
        folder: an empty local folder, for what is no piece.
        target: where files are stored.
        compute: those machines.
        done: takes how many pieces are stored, of how many.
        stop: asked some times a second whether to give up.

    Raises:
        Stopped: ``stop`` said so.
        JobFailed: a file may not be written.
        Unavailable: pieces cannot run where they should.
    """
    if records.stored_bytes * TEXT_BYTES < 2 * PIECE_BYTES:
        return Written(0, write_csv(records, store, folder, stop))
    with _formed(records, store, folder, outlined=True) as (connection, shown, form):
        pieces = sections(shown.parts, PIECE_BYTES)
        if not pieces:
            return Written(0, write(connection, "SELECT * FROM data", form, stop))
        stored: set[int] = set()

        def piece_done(number: int, _: None) -> None:
            stored.add(number)
            done(len(stored), len(pieces))

        work, need = partial(store_piece, form, target), Need(records.memory_bytes)
        compute.map(work, list(enumerate(pieces)), need, done=piece_done, stop=stop)
        rest = [] if shown.rest is None else write(connection, shown.rest, form, stop)
    return Written(len(pieces), rest)


@contextmanager
def _formed(
    records: DatasetRecords, store: Store, folder: Path, outlined: bool = False
) -> Iterator[tuple[duckdb.DuckDBPyConnection, Shown, Form]]:
    """Give the records on a connection, and how they are written."""
    file_bytes = min(_FILE_BYTES, records.memory_bytes // _MEMORY_FILES)
    with records.connection() as connection, records.shown(connection, store, outlined=outlined) as shown:
        form = Form(records.schema, shown.facts.unquoted, folder, file_bytes, records.memory_bytes)
        yield connection, shown, form
