"""Many small CSV files checked as a few: a pass of the check costs as much for one row as for a thousand.

Small files of one header that follow each other become one text. Only files that leave nothing open are put together,
so each line means what it means in its own file; what the check says of a line of the text is said of its file's line.
"""

import contextlib
import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from sartor.compute.contract import Compute
from sartor.data import check, csv_lines, csv_records
from sartor.data.check import Checked
from sartor.data.input_files import InputFile, Room
from sartor.data.report import Fault, Place, ReadFile, Report
from sartor.data.schema import Schema
from sartor.errors import JobFailed, Stopped

#: The largest file that is put together with others, and about how large they become together.
SMALL_BYTES: Final = 2**18
BUNDLE_BYTES: Final = 2**26
#: A quoted cell with nothing beside it.
_QUOTED: Final = re.compile(rb'(?:(?<=[,\n])|\A)"(?:[^"]|"")*"(?=,|\r?\n|\Z)')


@dataclass(frozen=True)
class _Small:
    """A small file that ends where a line ends, with all its quotes closed.

    Attributes:
        header: its first line.
        end: what ends each of its lines.
        body: the other lines.
        rows: how many rows they are.
    """

    header: bytes
    end: bytes
    body: bytes
    rows: int


class _Bundle:
    """Files behind each other in one text, under the header of the first.

    Attributes:
        path: the text.
        files: the files.
        rows: how many rows each has.
    """

    def __init__(self, path: Path, first: _Small) -> None:
        self.path = path
        self.files: list[InputFile] = []
        self.rows: list[int] = []
        self._form = first.header, first.end
        self._starts: list[int] = []  # the line of the text at which each file's second line stands
        self._lines = 1
        self._text = path.open("wb")
        self._text.write(first.header + first.end)

    def takes(self, small: _Small) -> bool:
        """Return whether a file can stand behind the others."""
        return (small.header, small.end) == self._form and self._text.tell() < BUNDLE_BYTES

    def add(self, file: InputFile, small: _Small) -> None:
        """Put a file behind the others."""
        self._text.write(small.body)
        self.files.append(file)
        self.rows.append(small.rows)
        self._starts.append(self._lines + 1)
        self._lines += small.body.count(b"\n")

    def close(self) -> InputFile:
        """Return the text as the check reads it; of one file alone, the file."""
        self._text.close()
        if len(self.files) == 1:
            self.drop()
            return self.files[0]
        return InputFile(self.path, str(self.path), sum(file.size_bytes for file in self.files))

    def drop(self) -> None:
        """Remove the text."""
        self._text.close()
        self.path.unlink(missing_ok=True)

    def place(self, place: Place) -> Place:
        """Return where a line of the text is."""
        line = place.line or 0
        at = max(0, bisect_right(self._starts, line) - 1)
        return replace(place, file=self.files[at].uri, line=line - self._starts[at] + 2)


def read_and_check(
    files: Sequence[InputFile],
    schema: Schema,
    folder: Path,
    part_prefix: str,
    scratch: Path,
    compute: Compute | None = None,
    **how: Any,
) -> Checked:
    """Do what ``check.read_and_check`` does, with small files put together; the report is the same.

    Args:
        files: what to read, in the order in which later records win.
        schema: the columns and their rules.
        folder: where parts are written.
        part_prefix: the beginning of the parts' names.
        scratch: a folder for texts; they are left there.
        compute: where the check runs; here, if not given.
        how: as the check takes it.
    """
    checked = None
    how |= {"scratch": scratch, "compute": compute}
    bundles: dict[str, _Bundle] = {}
    # an error would name a text that nobody knows; the files say it for themselves
    with contextlib.suppress(JobFailed):
        if compute is None or not compute.far:  # what lies in scratch is seen on this machine alone
            together = _bundled(files, Room(scratch, None), scratch, how["stop"], bundles)
        if bundles:
            checked = check.read_and_check(together, schema, folder, part_prefix, **how)
    if checked is not None:
        if _is_clear(checked.report, bundles):
            return Checked(checked.parts, _unfolded(checked.report, bundles))
        for part in checked.parts:
            part.path.unlink(missing_ok=True)
    for bundle in bundles.values():
        bundle.drop()
    return check.read_and_check(files, schema, folder, part_prefix, **how)


