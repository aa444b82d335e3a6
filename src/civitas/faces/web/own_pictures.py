"""`/images/mine`: all pictures of one's own, also those that nobody else sees, to choose many of and do something with them."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import Response

from civitas.domains.gallery import own_many
from civitas.domains.gallery.feeds import cards
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading
from civitas.faces.web import image_cards
from civitas.faces.web.image_cards import ImageCard
from civitas.faces.web.image_feeds import picking_targets
from civitas.faces.web.image_filters import FeedQuery
from civitas.faces.web.templating import render
from civitas.faces.web.viewing import eyes_of
from civitas.faces.web.visits import Member

router = APIRouter(include_in_schema=False)

PAGE = 48
MINE = "/images/mine"
PRIVATE = f"{MINE}?only=private"


@dataclass(frozen=True, slots=True)
class OwnPictures:
    """What the template takes."""

    cards: tuple[ImageCard, ...]
    private: bool
    tabs: tuple[tuple[str, str, bool], ...]
    back: str
    next_href: str | None
    targets: tuple[tuple[str, str], ...]


@router.get(MINE)
async def mine(
    request: Request, member: Member, session: Reading, only: str = "", cursor: str | None = None
) -> Response:
    """One's own pictures, the newest first; with `only=private` those that are not public."""
    private = only == "private"
    found = await own_many.mine(session, member, private=private, cursor=cursor, limit=PAGE)
    facts = await cards.images(state_of(request).reads, found.items)
    here = PRIVATE if private else MINE
    page = OwnPictures(
        cards=image_cards.cards_of(facts, eyes_of(member), FeedQuery("/images")),
        private=private,
        tabs=(("All", MINE, not private), ("Not public", PRIVATE, private)),
        back=here,
        next_href=f"{here}{'&' if private else '?'}cursor={found.next_cursor}" if found.next_cursor else None,
        targets=await picking_targets(request, member),
    )
    return render(request, "images/mine.html", page, block="results")
