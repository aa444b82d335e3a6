"""The one place for an advert of the house: below lists, for people without a membership, when the operator has any."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.buzz.earning import adverts, house_adverts
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.memberships.entitlements import entitlements
from civitas.faces.http.state import state_of
from civitas.faces.web.shell import AdvertShown
from civitas.kit.errors import NotFound

router = APIRouter(include_in_schema=False)

PLACES: Final = frozenset(
    {"/", "/models", "/images", "/videos", "/posts", "/articles", "/creators", "/tags", "/collections", "/leaderboard"}
)  # fmt: skip
_FOREVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}


async def for_page(request: Request, actor: Actor) -> AdvertShown | None:
    """What this visitor is shown on a page; None on pages of one thing, for members, and where nothing runs.

    Who is signed in gets a ticket that counts once, for them alone, after the advert was on the screen.
    """
    if request.method != "GET" or request.url.path not in PLACES or not house_adverts.running():
        return None
    if actor.id is not None and await is_member(request, actor):
        return None
    found = house_adverts.pick()
    if found is None:
        return None
    ticket = ""
    if actor.signed_in and Scope.USER_WRITE in actor.scopes and adverts.worth():
        ticket = adverts.ticket(state_of(request).secret, actor, slot=found.row.key)
    return AdvertShown(
        title=found.row.title,
        text=found.row.text,
        href=found.row.link,
        src=f"/house-adverts/{found.picture.name}" if found.picture else None,
        alt=found.row.alt,
        ticket=ticket,
        seconds=int(economy.current().adverts.least_seconds) + 1,
        worth=adverts.worth() if ticket else 0,
    )


async def is_member(request: Request, actor: Actor) -> bool:
    """Whether somebody has a membership, and so sees no adverts."""
    async with state_of(request).database.reading() as session:
        return (await entitlements(session, actor.id)).member


@router.get("/house-adverts/{name}")
async def picture(name: Annotated[str, Path(max_length=64)]) -> Response:
    """The picture of an advert, by its content's name."""
    found = house_adverts.picture(name)
    if found is None:
        raise NotFound("There is no such picture.", code="picture_not_found")
    return Response(found.body, media_type=found.media_type, headers=_FOREVER)
