"""What is told about the running program, and to whom."""

from __future__ import annotations

from pydantic import BaseModel, Field


class TelemetrySettings(BaseModel):
    """Logs, metrics and traces."""

    log_level: str = Field(
        default="info",
        pattern="^(debug|info|warning|error)$",
        description="`debug`, `info`, `warning` or `error`.",
    )
    log_format: str = Field(
        default="auto",
        pattern="^(auto|json|console)$",
        description="`json`, `console`, or `auto`: console on a terminal, JSON otherwise.",
    )
    metrics_token: str | None = Field(
        default=None,
        description="When set, `/metrics` asks for it as a Bearer token; empty: this machine only.",
    )
    otlp_endpoint: str | None = Field(
        default=None,
        description="OpenTelemetry collector, such as `http://localhost:4318`. Empty: no traces.",
    )
