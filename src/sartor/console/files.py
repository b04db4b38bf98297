"""``/sartor/v1/files``: a bucket's files before they are imported: their rows, a schema for them, and their faults.

Of a large file its beginning is looked at: an import checks all of it, and changes nothing unless all is right.
"""

import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np

from sartor.console import asked
from sartor.data import csv_lines, drafts, schema
from sartor.data.input_files import InputFile
from sartor.data.sources import AccountSources, SourceFile, Sources
from sartor.errors import ApiError, JobFailed, invalid_input
from sartor.resources.records import Means
from sartor.wire.sign import Caller, HttpRequest
from sartor.work.import_data import job_rules
from sartor.work.validate import check_files

#: So much of a CSV file is checked, which takes about a second, and so much of it is looked at.
CHECKED_BYTES: Final = 8 * 2**20
LOOKED_BYTES: Final = 2 * 2**20
#: A file that is packed, or Parquet, is looked at as a whole; a larger one is not.
_PACKED_BYTES: Final = 256 * 2**20
_MOST: Final = 1000
_MOST_ROWS: Final = 100
#: So much of a line is shown, in characters.
_LINE_CHARACTERS: Final = 400


@dataclass(frozen=True)
class FilePages:
    """Answers for one service.

    Attributes:
        means: to work with.
        sources: the buckets.
        bad_cells: the share of cells of a column that an import may make null.
    """

    means: Means
    sources: Sources
    bad_cells: float
    _one_check: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, caller: Caller, request: HttpRequest, path: str) -> dict[str, Any] | None:
        """Return the answer to a request, ``None`` if it is for no page of this module.

        Raises:
            ApiError: it has a fault, or the file cannot be read.
        """
        answers = {
            ("GET", "/sartor/v1/files"): lambda: self._files(caller, request.parameters),
            ("GET", "/sartor/v1/files/rows"): lambda: self._rows(caller, request.parameters),
            ("GET", "/sartor/v1/files/schema"): lambda: self._draft(caller, request.parameters),
            ("POST", "/sartor/v1/files/check"): lambda: self._check(caller, asked.body(request, "FileCheck")),
        }
        found = answers.get(("POST" if request.method == "POST" else "GET", path))
        if found is None:
            return None
        try:
            return found()
        except JobFailed as failure:
            raise invalid_input(failure.reason) from failure

    def _files(self, caller: Caller, query: Mapping[str, str]) -> dict[str, Any]:
        """Return some files whose keys begin as a location does; without one, the buckets."""
        sources = self.sources.of(caller.account)
        location = query.get("location")
        if not location:
            return {"buckets": sources.buckets()}
        limit = asked.number(query, "limit", 100, _MOST)
        found = sources.some(location, limit)
        return {
            "files": [{"uri": one.uri, "bytes": one.size_bytes} for one in found],
            "more": len(found) == limit,
        }

    def _rows(self, caller: Caller, query: Mapping[str, str]) -> dict[str, Any]:
        """Return the first rows of a file, or of the first of a folder."""
        limit = asked.number(query, "limit", 20, _MOST_ROWS)
        with self._head(caller, query.get("location", ""), LOOKED_BYTES) as (file, listed, scratch):
            names, rows = drafts.first_rows(file.path, file.uri, scratch, limit)
            return {
                "uri": file.uri,
                "bytes": listed[0].size_bytes,
                "files": len(listed),
                "columns": names,
                "rows": [list(row) for row in rows],
            }

    def _draft(self, caller: Caller, query: Mapping[str, str]) -> dict[str, Any]:
        """Return a schema guessed from a file, and what a person should know of it."""
        domain = query.get("domain") or None
        if domain not in (None, "ECOMMERCE", "VIDEO_ON_DEMAND"):
            raise invalid_input("domain must be ECOMMERCE or VIDEO_ON_DEMAND, or left out.")
        with self._head(caller, query.get("location", ""), LOOKED_BYTES) as (file, listed, scratch):
            found = drafts.draft(file.path, file.uri, scratch, domain)
        of_all = file.size_bytes == listed[0].size_bytes
        partly = [] if of_all else [f"Guessed from the first {file.size_bytes:,} bytes of the file."]
        return {"uri": file.uri, "schema": found.schema, "notes": [*found.notes, *partly]}

    def _check(self, caller: Caller, members: Mapping[str, Any]) -> dict[str, Any]:
        """Return the report that an import of a file's beginning would have, with the very lines of its faults."""
        wanted = schema.parse(members["schema"], members.get("domain"))
        with (
            self._one_check,
            self._head(caller, members["location"], CHECKED_BYTES) as (file, listed, scratch),
        ):
            rules = job_rules(wanted, "FULL", False, self.bad_cells)
            report = check_files([file], wanted, rules, scratch, self.means.memory_bytes).to_json()
            lines = _lines(
                file, {place.get("line") for fault in report["faults"] for place in fault["examples"]}
            )
        for fault in report["faults"]:
            for place in fault["examples"]:
                if place.get("line") in lines:
                    place["text"] = lines[place["line"]]
        return {**report, "checkedBytes": file.size_bytes, "ofBytes": sum(one.size_bytes for one in listed)}

    @contextmanager
    def _head(
        self, caller: Caller, location: str, head_bytes: int
    ) -> Iterator[tuple[InputFile, list[SourceFile], Path]]:
        """Give the beginning of the first file at a location, what there is in all, and a folder to work in.

        Raises:
            ApiError: no location was given, nothing is there, or the file is too large to be looked at.
            JobFailed: it cannot be read.
        """
        if not location:
            raise invalid_input("location is required: s3://BUCKET/KEY of a file or a folder.")
        sources = self.sources.of(caller.account)
        try:
            listed = sources.list(location)
        except JobFailed as failure:
            raise ApiError("ResourceNotFoundException", f"{location}: {failure.reason}") from failure
        with tempfile.TemporaryDirectory(prefix="look-", dir=self.means.scratch) as scratch:
            yield _beginning(sources, listed[0], head_bytes, Path(scratch)), listed, Path(scratch)


