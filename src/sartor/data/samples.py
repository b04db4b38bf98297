"""The values of metric attributions as they grow: how much each metric had from each source in each window.

What is counted carries its origin, such as an import job or the number of the last event, and is added in the
same transaction as the note of that origin: nothing counts twice.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import sqlalchemy as sa

from sartor.data.attribution import Sample
from sartor.database import Database

METADATA = sa.MetaData()
SAMPLE = sa.Table(
    "metric_sample",
    METADATA,
    sa.Column("attribution", sa.Text, primary_key=True),
    sa.Column("metric", sa.Text, primary_key=True),
    sa.Column("event_type", sa.Text, primary_key=True),
    sa.Column("function", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("window_start", sa.BigInteger, primary_key=True),
    sa.Column("value", sa.Double, nullable=False),
)
#: How far each origin of an attribution is counted.
ORIGIN = sa.Table(
    "metric_origin",
    METADATA,
    sa.Column("attribution", sa.Text, primary_key=True),
    sa.Column("origin", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False),
)


@dataclass(frozen=True)
class Amount:
    """What one source brought one metric from a point in time to the next.

    Attributes:
        metric: its name in upper case.
        source: what events are attributed to.
        start: of the point, in epoch seconds.
        value: the count or sum.
    """

    metric: str
    source: str
    start: int
    value: float


def begin(connection: sa.Connection, attribution: str, origin: str, seq: int) -> None:
    """Count an origin of an attribution from a number on, in the transaction of a connection."""
    row = {"attribution": attribution, "origin": origin, "seq": seq}
    connection.execute(sa.insert(ORIGIN).values(row))


def delete(connection: sa.Connection, attribution: str) -> None:
    """Remove all values of an attribution, in the transaction of a connection."""
    for table in (SAMPLE, ORIGIN):
        connection.execute(sa.delete(table).where(table.c.attribution == attribution))


class Samples:
    """The values of all metric attributions of a service.

    Args:
        database: where they lie.
    """

    def __init__(self, database: Database) -> None:
        self._write, self._read = database.write, database.read

    def counted(self, attribution: str, origin: str) -> int | None:
        """Return how far an origin is counted, ``None`` if not at all."""
        query = sa.select(ORIGIN.c.seq).where(ORIGIN.c.attribution == attribution, ORIGIN.c.origin == origin)
        with self._read() as connection:
            found = connection.execute(query).scalar()
        return None if found is None else int(found)

    def add(
        self, attribution: str, origin: str, samples: Sequence[Sample], seq: int, expected: int | None
    ) -> bool:
        """Add values to what is there, if the origin is counted as far as expected; false if it is not.

        Args:
            attribution: the ARN of the metric attribution.
            origin: where the values come from.
            samples: the values.
            seq: how far the origin is counted then.
            expected: how far it was counted before; ``None``: not at all.
        """
        mine = (ORIGIN.c.attribution == attribution, ORIGIN.c.origin == origin)
        with self._write() as connection:
            found = connection.execute(sa.select(ORIGIN.c.seq).where(*mine).with_for_update()).scalar()
            if found != expected:
                return False
            if expected is None:
                begin(connection, attribution, origin, seq)
            else:
                connection.execute(sa.update(ORIGIN).where(*mine).values(seq=seq))
            for sample in samples:
                name, event_type, value, function, source, start = astuple(sample)
                key = sa.and_(
                    SAMPLE.c.attribution == attribution,
                    SAMPLE.c.metric == name,
                    SAMPLE.c.event_type == event_type,
                    SAMPLE.c.function == function,
                    SAMPLE.c.source == source,
                    SAMPLE.c.window_start == start,
                )
                grown = sa.update(SAMPLE).where(key).values(value=SAMPLE.c.value + value)
                if connection.execute(grown).rowcount == 0:
                    connection.execute(
                        sa.insert(SAMPLE).values(
                            (attribution, name, event_type, function, source, start, value)
                        )
                    )
        return True

    def totals(self) -> list[tuple[str, str, str, str, float]]:
        """Return attribution, metric, event type, source and value over all windows, for every attribution."""
        names = (SAMPLE.c.attribution, SAMPLE.c.metric, SAMPLE.c.event_type, SAMPLE.c.source)
        query = sa.select(*names, sa.func.sum(SAMPLE.c.value)).group_by(*names).order_by(*names)
        with self._read() as connection:
            return [(a, b, c, d, float(value)) for a, b, c, d, value in connection.execute(query)]

    def series(
        self,
        attribution: str,
        since: int,
        until: int,
        step: int,
        source: str | None = None,
        within: tuple[float, float] | None = None,
    ) -> list[Amount]:
        """Return what an attribution has counted, by metric, source and point in time.

        Args:
            attribution: the ARN of the metric attribution.
            since: start of the first point, in epoch seconds.
            until: end of the last.
            step: length of a point, in seconds.
            source: the only one that is wanted.
            within: windows that begin outside of this time are left out.
        """
        column = SAMPLE.c
        start = column.window_start - (column.window_start - since) % step
        query = sa.select(column.metric, column.source, start.label("start"), column.value).where(
            column.attribution == attribution, column.window_start >= since, column.window_start < until
        )
        if source is not None:
            query = query.where(column.source == source)
        if within is not None:
            query = query.where(column.window_start >= within[0], column.window_start < within[1])
        found = query.subquery()
        names = (found.c.metric, found.c.source, found.c.start)
        summed = sa.select(*names, sa.func.sum(found.c.value)).group_by(*names).order_by(*names)
        with self._read() as connection:
            return [Amount(a, b, int(at), float(value)) for a, b, at, value in connection.execute(summed)]

    def span(self, attribution: str) -> tuple[int | None, int | None]:
        """Return the starts of the first and the last window that an attribution has counted."""
        window = SAMPLE.c.window_start
        query = sa.select(sa.func.min(window), sa.func.max(window)).where(SAMPLE.c.attribution == attribution)
        with self._read() as connection:
            first, last = connection.execute(query).one()
        return first, last
