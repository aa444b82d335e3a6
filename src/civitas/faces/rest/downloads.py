"""`/api/download/models/{versionId}` as existing clients use it (WIRE rules 1 to 9), and one's own history."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import downloads
from civitas.domains.catalog.downloads import Offer, Wanted
from civitas.faces.http import limits
from civitas.faces.http.actors import actor_of, key_of, signed_in
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.links import base_url, client_address
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.fast import path_id
from civitas.faces.rest.parameters import Parameters
from civitas.kit.errors import Forbidden, Unauthorised
from civitas.kit.text import ascii_filename

_BROWSER: Final = re.compile(r"mozilla|chrome|safari|firefox|opera|edge", re.IGNORECASE)
_NO_STORE = {"Cache-Control": "no-store"}


async def download(request: Request) -> Response:
    """GET: 307 to a signed link that expires. HEAD: 200 with the file's facts and no redirect (rule 6)."""
    version_id = path_id(request, "version_id")
    actor = await actor_of(request)
    await limits.take(request, "download")
    parameters = Parameters(request.query_params)
    file_id = parameters.number("fileId", None, 0, 2**63 - 1)
    wanted = Wanted(
        parameters.text("type"),
        parameters.text("format"),
        parameters.text("size"),
        parameters.text("fp"),
        parameters.text("quantType"),
        file_id,
    )
    try:
        offered = await downloads.offer(state_of(request).reads, actor, version_id, wanted)
    except Unauthorised:
        if _is_browser(request):
            return _to_sign_in(request)
        raise
    except Forbidden as fault:
        raise _as_clients_know(fault) from None
    if request.method == "HEAD":
        return _facts(offered)
    return await _redirect(request, actor, offered)


def _is_browser(request: Request) -> bool:
    """Whether a person looks at this; a key, even a wrong one, means that a program asks (rule 7)."""
    return key_of(request) is None and bool(_BROWSER.search(request.headers.get("user-agent", "")))


def _to_sign_in(request: Request) -> Response:
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(
        f"/login?returnUrl={quote(back, safe='')}&reason=download-auth", status_code=307, headers=_NO_STORE
    )


def _as_clients_know(fault: Forbidden) -> Exception:
    if fault.code == "early_access":
        return Forbidden(fault.message, code=fault.code, details=fault.details | {"error": "Early Access"})
    if fault.code == "downloads_disabled":
        return Unauthorised(fault.message, code=fault.code)
    return fault


async def _redirect(request: Request, actor: Actor, offered: Offer) -> Response:
    state = state_of(request)
    link = await state.store.sign_get(
        offered.storage_key,
        filename=offered.file.name,
        content_type="application/octet-stream",
        expires=timedelta(minutes=state.settings.catalog.link_minutes),
        etag=offered.sha256,
    )
    async with state.database.unit() as session:
        await downloads.record(session, actor, offered, address=client_address(request), secret=state.secret)
    # Clients hand the Location on as it is, so it must name a host (rule 1).
    location = f"{base_url(request)}{link}" if link.startswith("/") else link
    return Response(status_code=307, headers=_NO_STORE | {"Location": location})


def _facts(offered: Offer) -> Response:
    headers = _NO_STORE | {
        "Content-Length": str(offered.file.size),
        "Content-Type": "application/octet-stream",
        "Content-Disposition": f'attachment; filename="{ascii_filename(offered.file.name)}"',
        "Accept-Ranges": "bytes",
    }
    if offered.sha256:
        headers["ETag"] = f'"{offered.sha256}"'
    return Response(headers=headers)


routes = [Route("/api/download/models/{version_id}", download, methods=["GET", "HEAD"])]

router = APIRouter(tags=["Downloads"], dependencies=[CheckedForm])

Person = Annotated[Actor, Depends(signed_in)]


@router.get("/me/downloads", operation_id="listMyDownloads", summary="List My Downloads")
async def my_downloads(
    session: Reading,
    actor: Person,
    cursor: Annotated[str | None, Query(max_length=600)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> dict[str, Any]:
    """What you downloaded, the latest first."""
    page = await downloads.history(session, actor, cursor=cursor, limit=limit)
    return {"items": page.items, "metadata": {"nextCursor": page.next_cursor}}


@router.delete("/me/downloads", operation_id="clearMyDownloads", summary="Clear My Downloads")
async def clear_downloads(session: Unit, actor: Person) -> dict[str, int]:
    """Take everything out of your history; the counts of the models stay."""
    return {"hidden": await downloads.hide(session, actor)}


@router.delete("/me/downloads/{version_id}", operation_id="hideDownload", summary="Hide A Download")
async def hide_download(session: Unit, actor: Person, version_id: int) -> dict[str, int]:
    """Take one version out of your history."""
    return {"hidden": await downloads.hide(session, actor, version_id=version_id)}
