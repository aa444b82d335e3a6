"""`GET /api/v1/creators`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from civitas.domains.catalog import directory
from civitas.faces.http.actors import Viewer
from civitas.faces.http.limits import take
from civitas.faces.http.links import base_url
from civitas.faces.http.state import state_of
from civitas.faces.rest.pages import PageNumber, PageSize, page_metadata

router = APIRouter(tags=["Creators"])


@router.get("/creators", operation_id="listCreators", summary="List Creators")
async def list_creators(
    request: Request,
    actor: Viewer,
    limit: PageSize = 20,
    page: PageNumber = 1,
    query: Annotated[str, Query(max_length=100, description="How the name begins.")] = "",
) -> dict[str, Any]:
    """People with public models, those with most first."""
    await take(request, "read")
    items, total = await directory.creators(
        state_of(request).reads, actor, query=query, limit=limit, page=page, base=base_url(request)
    )
    return {"items": items, "metadata": page_metadata(request, total=total, limit=limit, page=page)}
