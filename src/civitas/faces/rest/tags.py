"""`GET /api/v1/tags`."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request

from civitas.domains.catalog import directory
from civitas.faces.http.actors import Viewer
from civitas.faces.http.limits import take
from civitas.faces.http.links import base_url
from civitas.faces.http.state import state_of
from civitas.faces.rest.pages import PageNumber, PageSize, page_metadata

router = APIRouter(tags=["Tags"])


@router.get("/tags", operation_id="listTags", summary="List Tags")
async def list_tags(
    request: Request,
    actor: Viewer,
    limit: PageSize = 20,
    page: PageNumber = 1,
    query: Annotated[str, Query(max_length=100, description="How the tag begins.")] = "",
) -> dict[str, Any]:
    """Tags that public models carry, the most used first."""
    await take(request, "read")
    base = base_url(request)
    found, total = await directory.tags(state_of(request).reads, actor, query=query, limit=limit, page=page)
    items = [
        {"name": name, "modelCount": count, "link": f"{base}/api/v1/models?tag={quote(name)}"}
        for name, count in found
    ]
    return {"items": items, "metadata": page_metadata(request, total=total, limit=limit, page=page)}
