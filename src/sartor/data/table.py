"""A dataset's table: a Delta Lake table whose commits carry the ARN of the job that made them.

Parts are written elsewhere; a commit names them without reading them. INCREMENTAL imports append: which record
of an id counts is settled on the one read path, by the order of arrival. A part's name begins with the time of
its import and its rows keep the order of their file, so name and row number are that order.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from deltalake.transaction import CommitProperties

from sartor.data import delta
from sartor.data.blobs import Blobs
from sartor.data.commits import Change, Commits
from sartor.data.delta import Action, Snapshot
from sartor.data.log import CHAPTER_VERSIONS, Entries, Log, LoggedPart, Made
from sartor.data.parquet_footer import footer
from sartor.data.parts import Part
from sartor.data.schema import Schema
from sartor.errors import Stopped

Mode = Literal["FULL", "INCREMENTAL"]

_HOW: Final[Mapping[Mode, Literal["overwrite", "append"]]] = {"FULL": "overwrite", "INCREMENTAL": "append"}


class Table:
    """One table in storage.

    Args:
        storage: where it lies.
        path: its folder there.
    """

    def __init__(self, storage: Blobs, path: str) -> None:
        self._storage = storage
        self._path = path
        self._log = Log(storage, path)
        self._commits = Commits(storage, path, self._log)
        self._staged_at: float | None = None

    @property
    def path(self) -> str:
        """Its folder in storage."""
        return self._path

    def stage(self) -> Any:
        """Return the local folder into which a writer puts the parts that it is going to commit."""
        self._staged_at = time.time()
        return self._storage.stage(self._path)

    def commit(
        self,
        parts: Sequence[Part],
        mode: Mode,
        schema: Schema,
        job_arn: str,
        note: Mapping[str, str] | None = None,
    ) -> int:
        """Make the parts the data (FULL) or add them to it (INCREMENTAL), all or nothing and once a job.

        Args:
            parts: what the job brings.
            mode: of the import.
            schema: of the dataset.
            job_arn: the job.
            note: what the table's history keeps of the job beside its ARN and mode.

        Returns:
            The version that the job's commit made, by this call or an earlier one.

        Raises:
            Stopped: the job has ended without this commit (see ``bar``), or a sweep took its parts.
            deltalake.exceptions.DeltaError: storage refuses the commit.
        """
        self._store_parts(parts)
        whole_note = {"sartor.job": job_arn, "sartor.mode": mode, **(note or {})}

        def attempt(before: Snapshot) -> int | Made:
            version = before.number(job_arn)
            if version is not None:
                return version
            if before.number(_bar(job_arn)) is not None:
                raise Stopped(f"{job_arn} has ended; its parts are nobody's")
            if self._lost_parts(before):
                raise Stopped(f"the parts of {job_arn} were swept; they must be written again")
            marks = {job_arn: before.version + 1}
            change = Change(schema, actions=delta.adds(parts), mode=_HOW[mode], note=whole_note, marks=marks)
            return self._commits.write(before, change)

        return self._commits.until_committed(attempt, lambda: self.snapshot().number(job_arn) or 0)

    def bar(self, job_arn: str, schema: Schema) -> bool:
        """Let a job that has not committed never do so, though an attempt of it be on its way.

        Returns:
            False if its parts are data already.
        """

        def attempt(before: Snapshot) -> bool | Made:
            if before.number(job_arn) is not None:
                return False
            if before.number(_bar(job_arn)) is not None:
                return True
            return self._commits.mark(before, {_bar(job_arn): 1}, schema)

        return self._commits.until_committed(attempt, lambda: True)

    def change(
        self,
        adds: Sequence[Part],
        removes: Sequence[str],
        *,
        schema: Schema,
        application: tuple[str, int],
        expected: int | None,
        more_columns: Mapping[str, str] | None = None,
        note: Mapping[str, str] | None = None,
    ) -> bool:
        """Replace some parts by others in one commit, if nobody has done so yet.

        Args:
            adds: new parts.
            removes: the names of parts that they replace.
            schema: of the dataset.
            application: a name and a number that the commit carries.
            expected: the number that the table must have of this application so far; 0 is none, ``None``
                anything but ``application``'s own.
            more_columns: columns beside the schema's, with DuckDB's types.
            note: what the table's history keeps of it.

        Returns:
            False if another was first, or a sweep; then these parts are nobody's and are swept later.
        """
        self._store_parts(adds)
        name, number = application

        def attempt(before: Snapshot) -> bool | Made:
            found = before.number(name) or 0
            if found == number if expected is None else found != expected:
                return False
            if not before.parts.keys() >= set(removes) or self._lost_parts(before):
                return False
            actions = [*delta.adds(adds), *map(delta.remove, removes)]
            change = Change(
                schema, more_columns or {}, actions=actions, note=note or {}, marks={name: number}
            )
            return self._commits.write(before, change)

        return self._commits.until_committed(attempt, lambda: True)

    def merge(self, part: Part, small: Sequence[str], schema: Schema) -> bool:
        """Put one part in the place of small ones that have the same rows; the version of the data stays.

        Returns:
            False if another writer replaced one of them first; then the part is nobody's and is swept later.
        """
        self._store_parts([part])

        def attempt(before: Snapshot) -> bool | Made:
            if not before.parts.keys() >= set(small) or self._lost_parts(before):
                return False
            actions: list[Action] = [
                delta.add(part.path.name, LoggedPart(part.size_bytes, part.rows), changes_data=False),
                *(delta.remove(name, changes_data=False) for name in small),
            ]
            merged = {"sartor.merged": str(len(small))}
            change = Change(schema, actions=actions, note=merged, marks=before.unchanged({}))
            return self._commits.write(before, change)

        return self._commits.until_committed(attempt, lambda: True)

    def restore(self, version: int, schema: Schema) -> int:
        """Make the data what it was in an older version, as a new version, and return its number.

        Args:
            version: the older one.
            schema: of the dataset.

        Raises:
            LookupError: there is no such version, or its files are gone.
        """

        def attempt(before: Snapshot) -> int | Made:
            if not 0 <= version <= before.version:
                newest = "no version" if before.version < 0 else f"versions 0 to {before.version}"
                raise LookupError(f"The table has {newest}; there is no version {version}.")
            now, wanted = before.parts, self._log.parts(version)
            back = {name: part for name, part in wanted.items() if name not in now}
            lost = [name for name in now if name not in wanted]
            stored = self._stored()
            gone = [name for name in back if not stored(name)]
            if gone:
                raise LookupError(
                    f"Version {version} is no longer kept: {len(gone)} of its {len(wanted)} files are deleted."
                )
            note = {
                "sartor.restored": str(version),
                "sartor.added": str(sum(part.rows for part in back.values())),
                "sartor.removed": str(sum(now[name].rows for name in lost)),
            }
            actions: list[Action] = [
                *(delta.add(name, part) for name, part in back.items()),
                *map(delta.remove, lost),
            ]
            marks = {delta.RESTORED: before.version + 1}
            return self._commits.write(before, Change(schema, actions=actions, note=note, marks=marks))

        return self._commits.until_committed(attempt, lambda: self.snapshot().number(delta.RESTORED) or 0)

    def add_columns(self, schema: Schema) -> None:
        """Give the table the columns that a newer schema has and it lacks; old rows read null."""
        now = self.snapshot()
        missing = [field for field in delta.schema_of(schema, {}).fields if field.name not in now.columns]
        if now.table is None or not missing:
            return
        now.table.alter.add_columns(
            missing,
            commit_properties=CommitProperties(custom_metadata={"sartor.columns": "added"}),
            post_commithook_properties=delta.NO_HOOKS,
        )
        self._commits.committed(now.version + 1)

    def snapshot(self) -> Snapshot:
        """Return the table as its newest version has it."""
        return self._commits.newest()

    def version(self) -> int | None:
        """Return the newest version that changed the data, or ``None`` when nothing was ever imported."""
        return self.snapshot().data_version

    def added_in(self, version: int) -> list[str]:
        """Return the names of the parts that a version's commit added."""
        return [
            entry["add"]["path"]
            for _, entries in self.log(version, version)
            for entry in entries
            if "add" in entry
        ]

    def stored_names(self) -> set[str]:
        """Return the names of all parts that are stored, of whatever version."""
        return {path.rpartition("/")[2] for path, _ in self._storage.files(self._path)}

    def restorable(self) -> tuple[int, Callable[[int, Iterable[str]], bool]]:
        """Return the newest version, -1 if there is none, and what says of a version and its parts whether it is kept.

        The newest may only have merged parts: then ``version`` is an older one.
        """
        now, upto = self.snapshot(), self._log.vacuumed().upto
        parts, stored = now.parts, cache(self._stored)

        def kept(version: int, names: Iterable[str]) -> bool:
            return version >= upto or all(name in parts or stored()(name) for name in names)

        return now.version, kept

    def found(self, part: Part) -> Path:
        """Return a local file with the content of a part that no commit names yet."""
        return self.local(part.path.name) if part.stored else part.path

    def discard(self, parts: Sequence[Part]) -> None:
        """Delete parts that no commit will name."""
        for part in parts:
            if part.stored:
                self._storage.delete(f"{self._path}/{part.path.name}")
            else:
                part.path.unlink(missing_ok=True)

    def local(self, name: str) -> Path:
        """Return a local file with a part's content."""
        return self._storage.local(self.stored(name))

    def outline(self, name: str, folder: Path) -> Path:
        """Return a local file that says what a part has; where ``local`` would copy it, only its footer is brought.

        Args:
            name: of the part.
            folder: where a copy may be written.
        """
        return self._storage.some(self.stored(name), lambda size, read: [footer(size, read)], folder / name)

    def stored(self, name: str) -> str:
        """Return the path of a part in storage."""
        return f"{self._path}/{name}"

    def parts_of(self, version: int) -> dict[str, LoggedPart]:
        """Return the parts of a version by name.

        Raises:
            LookupError: the log keeps it no longer.
        """
        return self._log.parts(version)

    def log(self, first: int = 0, last: int | None = None) -> Iterator[tuple[int, Entries]]:
        """Yield the versions from one to another or the newest, oldest first, with the entries of each in the log.

        Raises:
            LookupError: the log keeps one of them no longer.
        """
        return self._log.versions(first, self.snapshot().version if last is None else last)

    def vacuum(self, before: float, keep_log: bool = True) -> int:
        """Delete the parts that only versions have which were replaced before a time, and return how many.

        Args:
            before: epoch seconds; a version that was the newest at that time is kept.
            keep_log: whether anybody will ask what each version changed.
        """
        now = self.snapshot()
        if now.version < 0:
            return 0
        if self._log.checkpoint() < now.version - 2 * CHAPTER_VERSIONS:  # whoever should have settled it died
            self._commits.settle()
            now = self.snapshot()
        gone, upto = self._replaced(now, before)
        if keep_log and gone:
            # nobody restores from here on what is about to go; what was restored just now is data again
            self._commits.pass_until(delta.VACUUMED, min(before, time.time() + 0.001))
            now = self.snapshot()
            gone, upto = self._replaced(now, min(before, now.vacuumed_until))
        for name in gone:
            self._storage.delete(f"{self._path}/{name}")
        vacuumed = replace(self._log.vacuumed(), upto=upto)
        self._log.remember(vacuumed if keep_log else self._log.forget(now.version, vacuumed))
        return len(gone)

    def delete(self) -> None:
        """Delete every file of the table."""
        self._storage.delete_folder(self._path)

    def sweep(self, older_than_seconds: float) -> int:
        """Delete parts that no version names and that are older than this, and return how many.

        These are what jobs that died left behind. One that only slept commits none of them when it wakes up.
        """
        now = time.time()
        old = [
            path
            for path, changed in list(self._storage.files(self._path))
            if path.endswith(".parquet") and now - changed > older_than_seconds
        ]
        if not self._unnamed(old):
            return 0
        self._commits.pass_until(delta.SWEPT, min(now, now - older_than_seconds))
        swept = self._unnamed(old)  # what was committed until then stays
        for path in swept:
            self._storage.delete(path)
        return len(swept)

    def _unnamed(self, paths: Sequence[str]) -> list[str]:
        """Return the paths of parts that no version names."""
        now = self.snapshot()
        old = [path for path in paths if path.rpartition("/")[2] not in now.parts]
        named = self._log.named(self._log.vacuumed().upto + 1, now.version) if old else set()
        return [path for path in old if path.rpartition("/")[2] not in named]

    def _stored(self) -> Callable[[str], bool]:
        """Return what says whether a part is stored that is no longer data, and stays until another vacuum."""
        now = self.snapshot()
        doomed, _ = self._replaced(now, now.vacuumed_until)
        return cache(lambda name: name not in doomed and self._storage.has(f"{self._path}/{name}"))

    def _replaced(self, now: Snapshot, before: float) -> tuple[set[str], int]:
        """Return the stored parts that were replaced for good before a time, and the version that replaced the last."""
        gone, upto = self._log.replaced(now.version, before)
        if gone:  # else the mark need not be looked up
            gone -= self._log.named(upto + 1, now.restored_in)
        return gone, upto

    def _lost_parts(self, before: Snapshot) -> bool:
        """Return whether a sweep may have deleted what this writer has staged."""
        swept = before.number(delta.SWEPT) or 0
        return self._staged_at is not None and self._staged_at * 1000 < swept

    def _store_parts(self, parts: Sequence[Part]) -> None:
        for part in parts:
            if not part.stored:
                self._storage.put_file(f"{self._path}/{part.path.name}", part.path)


def _bar(job_arn: str) -> str:
    """Return the name of the mark that a job has ended without a commit."""
    return f"{job_arn}#ended"