def _bundled(
    files: Sequence[InputFile],
    room: Room,
    scratch: Path,
    stop: Callable[[], bool],
    bundles: dict[str, _Bundle],
) -> list[InputFile]:
    """Return the files, small ones of one header as one text; ``bundles`` gets the texts, by their name.

    Raises:
        JobFailed: the disk has no room for them.
    """
    together: list[InputFile] = []
    bundle: _Bundle | None = None
    for file in files:
        if stop():
            raise Stopped
        small = _small(file) if len(files) > 1 else None
        if bundle is not None and (small is None or not bundle.takes(small)):
            together.append(bundle.close())
            bundle = None
        if small is None:
            together.append(file)
            continue
        if bundle is None:
            bundle = _Bundle(scratch / f"together-{len(bundles):05d}.csv", small)
            bundles[str(bundle.path)] = bundle
        room.write(len(small.body), file.uri)
        bundle.add(file, small)
    if bundle is not None:
        together.append(bundle.close())
    return together


def _small(file: InputFile) -> _Small | None:
    """Return a file in its parts if it can stand before and behind others."""
    content = _content(file)
    end = b"\r\n" if b"\r" in content else b"\n"
    header, _, body = content.partition(end)
    if b"\\" in content or not header.strip() or content.count(b"\r") != content.count(end) * (len(end) - 1):
        return None
    if len(end) == 2 and content.count(b"\n") != content.count(end):
        return None
    if body and not body.endswith(end):
        body += end
    bare = [_QUOTED.sub(b"q", header), _QUOTED.sub(b"q", body)] if b'"' in content else [header, body]
    if any(b'"' in text for text in bare):
        return None
    rows = sum(1 for line in bare[1].split(end) if line)
    return _Small(header, end, body, rows)


def _content(file: InputFile) -> bytes:
    """Return what a small CSV file has in it, unpacked; nothing if it is none."""
    if file.size_bytes > SMALL_BYTES or file.uri.lower().endswith(".parquet"):
        return b""
    content = b""
    try:
        for piece in csv_lines.pieces(file.path, csv_lines.compression(file.uri)):
            content += piece
            if len(content) > SMALL_BYTES:
                return b""
    except ValueError:  # it is damaged, which the check says better
        return b""
    return content.removeprefix(csv_records.BOM)


def _is_clear(report: Report, bundles: Mapping[str, _Bundle]) -> bool:
    """Return whether what is said of a text can be said of its files: how many rows it has, and which are broken."""
    counted = all(
        read.rows == sum(bundles[read.uri].rows) or (read.rows == 0 and bool(report.faults))
        for read in report.files
        if read.uri in bundles
    )
    found = (*report.faults, *report.warnings)
    places = (place for fault in found for place in fault.places if place.file in bundles)
    return counted and all(place.line is not None for place in places)


def _unfolded(report: Report, bundles: Mapping[str, _Bundle]) -> Report:
    """Return a report of files instead of texts."""
    files: list[ReadFile] = []
    for read in report.files:
        bundle = bundles.get(read.uri)
        if bundle is None:
            files.append(read)
            continue
        rows = bundle.rows if read.rows else [0] * len(bundle.rows)
        files.extend(
            ReadFile(file.uri, file.size_bytes, of) for file, of in zip(bundle.files, rows, strict=True)
        )
    faults, warnings = (
        tuple(_unfolded_fault(fault, bundles) for fault in found)
        for found in (report.faults, report.warnings)
    )
    return replace(report, files=tuple(files), faults=faults, warnings=warnings)


def _unfolded_fault(fault: Fault, bundles: Mapping[str, _Bundle]) -> Fault:
    """Return a fault of files instead of texts."""

    def unfolded(place: Place) -> Place:
        bundle = bundles.get(place.file or "")
        return place if bundle is None else bundle.place(place)

    return replace(fault, places=tuple(unfolded(place) for place in fault.places))
