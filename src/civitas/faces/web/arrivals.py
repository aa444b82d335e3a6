"""What every way in has in common: where the person comes from, the session's cookie, and where they go next."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import quote, urlsplit

from fastapi import Request
from starlette.responses import Response

from civitas.domains.accounts.passkeys import RelyingParty
from civitas.domains.accounts.sessions import Browser, SignedIn
from civitas.domains.accounts.signing_in import SecondStep
from civitas.faces.http.links import base_url, client_address
from civitas.faces.http.state import state_of
from civitas.faces.web import keepsakes, switching
from civitas.faces.web.visits import local_path, redirect
from civitas.kit import clock

TICKET = "second_step"


def browser_of(request: Request) -> Browser:
    """The browser as its owner's list of sessions will show it."""
    return Browser(request.headers.get("user-agent", ""), client_address(request))


def arrive(request: Request, result: SignedIn | SecondStep, *, to: str, text: str | None = None) -> Response:
    """After a proof that held: to the second step, or signed in to `to`, or first through the welcome steps."""
    if isinstance(result, SecondStep):
        response = redirect(request, _with("/login/code", to))
        seconds = max(1, int((result.expires_at - clock.now()).total_seconds()))
        keepsakes.put(request, response, TICKET, {"ticket": result.ticket}, seconds=seconds)
        return response
    response = redirect(request, onward(result, to), text=text)
    switching.begin(request, response, result)
    return response


def onward(result: SignedIn, to: str) -> str:
    """Where somebody goes who has just signed in."""
    return local_path(to) if result.actor.onboarded else _with("/welcome", to)


def _with(path: str, to: str) -> str:
    to = local_path(to)
    return path if to == "/" else f"{path}?returnUrl={quote(to, safe='')}"


def relying_party(request: Request) -> RelyingParty:
    """This site as passkeys know it: they are bound to the host name under which it is visited."""
    base = base_url(request)
    return RelyingParty(urlsplit(base).hostname or "localhost", state_of(request).settings.site.name, (base,))


def passkeys_possible(request: Request) -> bool:
    """Whether browsers allow passkeys under this address: a host name, and https or this very machine."""
    parts = urlsplit(base_url(request))
    host = parts.hostname or ""
    try:
        ip_address(host)
    except ValueError:
        return parts.scheme == "https" or host == "localhost" or host.endswith(".localhost")
    return False
