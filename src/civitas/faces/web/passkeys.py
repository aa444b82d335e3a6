"""Passkeys: the answers to `static/js/passkeys.js`, which speaks with the browser's authenticator."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from civitas.domains.accounts import passkeys
from civitas.faces.http import sessions as cookies
from civitas.faces.http.limits import limited
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Unit
from civitas.faces.web import forms, switching
from civitas.faces.web.arrivals import browser_of, onward, relying_party
from civitas.faces.web.visits import Member, Visitor, local_path, redirect
from civitas.kit.errors import Invalid

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

Attempt = Depends(limited("sign_in"))


class Finish(BaseModel):
    """The authenticator's answer to a challenge."""

    ticket: str = Field(max_length=300)
    answer: dict[str, Any]
    name: str = Field(default="", max_length=200)
    return_url: Annotated[str, Field(alias="returnUrl", max_length=2000)] = "/"


def _challenge(made: passkeys.Challenge) -> Response:
    return JSONResponse(
        {"ticket": made.ticket, "options": made.options}, headers={"Cache-Control": "no-store"}
    )


@router.post("/login/passkey/begin", dependencies=[Attempt])
async def begin_sign_in(request: Request, session: Unit) -> Response:
    """A challenge for whichever passkey the browser offers, to sign in or to prove again."""
    return _challenge(await passkeys.begin_sign_in(session, party=relying_party(request)))


@router.post("/login/passkey/finish", dependencies=[Attempt])
async def finish_sign_in(request: Request, body: Finish) -> Response:
    """Sign in; the answer says where to go."""
    async with state_of(request).database.unit() as session:
        done = await passkeys.finish_sign_in(
            session,
            ticket=body.ticket,
            answer=body.answer,
            party=relying_party(request),
            browser=browser_of(request),
        )
    response = JSONResponse({"location": onward(done, body.return_url)})
    switching.begin(request, response, done)
    return response


@router.post("/account/prove/passkey", dependencies=[Attempt])
async def prove(request: Request, visitor: Visitor, body: Finish) -> Response:
    """Confirm that it is still the same person."""
    async with state_of(request).database.unit() as session:
        done = await passkeys.prove_again(
            session, visitor, ticket=body.ticket, answer=body.answer, party=relying_party(request)
        )
    response = JSONResponse({"location": local_path(body.return_url, "/account/security")})
    cookies.start(request, response, done.token)
    return response


@router.post("/account/security/passkeys/begin")
async def begin_registration(request: Request, member: Member, session: Unit) -> Response:
    """A challenge for a new passkey."""
    return _challenge(await passkeys.begin_registration(session, member, party=relying_party(request)))


@router.post("/account/security/passkeys/finish")
async def finish_registration(request: Request, member: Member, body: Finish) -> Response:
    """Keep the new passkey."""
    async with state_of(request).database.unit() as session:
        await passkeys.finish_registration(
            session,
            member,
            ticket=body.ticket,
            answer=body.answer,
            name=body.name,
            party=relying_party(request),
        )
    return JSONResponse({"location": "/account/security#passkeys"})


@router.post("/account/security/passkeys/{passkey_id}/rename")
async def rename(request: Request, member: Member, passkey_id: int) -> Response:
    """Give a passkey another name."""
    form = await forms.read(request)
    try:
        async with state_of(request).database.unit() as session:
            await passkeys.rename(session, member, passkey_id=passkey_id, name=form.get("name"))
    except Invalid as fault:
        return redirect(request, "/account/security#passkeys", kind="danger", text=fault.message)
    return redirect(request, "/account/security#passkeys", text="The passkey has its new name.")


@router.post("/account/security/passkeys/{passkey_id}/remove")
async def remove(request: Request, member: Member, passkey_id: int, session: Unit) -> Response:
    """Forget a passkey."""
    await passkeys.remove(session, member, passkey_id=passkey_id)
    return redirect(request, "/account/security#passkeys", text="The passkey does not open your account now.")
