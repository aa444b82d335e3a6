"""Prometheus figures of this process."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

REQUESTS = Counter("civitas_requests_total", "HTTP requests answered", ["method", "route", "status"])
REQUEST_SECONDS = Histogram(
    "civitas_request_seconds",
    "Time to answer, by route",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
IN_FLIGHT = Gauge("civitas_requests_in_flight", "HTTP requests being answered")
TASKS_WAITING = Gauge("civitas_tasks_waiting", "Tasks in the queue", ["queue"])
TASKS_FAILED = Gauge("civitas_tasks_failed", "Dead letters in the queue")

CONTENT_TYPE = CONTENT_TYPE_LATEST


def exposition() -> bytes:
    """Everything in Prometheus's text format."""
    return generate_latest()
