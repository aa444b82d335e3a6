"""OpenTelemetry traces, made and sent only when a collector is configured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.propagate import extract
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Span, SpanKind, Tracer

from civitas.infra.telemetry.settings import TelemetrySettings

_tracer: Tracer | None = None


def configure(
    settings: TelemetrySettings, process: str, version: str, exporter: SpanExporter | None = None
) -> TracerProvider | None:
    """Send spans to the collector of the settings (or to `exporter`); None, and no spans, without either.

    Call once per process; shut the returned provider down to send what is left.
    """
    global _tracer
    if exporter is None:
        if not settings.otlp_endpoint:
            _tracer = None
            return None
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        exporter = OTLPSpanExporter(endpoint=settings.otlp_endpoint.rstrip("/") + "/v1/traces")
    provider = TracerProvider(
        resource=Resource.create(
            {"service.name": "civitas", "service.version": version, "service.instance.id": process}
        )
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracer = provider.get_tracer("civitas")
    return provider


def enabled() -> bool:
    """Whether spans are made at all, for callers on hot paths."""
    return _tracer is not None


@contextmanager
def span(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    headers: Mapping[str, str] | None = None,
    **attributes: str,
) -> Iterator[Span | None]:
    """A span around the block, None without a collector; `headers` may carry the caller's (W3C traceparent)."""
    if _tracer is None:
        yield None
        return
    context = extract(dict(headers)) if headers else None
    with _tracer.start_as_current_span(name, context=context, kind=kind, attributes=attributes) as current:
        yield current


def current_id() -> str | None:
    """The trace's id in hex, for logs."""
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None
