"""`/v2/services`: what can be done here, how well it goes, and where to ask for it."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from civitas.domains.orchestration import offering
from civitas.domains.orchestration.offering import INTERVALS, Figures, Offer, Percentiles, Standing
from civitas.faces.http.limits import take
from civitas.faces.http.state import state_of
from civitas.faces.orchestrator import asking
from civitas.faces.orchestrator.recipes import PREFIX
from civitas.kit import clock
from civitas.kit.errors import NotFound

router = APIRouter(prefix="/v2/services", include_in_schema=False)

# Everybody who asks within it gets the same figures: they are over hours.
KEPT_S: Final = 10.0
MOST: Final = 200

Window = Literal["1h", "24h", "7d"]
Interval = Literal["5m", "1h", "1d"]


async def _all(request: Request, window: str) -> list[Offer]:
    kept: dict[str, tuple[float, list[Offer]]] = request.app.state.services
    at, found = kept.get(window, (0.0, []))
    state = state_of(request)
    if time.monotonic() - at > KEPT_S or not found or not at:
        async with state.database.reading() as session:
            found = await offering.offers(session, window=window, lease_s=state.settings.agents.lease_s)
        kept[window] = (time.monotonic(), found)
    return found


@router.get("", operation_id="ListServices")
async def listed(
    request: Request,
    category: Annotated[str | None, Query(max_length=50)] = None,
    prefix: Annotated[str | None, Query(max_length=200)] = None,
    tags: Annotated[list[str] | None, Query(max_length=20)] = None,
    query: Annotated[str | None, Query(max_length=200)] = None,
    status: Standing | None = None,
    window: Window = "24h",
    limit: Annotated[int, Query(ge=1, le=MOST)] = 50,
    offset: Annotated[int, Query(ge=0, le=100_000)] = 0,
) -> Response:
    """Services by id, narrowed down."""
    await take(request, "read")
    found = [
        one
        for one in await _all(request, window)
        if (category is None or one.category == category)
        and (prefix is None or one.id == prefix or one.id.startswith(prefix.rstrip("/") + "/"))
        and (status is None or one.standing is status)
        and set(tags or ()) <= set(_tags(one))
        and (
            query is None or query.lower() in " ".join((one.id, _name(one), one.run_by, *_tags(one))).lower()
        )
    ]
    items = [_shown(one, window) for one in found[offset : offset + limit]]
    return asking.json({"items": items, "totalCount": len(found), "limit": limit, "offset": offset})


@router.get("/{service_id:path}", operation_id="GetService")
async def get(
    request: Request, service_id: str, window: Window = "24h", interval: Interval = "1h"
) -> Response:
    """One service with its history."""
    await take(request, "read")
    found = next((one for one in await _all(request, window) if one.id == service_id), None)
    if found is None:
        raise NotFound(f"There is no service {service_id[:100]!r}.", code="no_such_service")
    async with state_of(request).database.reading() as session:
        past = await offering.history(session, found, window=window, interval=interval)
    return asking.json(_shown(replace(found, history=past), window, interval))


def _tags(one: Offer) -> list[str]:
    return [one.category, one.step, *([one.variant] if one.variant else [])]


def _name(one: Offer) -> str:
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in one.step)
    return f"{words[:1].upper()}{words[1:]}{f' ({one.variant})' if one.variant else ''}"


def _shown(one: Offer, window: str, interval: str | None = None) -> dict[str, Any]:
    made: dict[str, Any] = {
        "id": one.id,
        "category": one.category,
        "parameters": {"variant": one.variant} if one.variant else {},
        "step": one.step,
        "submit": f"{PREFIX}{one.step}",
        "estimate": f"{PREFIX}{one.step}?whatif=true",
        "name": _name(one),
        "description": f"Run by: {one.run_by}.",
        "tags": _tags(one),
        "modalities": {"input": list(one.takes), "output": list(one.gives)},
        "status": one.standing.value,
        "metrics": {"window": window, "asOf": clock.rfc3339(clock.now()), **_figures(one.figures)},
    }
    if interval in INTERVALS:
        made["history"] = {
            "interval": interval,
            "buckets": [
                {"at": clock.rfc3339(bucket.at), **_figures(bucket)} for bucket in one.history if bucket.at
            ],
        }
    return made


def _figures(found: Figures) -> dict[str, Any]:
    def percentiles(one: Percentiles | None) -> dict[str, float] | None:
        return asdict(one) if one else None

    made = {
        "requests": found.requests,
        "successRate": found.success_rate,
        "canceledRate": found.canceled_rate,
        "userErrorRate": found.user_error_rate,
        "costBuzz": percentiles(found.cost),
        "latencySeconds": percentiles(found.latency),
    }
    return {name: value for name, value in made.items() if value is not None}
