"""Before something dangerous: is it still you?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from civitas.domains.accounts import passkeys, queries, signing_in, social
from civitas.faces.http import sessions as cookies
from civitas.faces.http.limits import limited
from civitas.faces.http.state import state_of
from civitas.faces.web import forms, social_login
from civitas.faces.web.arrivals import passkeys_possible
from civitas.faces.web.forms import Entered
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Member, local_path, redirect
from civitas.kit.errors import Unauthorised

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

HOME = "/account/security"


@dataclass(frozen=True, slots=True)
class ProofPage:
    """The ways in which this person can show again who they are."""

    form: Entered
    return_url: str
    has_password: bool
    passkeys: bool
    email: str | None
    providers: tuple[social_login.Offer, ...]


@router.get("/account/prove")
async def show(
    request: Request, member: Member, return_to: Annotated[str, Query(alias="returnUrl")] = HOME
) -> Response:
    """Ask for the password, a passkey, or a fresh sign-in by other means."""
    return await _page(request, member, Entered(), local_path(return_to, HOME))


@router.post("/account/prove", dependencies=[Depends(limited("sign_in"))])
async def prove(request: Request, member: Member) -> Response:
    """By password. The session gets a new secret."""
    form = await forms.read(request)
    to = local_path(form.get("returnUrl"), HOME)
    try:
        async with state_of(request).database.unit() as session:
            done = await signing_in.prove_again(session, member, password=form.get("password"))
    except Unauthorised as fault:
        wrong = form.failed(fault)
        told = Entered(wrong.values, errors={"password": "This is not your password."})
        return await _page(request, member, told, to, forms.status_of(fault))
    response = redirect(request, to, text="Thank you. Now do what you came for.")
    cookies.start(request, response, done.token)
    return response


async def _page(request: Request, member: Member, form: Entered, to: str, status: int = 200) -> Response:
    async with state_of(request).database.reading() as session:
        account = await queries.account(session, member)
        held = await passkeys.mine(session, member)
        linked = {found.provider for found in await social.mine(session, member)}
    page = ProofPage(
        form=form,
        return_url=to,
        has_password=account.has_password,
        passkeys=bool(held) and passkeys_possible(request),
        email=account.email,
        providers=tuple(offer for offer in social_login.offers(request) if offer.name in linked),
    )
    return render(request, "account/proof.html", page, status=status)
