"""What a deletion looks for and writes anew in a table of S3, on machines that bring its parts themselves.

No user's name travels with a piece or comes back: lists lie in the table's folder meanwhile, and an answer is bits.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from sartor.compute.contract import Compute, Heard, Need, R
from sartor.data import engine, rewriting
from sartor.data.blobs import Blobs
from sartor.data.log import LoggedPart
from sartor.data.parquet_spans import TEXT_BYTES
from sartor.data.remote import Near, Remote
from sartor.data.rewriting import Going, Rewritten, present, rewrite
from sartor.data.sections import together
from sartor.data.watch import interrupting, stop_of


class Elsewhere(NamedTuple):
    """Where pieces run that see none of a table's files, and bring them themselves.

    Attributes:
        compute: those machines.
        remote: what they need there; it names the table.
        storage: where the table lies, as this machine reaches it.
    """

    compute: Compute
    remote: Remote
    storage: Blobs


def is_large(parts: Mapping[str, LoggedPart]) -> bool:
    """Return whether parts are enough to be read beside each other."""
    size_bytes = sum(part.size_bytes for part in parts.values())
    return size_bytes * TEXT_BYTES >= 2 * rewriting.PIECE_BYTES


def without_elsewhere(
    going: Going, parts: Mapping[str, LoggedPart], where: Elsewhere, stop: Callable[[], bool]
) -> list[Rewritten]:
    """Do what ``without`` does on machines that bring the parts themselves, and store the new ones.

    Args:
        going: what goes; its folders are this machine's.
        parts: of the table, by their names.
        where: those machines.
        stop: asked some times a second whether to give up.

    Raises:
        Stopped: ``stop`` said so.
        Unavailable: pieces cannot run where they should.
    """
    return [one for some in _mapped(rewrite_elsewhere, going, parts, where, stop) for one in some]


def count_elsewhere(
    going: Going, parts: Mapping[str, LoggedPart], where: Elsewhere, stop: Callable[[], bool]
) -> NDArray[np.uint8]:
    """Return of each user of the list ``users`` whether the parts have a row for which the condition holds, as bits.

    The arguments, and what is raised, are those of ``without_elsewhere``.
    """
    found: NDArray[np.uint8] = np.bitwise_or.reduce(_mapped(present_elsewhere, going, parts, where, stop))
    return found


def rewrite_elsewhere(
    remote: Remote, going: Going, lists: Mapping[str, str], names: Sequence[str], heard: Heard
) -> list[Rewritten]:
    """Rewrite some parts of a table that this machine brings, and store what is left of them.

    Raises:
        Stopped: ``heard`` raised it.
        Unavailable: this machine lacks settings, or credentials.
    """
    with remote.reached() as near:
        found = rewrite(_near(near, going, lists), [near.part(name) for name in names], heard)
        return [one._replace(part=None if one.part is None else near.stored(one.part)) for one in found]


def present_elsewhere(
    remote: Remote, going: Going, lists: Mapping[str, str], names: Sequence[str], heard: Heard
) -> NDArray[np.uint8]:
    """Return of each user of the list whether some parts have rows of it, as ``present`` does.

    Raises:
        Stopped: ``heard`` raised it.
        Unavailable: this machine lacks settings, or credentials.
    """
    with remote.reached() as near:
        here = _near(near, going, lists)
        with (
            engine.connect(here.memory_bytes, here.scratch, here.threads) as connection,
            interrupting(connection, stop_of(heard)),
        ):
            parts = [near.part(name) for name in names]
            found = present(connection, parts, here.lists["users"], going.condition)
    return found


def _near(near: Near, going: Going, lists: Mapping[str, str]) -> Going:
    """Return what goes, with the folders of the machine that runs a piece, and the lists brought to it."""
    folder = near.scratch / "parts"
    folder.mkdir()
    brought = {table: near.part(name) for table, name in lists.items()}
    return replace(going, lists=brought, folder=folder, scratch=near.scratch, threads=1)


def _mapped(
    work: Callable[[Remote, Going, Mapping[str, str], Sequence[str], Heard], R],
    going: Going,
    parts: Mapping[str, LoggedPart],
    where: Elsewhere,
    stop: Callable[[], bool],
) -> list[R]:
    """Run work over parts in pieces; meanwhile the lists lie beside them, where a sweep finds what a death leaves."""
    pieces = together([(name, part.size_bytes) for name, part in parts.items()], rewriting.PIECE_BYTES)
    lent = {table: f"{table}-{uuid4().hex}.parquet" for table in going.lists}
    found: dict[int, R] = {}
    try:
        for table, name in lent.items():
            where.storage.put(f"{where.remote.table}/{name}", going.lists[table].read_bytes())
        where.compute.map(
            partial(work, where.remote, going, lent),
            pieces,
            Need(going.memory_bytes),
            done=found.__setitem__,
            stop=stop,
        )
    finally:
        for name in lent.values():
            where.storage.delete(f"{where.remote.table}/{name}")
    return [one for _, one in sorted(found.items())]
