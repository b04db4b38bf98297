"""A request and the job that it creates are one trace; without OpenTelemetry's variables there is none."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from sartor.app import Backend, build, build_worker, open_backend
from sartor.errors import JobFailed
from sartor.resources.kinds import DATASET_GROUP
from sartor.settings import load
from sartor.traces import Traces, are_wanted, open_traces
from sartor.wire.traced import Traced
from sartor.work import jobs

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
#: What a caller's own tracing says: W3C's example.
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
ARN = "arn:aws:personalize:us-east-1:000000000000:dataset-group/shop"


class Traceable:
    """A service in this process whose spans are kept."""

    def __init__(self, backend: Backend) -> None:
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.traces = Traces(provider)
        self.backend = backend
        exchange = build(backend)
        self.application = Traced(exchange, exchange.operations, self.traces)

    def call(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[bytes, bytes]]:
        """Return the status and the headers of an answer."""
        sent: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": body}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        named = {"host": "127.0.0.1:4900", "content-type": "application/x-amz-json-1.1", **headers}
        scope = {
            "type": "http",
            "method": "POST" if body else "GET",
            "path": path,
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in named.items()],
        }
        asyncio.run(self.application(scope, receive, send))
        return sent[0]["status"], dict(sent[0]["headers"])

    def created(self, name: str, **headers: str) -> tuple[int, dict[bytes, bytes]]:
        target = {"x-amz-target": "AmazonPersonalize.CreateDatasetGroup"}
        return self.call("/", {**target, **headers}, json.dumps({"name": name}).encode())

    def worked(self) -> None:
        """Let a worker run until the group's task is done."""
        stopping = threading.Event()
        worker = threading.Thread(target=build_worker(self.backend, stopping, traces=self.traces).run)
        worker.start()
        for _ in range(500):
            if self.status() in ("ACTIVE", "CREATE FAILED"):
                break
            threading.Event().wait(0.02)
        stopping.set()
        worker.join()

    def status(self) -> str | None:
        found = self.backend.store.get(ARN)
        return found and found.status

    def spans(self) -> dict[str, ReadableSpan]:
        """Return what was sent, by name."""
        return {span.name: span for span in self.exporter.get_finished_spans()}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Traceable]:
    backend = open_backend(load({"data": str(tmp_path / "data"), "auth": "open", "quotas": "off"}, {}))
    yield Traceable(backend)
    backend.close()


def test_a_request_and_its_job_are_in_the_callers_trace(service: Traceable) -> None:
    status, headers = service.created("shop", traceparent=f"00-{TRACE}-{SPAN}-01")
    service.worked()
    spans = service.spans()
    request, queue, job = (spans[name] for name in ("CreateDatasetGroup", "queue", f"create {DATASET_GROUP}"))
    assert {span.context.trace_id for span in (request, queue, job)} == {int(TRACE, 16)}
    assert request.parent is not None
    assert request.parent.span_id == int(SPAN, 16)
    assert {span.parent and span.parent.span_id for span in (queue, job)} == {request.context.span_id}
    assert (request.kind, job.kind) == (SpanKind.SERVER, SpanKind.CONSUMER)
    assert request.attributes == {
        "rpc.system": "aws-api",
        "rpc.service": "personalize",
        "rpc.method": "CreateDatasetGroup",
        "http.response.status_code": status,
        "aws.request_id": headers[b"x-amzn-requestid"].decode(),
    }
    assert job.attributes == {"sartor.arn": ARN, "sartor.attempt": 1}
    assert queue.end_time is not None
    assert queue.start_time is not None
    assert job.start_time is not None
    assert queue.start_time < queue.end_time <= job.start_time


def test_phases_of_a_job_are_its_children_and_why_it_failed_is_said(
    service: Traceable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_phases(_task: Any, tools: Any) -> Any:
        for phase, rows in (("reading", 1), ("reading", 2), ("committing", 2)):
            tools.progress({"phase": phase, "rows": rows})
        raise JobFailed("There is no room.")

    monkeypatch.setitem(jobs.TABLE, (DATASET_GROUP, "create"), in_phases)
    service.created("shop")
    service.worked()
    finished = service.exporter.get_finished_spans()
    job = service.spans()[f"create {DATASET_GROUP}"]
    children = [span.name for span in finished if span.parent and span.parent.span_id == job.context.span_id]
    assert children == ["reading", "committing"]
    assert (job.status.status_code, job.status.description) == (StatusCode.ERROR, "There is no room.")


def test_what_a_caller_did_wrong_is_no_error_of_the_service(service: Traceable) -> None:
    assert service.created("not a name")[0] == 400
    (span,) = service.exporter.get_finished_spans()
    assert span.attributes is not None
    assert span.attributes["http.response.status_code"] == 400
    assert span.status.status_code == StatusCode.UNSET
    service.call("/livez", {}, b"")
    assert len(service.exporter.get_finished_spans()) == 1  # our own paths have none


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"}, False),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_SERVICE_NAME": "shop"}, False),
    ],
)
def test_the_variables_of_opentelemetry_ask_for_traces(environment: dict[str, str], wanted: bool) -> None:
    assert are_wanted(environment) == wanted
    if not wanted:
        assert open_traces(environment) is None


def test_what_cannot_be_sent_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="not grpc"):
        open_traces({**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(ValueError, match=r"pip install 'sartor\[otel\]'"):
        open_traces(ENDPOINT)


def test_a_server_without_traces_does_not_load_what_makes_them() -> None:
    code = "import sys, sartor.serve; sys.exit('opentelemetry' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
