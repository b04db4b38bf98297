"""Metrics as their creator writes them, and their samples against a recomputation in plain Python."""

import math
from collections import Counter, defaultdict
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sartor.data.attribution import Metric, Sample, aggregate, parse, report_csv, report_name
from sartor.data.schema import Field, Schema
from sartor.errors import ApiError

UNDEFINED = "SOURCE_NAME_UNDEFINED"
INTERACTIONS = Schema(
    "INTERACTIONS",
    None,
    (
        Field("USER_ID", "string"),
        Field("ITEM_ID", "string"),
        Field("TIMESTAMP", "long"),
        Field("EVENT_TYPE", "string"),
        Field("watch_time", "int", nullable=True),
    ),
)
ITEMS = Schema(
    "ITEMS", None, (Field("ITEM_ID", "string"), Field("UNIT_PRICE", "double"), Field("SOLD", "boolean"))
)
SCHEMAS = {"INTERACTIONS": INTERACTIONS, "ITEMS": ITEMS}
COUNT = Metric("watch", "countWatches", "samplecount", None, None)
PRICE = Metric("BUY", "sumPrice", "sum", "ITEMS", "UNIT_PRICE")
TIME = Metric("Watch", "time", "sum", "INTERACTIONS", "watch_time")


def given_metric(expression: str, name: str = "m", event_type: str = "watch") -> dict[str, str]:
    return {"eventType": event_type, "metricName": name, "expression": expression}


@pytest.mark.parametrize(
    ("expression", "function", "dataset_type", "column"),
    [
        ("SAMPLECOUNT()", "samplecount", None, None),
        (" sampleCount ( ) ", "samplecount", None, None),
        ("SUM(Items.UNIT_PRICE)", "sum", "ITEMS", "UNIT_PRICE"),
        ("sum( ITEMS . unitprice )", "sum", "ITEMS", "UNIT_PRICE"),
        ("Sum(interactions.WATCH_TIME)", "sum", "INTERACTIONS", "watch_time"),
    ],
)
def test_an_expression_is_understood(
    expression: str, function: Any, dataset_type: str | None, column: str | None
) -> None:
    assert parse([given_metric(expression)], SCHEMAS) == [
        Metric("watch", "m", function, dataset_type, column)
    ]


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("", "must be SAMPLECOUNT()"),
        ("COUNT()", "must be SAMPLECOUNT()"),
        ("SAMPLECOUNT(Items.UNIT_PRICE)", "must be SAMPLECOUNT()"),
        ("SUM(UNIT_PRICE)", "must be SAMPLECOUNT()"),
        ("SUM(Users.AGE)", "must be SAMPLECOUNT()"),
        ("SUM(Items.UNIT_PRICE) + 1", "must be SAMPLECOUNT()"),
        ("SUM(Items.COST)", "no column COST"),
        ("SUM(Items.SOLD)", "is of type boolean"),
        ("SUM(Items.ITEM_ID)", "is of type string"),
    ],
)
def test_a_wrong_expression_is_named(expression: str, words: str) -> None:
    with pytest.raises(ApiError, match="Metric m: ") as refused:
        parse([given_metric(expression)], SCHEMAS)
    assert refused.value.code == "InvalidInputException"
    assert words in refused.value.message


@pytest.mark.parametrize(
    ("metrics", "schemas", "words"),
    [
        ([], {}, "EVENT_TYPE"),
        ([], {"INTERACTIONS": Schema("INTERACTIONS", None, INTERACTIONS.fields[:3])}, "EVENT_TYPE"),
        ([given_metric("SUM(Items.A)")], {"INTERACTIONS": INTERACTIONS}, "no Items dataset"),
        ([given_metric("SAMPLECOUNT()", name) for name in ("a", "A")], SCHEMAS, "A is there twice"),
        ([given_metric("SAMPLECOUNT()", f"m{n}") for n in range(11)], SCHEMAS, "at most 10 metrics, not 11"),
        ([given_metric("SAMPLECOUNT()", " ")], SCHEMAS, "cannot be empty"),
        ([given_metric("SAMPLECOUNT()", event_type="")], SCHEMAS, "cannot be empty"),
    ],
)
def test_a_broken_rule_is_named(metrics: Any, schemas: Any, words: str) -> None:
    with pytest.raises(ApiError) as refused:
        parse(metrics, schemas)
    assert refused.value.code == "InvalidInputException"
    assert words in refused.value.message


def test_ten_metrics_are_allowed() -> None:
    assert len(parse([given_metric("SAMPLECOUNT()", f"m{n}") for n in range(10)], SCHEMAS)) == 10


Event = tuple[str | None, int, str, int | None, str | None, str | None]


def samples_in_duckdb(
    metrics: list[Metric],
    events: list[Event],
    prices: dict[str, float | None],
    shown: dict[str, str],
    since: float,
) -> list[Sample]:
    with duckdb.connect() as connection:
        connection.execute(
            'CREATE TABLE "the events" (EVENT_TYPE VARCHAR, "TIMESTAMP" BIGINT, ITEM_ID VARCHAR, '
            "watch_time INTEGER, EVENT_ATTRIBUTION_SOURCE VARCHAR, RECOMMENDATION_ID VARCHAR)"
        )
        connection.execute("CREATE TABLE items (ITEM_ID VARCHAR, UNIT_PRICE DOUBLE)")
        connection.execute("CREATE TABLE shown (RECOMMENDATION_ID VARCHAR, ARN VARCHAR)")
        for table, rows in (('"the events"', events), ("items", prices.items()), ("shown", shown.items())):
            for row in rows:
                marks = ", ".join("?" * len(row))
                connection.execute(f"INSERT INTO {table} VALUES ({marks})", list(row))
        return aggregate(connection, metrics, "the events", "items", since, "shown")


