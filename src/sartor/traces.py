"""Traces by OpenTelemetry, where its variables ask for them: a span a request, and one for the job that it created.

Only this module knows OpenTelemetry. Without traces nobody calls it, so they cost nothing.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from sartor import __version__

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

#: W3C's header, and what the scope of a request calls its span.
TRACEPARENT: Final = "traceparent"
#: Each of these asks for traces, unless ``OTEL_TRACES_EXPORTER`` names another exporter.
_ASKING: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL: Final = "http/protobuf"
_SERVER_ERROR: Final = 500


class Traces:
    """Makes spans and sends them from a thread of its own; safe to share between threads.

    Args:
        provider: of OpenTelemetry, with what takes the spans.
    """

    def __init__(self, provider: "TracerProvider") -> None:
        self._provider = provider
        self._tracer: Tracer = provider.get_tracer("sartor", __version__)

    @contextmanager
    def request(self, service: str, operation: str, headers: Mapping[str, str]) -> "Iterator[RequestSpan]":
        """Give the span of a request, in the trace that its headers name if they do.

        Args:
            service: such as ``personalize``.
            operation: Amazon's name of it.
            headers: by lower-case name.
        """
        from opentelemetry.trace import SpanKind

        said = {"rpc.system": "aws-api", "rpc.service": service, "rpc.method": operation}
        span = self._tracer.start_span(operation, _context(headers), SpanKind.SERVER, said)
        try:
            yield RequestSpan(span)
        finally:
            span.end()

    @contextmanager
    def job(
        self, name: str, traceparent: str | None, queued_at: float | None, said: Mapping[str, str | int]
    ) -> "Iterator[JobSpan]":
        """Give the span of a job, in the trace of the request that gave it.

        Args:
            name: its verb and kind.
            traceparent: of that request; ``None`` if nobody asked, or without traces.
            queued_at: since when it waited, in epoch seconds; ``None`` if that is not known.
            said: its attributes.
        """
        from opentelemetry.trace import SpanKind, set_span_in_context

        context = _context({} if traceparent is None else {TRACEPARENT: traceparent})
        if traceparent is not None and queued_at is not None:
            waited = self._tracer.start_span(
                "queue", context, attributes=dict(said), start_time=round(queued_at * 1e9)
            )
            waited.end()
        span = self._tracer.start_span(name, context, SpanKind.CONSUMER, dict(said))
        found = JobSpan(self._tracer, span, set_span_in_context(span))
        try:
            yield found
        finally:
            found.end()

    def close(self) -> None:
        """Send what waits, and end."""
        self._provider.shutdown()


class RequestSpan:
    """The span of a request.

    Attributes:
        traceparent: what its job is to be told.
    """

    def __init__(self, span: "Span") -> None:
        self._span = span
        context = span.get_span_context()
        self.traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    def answered(self, status: int, request_id: str) -> None:
        """Say what the answer was."""
        from opentelemetry.trace import StatusCode

        self._span.set_attributes({"http.response.status_code": status, "aws.request_id": request_id})
        if status >= _SERVER_ERROR:
            self._span.set_status(StatusCode.ERROR)


class JobSpan:
    """The span of a job, with one for each of its phases."""

    def __init__(self, tracer: "Tracer", span: "Span", context: Any) -> None:
        self._tracer, self._span, self._context = tracer, span, context
        self._phase: tuple[str, Span] | None = None

    def follow(self, report: Callable[[Mapping[str, Any]], None]) -> Callable[[Mapping[str, Any]], None]:
        """Return what takes the progress of the job, hands it on, and tells the phases apart."""

        def told(progress: Mapping[str, Any]) -> None:
            report(progress)
            name = progress.get("phase")
            if name is not None and (self._phase is None or self._phase[0] != name):
                self._end_phase()
                self._phase = name, self._tracer.start_span(name, self._context)

        return told

    def failed(self, reason: str) -> None:
        """Say why the job failed."""
        from opentelemetry.trace import StatusCode

        self._span.set_status(StatusCode.ERROR, reason)

    def end(self) -> None:
        """End the phase and the job."""
        self._end_phase()
        self._span.end()

    def _end_phase(self) -> None:
        if self._phase is not None:
            self._phase[1].end()


def _context(carrier: Mapping[str, str]) -> Any:
    """Return OpenTelemetry's context of what ``traceparent`` says; an empty one if nothing does."""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    named = {
        name: carrier[name] for name in (TRACEPARENT, "tracestate") if isinstance(carrier.get(name), str)
    }
    return TraceContextTextMapPropagator().extract(named)


def are_wanted(environment: Mapping[str, str]) -> bool:
    """Return whether the variables of OpenTelemetry ask for traces."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporters = [one.strip() for one in environment.get("OTEL_TRACES_EXPORTER", "").split(",") if one.strip()]
    return "otlp" in exporters if exporters else any(environment.get(name) for name in _ASKING)


def open_traces(environment: Mapping[str, str]) -> Traces | None:
    """Return what makes spans, ``None`` if nobody asks for them; the rest of the variables the exporter reads itself.

    Raises:
        ValueError: the extra is missing, or the variables ask for what it cannot do.
    """
    if not are_wanted(environment):
        return None
    protocol = next((environment[name] for name in _PROTOCOLS if environment.get(name)), _PROTOCOL)
    if protocol != _PROTOCOL:
        raise ValueError(f"Traces are sent as {_PROTOCOL}, not {protocol}: unset {' and '.join(_PROTOCOLS)}.")
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as error:
        raise ValueError(
            "The variables of OpenTelemetry ask for traces, which need the extra: pip install 'sartor[otel]', or set "
            "OTEL_TRACES_EXPORTER=none."
        ) from error
    provider = TracerProvider(resource=Resource.create(_about(environment)))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Traces(provider)


def _about(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what the service says of itself, beside what the variables say of it."""
    named = "OTEL_SERVICE_NAME" in environment or "service.name=" in environment.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    return {"service.version": __version__, **({} if named else {"service.name": "sartor"})}
