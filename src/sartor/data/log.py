"""What a table's log said of each version, however long ago, and which parts can be deleted.

Who opens a Delta table lists all of its log, so Delta's own log has the newest versions only. What all versions
changed is in chapters beside it: files of some versions each, with the parts that there were before them. A chapter
never changes, so any version is two short reads away, however many there are.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

import orjson

from sartor.data.blobs import Blobs

#: So many versions are in a chapter. The names of chapters follow from it: it cannot be changed for tables that are.
CHAPTER_VERSIONS: Final = 20
#: Delta's log keeps this many versions for who has just begun to read.
_DELTA_VERSIONS: Final = 100
#: A log that nobody asks for has so many: more than a job's mark lasts, which is looked up there when it ends.
_FORGOTTEN_AFTER_VERSIONS: Final = 1200
#: Who looks at a version looks at its neighbours.
_KEPT_CHAPTERS: Final = 4

#: The commit's name in the entry of a commit.
COMMIT: Final = "sartor.commit"
#: What one commit wrote, as Delta's log has it.
Entries = list[dict[str, Any]]


@dataclass(frozen=True)
class LoggedPart:
    """A part as the log knows it.

    Attributes:
        size_bytes: its file's size.
        rows: how many it has.
    """

    size_bytes: int
    rows: int


@dataclass(frozen=True)
class Made:
    """A commit of ours.

    Attributes:
        version: that it made.
        name: what no other commit has, in its entry.
    """

    version: int
    name: str


@dataclass(frozen=True)
class Vacuumed:
    """How far a table has let go of what its versions were.

    Attributes:
        upto: what this version and those before it replaced is deleted; -1 if nothing is.
        first: the first version that a chapter is kept of.
    """

    upto: int
    first: int


class Log:
    """The log of one table.

    Args:
        storage: where it lies.
        path: the table's folder there.
    """

    def __init__(self, storage: Blobs, path: str) -> None:
        self._storage = storage
        self._delta = f"{path}/_delta_log"
        self._folder = f"{path}/_history"
        self._vacuumed = f"{self._folder}/vacuumed.json"
        # what is found never changes; what is not may come
        self._read_chapter = lru_cache(_KEPT_CHAPTERS)(self._find_chapter)
        self._read_entries = lru_cache(CHAPTER_VERSIONS)(self._find_entries)

    def versions(self, first: int, last: int) -> Iterator[tuple[int, Entries]]:
        """Yield each version from the first to the last with its entries.

        Raises:
            LookupError: one of them is kept no longer.
        """
        version = first
        while version <= last:
            begin = version - version % CHAPTER_VERSIONS
            chapter = self._chapter(begin)
            for number in range(version, min(last, begin + CHAPTER_VERSIONS - 1) + 1):
                yield (
                    number,
                    self._entries(number) if chapter is None else chapter["versions"][number - begin],
                )
            version = begin + CHAPTER_VERSIONS

    def parts(self, version: int) -> dict[str, LoggedPart]:
        """Return the parts of a version by name; none of -1.

        Raises:
            LookupError: the version is kept no longer.
        """
        begin = version + 1 - (version + 1) % CHAPTER_VERSIONS
        while (chapter := self._chapter(begin)) is None and begin > 0:
            begin -= CHAPTER_VERSIONS
        known = {} if chapter is None else chapter["parts"]
        parts = {name: LoggedPart(*numbers) for name, numbers in known.items()}
        for _, entries in self.versions(max(begin, 0), version):
            apply(entries, parts)
        return parts

    def keep(self, newest: int) -> None:
        """Write down every chapter that versions up to the newest fill."""
        begin = (newest + 1) // CHAPTER_VERSIONS * CHAPTER_VERSIONS - CHAPTER_VERSIONS
        missing = []
        while begin >= 0 and self._chapter(begin) is None:
            missing.append(begin)
            begin -= CHAPTER_VERSIONS
        for begin in reversed(missing):
            last = begin + CHAPTER_VERSIONS - 1
            chapter = {
                "parts": {name: (one.size_bytes, one.rows) for name, one in self.parts(begin - 1).items()},
                "versions": [entries for _, entries in self.versions(begin, last)],
            }
            self._storage.put(self._place(begin), orjson.dumps(chapter))

    def stands(self, made: Made, newest: int) -> bool:
        """Return whether a commit is the one that readers of the newest version know under its number.

        A number that Delta's log no longer has can be written again by who slept while a hundred versions were made.
        """
        if made.version >= self._shortened_to(newest):
            return True
        with suppress(LookupError):
            for _, entries in self.versions(made.version, made.version):
                return any(one.get("commitInfo", {}).get(COMMIT) == made.name for one in entries)
        return False

    def marks(self, first: int, last: int, after_ms: int) -> dict[str, int]:
        """Return the marks of jobs that versions have whose date is later; what the log has lost, it has not."""
        found: dict[str, int] = {}
        with suppress(LookupError):
            for _, entries in self.versions(first, last):
                for mark in (entry["txn"] for entry in entries if "txn" in entry):
                    if (mark.get("lastUpdated") or 0) > after_ms:
                        found[mark["appId"]] = mark["version"]
        return found

    def shorten(self, newest: int) -> None:
        """Take out of Delta's log what chapters have and a reader of the newest version needs no more.

        There must be a checkpoint of the newest version.
        """
        upto = self._shortened_to(newest)
        paths = [path for path, _ in self._storage.files(self._delta)]
        for path in sorted(paths):  # the oldest first: what is left is whole at any moment
            number = path.rpartition("/")[2][:20]
            if number.isdecimal() and int(number) < upto:
                self._storage.delete(path)

    def checkpoint(self) -> int:
        """Return of which version Delta's newest checkpoint is, -1 if there is none."""
        try:
            return int(orjson.loads(self._storage.get(f"{self._delta}/_last_checkpoint"))["version"])
        except FileNotFoundError:
            return -1

    def vacuumed(self) -> Vacuumed:
        """Return how far this table was vacuumed."""
        try:
            return Vacuumed(**orjson.loads(self._storage.get(self._vacuumed)))
        except FileNotFoundError:
            return self._vacuumed_before()

    def remember(self, vacuumed: Vacuumed) -> None:
        """Keep how far this table was vacuumed, unless another writer came further."""
        known = self.vacuumed()
        if (known.upto, known.first) < (vacuumed.upto, vacuumed.first):
            self._storage.put(self._vacuumed, orjson.dumps(vacuumed))

    def replaced(self, newest: int, before: float) -> tuple[set[str], int]:
        """Return the stored parts that versions replaced before a time, and the last of these versions.

        Args:
            newest: version of the table.
            before: epoch seconds.

        Raises:
            LookupError: the log has a gap.
        """
        last = self.vacuumed().upto
        parts: set[str] = set()
        for version, entries in self.versions(last + 1, newest):
            if committed_at(entries) >= before:
                break
            parts |= {entry["remove"]["path"] for entry in entries if "remove" in entry}
            parts -= {entry["add"]["path"] for entry in entries if "add" in entry}
            last = version
        return parts, last

    def named(self, first: int, last: int) -> set[str]:
        """Return the parts that came or went in some versions.

        Raises:
            LookupError: the log has a gap.
        """
        return {
            entry[what]["path"]
            for _, entries in self.versions(first, last)
            for entry in entries
            for what in ("add", "remove")
            if what in entry
        }

    def forget(self, newest: int, vacuumed: Vacuumed) -> Vacuumed:
        """Delete the chapters of versions that nobody asks for again, and return what is known then."""
        asked_for = min(newest - _FORGOTTEN_AFTER_VERSIONS, vacuumed.upto + 1)
        upto = asked_for // CHAPTER_VERSIONS * CHAPTER_VERSIONS
        for begin in range(vacuumed.first, upto, CHAPTER_VERSIONS):
            self._storage.delete(self._place(begin))
        return replace(vacuumed, first=max(vacuumed.first, upto))

    @staticmethod
    def _shortened_to(newest: int) -> int:
        """Return the first version that Delta's log has to have."""
        return (newest - _DELTA_VERSIONS) // CHAPTER_VERSIONS * CHAPTER_VERSIONS

    def _vacuumed_before(self) -> Vacuumed:
        """Return how far an earlier Sartor says that it came, which listed the parts themselves."""
        with suppress(FileNotFoundError):
            first = int(orjson.loads(self._storage.get(f"{self._folder}/waiting.json"))["first"])
            return Vacuumed(first - 1, first)
        return Vacuumed(-1, 0)

    def _place(self, begin: int) -> str:
        return f"{self._folder}/{begin:020d}.json"

    def _chapter(self, begin: int) -> dict[str, Any] | None:
        try:
            return self._read_chapter(begin)
        except FileNotFoundError:
            return None

    def _entries(self, version: int) -> Entries:
        """Return the entries of a version from Delta's log."""
        try:
            return self._read_entries(version)
        except FileNotFoundError:  # or a chapter was written, and the log shortened, between two looks
            chapter = self._chapter(version - version % CHAPTER_VERSIONS)
            if chapter is None:
                raise LookupError(f"Version {version} is kept no longer.") from None
            found: Entries = chapter["versions"][version % CHAPTER_VERSIONS]
            return found

    def _find_chapter(self, begin: int) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self._storage.get(self._place(begin)))
        return found

    def _find_entries(self, version: int) -> Entries:
        text = self._storage.get(f"{self._delta}/{version:020d}.json")
        return [orjson.loads(line) for line in text.splitlines() if line.strip()]


def committed_at(entries: Entries) -> float:
    """Return when a version was committed, epoch seconds; 0 where its log does not say."""
    return next((one["commitInfo"]["timestamp"] / 1000 for one in entries if "commitInfo" in one), 0.0)


def apply(entries: Entries, parts: dict[str, LoggedPart]) -> None:
    """Make the parts of a version those of the next one, whose entries these are."""
    for entry in entries:
        if "remove" in entry:
            parts.pop(entry["remove"]["path"], None)
    for entry in entries:
        if "add" in entry:
            add = entry["add"]
            rows = orjson.loads(add["stats"])["numRecords"]
            parts[add["path"]] = LoggedPart(int(add["size"]), int(rows))