def samples_in_python(
    metrics: list[Metric],
    events: list[Event],
    prices: dict[str, float | None],
    shown: dict[str, str],
    since: float,
    most: int = 100,
) -> dict[tuple[str, str, int], float]:
    watched = {metric.event_type.lower() for metric in metrics}
    labelled = [
        (event, event[4] or shown.get(event[5] or "", UNDEFINED))
        for event in events
        if event[0] and event[0].lower() in watched and event[1] >= since
    ]
    counts = Counter(source for _, source in labelled if source != UNDEFINED)
    kept = sorted(counts, key=lambda source: (-counts[source], source))[:most]
    values: dict[tuple[str, str, int], float] = defaultdict(float)
    for event, source in labelled:
        for metric in metrics:
            if metric.event_type.lower() == (event[0] or "").lower():
                value = {None: 1, "ITEMS": prices.get(event[2]), "INTERACTIONS": event[3]}[
                    metric.dataset_type
                ]
                usable = value is not None and math.isfinite(value)
                key = (metric.name.upper(), source if source in kept else UNDEFINED, event[1] // 900 * 900)
                values[key] += value if usable else 0
    return dict(values)


events_strategy = st.lists(
    st.tuples(
        st.sampled_from(["watch", "WATCH", "buy", "other", None]),
        st.integers(-2000, 4000),
        st.sampled_from("abc"),
        st.none() | st.integers(-(2**31), 2**31 - 1),
        st.sampled_from([None, "mail", "shop's", UNDEFINED]),
        st.sampled_from([None, "r1", "r2", "lost"]),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(
    events_strategy,
    st.dictionaries(st.sampled_from("ab"), st.sampled_from([None, 0.5, 3.0, -2.0, math.nan, math.inf])),
    st.sampled_from([-5000.0, 0.0, 900.5, 1800.0]),
)
def test_samples_are_what_plain_python_counts(
    events: list[Event], prices: dict[str, float | None], since: float
) -> None:
    metrics = [COUNT, PRICE, TIME]
    shown = {"r1": "arn:campaign", "r2": "arn:recommender"}
    found = samples_in_duckdb(metrics, events, prices, shown, since)
    assert {(one.metric_name, one.source, one.window_start): one.value for one in found} == samples_in_python(
        metrics, events, prices, shown, since
    )
    assert len({(one.metric_name, one.source, one.window_start) for one in found}) == len(found)
    assert found == sorted(found, key=lambda one: (one.window_start, one.source))
    assert {(one.metric_name, one.event_type, one.function) for one in found} <= {
        ("COUNTWATCHES", "WATCH", "samplecount"),
        ("SUMPRICE", "BUY", "sum"),
        ("TIME", "WATCH", "sum"),
    }


def test_only_the_hundred_largest_sources_keep_their_names() -> None:
    sources = [f"s{number:03}" for number in range(103)]
    events: list[Event] = [("watch", 0, "a", 1, source, None) for source in [*sources, *sources[50:]]]
    # what no metric looks at does not make a source large
    events += [("other", 0, "a", 1, "s049", None)] * 9
    found = samples_in_duckdb([COUNT], events, {}, {}, 0.0)
    values = {one.source: one.value for one in found}
    assert len(values) == 101
    assert set(values) == {*sources[:47], *sources[50:], UNDEFINED}
    assert values[UNDEFINED] == 3.0
    assert {(one.metric_name, one.source, one.window_start): one.value for one in found} == samples_in_python(
        [COUNT], events, {}, {}, 0.0
    )


def test_views_without_sources_and_without_items_are_enough() -> None:
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE VIEW data AS SELECT 'buy' AS EVENT_TYPE, 1000 AS \"TIMESTAMP\", 'a' AS ITEM_ID"
        )
        assert aggregate(connection, [PRICE], "data", None, 0.0) == [
            Sample("SUMPRICE", "BUY", 0.0, "sum", UNDEFINED, 900)
        ]
        assert aggregate(connection, [], "data", None, 0.0) == []


def test_timestamps_at_the_end_of_their_range_do_not_overflow() -> None:
    largest = 2**63 - 1
    (found,) = samples_in_duckdb([COUNT], [("watch", largest, "a", None, None, None)], {}, {}, 0.0)
    assert found.window_start == largest // 900 * 900


def test_the_report_has_the_documented_form() -> None:
    source = "arn:aws:personalize:us-west-2:111122223333:recommender/one"
    sample = Sample("COUNTWATCHES", "WATCH", 12.0, "samplecount", source, 1666925100)
    comma = Sample('A "B"', "A,B", 0.1, "sum", UNDEFINED, 0)
    assert report_csv([sample, comma]).decode() == (
        "METRIC_NAME,EVENT_TYPE,VALUE,MATH_FUNCTION,EVENT_ATTRIBUTION_SOURCE,TIMESTAMP\n"
        f"COUNTWATCHES,WATCH,12.0,samplecount,{source},1666925100\n"
        f'"A ""B""","A,B",0.1,sum,{UNDEFINED},0\n'
    )
    assert report_csv([]).count(b"\n") == 1
    assert report_name("BulkImport", 1666925124.0004) == (
        "AggregatedAttributionMetrics - BulkImport - 1666925124000.csv"
    )
