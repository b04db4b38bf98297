"""What can be asked and changed in one transaction: resources, what they name, their tags, the work owed to them."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

import orjson
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from sartor.data import put_tables, samples
from sartor.resources.audit import LINK, Row, chained
from sartor.resources.kind_names import DATASET
from sartor.resources.tables import (
    AUDIT_RECORD,
    REFERENCE,
    RESOURCE,
    RESOURCE_COLUMNS,
    SETTING,
    TAG,
    TASK,
    TASK_COLUMNS,
    Resource,
    TaskRow,
    resource_of,
    task_of,
)

#: So many records of what calls changed are read at once.
_AUDIT_ROWS: Final = 1000
#: How the rows of used words begin among the service's own.
_SPENT: Final = "spent "


class Duplicate(Exception):  # noqa: N818 - says what the row is
    """A resource with this ARN is already there."""


def _text(value: Mapping[str, Any]) -> str:
    """Return ``value`` as the JSON text that a column keeps."""
    return orjson.dumps(value).decode()


def _until(seconds: float) -> str:
    """Return a time, in epoch seconds, as a text that sorts as times do."""
    return f"{int(seconds):015d}"


class Transaction:
    """What can be asked and changed while ``Store.read`` or ``Store.write`` is open.

    Attributes:
        owed: the numbers of the tasks that were added in it, by the ARN whose work they are.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self.owed: dict[str, int] = {}

    # resources

    def get(self, arn: str) -> Resource | None:
        """Return the resource of this ARN, whoever owns it."""
        row = self._connection.execute(sa.select(*RESOURCE_COLUMNS).where(RESOURCE.c.arn == arn)).first()
        return None if row is None else resource_of(row)

    def add(self, resource: Resource, parents: Collection[str] = ()) -> None:
        """Add a resource and one reference for each ARN in ``parents``.

        Raises:
            Duplicate: the ARN is taken, also when another process took it a moment ago.
        """
        values = {name: getattr(resource, name) for name in Resource.__slots__ if name != "seq"}
        values |= {"body": _text(resource.body), "private": _text(resource.private)}
        try:
            self._connection.execute(sa.insert(RESOURCE).values(values))
        except IntegrityError as taken:
            raise Duplicate(resource.arn) from taken
        if parents:
            edges = [{"parent": parent, "child": resource.arn} for parent in dict.fromkeys(parents)]
            self._connection.execute(sa.insert(REFERENCE), edges)

    def set_status(self, arn: str, status: str | None, now: float, failure_reason: str | None = None) -> None:
        """Set a resource's status, when it changed (epoch seconds) and why it failed."""
        self._connection.execute(
            sa.update(RESOURCE)
            .where(RESOURCE.c.arn == arn)
            .values(status=status, updated_at=now, failure_reason=failure_reason)
        )

    def merge_private(self, arn: str, members: Mapping[str, Any]) -> None:
        """Add members to what Sartor alone knows of a resource."""
        resource = self.get(arn)
        if resource is not None:
            merged = _text({**resource.private, **members})
            self._connection.execute(sa.update(RESOURCE).where(RESOURCE.c.arn == arn).values(private=merged))

    def replace_body(self, arn: str, body: Mapping[str, Any], private: Mapping[str, Any], now: float) -> None:
        """Give a resource other members and what Sartor alone knows of it, at a time (epoch seconds)."""
        values = {"body": _text(body), "private": _text(private), "updated_at": now}
        self._connection.execute(sa.update(RESOURCE).where(RESOURCE.c.arn == arn).values(values))

    def set_parents(self, arn: str, parents: Collection[str]) -> None:
        """Let a resource name these and no others."""
        self._connection.execute(sa.delete(REFERENCE).where(REFERENCE.c.child == arn))
        edges = [{"parent": parent, "child": arn} for parent in dict.fromkeys(parents)]
        self._connection.execute(sa.insert(REFERENCE), edges)

    def parents(self, arn: str) -> list[str]:
        """Return the ARNs that a resource names, sorted."""
        query = sa.select(REFERENCE.c.parent).where(REFERENCE.c.child == arn).order_by(REFERENCE.c.parent)
        return list(self._connection.execute(query).scalars())

    def children(self, parent: str, kind: str) -> list[Resource]:
        """Return the resources of a kind that name ``parent``, oldest first."""
        query = (
            sa.select(*RESOURCE_COLUMNS)
            .join(REFERENCE, REFERENCE.c.child == RESOURCE.c.arn)
            .where(REFERENCE.c.parent == parent, RESOURCE.c.kind == kind)
            .order_by(RESOURCE.c.seq)
        )
        return [resource_of(row) for row in self._connection.execute(query)]

    def datasets(self, group_arn: str, types: Iterable[str] | None = None) -> dict[str, Resource]:
        """Return the datasets of a group by type, of these types or all; the hidden one of events is none."""
        found = {one.body["datasetType"]: one for one in self.children(group_arn, DATASET)}
        return found if types is None else {name: found[name] for name in types if name in found}

    def put_number(self, seq: int) -> int:
        """Return the last number that the dataset whose resource has this ``seq`` has given, 0 if it has given none.

        Whatever calls put into it later has a larger one.
        """
        column = put_tables.NUMBER.c
        found = self._connection.execute(sa.select(column.seq).where(column.dataset == seq)).scalar()
        return int(found or 0)

    def has_put(self, seq: int) -> bool:
        """Return whether calls have put records into the dataset whose resource has this ``seq``."""
        column = put_tables.NUMBER.c
        query = sa.select(column.seq).where(column.dataset == seq, column.newest > 0)
        return self._connection.execute(query).first() is not None

    def remove(self, arn: str) -> None:
        """Remove a resource, its tags, samples, work and the references that it holds; others' to it stay."""
        self._connection.execute(sa.delete(RESOURCE).where(RESOURCE.c.arn == arn))
        self._connection.execute(sa.delete(REFERENCE).where(REFERENCE.c.child == arn))
        self._connection.execute(sa.delete(TAG).where(TAG.c.arn == arn))
        self._connection.execute(sa.delete(TASK).where(TASK.c.arn == arn))
        samples.delete(self._connection, arn)

    def begin_samples(self, arn: str, origin: str, seq: int) -> None:
        """Count what comes from an origin for a metric attribution, from a number on, and nothing else so far."""
        samples.delete(self._connection, arn)
        samples.begin(self._connection, arn, origin, seq)

    def page(
        self,
        kind: str,
        account: str,
        region: str,
        *,
        limit: int,
        parent: str | None = None,
        after: tuple[float, int] | None = None,
        search: str = "",
        statuses: Collection[str] | None = None,
    ) -> list[Resource]:
        """Return up to ``limit`` resources of one kind, newest first.

        Args:
            kind: which kind.
            account: whose.
            region: where.
            limit: how many at most.
            parent: only those that name this ARN.
            after: ``created_at`` and ``seq`` of the last one already seen. A position, not a count, so that
                what is created or deleted meanwhile neither repeats nor hides a row.
            search: only those whose ARN has this text, in any case.
            statuses: only those of these; ``None`` is all.
        """
        column = RESOURCE.c
        query = sa.select(*RESOURCE_COLUMNS).where(
            column.kind == kind, column.account == account, column.region == region
        )
        if parent is not None:
            children = sa.select(REFERENCE.c.child).where(REFERENCE.c.parent == parent)
            query = query.where(column.arn.in_(children))
        if search:
            query = query.where(column.arn.icontains(search, autoescape=True))
        if statuses is not None:
            query = query.where(column.status.in_(statuses))
        if after is not None:
            created_at, seq = after
            query = query.where(
                sa.or_(
                    column.created_at < created_at,
                    sa.and_(column.created_at == created_at, column.seq < seq),
                )
            )
        query = query.order_by(column.created_at.desc(), column.seq.desc()).limit(limit)
        return [resource_of(row) for row in self._connection.execute(query)]

    def named(self, kind: str, account: str, region: str, name: str) -> list[Resource]:
        """Return the resources of one kind that their creators called so, oldest first."""
        column = RESOURCE.c
        query = sa.select(*RESOURCE_COLUMNS).where(
            column.kind == kind, column.account == account, column.region == region, column.name == name
        )
        return [resource_of(row) for row in self._connection.execute(query.order_by(column.seq))]

    def every(self, kind: str) -> list[Resource]:
        """Return the resources of one kind of all accounts and regions, oldest first; for chores."""
        query = sa.select(*RESOURCE_COLUMNS).where(RESOURCE.c.kind == kind).order_by(RESOURCE.c.seq)
        return [resource_of(row) for row in self._connection.execute(query)]

    def count(self, kind: str, account: str, region: str, statuses: Collection[str] | None = None) -> int:
        """Return how many resources of one kind an account has in a region, of these statuses or of any."""
        query = sa.select(sa.func.count()).where(
            RESOURCE.c.kind == kind, RESOURCE.c.account == account, RESOURCE.c.region == region
        )
        if statuses is not None:
            query = query.where(RESOURCE.c.status.in_(statuses))
        return int(self._connection.execute(query).scalar_one())

    def child(
        self, parent: str, kind: str, statuses: Collection[str] | None = None, newer_than: int = 0
    ) -> Resource | None:
        """Return the newest resource of ``kind`` that names ``parent``, of these statuses or of any.

        Args:
            parent: the ARN that is named.
            kind: the kind of what names it.
            statuses: the statuses that count; ``None`` counts all.
            newer_than: only what was added after the resource with this ``seq``.
        """
        query = (
            sa.select(*RESOURCE_COLUMNS)
            .join(REFERENCE, REFERENCE.c.child == RESOURCE.c.arn)
            .where(REFERENCE.c.parent == parent, RESOURCE.c.kind == kind, RESOURCE.c.seq > newer_than)
        )
        if statuses is not None:
            query = query.where(RESOURCE.c.status.in_(statuses))
        row = self._connection.execute(query.order_by(RESOURCE.c.seq.desc()).limit(1)).first()
        return None if row is None else resource_of(row)

    # tags

    def tags(self, arn: str) -> dict[str, str]:
        """Return a resource's tags, sorted by key."""
        query = sa.select(TAG.c.key, TAG.c.value).where(TAG.c.arn == arn)
        return dict(sorted((row.key, row.value) for row in self._connection.execute(query)))

    def set_tags(self, arn: str, tags: Mapping[str, str]) -> None:
        """Add tags to a resource; a key that is there gets the new value."""
        self.remove_tags(arn, tags)
        if tags:
            rows = [{"arn": arn, "key": key, "value": value} for key, value in tags.items()]
            self._connection.execute(sa.insert(TAG), rows)

    def remove_tags(self, arn: str, keys: Collection[str]) -> None:
        """Remove these of a resource's tags; keys that it does not have are no matter."""
        self._connection.execute(sa.delete(TAG).where(TAG.c.arn == arn, TAG.c.key.in_(list(keys))))

    # audit

    def append_audit(self, account: str, region: str, record: str) -> None:
        """Add a record to the chain of an account and region, whose lock the transaction holds."""
        column = AUDIT_RECORD.c
        last = self._connection.execute(
            sa.select(column.number, column.hash)
            .where(column.account == account, column.region == region)
            .order_by(column.number.desc())
            .limit(1)
        ).first()
        number, before = (0, "") if last is None else last
        row = Row(account, region, number + 1, record, chained(before, record))
        self._connection.execute(sa.insert(AUDIT_RECORD), [vars(row)])

    def audit(self, account: str | None = None, region: str | None = None) -> Iterator[Row]:
        """Yield every record of what calls changed, by account and region, oldest first.

        Args:
            account: whose records, if not everybody's.
            region: of them.
        """
        column = AUDIT_RECORD.c
        query = sa.select(AUDIT_RECORD).order_by(column.account, column.region, column.number)
        if account is not None:
            query = query.where(column.account == account, column.region == region)
        for row in self._connection.execution_options(yield_per=_AUDIT_ROWS).execute(query):
            yield Row(row.account, row.region, row.number, row.record, row.hash)

    def audit_before(
        self, account: str, region: str, number: int | None, limit: int, having: Collection[str] = ()
    ) -> list[Row]:
        """Return records of what was changed in an account and region, newest first; data events are left out.

        Args:
            account: whose records.
            region: of them.
            number: of the record before which they are; ``None``: of all.
            limit: how many at most.
            having: texts that each record has somewhere, as JSON writes them, in any case.
        """
        column = AUDIT_RECORD.c
        query = sa.select(AUDIT_RECORD).where(
            column.account == account,
            column.region == region,
            ~column.record.startswith(LINK, autoescape=True),
        )
        if number is not None:
            query = query.where(column.number < number)
        for text in having:
            query = query.where(column.record.icontains(text, autoescape=True))
        rows = self._connection.execute(query.order_by(column.number.desc()).limit(limit))
        return [Row(row.account, row.region, row.number, row.record, row.hash) for row in rows]

    # what may be used once

    def spend(self, word: str, until: float, now: float) -> bool:
        """Keep that a word was used that may be used once, and forget those whose time is over.

        Args:
            word: what was used.
            until: when nobody would take it any more, in epoch seconds.
            now: epoch seconds.

        Returns:
            Whether it was unused.
        """
        column = SETTING.c
        over = sa.and_(column.key.startswith(_SPENT), column.value < _until(now))
        self._connection.execute(sa.delete(SETTING).where(over))
        if self.is_spent(word):
            return False
        self._connection.execute(sa.insert(SETTING).values(key=_SPENT + word, value=_until(until)))
        return True

    def is_spent(self, word: str) -> bool:
        """Return whether a word was used that may be used once."""
        query = sa.select(SETTING.c.key).where(SETTING.c.key == _SPENT + word)
        return self._connection.execute(query).first() is not None

    # tasks

    def add_task(self, arn: str, kind: str, verb: str, lane: str) -> None:
        """Owe one piece of work to a resource."""
        added = sa.insert(TASK).values(arn=arn, kind=kind, verb=verb, lane=lane).returning(TASK.c.id)
        self.owed[arn] = self._connection.execute(added).scalar_one()

    def tasks(self) -> list[TaskRow]:
        """Return all work that is owed, oldest first; one without a worker waits."""
        query = sa.select(*TASK_COLUMNS).order_by(TASK.c.id)
        return [task_of(row) for row in self._connection.execute(query)]

    def claim_task(
        self, worker: str, lanes: Collection[str], now: float, leased_until: float
    ) -> TaskRow | None:
        """Lease the oldest due task to ``worker``, in one statement, so that no two workers get the same."""
        due = (
            sa.select(TASK.c.id)
            .where(TASK.c.lane.in_(list(lanes)), TASK.c.leased_until <= now)
            .order_by(TASK.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)  # SQLite needs no such clause: it has one writer at a time
        )
        claim = (
            sa.update(TASK)
            .where(TASK.c.id == due.scalar_subquery())
            .values(worker=worker, attempt=TASK.c.attempt + 1, leased_until=leased_until)
            .returning(*TASK_COLUMNS)
        )
        row = self._connection.execute(claim).first()
        return None if row is None else task_of(row)

    def renew_task(
        self, task_id: int, worker: str, attempt: int, leased_until: float, progress: Mapping[str, Any] | None
    ) -> bool:
        """Extend a lease and keep the progress; false if the lease is another's by now."""
        values: dict[str, Any] = {"leased_until": leased_until}
        if progress is not None:
            values["progress"] = _text(progress)
        return self._changes_held(sa.update(TASK).values(values), task_id, worker, attempt)

    def holds_task(self, task_id: int, worker: str, attempt: int) -> bool:
        """Return whether a lease is still this worker's attempt's; it stays so until the transaction ends."""
        return self._changes_held(sa.update(TASK).values(attempt=attempt), task_id, worker, attempt)

    def end_task(self, task_id: int, worker: str, attempt: int) -> bool:
        """Remove a task whose work is settled; false if the lease is another's by now."""
        return self._changes_held(sa.delete(TASK), task_id, worker, attempt)

    def give_back_task(self, task_id: int, worker: str, attempt: int) -> bool:
        """End a lease as if the attempt had never been; false if the lease is another's by now."""
        undone = sa.update(TASK).values(worker=None, attempt=TASK.c.attempt - 1, leased_until=0.0)
        return self._changes_held(undone, task_id, worker, attempt)

    def drop_waiting_task(self, arn: str) -> bool:
        """Remove the work that is owed to a resource unless a worker has it; return whether it was removed."""
        dropped = sa.delete(TASK).where(TASK.c.arn == arn, TASK.c.worker.is_(None))
        return self._connection.execute(dropped).rowcount == 1

    def drop_task(self, task_id: int) -> None:
        """Remove a task; whoever has it hears with its next renewal that the lease is lost."""
        self._connection.execute(sa.delete(TASK).where(TASK.c.id == task_id))

    def task(self, arn: str) -> TaskRow | None:
        """Return the work that is owed to a resource, if any."""
        row = self._connection.execute(sa.select(*TASK_COLUMNS).where(TASK.c.arn == arn)).first()
        return None if row is None else task_of(row)

    def _changes_held(self, change: sa.Update | sa.Delete, task_id: int, worker: str, attempt: int) -> bool:
        """Run ``change`` on a task only if this worker's attempt still holds it; return whether it does."""
        held = change.where(TASK.c.id == task_id, TASK.c.worker == worker, TASK.c.attempt == attempt)
        return self._connection.execute(held).rowcount == 1
