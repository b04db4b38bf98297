"""The tables of what calls put, in the metadata database.

A record's number is the microsecond at which it was given, or one more than the last: it grows with every commit of a
dataset, over all processes, and says the day. So PostgreSQL keeps a week's records apart and drops them together.
"""

import sqlalchemy as sa

from sartor.data.put_numbers import MOST_COUNTED

METADATA = sa.MetaData()
#: The records that one call brought of one history; ``body`` has a line for each, a JSON object of its cells by
#: column, and ``seq`` is the number of the last. A row for each record would cost twice the writing.
PUT = sa.Table(
    "put_record",
    METADATA,
    sa.Column("dataset", sa.BigInteger, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("session", sa.Text),
    sa.Column("body", sa.Text, nullable=False),
    sa.Index("put_record_seq", "dataset", "seq"),
    # one user's records lie together, so that his history is one read
    sqlite_with_rowid=False,
)
#: What was counted from one has a part of its own.
sa.event.listen(
    PUT,
    "after_create",
    sa.DDL(  # type: ignore[no-untyped-call]
        "CREATE TABLE IF NOT EXISTS put_record_counted PARTITION OF put_record "
        f"FOR VALUES FROM (MINVALUE) TO ({MOST_COUNTED})"
    ).execute_if(dialect="postgresql"),
)
#: The event ids that clients gave, and the history that they belong to.
EVENT = sa.Table(
    "put_event",
    METADATA,
    sa.Column("dataset", sa.BigInteger, primary_key=True),
    sa.Column("event", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Index("put_event_key", "dataset", "key"),
    sa.Index("put_event_at", "at").ddl_if(dialect="postgresql"),
    sqlite_with_rowid=False,
)
#: What was taken and could not be used.
REJECTED = sa.Table(
    "put_rejected",
    METADATA,
    sa.Column("dataset", sa.BigInteger, primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sqlite_with_rowid=False,
)
#: The last number that a dataset has given, and that of its newest record, 0 if it has none.
NUMBER = sa.Table(
    "put_number",
    METADATA,
    sa.Column("dataset", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("newest", sa.BigInteger, nullable=False),
)
#: The leases of chores.
LEASE = sa.Table(
    "chore_lease",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("leased_until", sa.Double, nullable=False),
)


def _as_postgresql_has_it(table: sa.Table, connection: sa.Connection, **_: object) -> None:
    """Say of a table what PostgreSQL alone knows, now that it is made there.

    Said where the table is declared it would load SQLAlchemy's six drivers of PostgreSQL into every process.
    """
    if connection.dialect.name != "postgresql":
        return
    if table is PUT:
        table.dialect_options["postgresql"]["partition_by"] = "RANGE (seq)"
    for index in table.indexes:
        if (
            index.name == "put_event_at"
        ):  # events come in the order of their times: few pages serve a large table
            index.dialect_options["postgresql"]["using"] = "brin"


for _table in (PUT, EVENT):
    sa.event.listen(_table, "before_create", _as_postgresql_has_it)
