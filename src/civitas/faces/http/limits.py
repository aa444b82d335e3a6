"""Rate limits at the door: by account when there is one, else by address."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import Request

from civitas.faces.http.links import client_address
from civitas.faces.http.state import state_of
from civitas.infra.limiting.limiter import Rate

MINUTE_S = 60.0


def rate(request: Request, kind: str) -> Rate:
    """The operator's allowance: `read`, `write`, `sign_in`, `mail` or `download`."""
    limits = state_of(request).settings.limits
    if kind == "mail":
        return Rate("mail", limits.mail_per_hour, 3600.0)
    return Rate(kind, int(getattr(limits, f"{kind}_per_minute")), MINUTE_S)


def caller_of(request: Request) -> str:
    """`p:7` for a person that was found already, `a:203.0.113.9` for an address."""
    actor = getattr(request.state, "actor", None)
    if actor is not None and actor.signed_in:
        return f"p:{actor.id}"
    return f"a:{client_address(request)}"


async def take(request: Request, kind: str, caller: str | None = None, amount: int = 1) -> None:
    """Count this request; Limited when the allowance is spent."""
    await state_of(request).limiter.take(rate(request, kind), caller or caller_of(request), amount)


def limited(kind: str) -> Callable[[Request], Awaitable[None]]:
    """A dependency that counts by address, whoever is signed in: for sign-in and its kin."""

    async def check(request: Request) -> None:
        await take(request, kind, caller=f"a:{client_address(request)}")

    return check
