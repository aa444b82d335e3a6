"""`/notifications/unsubscribe`: out of the mail of the day by the signed link in it, without signing in.

Looking changes nothing, because mail scanners look. Mail programs post by themselves (RFC 8058): neither a cookie nor a form's
token comes with that, and the link alone says who it is for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from civitas.domains.community.notifications import digests
from civitas.domains.community.notifications.digest_letters import UNSUBSCRIBE
from civitas.domains.community.notifications.digests import DigestKey
from civitas.faces.http.limits import limited
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Unit
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Visitor

router = APIRouter(include_in_schema=False, dependencies=[Depends(limited("read"))])

Token = Annotated[str, Query(max_length=100)]
TEMPLATE: Final = "notifications/unsubscribe.html"


@dataclass(frozen=True, slots=True)
class UnsubscribePage:
    """The question, or that it is done."""

    action: str
    done: bool


@router.get(UNSUBSCRIBE)
async def ask(request: Request, visitor: Visitor, token: Token = "") -> Response:
    """Whether it is meant. Invalid for a link that is not ours."""
    _key(request).person(token)
    return render(request, TEMPLATE, UnsubscribePage(f"{UNSUBSCRIBE}?token={token}", done=False))


@router.post(UNSUBSCRIBE)
async def stop(request: Request, visitor: Visitor, session: Unit, token: Token = "") -> Response:
    """No such mail any more. Twice is once."""
    await digests.unsubscribe(session, person_id=_key(request).person(token))
    return render(request, TEMPLATE, UnsubscribePage("", done=True))


def _key(request: Request) -> DigestKey:
    return DigestKey.derived(state_of(request).secret)
