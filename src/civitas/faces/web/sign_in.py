"""Signing in: password, mailed link, second step; and signing out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from civitas.domains.accounts import mail_links, sessions, signing_in
from civitas.domains.accounts.mail_links import Purpose
from civitas.domains.accounts.switching import kept
from civitas.faces.http import sessions as cookies
from civitas.faces.http.limits import limited, take
from civitas.faces.http.links import client_address
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading, Unit
from civitas.faces.web import forms, keepsakes, mailbox, social_login, switching
from civitas.faces.web.arrivals import TICKET, arrive, browser_of, passkeys_possible
from civitas.faces.web.forms import Entered
from civitas.faces.web.join import SECRET_ADDRESS
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Visitor, local_path, redirect
from civitas.kit.errors import Forbidden, Invalid, Limited, Unauthorised

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

Attempt = Depends(limited("sign_in"))
ReturnUrl = Annotated[str, Query(alias="returnUrl")]

# Why somebody was sent here, as other parts of the site and old clients say it (WIRE rule 7).
REASONS = {
    "download-auth": "Sign in to download this file. The download goes on afterwards.",
    "publish": "Sign in to publish a model.",
    "session-ended": "You have been signed out. Sign in to go on.",
}


@dataclass(frozen=True, slots=True)
class LoginPage:
    """The form to sign in."""

    form: Entered
    return_url: str
    reason: str | None
    providers: tuple[social_login.Offer, ...]
    passkeys: bool
    way: Literal["password", "link"]


@dataclass(frozen=True, slots=True)
class LinkSentPage:
    """A link was mailed, or would have been."""

    mailbox: bool


@dataclass(frozen=True, slots=True)
class LinkPage:
    """The button behind a mailed link."""

    token: str
    live: bool
    form: Entered
    return_url: str


@dataclass(frozen=True, slots=True)
class CodePage:
    """The second step."""

    form: Entered
    return_url: str
    recovery: bool


@router.get("/login")
async def show(
    request: Request,
    visitor: Visitor,
    return_to: ReturnUrl = "/",
    reason: str | None = None,
    by: str = "password",
    add: bool = False,
) -> Response:
    """The form; somebody who is signed in already goes where they wanted to, unless they `add` an account."""
    if visitor.signed_in and not add:
        return redirect(request, local_path(return_to))
    return _page(request, Entered(), local_path(return_to), reason, by)


@router.post("/login", dependencies=[Attempt])
async def by_password(request: Request, visitor: Visitor) -> Response:
    """Sign in with a name or an address, and a password."""
    form = await forms.read(request)
    to = local_path(form.get("returnUrl"))
    try:
        async with state_of(request).database.unit() as session:
            result = await signing_in.by_password(
                session,
                login=form.get("login"),
                password=form.get("password"),
                browser=browser_of(request),
            )
    except (Unauthorised, Forbidden, Invalid) as fault:
        return _page(request, form.failed(fault), to, None, "password", forms.status_of(fault))
    return arrive(request, result, to=to)


@router.post("/login/mail", dependencies=[Attempt])
async def ask_link(request: Request, visitor: Visitor) -> Response:
    """Mail a link that signs in; the answer is the same whether the address has an account or not."""
    form = await forms.read(request)
    to = local_path(form.get("returnUrl"))
    try:
        await take(request, "mail", caller=f"a:{client_address(request)}")
        async with state_of(request).database.unit() as session:
            await signing_in.request_link(session, email=form.get("email"))
    except Invalid as fault:
        return _page(request, form.failed(fault), to, None, "link", forms.status_of(fault))
    response = redirect(request, "/login/sent")
    keepsakes.put(request, response, "after_link", {"to": to[:1000]}, seconds=1800)
    return response


@router.get("/login/sent")
async def sent(request: Request, visitor: Visitor) -> Response:
    """Look into your mail."""
    return render(request, "account/link_sent.html", LinkSentPage(mailbox.open_to(request)))


@router.get("/login/link")
async def link_page(
    request: Request, visitor: Visitor, session: Reading, token: Annotated[str, Query(max_length=300)] = ""
) -> Response:
    """The button behind the mailed link; a mail scanner's visit uses nothing up."""
    live = await mail_links.look(session, Purpose.SIGN_IN, token) is not None
    return _link(request, token, Entered(), live=live, status=200 if live else 410)


@router.post("/login/link", dependencies=[Attempt])
async def by_link(request: Request, visitor: Visitor) -> Response:
    """Sign in with the mailed link."""
    form = await forms.read(request)
    try:
        async with state_of(request).database.unit() as session:
            result = await signing_in.by_link(session, token=form.get("token"), browser=browser_of(request))
    except (Invalid, Unauthorised, Forbidden) as fault:
        return _link(request, form.get("token"), form.failed(fault), live=False, status=410)
    note = keepsakes.take(request, "after_link") or {}
    return arrive(request, result, to=str(note.get("to", "/")))


@router.get("/login/code")
async def code_page(
    request: Request, visitor: Visitor, return_to: ReturnUrl = "/", recovery: bool = False
) -> Response:
    """The second step; without a first one there is nothing to do here."""
    if keepsakes.look(request, TICKET) is None:
        return redirect(request, "/login", kind="warn", text="That took too long; please sign in again.")
    return render(request, "account/code.html", CodePage(Entered(), local_path(return_to), recovery))


@router.post("/login/code", dependencies=[Attempt])
async def by_code(request: Request, visitor: Visitor) -> Response:
    """Finish signing in with a code of the app, or a recovery code."""
    form = await forms.read(request)
    to, state = local_path(form.get("returnUrl")), state_of(request)
    note = keepsakes.look(request, TICKET) or {}
    wrong = Invalid("This code does not fit.", fields={"code": "This code does not fit; try the newest one."})
    try:
        async with state.database.unit() as session:
            result = await signing_in.by_second_step(
                session,
                ticket=str(note.get("ticket", "")),
                code=form.get("code"),
                secret=state.secret,
                browser=browser_of(request),
            )
    except (Unauthorised, Forbidden) as fault:
        keepsakes.drop(request, TICKET)
        return redirect(request, "/login", kind="warn", text=fault.message)
    except Limited as fault:
        return _code(request, form.failed(fault), to, fault.status)
    if result is None:
        return _code(request, form.failed(wrong), to, 400)
    keepsakes.drop(request, TICKET)
    return arrive(request, result, to=to)


@router.post("/logout")
async def leave(request: Request, visitor: Visitor, session: Unit) -> Response:
    """Sign this browser out; to the choice of its other accounts when it keeps any."""
    await sessions.end(session, visitor)
    others = await kept(session, visitor, tokens=switching.kept_tokens(request))
    response = redirect(request, "/accounts" if others else "/", kind="info", text="You are signed out.")
    cookies.end(request, response)
    return response


def _page(
    request: Request, form: Entered, to: str, reason: str | None, by: str, status: int = 200
) -> Response:
    page = LoginPage(
        form=form,
        return_url=to,
        reason=REASONS.get(reason or ""),
        providers=social_login.offers(request),
        passkeys=passkeys_possible(request),
        way="link" if by == "link" else "password",
    )
    return render(request, "account/login.html", page, status=status)


def _link(request: Request, token: str, form: Entered, *, live: bool, status: int) -> Response:
    page = LinkPage(token, live, form, "/")
    return render(request, "account/link.html", page, status=status, headers=SECRET_ADDRESS)


def _code(request: Request, form: Entered, to: str, status: int) -> Response:
    page = CodePage(form, to, form.get("recovery") == "true")
    return render(request, "account/code.html", page, status=status)
