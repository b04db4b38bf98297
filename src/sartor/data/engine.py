"""DuckDB as all of Sartor uses it: connections with limits, and readers and writers that take a path for a name.

DuckDB takes ``*``, ``?`` and ``[`` in a path for a pattern, a backslash for a slash, and a folder ``USER_ID=x`` for a
column of its files. There is no option that says otherwise and no escape that works in every folder, so such a path
is reached through a link whose own name is plain.
"""

import atexit
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
from arro3.core import RecordBatchReader
from numpy.typing import NDArray

from sartor.data.sql import sql_text

#: What ``placed`` adds to the rows of a file: its path, and the row's number in it from 0. No schema can have them.
FILE: Final = "#file"
ROW: Final = "#row"
#: What is raised where the memory of a connection is not enough, although it spills.
OutOfMemory: Final = duckdb.OutOfMemoryException
#: What some of DuckDB's errors begin with, folded.
_KINDS: Final = {"out of memory error": OutOfMemory, "interrupt error": duckdb.InterruptException}
#: Longer lines of JSON are told to DuckDB, which by itself expects 16 MiB.
_LINE_BYTES: Final = 2**20
#: DuckDB needs about this much memory for each thread that works.
_THREAD_BYTES: Final = 2**26
#: What DuckDB takes for more than a name.
_SPECIAL: Final = re.compile(r"[*?\[\\]")
_ROW_NUMBER: Final = "file_row_number"
_NO_COLUMNS_OF_PATHS: Final = "hive_partitioning = false"


