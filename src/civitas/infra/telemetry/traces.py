"""OpenTelemetry traces, sent only when a collector is configured."""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from civitas.infra.telemetry.settings import TelemetrySettings


def configure(settings: TelemetrySettings, process: str, version: str) -> trace.Tracer | None:
    """A tracer that sends to the collector, or None when none is configured; call once per process."""
    if not settings.otlp_endpoint:
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    provider = TracerProvider(
        resource=Resource.create(
            {"service.name": "civitas", "service.version": version, "service.instance.id": process}
        )
    )
    endpoint = settings.otlp_endpoint.rstrip("/") + "/v1/traces"
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    trace.set_tracer_provider(provider)
    return trace.get_tracer("civitas")
