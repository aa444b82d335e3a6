"""A visit to a page: who looks, the frame around the page, what just happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated
from urllib.parse import quote, urlsplit

from fastapi import Depends, Request
from itsdangerous import BadData, URLSafeSerializer
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import RedirectResponse, Response

from civitas.domains.accounts.types import ANONYMOUS, Actor
from civitas.domains.buzz.ledger import wallets
from civitas.domains.community.chat import reading as talk
from civitas.domains.community.notifications import reading
from civitas.faces.http import csrf, sessions
from civitas.faces.http.actors import actor_of, discreet
from civitas.faces.http.limits import take
from civitas.faces.http.links import base_url, is_safe_site, twin_url
from civitas.faces.http.portraits import portrait
from civitas.faces.http.state import state_of
from civitas.faces.web import frame_notices, house_slot, invitations
from civitas.faces.web.error_pages import error_page
from civitas.faces.web.shell import Flash, FlashKind, Shell, Site, Viewer, theme_of
from civitas.kit.errors import Fault, Limited, Unauthorised

FLASH = "civitas_flash"
SEE_OTHER = 303


async def visit(request: Request) -> Actor:
    """The visitor; prepares the frame of the page. Every page depends on it."""
    actor = await actor_of(request)
    await take(request, "read")
    await invitations.note(request, actor)
    notices = await frame_notices.for_page(request, actor)
    request.state.shell = replace(
        frame(
            request,
            actor,
            await _buzz_of(request, actor),
            await _unread_of(request, actor),
            await _chats_of(request, actor),
        ),
        announcements=notices,
        advert=await house_slot.for_page(request, actor) if _has_frame(request) else None,
    )
    return actor


def _has_frame(request: Request) -> bool:
    """A fragment has none, so nothing is asked for it."""
    asked = request.headers
    return asked.get("hx-request") != "true" or "hx-boosted" in asked


async def _unread_of(request: Request, actor: Actor) -> int:
    """What the frame shows at the bell."""
    if actor.id is None or not _has_frame(request):
        return 0
    return (await reading.unread(state_of(request).reads, [actor.id])).get(actor.id, 0)


async def _chats_of(request: Request, actor: Actor) -> int:
    """What the frame shows beside "Chat"."""
    if actor.id is None or not _has_frame(request):
        return 0
    return await talk.unread(state_of(request).reads, actor.id)


async def _buzz_of(request: Request, actor: Actor) -> Mapping[str, int] | None:
    """What the frame shows beside "Wallet"."""
    if actor.id is None or not _has_frame(request):
        return None
    found = await wallets.spendable(state_of(request).reads, [actor.id])
    return {colour.value: amount for colour, amount in found[actor.id].items()}


async def member_visit(request: Request) -> Actor:
    """The visitor, who must be signed in; a stranger is sent to sign in and then back here."""
    actor = await visit(request)
    if not actor.signed_in:
        raise Unauthorised("Sign in to see this page.", code="sign_in_needed")
    return actor


Visitor = Annotated[Actor, Depends(visit)]
Member = Annotated[Actor, Depends(member_visit)]


def frame(
    request: Request, actor: Actor, buzz: Mapping[str, int] | None = None, unread: int = 0, chats: int = 0
) -> Shell:
    """The frame for this request; also gives a browser without a session its visitor cookie."""
    sessions.ensure_visitor(request)
    settings = state_of(request).settings
    viewer = None
    if actor.id is not None and actor.username is not None:
        viewer = Viewer(
            actor.id,
            actor.username,
            avatar_url=portrait(actor.avatar_key),
            is_moderator=actor.is_moderator,
            is_admin=actor.is_admin,
            buzz=buzz,
            unread=unread,
            chats=chats,
        )
    return Shell(
        viewer=viewer,
        csrf_token=csrf.token_for(request),
        theme=theme_of(request),
        flash=_taken_flash(request),
        discreet=discreet(request),
        path=request.url.path,
        query=request.url.query,
        site=Site(
            name=settings.site.name,
            url=base_url(request),
            sign_up_open=settings.site.allow_sign_up,
            source_url=settings.site.source_url,
            note=settings.site.region_note,
            safe=is_safe_site(request),
            twin_url=twin_url(request),
        ),
    )


def redirect(
    request: Request,
    href: str,
    *,
    kind: FlashKind = "ok",
    text: str | None = None,
    link: str | None = None,
    action: str | None = None,
) -> Response:
    """Go to a page of ours after a change (303), saying there what happened.

    An htmx request is told to load the page. `href` must begin with one slash: no visitor is sent elsewhere.
    """
    target = local_path(href)
    response: Response
    if request.headers.get("hx-request") == "true":
        response = Response(status_code=204, headers={"HX-Redirect": target})
    else:
        response = RedirectResponse(target, status_code=SEE_OTHER)
    if text:
        value = _signer(request).dumps([kind, text, link, action])
        response.set_cookie(
            FLASH,
            value,
            max_age=60,
            path="/",
            httponly=True,
            samesite="lax",
            secure=sessions.is_secure(request),
        )
    return response


def local_path(href: str | None, fallback: str = "/") -> str:
    """A path on this site, or `fallback` for anything that would lead away (RFC 9700 on open redirects)."""
    if (
        not href
        or not href.startswith("/")
        or href.startswith(("//", "/\\"))
        or any(ord(ch) < 32 for ch in href)
    ):
        return fallback
    return href


async def show_fault(request: Request, fault: Fault) -> Response:
    """A fault as a page; who must sign in, or show again who they are, is sent there and comes back afterwards."""
    if getattr(request.state, "shell", None) is None:
        request.state.shell = frame(request, await _whoever(request))
    if isinstance(fault, Unauthorised) and fault.code == "sign_in_needed":
        return redirect(request, f"/login?returnUrl={quote(_place(request), safe='')}")
    if fault.code == "prove_again":
        return redirect(request, f"/account/prove?returnUrl={quote(_place(request), safe='')}")
    if fault.code == "not_onboarded":
        return redirect(request, f"/welcome?returnUrl={quote(_place(request), safe='')}")
    return error_page(
        request,
        fault.status,
        detail=fault.message,
        retry_after=fault.retry_after if isinstance(fault, Limited) else None,
        request_id=request.scope.get("state", {}).get("request_id"),
    )


def _place(request: Request) -> str:
    """The page somebody was on: this one, or the one whose form was sent."""
    if request.method in {"GET", "HEAD"} and request.headers.get("hx-request") != "true":
        return request.url.path + (f"?{request.url.query}" if request.url.query else "")
    came = urlsplit(request.headers.get("hx-current-url") or request.headers.get("referer") or "")
    if came.netloc != request.headers.get("host", ""):
        return "/"
    return local_path(came.path + (f"?{came.query}" if came.query else ""))


async def _whoever(request: Request) -> Actor:
    """The visitor of a page that failed before it was known who looks; a stranger when that is what failed."""
    try:
        return await actor_of(request)
    except (Fault, SQLAlchemyError):
        return ANONYMOUS


def _taken_flash(request: Request) -> tuple[Flash, ...]:
    given = request.cookies.get(FLASH)
    if not given or request.headers.get("hx-request") == "true":
        return ()
    request.scope.setdefault("state", {}).setdefault("spent_cookies", []).append(FLASH)
    try:
        kind, text, link, action = _signer(request).loads(given)
    except (BadData, ValueError, TypeError):
        return ()
    return (Flash(kind, text, link, action),)


def _signer(request: Request) -> URLSafeSerializer:
    return URLSafeSerializer(state_of(request).secret, salt="flash")
