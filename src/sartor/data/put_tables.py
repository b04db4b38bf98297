"""The tables of what calls put, in the metadata database."""

import sqlalchemy as sa

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
#: The event ids that clients gave, and the history that they belong to.
EVENT = sa.Table(
    "put_event",
    METADATA,
    sa.Column("dataset", sa.BigInteger, primary_key=True),
    sa.Column("event", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Index("put_event_key", "dataset", "key"),
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
#: The one number that grows, and the leases of chores.
COUNTER = sa.Table(
    "put_counter",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
)
LEASE = sa.Table(
    "chore_lease",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("leased_until", sa.Double, nullable=False),
)
