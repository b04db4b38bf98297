"""``/sartor/v1/metric-attributions``: what a metric attribution has counted, over time, by what brought it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sartor import clock
from sartor.console import asked
from sartor.data.attribution import WINDOW_SECONDS, metric_key
from sartor.data.samples import Amount
from sartor.errors import invalid_input, not_found
from sartor.resources.kind_names import CAMPAIGN, METRIC_ATTRIBUTION, RECOMMENDER
from sartor.resources.kinds import KINDS, arn_at, kind_of
from sartor.resources.store import Resource, Store
from sartor.wire.sign import Caller, HttpRequest

_VALUES: Final = re.compile(r"/sartor/v1/metric-attributions/(.+)/values")
_WEEK_SECONDS: Final = 7 * 24 * 3600
_LONGEST_SECONDS: Final = 10 * 366 * 24 * 3600
_LATEST: Final = 2**40
#: How long a point of a series may be, in seconds, and how many points a range has unless it is told.
_STEPS: Final = (WINDOW_SECONDS, 3600, 6 * 3600, 24 * 3600, _WEEK_SECONDS, 28 * 24 * 3600)
_POINTS: Final = 100
_MOST_POINTS: Final = 1000
#: By what values can be told apart: what an event is attributed to; the campaigns and recommenders among that; the
#: solution versions that those campaigns served.
BY: Final = ("source", "campaign", "version")


@dataclass(frozen=True)
class _Range:
    """The points of a series: ``[start, start + step)`` each, in epoch seconds."""

    since: int
    until: int
    step: int

    @property
    def starts(self) -> list[int]:
        """The start of each point."""
        return list(range(self.since, self.until, self.step))


@dataclass(frozen=True)
class OutcomePages:
    """Answers for one service.

    Attributes:
        store: the metadata database, which has the values.
    """

    store: Store

    def answer(self, caller: Caller, request: HttpRequest, path: str) -> dict[str, Any] | None:
        """Return the answer to a request, ``None`` if it is for no page of this module.

        Raises:
            ApiError: there is no such metric attribution of the caller's, or the query has a fault.
        """
        found = None if request.method == "POST" else _VALUES.fullmatch(path)
        if found is None:
            return None
        return self._values(self._attribution(caller, found[1]), request.parameters)

    def _attribution(self, caller: Caller, name: str) -> Resource:
        """Return a metric attribution of the caller's by its ARN, or by the ARN's end."""
        kind = KINDS[METRIC_ATTRIBUTION]
        arn = name if name.startswith("arn:") else arn_at(kind, caller.region, caller.account, name)
        named = kind_of(arn, caller.region, caller.account)
        found = self.store.get(arn) if named is not None and named.name == METRIC_ATTRIBUTION else None
        if found is None:
            raise not_found(arn)
        return found

    def _values(self, attribution: Resource, query: Mapping[str, str]) -> dict[str, Any]:
        """Return a series for each metric and each thing that brought it something, largest first."""
        by = query.get("by") or BY[0]
        if by not in BY:
            raise invalid_input(f"by must be one of {', '.join(BY)}.")
        asked_range = _range(query)
        starts = asked_range.starts
        place = {start: at for at, start in enumerate(starts)}
        series: dict[tuple[str, str], list[float]] = {}
        for of, amount in self._told_apart(attribution, by, asked_range):
            values = series.setdefault((amount.metric, of), [0.0] * len(starts))
            values[place[amount.start]] += amount.value
        metrics = {metric_key(one["metricName"]): one for one in attribution.private["metrics"]}
        first, last = self.store.samples.span(attribution.arn)
        return {
            "metricAttributionArn": attribution.arn,
            "by": by,
            "since": asked_range.since,
            "until": asked_range.until,
            "stepSeconds": asked_range.step,
            "starts": starts,
            "metrics": attribution.private["metrics"],
            "series": sorted(
                (
                    {
                        "metricName": metrics.get(name, {"metricName": name})["metricName"],
                        "of": of,
                        "values": values,
                        "total": sum(values),
                    }
                    for (name, of), values in series.items()
                ),
                key=lambda one: (one["metricName"], -one["total"], one["of"]),
            ),
            "firstWindow": first,
            "lastWindow": last,
        }

    def _told_apart(
        self, attribution: Resource, by: str, asked_range: _Range
    ) -> Iterator[tuple[str, Amount]]:
        """Yield the values of a range with what brought each; what is no campaign is empty but as a source."""
        samples, own = self.store.samples, f":{attribution.region}:{attribution.account}:"
        limits = (asked_range.since, asked_range.until, asked_range.step)
        served: dict[str, list[tuple[str, float, float]]] = {}
        for amount in samples.series(attribution.arn, *limits):
            kind = (
                kind_of(amount.source, attribution.region, attribution.account)
                if own in amount.source
                else None
            )
            if by == "source":
                yield amount.source, amount
            elif kind is None or kind.name not in (CAMPAIGN, RECOMMENDER):
                yield "", amount
            elif by == "campaign" or kind.name == RECOMMENDER:
                yield amount.source, amount
            else:
                served.setdefault(amount.source, self._served(amount.source))
        for source, stretches in served.items():
            for version, since, until in stretches:
                for amount in samples.series(attribution.arn, *limits, source, (since, until)):
                    yield version, amount

    def _served(self, campaign_arn: str) -> list[tuple[str, float, float]]:
        """Return which versions a campaign served, from when and up to when."""
        campaign = self.store.get(campaign_arn)
        if campaign is None:
            return [(campaign_arn, 0.0, float(_LATEST))]
        found, since = [], 0.0
        for version, until in campaign.private.get("served", ()):
            found.append((version, since, until))
            since = until
        return [*found, (campaign.body["solutionVersionArn"], since, float(_LATEST))]


def _range(query: Mapping[str, str]) -> _Range:
    """Return the points that a query asks for.

    Raises:
        ApiError: ``InvalidInputException``: they are too many, or a parameter is no number.
    """
    seconds = max(asked.number(query, "seconds", _WEEK_SECONDS, _LONGEST_SECONDS), 1)
    until = asked.number(query, "until", int(clock.now()), _LATEST)
    fitting = next((step for step in _STEPS if seconds <= step * _POINTS), _STEPS[-1])
    step = asked.number(query, "step", fitting, _LONGEST_SECONDS)
    if step < WINDOW_SECONDS or step % WINDOW_SECONDS:
        raise invalid_input(
            f"step must be a multiple of {WINDOW_SECONDS} seconds, which is how values are counted."
        )
    since = (until - seconds) // step * step
    end = since + -(-(until - since) // step) * step
    if (end - since) // step > _MOST_POINTS:
        raise invalid_input(
            f"A series has at most {_MOST_POINTS} points: make step larger, or seconds smaller."
        )
    return _Range(since, end, step)
