"""Several accounts in one browser: the page that lists them, going over to one, signing out of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import Response

from civitas.domains.accounts import sessions, switching
from civitas.domains.accounts.sessions import SignedIn
from civitas.domains.accounts.switching import MOST_KEPT, KeptAccount
from civitas.faces.http import sessions as cookies
from civitas.faces.http.portraits import portrait
from civitas.faces.http.units import Reading, Unit
from civitas.faces.web import forms, keepsakes
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Visitor, local_path, redirect
from civitas.kit.errors import Unauthorised

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

NOTE = "accounts"


@dataclass(frozen=True, slots=True)
class Choice:
    """An account one can go over to."""

    person_id: int
    username: str
    avatar_url: str | None
    account: KeptAccount


@dataclass(frozen=True, slots=True)
class AccountsPage:
    """The accounts of this browser. `room` is whether another can be added."""

    choices: tuple[Choice, ...]
    room: bool
    return_url: str


def kept_tokens(request: Request) -> tuple[str, ...]:
    """The secrets of the other sessions that this browser keeps."""
    held = (keepsakes.look(request, NOTE) or {}).get("tokens")
    return tuple(str(token) for token in held) if isinstance(held, list) else ()


def keep(request: Request, response: Response, tokens: Sequence[str]) -> None:
    """Make these the other sessions of this browser, the newest first; beyond `MOST_KEPT` the last are let go."""
    if tokens:
        note = {"tokens": list(dict.fromkeys(tokens))[:MOST_KEPT]}
        keepsakes.put(request, response, NOTE, note, seconds=cookies.YEAR_S)
    else:
        keepsakes.drop(request, NOTE)


def begin(request: Request, response: Response, done: SignedIn) -> None:
    """Send the new session's cookie; the session that was in use before stays at hand."""
    before = cookies.session_token(request)
    if before:
        keep(request, response, (before, *kept_tokens(request)))
    cookies.start(request, response, done.token)


@router.get("/accounts")
async def show(request: Request, visitor: Visitor, session: Reading, returnUrl: str = "/") -> Response:
    """The accounts that this browser is signed in to."""
    held = await switching.kept(session, visitor, tokens=kept_tokens(request))
    choices = tuple(Choice(a.person_id, a.username, portrait(a.avatar_key), a) for a in held)
    page = AccountsPage(choices, len(choices) < MOST_KEPT, local_path(returnUrl))
    return render(request, "account/accounts.html", page)


@router.post("/accounts")
async def go(request: Request, visitor: Visitor, session: Unit) -> Response:
    """Go over to one of them."""
    form = await forms.read(request)
    tokens = kept_tokens(request)
    held = await switching.kept(session, visitor, tokens=tokens)
    chosen = next((a for a in held if str(a.person_id) == form.get("person")), None)
    try:
        if chosen is None:
            raise Unauthorised("This account is signed out here; sign in to it again.", code="session_ended")
        done = await switching.go_over(session, token=chosen.token)
    except Unauthorised as fault:
        return redirect(request, "/accounts", kind="warn", text=fault.message)
    response = redirect(
        request, local_path(form.get("returnUrl")), text=f"You are {done.actor.username} now."
    )
    before = cookies.session_token(request) if visitor.signed_in else None
    others = [account.token for account in held if account is not chosen]
    keep(request, response, [before, *others] if before else others)
    cookies.start(request, response, done.token)
    return response


@router.post("/accounts/leave")
async def leave_all(request: Request, visitor: Visitor, session: Unit) -> Response:
    """Sign out of every account of this browser."""
    await switching.end_all(session, tokens=kept_tokens(request))
    await sessions.end(session, visitor)
    response = redirect(request, "/", kind="info", text="You are signed out of every account here.")
    keep(request, response, ())
    cookies.end(request, response)
    return response