def _beginning(sources: AccountSources, file: SourceFile, head_bytes: int, scratch: Path) -> InputFile:
    """Return a file, or of a large CSV file what of it is whole rows in its beginning."""
    is_packed = file.uri.lower().endswith(".parquet") or csv_lines.compression(file.uri) is not None
    if file.size_bytes <= (_PACKED_BYTES if is_packed else head_bytes):
        return InputFile(sources.spool(file, scratch), file.uri, file.size_bytes)
    if is_packed:
        raise ApiError(
            "LimitExceededException",
            f"{file.uri} has {file.size_bytes:,} bytes, and a packed file of more than {_PACKED_BYTES:,} is not looked "
            "at here. Look at it with `sartor schema draft` and `sartor validate` on the machine where it lies.",
        )
    text = sources.read_range(file, 0, head_bytes)
    end = _end_of_rows(text)
    copy = scratch / "beginning"
    copy.write_bytes(text[: end or len(text)])
    return InputFile(copy, file.uri, end or len(text))


def _end_of_rows(text: bytes) -> int:
    """Return where the last line ends that no quoted cell goes beyond; 0: there is none."""
    symbols = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(symbols == ord("\n")) + 1
    quotes_before = np.searchsorted(np.flatnonzero(symbols == ord('"')), ends)
    whole = ends[quotes_before % 2 == 0]
    return int(whole[-1]) if len(whole) else 0


def _lines(file: InputFile, wanted: set[int | None]) -> dict[int, str]:
    """Return lines of a CSV file by their number, from 1; none of a file that is packed."""
    numbers = {number for number in wanted if number is not None}
    if not numbers or file.uri.lower().endswith(".parquet") or csv_lines.compression(file.uri) is not None:
        return {}
    with file.path.open("rb") as opened:
        return {
            number: line.decode("utf-8", "replace").rstrip("\r\n")[:_LINE_CHARACTERS]
            for number, line in enumerate(islice(opened, max(numbers)), 1)
            if number in numbers
        }
