"""The address of an account: change it, confirm it at both ends, confirm it for the first time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from civitas.domains.accounts import joining, mail_links, moving
from civitas.domains.accounts.mail_links import Purpose
from civitas.faces.http.limits import limited, take
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading, Unit
from civitas.faces.web import forms
from civitas.faces.web.account import show_with
from civitas.faces.web.join import SECRET_ADDRESS
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Member, Visitor, redirect
from civitas.kit.errors import Conflict, Invalid

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

Attempt = Depends(limited("sign_in"))
End = Literal["old", "new"]


@dataclass(frozen=True, slots=True)
class AddressPage:
    """The button behind a mailed link about an address."""

    action: str
    token: str
    end: str
    live: bool
    title: str
    text: str
    label: str


@router.post("/account/email")
async def ask(request: Request, member: Member) -> Response:
    """Ask to use another address; links go to both ends."""
    form = await forms.read(request)
    try:
        await take(request, "mail")
        async with state_of(request).database.unit() as session:
            await moving.request_change(session, member, email=form.get("email"))
    except Invalid as fault:
        return await show_with(request, member, "email", form.failed(fault), forms.status_of(fault))
    text = "We have sent links to your old and your new address. The change is made when both were used."
    return redirect(request, "/account#email", kind="info", text=text)


@router.post("/account/email/resend")
async def resend(request: Request, member: Member, session: Unit) -> Response:
    """Mail the link that confirms the present address."""
    await take(request, "mail")
    await joining.request_verification(session, member)
    return redirect(request, "/account#email", kind="info", text="The link is on its way to your address.")


@router.get("/account/email/verify")
async def verify_page(
    request: Request, visitor: Visitor, session: Reading, token: Annotated[str, Query(max_length=300)] = ""
) -> Response:
    """Confirm an address; looking uses nothing up."""
    live = await mail_links.look(session, Purpose.VERIFY, token) is not None
    return _page(request, "/account/email/verify", token, "", live=live)


@router.post("/account/email/verify", dependencies=[Attempt])
async def verify(request: Request, visitor: Visitor) -> Response:
    """Use the link."""
    form = await forms.read(request)
    try:
        async with state_of(request).database.unit() as session:
            await joining.verify(session, token=form.get("token"))
    except Invalid:
        return _page(request, "/account/email/verify", "", "", live=False)
    return redirect(request, _home(visitor), text="Thank you. Your address is confirmed.")


@router.get("/account/email/confirm")
async def confirm_page(
    request: Request,
    visitor: Visitor,
    session: Reading,
    token: Annotated[str, Query(max_length=300)] = "",
    end: End = "new",
) -> Response:
    """Confirm a change at one end."""
    purpose = Purpose.CHANGE_OLD if end == "old" else Purpose.CHANGE_NEW
    live = await mail_links.look(session, purpose, token) is not None
    return _page(request, "/account/email/confirm", token, end, live=live)


@router.post("/account/email/confirm", dependencies=[Attempt])
async def confirm(request: Request, visitor: Visitor) -> Response:
    """Use the link of one end."""
    form = await forms.read(request)
    end: End = "old" if form.get("end") == "old" else "new"
    try:
        async with state_of(request).database.unit() as session:
            moved = await moving.confirm_end(session, token=form.get("token"), end=end)
    except (Invalid, Conflict) as fault:
        if fault.code == "email_taken":
            return redirect(request, _home(visitor), kind="danger", text=fault.message)
        return _page(request, "/account/email/confirm", "", end, live=False)
    text = (
        "Your address has changed."
        if moved
        else "Thank you. Now use the link that we sent to the other address."
    )
    return redirect(request, _home(visitor), text=text)


def _home(visitor: Visitor) -> str:
    return "/account#email" if visitor.signed_in else "/login"


def _page(request: Request, action: str, token: str, end: str, *, live: bool) -> Response:
    words = {
        "": ("Confirm your address", "One press, and we know that mail reaches you.", "Confirm my address"),
        "new": (
            "Use this address from now on",
            "You asked to use this address for your account. Confirm that it is yours.",
            "This address is mine",
        ),
        "old": (
            "Leave this address",
            "You asked to use another address for your account. Confirm that it was you who asked.",
            "Yes, change my address",
        ),
    }
    title, text, label = words[end]
    page = AddressPage(action, token, end, live, title, text, label)
    return render(request, "account/address.html", page, status=200 if live else 410, headers=SECRET_ADDRESS)
