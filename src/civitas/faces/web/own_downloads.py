"""What one downloaded, the latest first, and taking things out of that list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from civitas.domains.catalog import downloads
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading
from civitas.faces.web import forms
from civitas.faces.web.cards import model_href
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Member, redirect
from civitas.kit import paging
from civitas.kit.ids import row_id

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

HERE: Final = "/account/downloads"
PAGE: Final = 50


@dataclass(frozen=True, slots=True)
class Taken:
    """A download of the list."""

    fact: Mapping[str, Any]
    href: str
    at: datetime


@dataclass(frozen=True, slots=True)
class DownloadsPage:
    """A page of the history."""

    items: tuple[Taken, ...]
    next_href: str | None


@router.get(HERE)
async def show(
    request: Request,
    member: Member,
    session: Reading,
    cursor: Annotated[str | None, Query(max_length=paging.MAX_CURSOR)] = None,
) -> Response:
    """The history."""
    found = await downloads.history(session, member, cursor=cursor, limit=PAGE)
    items = tuple(
        Taken(
            fact,
            model_href(fact["modelId"], fact["modelName"], fact["modelVersionId"]),
            datetime.fromisoformat(fact["downloadedAt"]),
        )
        for fact in found.items
    )
    next_href = f"{HERE}?cursor={quote(found.next_cursor)}" if found.next_cursor else None
    return render(request, "studio/downloads.html", DownloadsPage(items, next_href), block="downloads_list")


@router.get("/me/downloads")
async def old_place(request: Request, member: Member) -> Response:
    """Where the history is now."""
    return redirect(request, HERE)


@router.post(f"{HERE}/hide")
async def hide(request: Request, member: Member) -> Response:
    """Take one version out of the history (field `version`), or everything (field `all`)."""
    form = await forms.read(request)
    given = form.get("version")
    wanted = row_id(given)
    if wanted is None and not form.flag("all"):
        return redirect(request, HERE)
    async with state_of(request).database.unit() as session:
        gone = await downloads.hide(session, member, version_id=wanted)
    text = "Your history is empty now." if wanted is None else "It is out of your history."
    return redirect(request, HERE, text=text if gone else "There was nothing to take out.")
