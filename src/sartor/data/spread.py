"""The files of a job in pieces that are checked beside each other, and what was found in them in the files' order."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from sartor.data import csv_spans, formats
from sartor.data.csv_spans import Cut
from sartor.data.input_files import InputFile
from sartor.data.pieces import Found, Note, Piece, TooMuch
from sartor.data.report import Place, ReadFile

#: Returns what is found in each of some pieces.
Run = Callable[[Sequence[Piece]], list[list[Found | TooMuch]]]


class Spread:
    """Checks the files of a job in pieces.

    Args:
        run: checks pieces.
        maximum_bytes: how much the files may be, unpacked.
    """

    def __init__(self, run: Run, maximum_bytes: int | None) -> None:
        self._run = run
        self._maximum_bytes = maximum_bytes
        self._found: dict[int, list[Found | TooMuch]] = {}

    def found(self, files: Sequence[InputFile], piece_bytes: int) -> Iterator[Found | TooMuch]:
        """Yield what is found in each file, in their order; behind too much comes nothing more."""
        units = _units(files, piece_bytes)
        self._check([piece for unit in units for piece in unit])
        apart = self._mended([unit for unit in units if unit[0].span is not None])
        read_bytes = 0
        for unit in units:
            first = unit[0]
            of_unit = [_joined(self._spans(unit))] if first.number in apart else self._found[first.number]
            for at, one in enumerate(of_unit):
                if self._is_too_much(one, read_bytes):
                    # which byte is too much is told by reading the file behind those before it
                    file = Piece(first.files[at : at + 1], first.number + at, None, read_bytes)
                    self._check([file])
                    yield self._found[file.number][0]
                    return
                yield one
                read_bytes += one.read_bytes if isinstance(one, Found) else 0

    def _check(self, pieces: Sequence[Piece]) -> None:
        for piece, found in zip(pieces, self._run(pieces), strict=True):
            self._found[piece.number] = found

    def _mended(self, units: Sequence[Sequence[Piece]]) -> set[int]:
        """Check again what began otherwise than was thought, and files that are none of spans as a whole.

        Returns:
            The first numbers of the files whose spans are exactly the file.
        """
        again: list[Piece] = []
        apart: list[Sequence[Piece]] = []
        for unit in units:
            wrong = csv_spans.wrong(_cuts(self._spans(unit)))
            if wrong is None:
                again.append(_whole(unit))
            else:
                again += [replace(unit[number], span=span) for number, span in wrong]
                apart.append(unit)
        self._check(again)
        inexact = [unit for unit in apart if not _is_exact(self._spans(unit))]
        self._check([_whole(unit) for unit in inexact])
        return {unit[0].number for unit in apart} - {unit[0].number for unit in inexact}

    def _spans(self, unit: Sequence[Piece]) -> list[Found]:
        """Return what was found in the spans of a file."""
        return [one for piece in unit for one in self._found[piece.number] if isinstance(one, Found)]

    def _is_too_much(self, found: Found | TooMuch, before: int) -> bool:
        if isinstance(found, TooMuch):
            return True
        return self._maximum_bytes is not None and before + found.read_bytes > self._maximum_bytes


def _units(files: Sequence[InputFile], piece_bytes: int) -> list[list[Piece]]:
    """Return the pieces of a job: files together in one, or the spans of one file."""
    units: list[list[Piece]] = []
    number, size_bytes = 0, 0
    together: list[InputFile] = []
    for file in files:
        spans, text_bytes = formats.spans(file, piece_bytes), formats.text_bytes(file)
        if together and (spans or size_bytes + text_bytes > piece_bytes):
            units.append([Piece(tuple(together), number - len(together))])
            together, size_bytes = [], 0
        if spans:
            units.append([Piece((file,), number + at, span) for at, span in enumerate(spans)])
            number += len(spans)
        else:
            together.append(file)
            size_bytes += text_bytes
            number += 1
    if together:
        units.append([Piece(tuple(together), number - len(together))])
    return units


def _whole(unit: Sequence[Piece]) -> Piece:
    return replace(unit[0], span=None)


def _cuts(found: Sequence[Found]) -> list[Cut]:
    return [one.cut for one in found if one.cut is not None]


def _is_exact(spans: Sequence[Found]) -> bool:
    """Return whether what was found in the spans of a file is what would be found in the file."""
    cuts = _cuts(spans)
    dialects = [one.dialect for one in spans if one.dialect is not None]
    escapes = any(one.quotes for one in dialects) and any(one.backslashes for one in dialects)
    return (
        csv_spans.wrong(cuts) == []
        and csv_spans.fit(cuts)
        and all(one.whole for one in spans)
        and not escapes
        and not any(one.needs_rewriting for one in dialects)
    )


def _joined(spans: Sequence[Found]) -> Found:
    """Return what was found in the spans of a file as if it had been found in the file."""
    first, cuts = spans[0].file, _cuts(spans)
    before = (
        csv_spans.lines_before(cuts) if cuts else [0] * len(spans)
    )  # rows of Parquet are numbered in the file
    notes: dict[Any, Note] = {}
    bad_rows: Counter[tuple[bool, frozenset[str]]] = Counter()
    for one, lines in zip(spans, before, strict=True):
        bad_rows += one.bad_rows
        for note in one.notes:
            key = note.turn, note.code, note.column
            old = notes.get(key, replace(note, count=0, places=()))
            places = [*old.places, *(_moved(place, lines) for place in note.places)]
            notes[key] = replace(old, count=old.count + note.count, places=places[: note.most])
    return Found(
        ReadFile(first.uri, first.size_bytes, sum(one.file.rows for one in spans)),
        parts=[part for one in spans for part in one.parts],
        notes=[notes[key] for key in sorted(notes)],
        rejected=sum(one.rejected for one in spans),
        bad_rows=bad_rows,
        read_bytes=first.size_bytes,
    )


def _moved(place: Place, lines: int) -> Place:
    return place if place.line is None else replace(place, line=place.line + lines)
