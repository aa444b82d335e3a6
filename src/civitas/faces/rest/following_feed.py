"""What is new of whom and what one follows, over the API."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from civitas.contracts.subjects import Subject, resolve_all
from civitas.domains.community.news import reads
from civitas.faces.http.links import base_url, with_query
from civitas.faces.http.units import Reading
from civitas.faces.rest.writing import Owner
from civitas.kit import clock, paging

router = APIRouter(tags=["People"])


@router.get("/me/news", operation_id="listNews", summary="List News")
async def listed(
    request: Request,
    actor: Owner,
    session: Reading,
    limit: Annotated[int, Query(ge=1, le=reads.LARGEST_PAGE)] = 30,
    cursor: Annotated[str | None, Query(max_length=paging.MAX_CURSOR)] = None,
) -> dict[str, Any]:
    """New models, posts and articles of people one follows, and collections into which something came."""
    found = await reads.page(session, actor, cursor=cursor, limit=limit)
    facts = await resolve_all(session, [Subject(one.kind, one.id) for one in found.items])
    base, following = base_url(request), found.next_cursor
    items = [
        {
            "kind": one.kind,
            "id": one.id,
            "userId": one.person_id,
            "title": facts[Subject(one.kind, one.id)].title,
            "url": base + facts[Subject(one.kind, one.id)].path,
            "count": one.number,
            "at": clock.rfc3339(one.moment),
        }
        for one in found.items
        if Subject(one.kind, one.id) in facts
    ]
    return {
        "items": items,
        "metadata": {
            "nextCursor": following,
            "nextPage": with_query(request, cursor=following) if following else None,
        },
    }
