"""Is the process alive, can it serve, how does it fare."""

from __future__ import annotations

import hmac
import ipaddress
from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import JSONResponse, Response

from civitas.domains.buzz.ledger import statistics
from civitas.faces.http.links import client_address
from civitas.faces.http.state import State, state_of
from civitas.infra.telemetry import metrics
from civitas.kit import money
from civitas.kit.errors import Fault, Forbidden

router = APIRouter(include_in_schema=False)

_TASKS = text(
    "SELECT queue_name, status::text, count(*) FROM procrastinate.procrastinate_jobs "
    "WHERE status IN ('todo', 'failed') GROUP BY 1, 2"
)


@router.get("/healthz")
async def healthz() -> Response:
    """The process answers."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """200 once the database and the storage answer; 503 with what does not."""
    state = state_of(request)
    parts: dict[str, str] = {}
    try:
        async with state.database.reading() as session:
            await session.execute(text("SELECT 1 FROM alembic_version"))
        parts["database"] = "ok"
    except (SQLAlchemyError, OSError) as error:
        parts["database"] = type(error).__name__
    try:
        await state.store.head("media/ready")
        parts["storage"] = "ok"
    except Fault as fault:
        parts["storage"] = fault.code
    # Pages are complete without it, so it is told and not waited for.
    told = {"index": await _index(state)} if state.index is not None else {}
    ready = all(value == "ok" for value in parts.values())
    return JSONResponse({"status": "ready" if ready else "not ready", **parts, **told}, 200 if ready else 503)


@router.get("/metrics")
async def figures(request: Request) -> Response:
    """Prometheus figures, for holders of the token or, without one, for this machine."""
    state = state_of(request)
    token = state.settings.telemetry.metrics_token
    if token:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        allowed = hmac.compare_digest(given.encode(), token.encode())
    else:
        # A proxy on this machine speaks for others.
        allowed = _is_local(client_address(request)) and "x-forwarded-for" not in request.headers
    if not allowed:
        raise Forbidden(
            "Figures are shown to this machine, or to holders of the metrics token.", code="metrics"
        )
    async with state.database.reading() as session:
        rows = (await session.execute(_TASKS)).all()
        supply, unfolded, holds = await statistics.figures(session)
    metrics.BUZZ_UNFOLDED.set(unfolded)
    metrics.BUZZ_HOLDS.set(holds)
    for currency, amount in supply.items():
        metrics.BUZZ_SUPPLY.labels(currency).set(amount / (100 if currency == "cash" else money.QUARTERS))
    if state.index is not None:
        _tell_index(await state.index.status())
    metrics.TASKS_FAILED.set(sum(count for _, status, count in rows if status == "failed"))
    metrics.TASKS_WAITING.clear()
    for queue, status, count in rows:
        if status == "todo":
            metrics.TASKS_WAITING.labels(queue).set(count)
    return Response(metrics.exposition(), media_type=metrics.CONTENT_TYPE)


async def _index(state: State) -> str:
    status = await state.index.status() if state.index is not None else None
    if status is None:
        return "away"
    return "ok" if status["answers"] else str(status["state"])


def _tell_index(status: dict[str, Any] | None) -> None:
    """Figures of the index in memory; without an answer it is not up, and the others are not told."""
    metrics.INDEX_UP.set(1 if status is not None and status["answers"] else 0)
    metrics.INDEX_DOCUMENTS.clear()
    if status is None:
        return
    metrics.INDEX_BYTES.set(status["resident"])
    metrics.INDEX_BEHIND.set(status["behind_s"] or 0)
    for name, count in status["documents"].items():
        metrics.INDEX_DOCUMENTS.labels(name).set(count)


def _is_local(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
