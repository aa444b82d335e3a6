"""`?ref=`: who comes by an invitation, from the first page to the new account (FEATURES I40)."""

from __future__ import annotations

import re

from fastapi import Request

from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.earning import referrals
from civitas.domains.buzz.economy import economy
from civitas.faces.http import sessions
from civitas.faces.http.state import state_of

COOKIE = "civitas_ref"
_CODE = re.compile(r"[a-z0-9]{4,64}")
DAY_S = 24 * 3600


async def note(request: Request, actor: Actor) -> None:
    """Keep a stranger's code in a cookie; once they have an account, note by whom they came and drop it."""
    if not actor.signed_in:
        given = request.query_params.get("ref", "")
        if _CODE.fullmatch(given):
            age = economy.current().referrals.cookie_days * DAY_S
            secure = "; Secure" if sessions.is_secure(request) else ""
            request.scope.setdefault("state", {}).setdefault("cookies", []).append(
                f"{COOKIE}={given}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}"
            )
        return
    kept = request.cookies.get(COOKIE)
    if kept is None:
        return
    request.scope.setdefault("state", {}).setdefault("spent_cookies", []).append(COOKIE)
    if _CODE.fullmatch(kept):
        async with state_of(request).database.unit() as session:
            await referrals.attribute(session, person_id=actor.require(), code=kept)
