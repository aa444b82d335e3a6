"""Prometheus figures of this process."""

from __future__ import annotations

from functools import cache

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
BUZZ_SUPPLY = Gauge(
    "civitas_buzz_supply", "Buzz of people, in escrow and in pools (cash: dollars)", ["currency"]
)
BUZZ_UNFOLDED = Gauge("civitas_buzz_unfolded_rows", "Credits that wait to be added to their accounts")
BUZZ_HOLDS = Gauge("civitas_buzz_open_holds", "Holds that are open")
TASKS_FAILED = Gauge("civitas_tasks_failed", "Dead letters in the queue")

INDEX_UP = Gauge(
    "civitas_index_up", "Whether the index in memory answers (1) or all pages go by SQL alone (0)"
)
INDEX_BYTES = Gauge("civitas_index_resident_bytes", "Memory of the index's process")
INDEX_BEHIND = Gauge("civitas_index_behind_seconds", "For how long changes may not have reached the index")
INDEX_DOCUMENTS = Gauge("civitas_index_documents", "Documents of the index", ["collection"])

CONTENT_TYPE = CONTENT_TYPE_LATEST


@cache
def _counter(method: str, route: str, status: int) -> Counter:
    return REQUESTS.labels(method, route, str(status))


@cache
def _clock(route: str) -> Histogram:
    return REQUEST_SECONDS.labels(route)


def answered(method: str, route: str, status: int, seconds: float) -> None:
    """Count an answered request; `route` is the pattern of its path, of which there are few."""
    _counter(method, route, status).inc()
    _clock(route).observe(seconds)


def exposition() -> bytes:
    """Everything in Prometheus's text format."""
    return generate_latest()
