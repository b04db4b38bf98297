"""Figures for Prometheus: its own parser reads them, and they say what happened."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sartor.data.put import Note, Row
from sartor.measures import MEASURES
from sartor.metrics import Metrics
from sartor.resources import lifecycle
from sartor.resources.store import Resource, Store

LEASE = 60.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path / 's.db'}")
    yield opened
    opened.close()


def figures(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return every sample by its name and labels."""
    _, text = metrics.render()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def labelled(name: str, **labels: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    return name, tuple(sorted(labels.items()))


def test_requests_are_counted_by_their_answer_and_their_time(store: Store) -> None:
    metrics = Metrics(store, {})
    for status, seconds in ((200, 0.0004), (200, 0.003), (400, 3.0), (200, 99.0)):
        metrics.observe("PutEvents", status, seconds)
    metrics.observe("GetRecommendations", 200, 0.002)
    found = figures(metrics)
    assert found[labelled("sartor_requests_total", operation="PutEvents", status="200")] == 3
    assert found[labelled("sartor_requests_total", operation="PutEvents", status="400")] == 1
    assert found[labelled("sartor_request_seconds_count", operation="PutEvents")] == 4
    assert found[labelled("sartor_request_seconds_sum", operation="PutEvents")] == pytest.approx(102.0034)
    for bound, count in {"0.0005": 1, "0.0025": 1, "0.005": 2, "2.5": 2, "10.0": 3, "+Inf": 4}.items():
        assert found[labelled("sartor_request_seconds_bucket", operation="PutEvents", le=bound)] == count


def test_work_is_shown_as_waiting_until_a_worker_has_it_with_what_imports_have_read(store: Store) -> None:
    metrics = Metrics(store, {})
    with store.write() as transaction:
        for number in range(3):
            arn = f"arn:{number}"
            transaction.add(
                Resource(arn, "dataset-import-job", "1", "r", "n", "CREATE PENDING", {}, {}, 1.0, 1.0)
            )
            lifecycle.owe(transaction, arn, "dataset-import-job", "create")
    for rows in (100, 20):
        task = lifecycle.claim(store, f"w{rows}", ("heavy",), 1e9, LEASE)
        assert task is not None
        assert lifecycle.heartbeat(store, task, 1e9, LEASE, {"rowsRead": rows, "bytesRead": 10 * rows})
    found = figures(metrics)
    names = {"kind": "dataset-import-job", "verb": "create"}
    assert found[labelled("sartor_tasks", **names, state="waiting")] == 1
    assert found[labelled("sartor_tasks", **names, state="running")] == 2
    assert found[labelled("sartor_running_imports_rows")] == 120
    assert found[labelled("sartor_running_imports_bytes")] == 1200
    assert found[labelled("sartor_database_up")] == 1


def test_what_calls_put_and_could_not_be_used_is_counted_by_its_reason(store: Store) -> None:
    metrics = Metrics(store, {})
    rows = [Row("u", {}, notes=[Note("UNKNOWN_KEY", "no such field")], stored=False) for _ in range(2)]
    store.put_records.put(1, rows).result(20)
    assert figures(metrics)[labelled("sartor_put_rejected_total", code="UNKNOWN_KEY")] == 2


def test_a_database_that_does_not_answer_is_a_figure_and_the_others_stand(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = Metrics(store, {})
    metrics.observe("PutEvents", 200, 0.1)

    def away() -> Any:
        raise OSError("away")

    monkeypatch.setattr(store, "read", away)
    found = figures(metrics)
    assert found[labelled("sartor_database_up")] == 0
    assert found[labelled("sartor_requests_total", operation="PutEvents", status="200")] == 1
    assert not any(name == "sartor_tasks" for name, _ in found)


def test_every_figure_is_in_the_table_with_its_labels_and_every_row_of_the_table_is_a_figure(
    store: Store,
) -> None:
    _, text = Metrics(store, {}).render()
    families = [line.split(" ")[2:4] for line in text.decode().splitlines() if line.startswith("# TYPE")]
    assert sorted(map(tuple, families)) == sorted((one.sample, one.sort) for one in MEASURES)


def at(store: Store, now: float) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return the figures of a moment by all clocks."""
    return figures(Metrics(store, {}, lambda: now, lambda: now))


def test_work_that_waits_and_work_that_lost_its_worker_are_told_apart(store: Store) -> None:
    with store.write() as transaction:
        for number in range(3):
            arn = f"arn:{number}"
            transaction.add(
                Resource(
                    arn, "dataset-import-job", "1", "r", "n", "CREATE PENDING", {}, {}, 1.0, 100.0 + number
                )
            )
            lifecycle.owe(transaction, arn, "dataset-import-job", "create")
    names = {"kind": "dataset-import-job", "verb": "create"}
    taken = lifecycle.claim(store, "w", ("heavy",), 200.0, LEASE)
    assert taken is not None
    found = at(store, 250.0)
    assert found[labelled("sartor_queue_age_seconds", lane="heavy")] == 149.0  # of the second: the first runs
    assert found[labelled("sartor_leases_lost", **names)] == 0
    found = at(store, 261.0)  # its lease is over
    assert found[labelled("sartor_leases_lost", **names)] == 1
    again = lifecycle.claim(store, "v", ("heavy",), 261.0, LEASE)
    assert again is not None and again.resource.arn == taken.resource.arn
    assert at(store, 262.0)[labelled("sartor_leases_lost", **names)] == 1
    with store.write() as transaction:
        assert transaction.give_back_task(again.id, "v", again.attempt)
    assert at(store, 262.0)[labelled("sartor_leases_lost", **names)] == 1


def test_the_age_and_the_figures_of_what_a_campaign_serves_are_its_versions(store: Store) -> None:
    record = {"record": {"trainedAt": 40.0}, "metrics": {"coverage": 0.25}}
    with store.write() as transaction:
        for kind, arn, status, body, private in (
            ("solution-version", "arn:v", "ACTIVE", {}, record),
            ("campaign", "arn:c", "ACTIVE", {"solutionVersionArn": "arn:v"}, {}),
            ("campaign", "arn:failed", "CREATE FAILED", {"solutionVersionArn": "arn:v"}, {}),
            ("recommender", "arn:r", "ACTIVE", {}, record),
            ("recommender", "arn:stopped", "INACTIVE", {}, record),
        ):
            transaction.add(Resource(arn, kind, "1", "r", "n", status, body, private, 1.0, 1.0))
    found = figures(Metrics(store, {}, lambda: 100.0))
    for deployment in ("arn:c", "arn:r"):
        assert found[labelled("sartor_model_age_seconds", deployment=deployment)] == 60.0
        assert found[labelled("sartor_model_metric", deployment=deployment, metric="coverage")] == 0.25
    assert sum(name == "sartor_model_age_seconds" for name, _ in found) == 2


def test_a_dataset_tells_how_long_ago_its_newest_event_came(store: Store) -> None:
    with store.write() as transaction:
        for arn, of_type in (("arn:i", "INTERACTIONS"), ("arn:u", "USERS"), ("arn:quiet", "INTERACTIONS")):
            body = {"datasetType": of_type}
            transaction.add(Resource(arn, "dataset", "1", "r", "n", "ACTIVE", body, {}, 1.0, 1.0))
    for dataset in store.every("dataset")[:2]:
        store.put_records.put(dataset.seq, [Row("u", {})]).result(20)
    newest = store.put_records.newest_at(store.every("dataset")[0].seq)
    assert newest is not None
    found = figures(Metrics(store, {}, lambda: newest + 5.0))
    ages = {key: value for key, value in found.items() if key[0] == "sartor_newest_event_age_seconds"}
    assert ages == {labelled("sartor_newest_event_age_seconds", dataset="arn:i"): 5.0}
