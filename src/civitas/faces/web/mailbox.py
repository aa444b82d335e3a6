"""The mailbox of an instance without a mail server: what would have been sent, for those who may see it.

Whoever reads it can take over any account, so it is for admins, and for people at this very machine while nobody
else can reach it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from markupsafe import Markup, escape
from sqlalchemy import delete, func, select
from starlette.responses import Response

from civitas.faces.http.actors import actor_of
from civitas.faces.http.links import client_address
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading, Unit
from civitas.faces.web import forms
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Visitor, redirect
from civitas.infra.mail.mailer import CaughtMail
from civitas.kit.errors import NotFound

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

SHOWN = 100
_LINK = re.compile(r"https?://[^\s<>\"]+")
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via", "cf-connecting-ip")


@dataclass(frozen=True, slots=True)
class MailLine:
    """One mail in the list."""

    id: int
    recipient: str
    subject: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class MailboxPage:
    """The list, and the mail that is open."""

    mails: list[MailLine]
    total: int
    open: MailLine | None
    text: Markup


def at_this_machine(request: Request) -> bool:
    """Whether the visitor sits at this machine and nobody else can reach the instance.

    An address of a reverse proxy on this machine is also a loopback one, so nothing may have been forwarded, and
    the name in the address bar and the one in the settings must be this machine's own.
    """
    site = state_of(request).settings.site
    configured = urlsplit(site.base_url).hostname or "" if site.base_url else "localhost"
    return (
        (site.development or _is_loopback(site.host))
        and _is_loopback(client_address(request))
        and _is_loopback(request.url.hostname or "")
        and _is_loopback(configured)
        and not any(name in request.headers for name in _FORWARDED)
    )


def open_to(request: Request) -> bool:
    """Whether this visitor may look into the mailbox; false where mail really leaves."""
    if state_of(request).settings.mail.host:
        return False
    actor = getattr(request.state, "actor", None)
    return (actor is not None and actor.is_admin) or at_this_machine(request)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


async def _check(request: Request) -> None:
    await actor_of(request)
    if not open_to(request):
        raise NotFound("There is nothing at this address (not found).", code="route_not_found")


@router.get("/mailbox")
async def show(request: Request, visitor: Visitor, session: Reading) -> Response:
    """The newest mails."""
    await _check(request)
    return await _page(request, session, None)


@router.get("/mailbox/{mail_id}")
async def one(request: Request, visitor: Visitor, session: Reading, mail_id: int) -> Response:
    """One mail beside the list."""
    await _check(request)
    found = await session.get(CaughtMail, mail_id)
    if found is None:
        raise NotFound("This mail is gone.", code="no_such_mail")
    return await _page(request, session, found)


@router.post("/mailbox/clear")
async def clear(request: Request, visitor: Visitor, session: Unit) -> Response:
    """Throw every mail away."""
    await _check(request)
    await session.execute(delete(CaughtMail))
    return redirect(request, "/mailbox", text="The mailbox is empty now.")


async def _page(request: Request, session: Reading, opened: CaughtMail | None) -> Response:
    rows = await session.execute(
        select(CaughtMail.id, CaughtMail.recipient, CaughtMail.subject, CaughtMail.created_at)
        .order_by(CaughtMail.id.desc())
        .limit(SHOWN)
    )
    total = await session.scalar(select(func.count()).select_from(CaughtMail)) or 0
    line = MailLine(opened.id, opened.recipient, opened.subject, opened.created_at) if opened else None
    page = MailboxPage(
        [MailLine(*row) for row in rows], total, line, linked(opened.text) if opened else Markup("")
    )
    return render(request, "account/mailbox.html", page, block="mail", headers={"Cache-Control": "no-store"})


def linked(text: str) -> Markup:
    """Plain text as markup, with its addresses pressable."""
    parts: list[Markup] = []
    end = 0
    for found in _LINK.finditer(text):
        parts += [
            escape(text[end : found.start()]),
            Markup('<a href="{0}">{0}</a>').format(found[0]),
        ]
        end = found.end()
    return Markup("").join([*parts, escape(text[end:])])
