"""A check in pieces against the check of whole files: the report, the rows and their order must be the same."""

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb

import compute_work
from sartor.compute.contract import said_nothing
from sartor.compute.here import Here
from sartor.compute.processes import Processes
from sartor.data import check
from sartor.data.cells import FAULT
from sartor.data.check import Checked
from sartor.data.input_files import InputFile
from sartor.data.schema import Schema


class InTurn:
    """Runs the pieces of what is spread in the caller's thread, the last one first."""

    slots = 3

    def __init__(self, far: bool = False) -> None:
        self.far = far
        self.pieces = 0

    def map(
        self,
        work: Any,
        pieces: Sequence[Any],
        need: Any,
        *,
        done: Any,
        stop: Any,
        progress: Any = said_nothing,
    ) -> None:
        self.pieces += len(pieces)
        last = len(pieces) - 1
        Here().map(
            work,
            pieces[::-1],
            need,
            done=lambda number, result: done(last - number, result),
            stop=stop,
            progress=lambda number, said: progress(last - number, said),
        )

    def together(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError

    def check(self) -> str:
        return "in turn"


class Dying(InTurn):
    """Runs pieces in two processes; each piece's dies once, when the work is done and nobody knows."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = Path(tempfile.mkdtemp(dir=folder))

    def map(self, work: Any, pieces: Sequence[Any], need: Any, **how: Any) -> None:
        self.pieces += len(pieces)
        dying = partial(compute_work.dies_when_done, work, str(self._folder))
        Processes(2).map(dying, list(enumerate(pieces)), need, **how)


def outcome(checked: Checked, of: Schema) -> dict[str, Any]:
    """Return all that a check says and makes, but how long it took and in how many parts the rows are."""
    rows: list[Any] = []
    paths = [str(part.path) for part in checked.parts]
    assert paths == sorted(paths)
    names = ", ".join(f'"{field.name}"' for field in of.fields)
    for path, part in zip(paths, checked.parts, strict=True):
        select = f'SELECT {names}, "{FAULT}" FROM read_parquet(?)'
        found = duckdb.execute(select, [path]).fetchall()
        assert len(found) == part.rows == part.statistics["numRecords"]
        rows += found
    report = checked.report
    return {
        "rows": rows,
        "report": {**report.to_json(), "seconds": 0},
        "rejects": report.written("arn")["rejects.csv"],
        "reason": report.failure_reason(),
    }


def both_ways(
    files: Sequence[InputFile],
    of: Schema,
    piece_bytes: int,
    read: Callable[..., Checked] | None = None,
    **how: Any,
) -> tuple[Checked, Checked, int]:
    """Return what a check says of whole files and of pieces, and how many pieces those were."""
    read = read or check.read_and_check
    found = []
    in_turn = InTurn()
    for compute in (Here(), in_turn):
        folder = Path(tempfile.mkdtemp(dir=how["scratch"]))
        with patch.object(check, "PIECE_BYTES", piece_bytes):
            result = read(files, of, folder, "0", compute=compute, **how)
        assert sorted(part.path for part in result.parts) == sorted(folder.iterdir())
        found.append(result)
    whole, spread = found
    assert outcome(spread, of) == outcome(whole, of)
    return whole, spread, in_turn.pieces
