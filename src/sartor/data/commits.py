"""How a table changes: one commit after the other, each on top of the version that its writer looked at.

A writer that was overtaken looks again. Opening a table costs the same after twenty commits and after twenty thousand:
see ``settle``.
"""

import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeVar

from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import (
    AddAction,
    CommitProperties,
    Transaction,
    create_table_with_add_actions,
)

from sartor.data import delta
from sartor.data.blobs import Blobs
from sartor.data.delta import Action, Snapshot
from sartor.data.log import CHAPTER_VERSIONS, COMMIT, Log, Made
from sartor.data.schema import Schema

LOG = logging.getLogger("sartor.data")

_COMMIT_ATTEMPTS: Final = 20
#: Applications of Sartor itself; every other one is a job, whose mark is needed only until the job has ended.
_OWN: Final = "sartor."
#: A job's mark is kept until so many versions followed its own.
_MARK_VERSIONS: Final = 1000
_LONG_AGO_MS: Final = 1
#: In so few seconds nobody makes as many versions as Delta's log keeps.
_QUICK_SECONDS: Final = 0.2
Result = TypeVar("Result")


@dataclass(frozen=True)
class Change:
    """What one commit changes.

    Attributes:
        schema: the columns that the table has then; ``None`` for those that it has.
        more_columns: columns beside the schema's, with DuckDB's types.
        actions: the log's entries of parts that come and go.
        mode: whether parts that are not named stay.
        note: what the table's history keeps of it.
        marks: numbers that the commit carries, by application.
    """

    schema: Schema | None = None
    more_columns: Mapping[str, str] = field(default_factory=dict)
    actions: Sequence[Action] = ()
    mode: Literal["overwrite", "append"] = "append"
    note: Mapping[str, str] = field(default_factory=dict)
    marks: Mapping[str, int] = field(default_factory=dict)


class Commits:
    """The commits of one table.

    Args:
        storage: where it lies.
        path: its folder there.
        log: of the table.
    """

    def __init__(self, storage: Blobs, path: str, log: Log) -> None:
        self._storage = storage
        self._path = path
        self._log = log

    def newest(self) -> Snapshot:
        """Return the table as its newest version has it."""
        with self._storage.in_words():
            return delta.opened(self._uri, self._storage.delta_options)

    def until_committed(
        self, attempt: Callable[[Snapshot], Result | Made], done: Callable[[], Result]
    ) -> Result:
        """Commit on top of the newest version, again while other writers are first.

        Args:
            attempt: commits on top of a version; a result that is no commit means there is nothing to do.
            done: gives the result after a commit.

        Raises:
            StorageFaultError: the S3 service does not answer, or refuses.
        """
        with self._storage.in_words():
            return self._until_committed(attempt, done)

    def _until_committed(
        self, attempt: Callable[[Snapshot], Result | Made], done: Callable[[], Result]
    ) -> Result:
        for number in range(_COMMIT_ATTEMPTS):
            begun, before = time.monotonic(), self.newest()
            try:  # on top of the very version that was looked at, so that a twin of this writer is a conflict
                found = attempt(before)
            except DeltaError as error:
                went_on = self.newest().version > before.version
                if not went_on and not isinstance(error, CommitFailedError):
                    raise
                time.sleep(0.01 * number)  # another writer was first; look again
                continue
            if not isinstance(found, Made):
                return found
            slept = time.monotonic() - begun > _QUICK_SECONDS
            if slept and not self._log.stands(found, self.newest().version):
                continue  # it wrote where nobody looks any more
            self.committed(found.version)
            return done()
        raise DeltaError(f"{_COMMIT_ATTEMPTS} commits to {self._path} were overtaken by others")

    def write(self, before: Snapshot, change: Change) -> Made:
        """Try one commit on top of this version, and return it."""
        made = Made(before.version + 1, secrets.token_hex(8))
        now = round(time.time() * 1000)
        marks = [
            Transaction(name, number, None if name.startswith(_OWN) else now)
            for name, number in change.marks.items()
        ]
        properties = CommitProperties(
            custom_metadata={**change.note, COMMIT: made.name},
            max_commit_retries=0,  # a retry must look first whether it is still wanted
            app_transactions=[*marks, *self._passed(before, change.marks)],
        )
        table, schema = before.table, change.schema
        if table is not None:
            table.create_write_transaction(
                list(change.actions),
                mode=change.mode,
                schema=table.schema() if schema is None else delta.schema_of(schema, change.more_columns),
                commit_properties=properties,
                post_commithook_properties=delta.NO_HOOKS,
            )
            return made
        assert schema is not None, "a table begins with columns"
        create_table_with_add_actions(
            self._uri,
            delta.schema_of(schema, change.more_columns),
            [action for action in change.actions if isinstance(action, AddAction)],
            mode="error",
            name=schema.dataset_type,
            configuration=delta.CONFIGURATION,
            storage_options=self._storage.delta_options,
            commit_properties=properties,
        )
        return made

    def mark(self, before: Snapshot, marks: Mapping[str, int], schema: Schema | None = None) -> Made:
        """Try to commit marks and nothing else, and return the commit: the version of the data stays."""
        return self.write(before, Change(schema, note={"sartor.merged": "0"}, marks=before.unchanged(marks)))

    def pass_until(self, mark: str, moment: float) -> int:
        """Mark the table with a moment unless it has a later one, and return the newest version then."""
        number = round(moment * 1000)

        def attempt(before: Snapshot) -> int | Made:
            if before.table is None or (before.number(mark) or 0) >= number:
                return before.version
            return self.mark(before, {mark: number})

        return self.until_committed(attempt, lambda: self.newest().version)

    def committed(self, version: int) -> None:
        """Settle the table every few versions; a commit stands whatever becomes of that."""
        if (version + 1) % CHAPTER_VERSIONS == 0:
            try:
                self.settle()
            except Exception:  # the next one, or a sweep, does it
                LOG.exception("the log of %s could not be shortened; it is tried again", self._path)

    def settle(self) -> None:
        """Keep what the log says in chapters, and for Delta a checkpoint and a short log."""
        now = self.newest()
        if now.table is None:
            return
        self._log.keep(now.version)
        now.table.create_checkpoint()
        self._log.shorten(now.version)

    @property
    def _uri(self) -> str:
        return f"{self._storage.uri}/{self._path}"

    def _passed(self, before: Snapshot, marks: Mapping[str, int]) -> list[Transaction]:
        """Return the marks of jobs that ended long ago, dated so that the next checkpoint drops them."""
        first = before.version + 1 - _MARK_VERSIONS
        if first < 0 or first % CHAPTER_VERSIONS:
            return []
        old = self._log.marks(first, first + CHAPTER_VERSIONS - 1, _LONG_AGO_MS)
        return [
            Transaction(name, number, _LONG_AGO_MS)
            for name, number in old.items()
            if name not in marks and before.number(name) == number
        ]
