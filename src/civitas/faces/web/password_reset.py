"""A forgotten password: ask for the link, choose a new one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from civitas.domains.accounts import passwords
from civitas.faces.http.limits import limited, take
from civitas.faces.http.links import client_address
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading
from civitas.faces.web import forms, mailbox
from civitas.faces.web.forms import Entered
from civitas.faces.web.join import SECRET_ADDRESS
from civitas.faces.web.sign_in import LinkSentPage
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Visitor, redirect
from civitas.kit.errors import Invalid

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

Attempt = Depends(limited("sign_in"))


@dataclass(frozen=True, slots=True)
class ForgotPage:
    """The form that asks for a link."""

    form: Entered


@dataclass(frozen=True, slots=True)
class ResetPage:
    """The form that takes the new password."""

    form: Entered
    token: str
    live: bool


@router.get("/forgot")
async def forgot(request: Request, visitor: Visitor) -> Response:
    """Ask for a link."""
    return render(request, "account/forgot.html", ForgotPage(Entered()))


@router.post("/forgot", dependencies=[Attempt])
async def ask(request: Request, visitor: Visitor) -> Response:
    """Mail the link; the answer is the same whether the address has an account or not."""
    form = await forms.read(request)
    try:
        await take(request, "mail", caller=f"a:{client_address(request)}")
        async with state_of(request).database.unit() as session:
            await passwords.request_reset(session, email=form.get("email"))
    except Invalid as fault:
        page = ForgotPage(form.failed(fault))
        return render(request, "account/forgot.html", page, status=forms.status_of(fault))
    return redirect(request, "/forgot/sent")


@router.get("/forgot/sent")
async def sent(request: Request, visitor: Visitor) -> Response:
    """Look into your mail."""
    return render(request, "account/forgot_sent.html", LinkSentPage(mailbox.open_to(request)))


@router.get("/password/reset")
async def reset_page(
    request: Request, visitor: Visitor, session: Reading, token: Annotated[str, Query(max_length=300)] = ""
) -> Response:
    """Choose a new password; looking at the form uses nothing up."""
    live = await passwords.can_reset(session, token=token)
    return _page(request, Entered(), token, live=live, status=200 if live else 410)


@router.post("/password/reset", dependencies=[Attempt])
async def reset(request: Request, visitor: Visitor) -> Response:
    """Set the password. Every browser has to sign in again, this one too."""
    form = await forms.read(request)
    token = form.get("token")
    try:
        async with state_of(request).database.unit() as session:
            await passwords.reset(session, token=token, new=form.get("password"))
    except Invalid as fault:
        live = fault.code != "link_expired"
        return _page(request, form.failed(fault), token, live=live, status=400 if live else 410)
    return redirect(request, "/login", text="Your new password is set. Sign in with it.")


def _page(request: Request, form: Entered, token: str, *, live: bool, status: int) -> Response:
    page = ResetPage(form, token, live)
    return render(request, "account/reset.html", page, status=status, headers=SECRET_ADDRESS)
