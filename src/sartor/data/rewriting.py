"""Parts of a table anew, without the rows that go; what is much is rewritten beside each other.

A part that a killed run has left half is named by no commit, and its next run writes another.
"""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple
from uuid import uuid4

import duckdb
import numpy as np
from numpy.typing import NDArray

from sartor.compute.contract import Compute, Heard, Need
from sartor.compute.here import Here
from sartor.data import engine
from sartor.data.engine import ROW
from sartor.data.machines import require_folders, scratch_here
from sartor.data.parts import Part, write_part
from sartor.data.sections import whole_parts
from sartor.data.watch import interrupting, stop_of

#: About how much text a piece is where pieces run beside each other. Less than two are rewritten here.
PIECE_BYTES: Final = 2**26


@dataclass(frozen=True)
class Going:
    """What all pieces share.

    Attributes:
        lists: Parquet files with a column ``id``, by the table that the condition calls them.
        condition: the SQL of which rows go.
        folder: where the new parts are written, and the old ones lie or their copies.
        scratch: where DuckDB spills.
        memory_bytes: how much DuckDB may use.
        threads: how many threads it may use; as many as there are, if ``None``.
    """

    lists: Mapping[str, Path]
    condition: str
    folder: Path
    scratch: Path
    memory_bytes: int
    threads: int | None = None


class Rewritten(NamedTuple):
    """A part that had rows which go.

    Attributes:
        name: of the part.
        removed: how many of its rows go.
        part: what is left of it, if anything.
    """

    name: str
    removed: int
    part: Part | None


def without(
    going: Going, parts: Sequence[Path], compute: Compute | None, stop: Callable[[], bool]
) -> list[Rewritten]:
    """Write the parts anew that have rows which go; no commit names what is written yet.

    Args:
        going: what goes.
        parts: of the table.
        compute: where pieces run that see the parts; here, if not given.
        stop: asked some times a second whether to give up.

    Raises:
        Stopped: ``stop`` said so.
        Unavailable: pieces cannot run where they should.
    """
    pieces = whole_parts(parts, PIECE_BYTES)
    where = compute
    if where is None or isinstance(where, Here) or len(pieces) < 2:
        where, pieces = Here(), [list(parts)]
    else:
        going = replace(going, threads=1)
    found: dict[int, list[Rewritten]] = {}
    with _seen_everywhere(going, where) as lent:
        where.map(partial(rewrite, lent), pieces, Need(going.memory_bytes), done=found.__setitem__, stop=stop)
    return [one for _, some in sorted(found.items()) for one in some]


def rewrite(going: Going, parts: Sequence[Path], heard: Heard) -> list[Rewritten]:
    """Write those of the parts anew that have rows which go.

    Raises:
        Stopped: ``heard`` raised it.
        Unavailable: this machine does not see the parts.
    """
    require_folders({going.folder, *(part.parent for part in parts)})
    scratch = scratch_here(going.scratch)
    with (
        engine.connect(going.memory_bytes, scratch, going.threads) as connection,
        interrupting(connection, stop_of(heard)),
    ):
        for table, file in going.lists.items():
            connection.execute(f"CREATE TEMP TABLE {table} AS SELECT id FROM {engine.parquet([file])}")
        return [found for part in parts if (found := _rewritten(connection, going, part)) is not None]


def present(
    connection: duckdb.DuckDBPyConnection, parts: Sequence[Path], users: Path, condition: str
) -> NDArray[np.uint8]:
    """Return of each of a list of users whether parts have a row of it, packed into bits in the list's order.

    Args:
        connection: of DuckDB.
        parts: their files.
        users: a Parquet file with a column ``id``, in which none is twice.
        condition: the SQL of which rows count.
    """
    ids = engine.placed([users], ["id"])
    ((count,),) = connection.execute(f"SELECT count(*) FROM {ids}").fetchall()
    found = np.zeros(count, bool)
    rows = f'SELECT "USER_ID" FROM {engine.parquet(parts)} WHERE {condition}'
    for batch in engine.batches(
        connection,
        f'SELECT DISTINCT users."{ROW}" AS row FROM ({rows}) parts JOIN {ids} users ON "USER_ID" = id',
    ):
        found[batch["row"]] = True
    return np.packbits(found)


def _rewritten(connection: duckdb.DuckDBPyConnection, going: Going, part: Path) -> Rewritten | None:
    """Write one part anew; ``None`` if it has no row that goes."""
    file = engine.parquet([part])
    ((count,),) = connection.execute(f"SELECT count(*) FROM {file} WHERE {going.condition}").fetchall()
    if not count:
        return None
    # the name's beginning stays: it says when the rows came
    place = going.folder / f"{part.stem.rsplit('-', 1)[0]}-{time.time_ns():x}.parquet"
    new = write_part(connection, f"SELECT * FROM {file} WHERE ({going.condition}) IS NOT TRUE", place)
    if not new.rows:
        place.unlink()
    return Rewritten(part.name, int(count), new if new.rows else None)


@contextmanager
def _seen_everywhere(going: Going, compute: Compute) -> Iterator[Going]:
    """Give the same with lists that other machines see: beside the parts, where a sweep finds what a death leaves."""
    if not compute.far:
        yield going
        return
    lent = {table: going.folder / f"{table}-{uuid4().hex}.parquet" for table in going.lists}
    try:
        for table, file in lent.items():
            shutil.copyfile(going.lists[table], file)
        yield replace(going, lists=lent)
    finally:
        for file in lent.values():
            file.unlink(missing_ok=True)
