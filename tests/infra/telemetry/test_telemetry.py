"""Logs, figures and traces."""

from __future__ import annotations

import json
import subprocess
import sys

import httpx
from fastapi import FastAPI
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.types import ASGIApp

from civitas.faces.http.shield import Shield
from civitas.infra.telemetry import metrics, traces
from civitas.infra.telemetry.settings import TelemetrySettings

SAY = """
import structlog, logging
from civitas.infra.telemetry import logs
from civitas.infra.telemetry.settings import TelemetrySettings
logs.configure(TelemetrySettings(log_format="json"), "test")
structlog.contextvars.bind_contextvars(request="r-1")
structlog.get_logger("x").info("said", answer=42)
logging.getLogger("library").warning("told %s", "so")
try:
    raise ValueError("broken")
except ValueError:
    structlog.get_logger("x").exception("failed")
"""


def shielded(app: FastAPI) -> ASGIApp:
    return Shield(app, policy="default-src 'self'", max_body=100, max_part=1000, timeout_s=5, secure=False)


def client(app: ASGIApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


def test_logs_are_one_json_object_a_line_with_the_request() -> None:
    done = subprocess.run([sys.executable, "-c", SAY], capture_output=True, text=True, check=True)
    said, told, failed = (json.loads(line) for line in done.stderr.splitlines())
    assert (said["event"], said["answer"], said["request"], said["process"]) == ("said", 42, "r-1", "test")
    assert (told["event"], told["level"]) == ("told so", "warning")
    assert failed["exception"][0]["exc_type"] == "ValueError"


async def test_a_request_is_counted_under_its_route_and_answers_with_its_id() -> None:
    app = FastAPI()

    @app.get("/things/{number}")
    async def thing(number: int) -> int:
        return number

    async with client(shielded(app)) as http:
        answer = await http.get("/things/7", headers={"x-request-id": "abcdefgh-1"})
        made = await http.get("/things/8", headers={"x-request-id": "bad id\n"[:6]})
    assert answer.headers["x-request-id"] == "abcdefgh-1"
    assert len(made.headers["x-request-id"]) == 32
    text = metrics.exposition().decode()
    assert 'civitas_requests_total{method="GET",route="/things/{number}",status="200"}' in text


async def test_a_request_is_a_span_that_continues_the_callers_trace() -> None:
    exporter = InMemorySpanExporter()
    provider = traces.configure(TelemetrySettings(), "test", "1", exporter)
    assert provider is not None
    app = FastAPI()

    @app.get("/things/{number}")
    async def thing(number: int) -> int:
        return number

    trace_id = "0af7651916cd43dd8448eb211c80319c"
    async with client(shielded(app)) as http:
        await http.get("/things/7", headers={"traceparent": f"00-{trace_id}-b7ad6b7169203331-01"})
    provider.force_flush()
    provider.shutdown()
    traces.configure(TelemetrySettings(), "test", "1")
    (span,) = exporter.get_finished_spans()
    assert span.name == "GET /things/{number}"
    assert span.attributes is not None
    assert span.attributes["http.response.status_code"] == 200
    assert span.context is not None
    assert f"{span.context.trace_id:032x}" == trace_id
    assert not traces.enabled()
