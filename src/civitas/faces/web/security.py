"""Settings: what opens the account, and which browsers are signed in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, Request
from starlette.responses import Response

from civitas.domains.accounts import passkeys, policy, queries, sessions, social, totp
from civitas.domains.accounts.passkeys import PasskeyInfo
from civitas.domains.accounts.sessions import SessionInfo
from civitas.domains.accounts.social import IdentityInfo
from civitas.domains.accounts.types import Actor
from civitas.faces.http import sessions as cookies
from civitas.faces.http.browsers import browser_name
from civitas.faces.http.units import Reading, Unit
from civitas.faces.web import forms, social_login
from civitas.faces.web.arrivals import passkeys_possible
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Member, redirect
from civitas.kit import clock

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

HERE = "/account/security"
_METHODS = {
    "password": "password",
    "link": "mailed link",
    "passkey": "passkey",
    "google": "Google",
    "github": "GitHub",
    "discord": "Discord",
    "reddit": "Reddit",
}


@dataclass(frozen=True, slots=True)
class SessionLine:
    """A signed-in browser in words."""

    id: int
    name: str
    method: str
    address: str
    last_seen_at: datetime
    created_at: datetime
    current: bool


@dataclass(frozen=True, slots=True)
class LinkedLine:
    """A provider: the account that is linked, or where to begin linking one."""

    name: str
    label: str
    identity: IdentityInfo | None
    href: str


@dataclass(frozen=True, slots=True)
class SecurityPage:
    """Everything that opens the account."""

    fresh: bool
    has_password: bool
    passkeys: list[PasskeyInfo]
    passkeys_possible: bool
    second_step: totp.Standing
    sessions: list[SessionLine]
    linked: list[LinkedLine]


@router.get(HERE)
async def show(request: Request, member: Member, session: Reading) -> Response:
    """The settings."""
    proved = member.proved_at
    account = await queries.account(session, member)
    page = SecurityPage(
        fresh=proved is not None and proved >= clock.now() - policy.FRESH,
        has_password=account.has_password,
        passkeys=await passkeys.mine(session, member),
        passkeys_possible=passkeys_possible(request),
        second_step=await totp.standing(session, member),
        sessions=[_line(found) for found in await sessions.mine(session, member)],
        linked=_linked(request, member, await social.mine(session, member)),
    )
    return render(request, "account/security.html", page, block="sessions")


@router.post(f"{HERE}/sessions/others/end")
async def end_others(request: Request, member: Member, session: Unit) -> Response:
    """Sign every other browser out."""
    count = await sessions.revoke_others(session, member)
    text = "No other browser was signed in." if count == 0 else "Every other browser is signed out."
    return redirect(request, f"{HERE}#sessions", text=text)


@router.post(f"{HERE}/sessions/{{session_id}}/end")
async def end_session(request: Request, member: Member, session: Unit, session_id: int) -> Response:
    """Sign one browser out, perhaps this one."""
    await sessions.revoke(session, member, session_id=session_id)
    if session_id == member.session_id:
        response = redirect(request, "/", kind="info", text="You are signed out.")
        cookies.end(request, response)
        return response
    return redirect(request, f"{HERE}#sessions", text="That browser is signed out.")


@router.post(f"{HERE}/linked/{{identity_id}}/remove")
async def unlink(request: Request, member: Member, session: Unit, identity_id: int) -> Response:
    """Remove a linked account."""
    await social.unlink(session, member, identity_id=identity_id)
    return redirect(request, f"{HERE}#linked", text="That account does not open yours any more.")


def _linked(request: Request, member: Actor, held: list[IdentityInfo]) -> list[LinkedLine]:
    """Every provider that is set up, and those that are not any more but are linked."""
    by_name = {found.provider: found for found in held}
    lines = []
    for name, provider in social_login.known().items():
        offered = any(offer.name == name for offer in social_login.offers(request))
        if offered or name in by_name:
            href = social_login.link_address(request, member, name) if offered else ""
            lines.append(LinkedLine(name, provider.label, by_name.get(name), href))
    return lines


def _line(found: SessionInfo) -> SessionLine:
    return SessionLine(
        id=found.id,
        name=browser_name(found.user_agent),
        method=_METHODS.get(found.method, found.method),
        address=found.address,
        last_seen_at=found.last_seen_at,
        created_at=found.created_at,
        current=found.current,
    )
