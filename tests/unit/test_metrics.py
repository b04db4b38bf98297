"""Figures for Prometheus: its own parser reads them, and they say what happened."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sartor.data.put import Note, Row
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
    metrics = Metrics(store)
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
    metrics = Metrics(store)
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
    metrics = Metrics(store)
    rows = [Row("u", {}, notes=[Note("UNKNOWN_KEY", "no such field")], stored=False) for _ in range(2)]
    store.put_records.put(1, rows).result(20)
    assert figures(metrics)[labelled("sartor_put_rejected_total", code="UNKNOWN_KEY")] == 2


def test_a_database_that_does_not_answer_is_a_figure_and_the_others_stand(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = Metrics(store)
    metrics.observe("PutEvents", 200, 0.1)

    def away() -> Any:
        raise OSError("away")

    monkeypatch.setattr(store, "read", away)
    found = figures(metrics)
    assert found[labelled("sartor_database_up")] == 0
    assert found[labelled("sartor_requests_total", operation="PutEvents", status="200")] == 1
    assert not any(name == "sartor_tasks" for name, _ in found)