@contextmanager
def connect(
    memory_bytes: int, scratch: Path | None = None, threads: int | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a connection to an empty database of its own; a connection belongs to one thread.

    Args:
        memory_bytes: how much it may use; what does not fit is spilled.
        scratch: the folder in which it spills, and leaves nothing; the system's own if there is none.
        threads: how many it may use; as many as there are, and as the memory is enough for, if not given.
    """
    affordable = max(1, min(os.cpu_count() or 1, memory_bytes // _THREAD_BYTES))
    with tempfile.TemporaryDirectory(prefix="duckdb-", dir=scratch, ignore_cleanup_errors=True) as folder:
        limits: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{max(1, memory_bytes // 2**20)}MiB",
            "temp_directory": _plain(folder),
            "threads": threads or affordable,
            # a name in SQL is a table's, never a Python variable's; nothing is ever fetched
            "python_enable_replacements": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        with duckdb.connect(config=limits) as connection:
            # progress is to be asked for, not to be drawn on stdout, terminal or not
            connection.execute("SET enable_progress_bar = true; SET enable_progress_bar_print = false")
            yield connection


def batches(connection: duckdb.DuckDBPyConnection, select: str) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield the rows of a SELECT, some after the other, as arrays by column; none may be null.

    The whole is never in memory; the connection does nothing else meanwhile.

    Raises:
        OutOfMemory: the connection's memory is not enough.
        duckdb.InterruptException: the connection was interrupted.
        duckdb.Error: anything else.
    """
    rows = iter(RecordBatchReader.from_arrow(connection.sql(select)))
    while True:
        try:
            batch = next(rows, None)
        except Exception as error:  # Arrow's stream carries nothing but the words
            raise _of_kind(str(error)) from error
        if batch is None:
            return
        yield {name: np.asarray(batch.column(name)) for name in batch.schema.names}


def _of_kind(words: str) -> duckdb.Error:
    """Return DuckDB's error of which Arrow has left the words."""
    words = words.removeprefix("C Data interface error: ")
    kinds = (kind for begin, kind in _KINDS.items() if words.casefold().startswith(begin))
    return next(kinds, duckdb.Error)(words)


def csv(files: Iterable[str | Path], options: str) -> str:
    """Return the SQL of the rows of CSV files, with DuckDB's further options."""
    return f"read_csv({_list(files)}, {_NO_COLUMNS_OF_PATHS}, {options})"


def json_lines(file: Path, columns: Mapping[str, str], longest_bytes: int) -> str:
    """Return the SQL of the rows of a file with a JSON object a line.

    Args:
        file: the file.
        columns: DuckDB's types by name; what a line lacks is null.
        longest_bytes: of a line, its end included; each reader takes some times as much memory.
    """
    kinds = ", ".join(f"{sql_text(name)}: '{kind}'" for name, kind in columns.items())
    size = max(longest_bytes, _LINE_BYTES)
    form = f"format = 'newline_delimited', columns = {{{kinds}}}, maximum_object_size = {size}"
    return f"read_json({_list([file])}, {_NO_COLUMNS_OF_PATHS}, {form})"


def parquet(files: Iterable[str | Path]) -> str:
    """Return the SQL of the rows of Parquet files; a column that a file lacks is null."""
    return f"{_parquet(files)})"


def parquet_rows(file: str | Path, first: int, behind: int) -> str:
    """Return the SQL of some rows of a Parquet file, by their numbers from 0; row groups without any are not read."""
    source = f"SELECT * EXCLUDE ({_ROW_NUMBER}) FROM {_parquet([file])}, {_ROW_NUMBER} = true)"
    return f"({source} WHERE {_ROW_NUMBER} >= {first} AND {_ROW_NUMBER} < {behind})"


def parquet_groups(file: str | Path) -> str:
    """Return the SQL of what the footer of a Parquet file says of each column of each row group."""
    return f"parquet_metadata({_list([file])})"


def cannot_number(columns: Collection[str]) -> bool:
    """Return whether a file has such columns that DuckDB cannot number its rows by itself."""
    return _ROW_NUMBER in {name.casefold() for name in columns}


def parquet_notes(files: Iterable[str | Path]) -> str:
    """Return the SQL of the notes in the footers of Parquet files: ``file_name``, ``key`` and ``value``, as bytes."""
    return f"parquet_kv_metadata({_list(files)})"


def placed(files: Iterable[str | Path], columns: Collection[str]) -> str:
    """Return the SQL of the rows of Parquet files with ``FILE`` and ``ROW`` beside their columns.

    Args:
        files: the files.
        columns: the names that the files' own columns may have.
    """
    source = f"{_parquet(files)}, filename = '{FILE}'"
    if cannot_number(columns):
        return f'(SELECT *, row_number() OVER () - 1 AS "{ROW}" FROM {source}))'
    return (
        f'(SELECT * EXCLUDE ({_ROW_NUMBER}), {_ROW_NUMBER} AS "{ROW}" FROM {source}, {_ROW_NUMBER} = true))'
    )


def copy(select: str, target: Path, options: str) -> str:
    """Return the statement that writes the rows of a SELECT to a file or folder."""
    place = f"{_plain(target.parent)}/{target.name}"  # where nothing is yet, DuckDB follows no link
    return f"COPY ({select}) TO {sql_text(place)} ({options})"


def said(error: Exception) -> str:
    """Return what an error says, in a line, without DuckDB's advice and without where the file lies."""
    line = str(error).partition("\n")[0].strip() or type(error).__name__
    line = line.removeprefix("Invalid Input Error: ")
    return re.sub(r"[\"']?(?:/[^\s\"']+)+[\"']?", "the file", line)


def _parquet(files: Iterable[str | Path]) -> str:
    return f"read_parquet({_list(files)}, {_NO_COLUMNS_OF_PATHS}, union_by_name = true"


def _list(files: Iterable[str | Path]) -> str:
    return f"[{', '.join(sql_text(_plain(file)) for file in files)}]"


def _plain(path: str | Path) -> str:
    """Return an absolute path to the same place in which DuckDB sees nothing but names."""
    text = os.path.abspath(path)  # noqa: PTH100 - a link stays a link
    special = [found.end() for found in _SPECIAL.finditer(text)]
    if not special:
        return text
    end = text.find("/", special[-1])
    prefix, rest = (text, "") if end < 0 else (text[:end], text[end:])
    return _LINKS.to(prefix) + rest


class _Links:
    """Links with plain names to the places whose names are not, in a folder that lives as long as the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._folder: Path | None = None

    def to(self, place: str) -> str:
        """Return the link to a place, which need not be there yet."""
        with self._lock:
            if self._folder is None or not self._folder.is_dir():
                if _SPECIAL.search(tempfile.gettempdir()):
                    raise OSError(
                        f"TMPDIR must be a folder without *, ?, [ and \\, not {tempfile.gettempdir()}"
                    )
                self._folder = Path(tempfile.mkdtemp(prefix="sartor-names-"))
                atexit.register(shutil.rmtree, self._folder, ignore_errors=True)
            ending = Path(place).suffix
            name = blake2b(place.encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()
            link = self._folder / (name + (ending if re.fullmatch(r"\.\w+", ending) else ""))
            if not link.is_symlink():
                link.symlink_to(place)
            return str(link)


_LINKS: Final = _Links()
