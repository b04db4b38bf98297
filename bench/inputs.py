"""The files that the measures read, made once and kept in `BENCH_DIR` (default: a temporary folder)."""

import os
import tempfile
from pathlib import Path

from sartor.data import synthetic
from sartor.demo import data

COLUMNS = ("USER_ID", "ITEM_ID", "EVENT_TYPE", "EVENT_VALUE", "TIMESTAMP")


def folder() -> Path:
    path = Path(os.environ.get("BENCH_DIR") or Path(tempfile.gettempdir()) / "sartor-bench")
    path.mkdir(parents=True, exist_ok=True)
    return path


def interactions(rows: int) -> Path:
    """Five columns, about 38 bytes a row."""
    path = folder() / f"interactions-{rows}.csv"
    if not path.exists():
        unfinished = path.with_suffix(".unfinished")
        synthetic.write_interactions(data.shop(rows), unfinished, columns=COLUMNS)
        unfinished.rename(path)
    return path


def interactions_with_bad_end(rows: int) -> Path:
    """The same file with a broken timestamp in the very last row."""
    path = folder() / f"interactions-{rows}-bad-end.csv"
    if not path.exists():
        unfinished = path.with_suffix(".unfinished")
        good = interactions(rows)
        with good.open("rb") as source:
            source.seek(-1024, os.SEEK_END)
            tail = source.read()
        last_comma = tail.rindex(b",")
        keep = good.stat().st_size - len(tail) + last_comma + 1
        with good.open("rb") as source, unfinished.open("wb") as target:
            while keep > 0:
                block = source.read(min(keep, 1 << 22))
                target.write(block)
                keep -= len(block)
            target.write(b"yesterday\n")
        unfinished.rename(path)
    return path


def items(rows: int, first: int = 0) -> Path:
    """Items `first` to `first + rows` of one large catalogue."""
    path = folder() / f"items-{rows}-from-{first}.csv"
    if not path.exists():
        whole = data.shop(1000, items=first + rows)
        unfinished = path.with_suffix(".unfinished")
        synthetic.write_items(whole, unfinished)
        if first:
            lines = unfinished.read_bytes().splitlines(keepends=True)
            unfinished.write_bytes(b"".join([lines[0], *lines[first + 1 :]]))
        unfinished.rename(path)
    return path


def warm(path: Path) -> None:
    """Read the file once, so that whoever comes first does not pay for the disk."""
    with path.open("rb") as file:
        while file.read(1 << 24):
            pass
