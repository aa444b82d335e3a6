"""Becoming a member: the form, the mail that confirms, and the button behind its link."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from markupsafe import escape
from starlette.responses import HTMLResponse, Response

from civitas.domains.accounts import joining, usernames
from civitas.faces.http import sessions
from civitas.faces.http.limits import limited, take
from civitas.faces.http.links import client_address
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading
from civitas.faces.web import forms, keepsakes, mailbox, social_login
from civitas.faces.web.arrivals import arrive, browser_of
from civitas.faces.web.forms import Entered
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Visitor, local_path, redirect
from civitas.kit.errors import Conflict, Fault, Forbidden, Invalid

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

Attempt = Depends(limited("sign_in"))
JOINED = "joined"
# The address holds a secret, so it is told to nobody else. `no-referrer` would make forms send `Origin: null`.
SECRET_ADDRESS = {"Referrer-Policy": "same-origin", "Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class JoinPage:
    """The form to join."""

    form: Entered
    return_url: str
    providers: tuple[social_login.Offer, ...]
    by_link: bool


@dataclass(frozen=True, slots=True)
class SentPage:
    """What comes after the form: look into your mail."""

    email: str
    form: Entered
    mailbox: bool


@dataclass(frozen=True, slots=True)
class ConfirmPage:
    """The button behind the mailed link; `username` is empty for a link that is over."""

    form: Entered
    token: str
    username: str
    email: str
    needs_password: bool
    name_taken: bool


@router.get("/join")
async def show(
    request: Request,
    visitor: Visitor,
    return_to: Annotated[str, Query(alias="returnUrl")] = "/",
    by: str = "password",
) -> Response:
    """The form; somebody who is signed in already has no use for it."""
    if visitor.signed_in:
        return redirect(request, local_path(return_to))
    return _page(request, Entered(), local_path(return_to), by_link=by == "link")


@router.post("/join", dependencies=[Attempt])
async def join(request: Request, visitor: Visitor) -> Response:
    """Ask to join. The next page is the same for a free address and for one that has an account."""
    form = await forms.read(request)
    by_link = form.get("by") == "link"
    to = local_path(form.get("returnUrl"))
    if not state_of(request).settings.site.allow_sign_up:
        raise Forbidden("New accounts are not taken here at the moment.", code="joining_closed")
    try:
        await take(request, "mail", caller=f"a:{client_address(request)}")
        async with state_of(request).database.unit() as session:
            await joining.sign_up(
                session,
                username=form.get("username").strip(),
                email=form.get("email"),
                password=None if by_link else form.get("password"),
                visitor=sessions.visitor_of(request),
            )
    except (Invalid, Conflict) as fault:
        return _page(request, form.failed(fault), to, by_link=by_link, status=forms.status_of(fault))
    response = redirect(request, "/join/sent")
    note = {"email": form.get("email").strip()[:320], "to": to[:1000]}
    keepsakes.put(request, response, JOINED, note, seconds=24 * 3600)
    return response


@router.get("/join/username")
async def name(
    visitor: Visitor, session: Reading, username: Annotated[str, Query(max_length=100)] = ""
) -> Response:
    """Whether a name is free, for the form while one types."""
    wanted = username.strip()
    if not wanted:
        return HTMLResponse("")
    try:
        await usernames.check(session, wanted, person_id=visitor.id)
    except (Invalid, Conflict) as fault:
        return HTMLResponse(_note("no", fault.details.get("fields", {}).get("username", fault.message)))
    return HTMLResponse(_note("yes", f"{wanted} is free."))


@router.get("/join/sent")
async def sent(request: Request, visitor: Visitor) -> Response:
    """Look into your mail; with a way to have it sent again."""
    return _sent(request, Entered())


@router.post("/join/sent", dependencies=[Attempt])
async def resend(request: Request, visitor: Visitor) -> Response:
    """Mail the link again."""
    form = await forms.read(request)
    try:
        await take(request, "mail", caller=f"a:{client_address(request)}")
        async with state_of(request).database.unit() as session:
            await joining.resend(session, email=form.get("email"))
    except Invalid as fault:
        return _sent(request, form.failed(fault), status=forms.status_of(fault))
    text = "If somebody waits to join with this address, the mail is on its way again."
    return redirect(request, "/join/sent", kind="info", text=text)


@router.get("/join/confirm")
async def confirm_page(
    request: Request, visitor: Visitor, session: Reading, token: Annotated[str, Query(max_length=300)] = ""
) -> Response:
    """The button that makes the account; looking at it uses nothing up."""
    return await _confirm(request, session, token, Entered())


@router.post("/join/confirm", dependencies=[Attempt])
async def confirm(request: Request, visitor: Visitor) -> Response:
    """Make the account and sign its owner in."""
    form = await forms.read(request)
    token = form.get("token")
    database = state_of(request).database
    try:
        async with database.unit() as session:
            result = await joining.confirm(
                session,
                token=token,
                visitor=sessions.visitor_of(request),
                password=form.get("password") or None,
                username=form.get("username").strip() or None,
                browser=browser_of(request),
            )
    except (Invalid, Conflict, Forbidden) as fault:
        async with database.reading() as session:
            return await _confirm(request, session, token, form.failed(fault), fault)
    note = keepsakes.take(request, JOINED) or {}
    name = state_of(request).settings.site.name
    return arrive(request, result, to=str(note.get("to", "/")), text=f"Welcome to {name}.")


async def _confirm(
    request: Request, session: Reading, token: str, form: Entered, fault: Fault | None = None
) -> Response:
    try:
        username, email = await joining.pending(session, token=token)
    except Invalid:
        username = email = ""
    code = fault.code if fault else ""
    page = ConfirmPage(
        form=form,
        token=token,
        username=username,
        email=email,
        needs_password=code == "password_needed" or bool(form.get("password")),
        name_taken=code in {"username_taken", "bad_username", "username_reserved"},
    )
    status = forms.status_of(fault) if fault else 200 if username else 410
    return render(request, "account/confirm.html", page, status=status, headers=SECRET_ADDRESS)


def _page(request: Request, form: Entered, to: str, *, by_link: bool, status: int = 200) -> Response:
    page = JoinPage(form, to, social_login.offers(request), by_link)
    return render(request, "account/join.html", page, status=status)


def _sent(request: Request, form: Entered, status: int = 200) -> Response:
    note = keepsakes.look(request, JOINED) or {}
    page = SentPage(str(note.get("email", "")), form, mailbox.open_to(request))
    return render(request, "account/sent.html", page, status=status)


def _note(kind: str, text: str) -> str:
    return f'<span class="name-note {kind}">{escape(text)}</span>'
