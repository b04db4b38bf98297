"""The tables of the metadata database, and what a row of them is in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson
import sqlalchemy as sa

METADATA = sa.MetaData()
_SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")

RESOURCE = sa.Table(
    "resource",
    METADATA,
    sa.Column("seq", _SERIAL, primary_key=True, autoincrement=True),
    sa.Column("arn", sa.Text, nullable=False, unique=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("status", sa.Text),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("private", sa.Text, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.Column("failure_reason", sa.Text),
    sa.Index("resource_listed", "kind", "account", "region", "created_at", "seq"),
    sqlite_autoincrement=True,  # no number twice: a job stays older than the next dataset of its ARN
)
REFERENCE = sa.Table(
    "reference",
    METADATA,
    sa.Column("parent", sa.Text, primary_key=True),
    sa.Column("child", sa.Text, primary_key=True),
    sa.Index("reference_child", "child"),
)
TAG = sa.Table(
    "tag",
    METADATA,
    sa.Column("arn", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
TASK = sa.Table(
    "task",
    METADATA,
    sa.Column("id", _SERIAL, primary_key=True, autoincrement=True),
    sa.Column("arn", sa.Text, nullable=False, unique=True),  # one piece of work at a time for a resource
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("verb", sa.Text, nullable=False),
    sa.Column("lane", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False, default=0),
    sa.Column("worker", sa.Text),
    sa.Column("leased_until", sa.Double, nullable=False, default=0.0),
    sa.Column("progress", sa.Text),
    sa.Index("task_due", "lane", "leased_until"),
    sqlite_autoincrement=True,  # a stale worker can never hit the task that came after its own
)
ACCESS_KEY = sa.Table(
    "access_key",
    METADATA,
    sa.Column("seq", _SERIAL, primary_key=True, autoincrement=True),
    sa.Column("access_key_id", sa.Text, nullable=False, unique=True),
    sa.Column("secret_access_key", sa.Text, nullable=False),
    sa.Column("account", sa.Text, nullable=False),
)
ACCESS_ROLE = sa.Table(
    "access_role",
    METADATA,
    sa.Column("arn", sa.Text, primary_key=True),
    sa.Column("role_id", sa.Text, nullable=False),
    sa.Column("trust", sa.Text, nullable=False),
    sa.Column("max_session_seconds", sa.Integer, nullable=False),
)
#: The policies of a key, by its id, or of a role, by its ARN: a JSON list of documents.
ACCESS_POLICY = sa.Table(
    "access_policy",
    METADATA,
    sa.Column("principal", sa.Text, primary_key=True),
    sa.Column("documents", sa.Text, nullable=False),
)
#: What calls changed: a chain for each account and region, whose lock every writer holds.
AUDIT_RECORD = sa.Table(
    "audit_record",
    METADATA,
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("region", sa.Text, primary_key=True),
    sa.Column("number", _SERIAL, primary_key=True, autoincrement=False),
    sa.Column("record", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)
SETTING = sa.Table(
    "setting",
    METADATA,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)


#: The ARN, number, status and last change of a resource.
Stamp = tuple[str, int, str | None, float]


@dataclass(frozen=True, slots=True)
class Resource:
    """One thing that an ARN names.

    Attributes:
        arn: its name for the world.
        kind: the name of its row in ``kinds.KINDS``.
        account: who owns it.
        region: where it is.
        name: what its creator called it.
        status: as the service model spells it; ``None`` for kinds that have none.
        body: its own members of the Describe answer.
        private: what only Sartor knows of it, such as the path of its table.
        created_at: epoch seconds.
        updated_at: epoch seconds; changes with the status.
        failure_reason: why it failed, if it did.
        seq: grows with every resource ever added; the database gives it.
    """

    arn: str
    kind: str
    account: str
    region: str
    name: str
    status: str | None
    body: dict[str, Any]
    private: dict[str, Any]
    created_at: float
    updated_at: float
    failure_reason: str | None = None
    seq: int = 0

    @property
    def stamp(self) -> Stamp:
        """What changes with it, as ``Store.stamps`` gives it."""
        return self.arn, self.seq, self.status, self.updated_at


class TaskRow(NamedTuple):
    """A task as its table holds it, without its resource; its lease holds until an epoch second."""

    id: int
    arn: str
    kind: str
    verb: str
    lane: str
    attempt: int
    worker: str | None
    leased_until: float
    progress: dict[str, Any] | None


#: What a read of a resource or a task selects, in the order of the two functions below.
RESOURCE_COLUMNS = [RESOURCE.c[name] for name in Resource.__slots__]
TASK_COLUMNS = [TASK.c[name] for name in TaskRow._fields]


def resource_of(row: Sequence[Any]) -> Resource:
    """Return the resource of one row in the order of ``RESOURCE_COLUMNS``."""
    arn, kind, account, region, name, status, body, private, created_at, updated_at, reason, seq = row
    return Resource(
        arn,
        kind,
        account,
        region,
        name,
        status,
        orjson.loads(body),
        orjson.loads(private),
        created_at,
        updated_at,
        reason,
        seq,
    )


def task_of(row: Sequence[Any]) -> TaskRow:
    """Return the task of one row in the order of ``TASK_COLUMNS``."""
    *known, progress = row
    return TaskRow._make([*known, None if progress is None else orjson.loads(progress)])
