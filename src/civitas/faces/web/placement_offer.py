"""`/images/{id}/place`: placing a sticker or one's remix on somebody's picture, with what it costs before it is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.errors import InsufficientFunds, WalletFrozen
from civitas.domains.buzz.types import Currency
from civitas.domains.gallery.feeds import looking
from civitas.domains.gallery.placements import offering, things
from civitas.domains.gallery.placements.offering import Quote
from civitas.domains.gallery.placements.types import (
    LEAST_SCALE,
    MOST_SCALE,
    MOST_TURN,
    WHOLE,
    Openness,
    Spot,
    Sticker,
    Surface,
)
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading
from civitas.faces.web import forms, placed
from civitas.faces.web.forms import Entered
from civitas.faces.web.image_viewer import ImageId
from civitas.faces.web.pictures import Eyes
from civitas.faces.web.placed import Laid
from civitas.faces.web.props import Picture
from civitas.faces.web.templating import render
from civitas.faces.web.viewing import eyes_of
from civitas.faces.web.visits import Member, redirect
from civitas.kit import money
from civitas.kit.errors import Conflict, Invalid
from civitas.kit.ids import new_uuid, row_id

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Choice:
    """A sticker, or a remix, that can be chosen."""

    word: str
    name: str
    source: str
    share: int = 0
    picture: Picture | None = None


@dataclass(frozen=True, slots=True)
class OfferPage:
    """The form, with the picture and, for stickers, where the chosen one is."""

    quote: Quote
    image_id: int
    picture: Picture
    width: int
    height: int
    choices: tuple[Choice, ...]
    chosen: str
    laid: Laid | None
    spot: Spot
    form: Entered
    key: str
    colour: str
    at_once: bool
    mature: bool
    least_scale: int = LEAST_SCALE
    most_scale: int = MOST_SCALE
    most_turn: int = MOST_TURN

    @property
    def sticks(self) -> bool:
        """Whether this places a sticker; else a remix."""
        return self.quote.surface is Surface.STICKER


@router.get("/images/{image_id:int}/place")
async def show(
    request: Request,
    member: Member,
    session: Reading,
    image_id: ImageId,
    surface: Annotated[Surface, Query(alias="what")] = Surface.STICKER,
) -> Response:
    """The form."""
    eyes = eyes_of(member)
    page = await _page(session, member, image_id, surface, Entered(), eyes)
    return render(request, "placements/offer.html", page)


@router.post("/images/{image_id:int}/place")
async def offer(request: Request, member: Member, image_id: ImageId) -> Response:
    """Offer it; the form's key makes it once however often it is sent."""
    form = await forms.read(request)
    surface = Surface.REMIX if form.get("what") == Surface.REMIX else Surface.STICKER
    database = state_of(request).database
    try:
        async with database.unit() as session:
            made = await offering.offer(
                session,
                member,
                image_id=image_id,
                thing=_thing(surface, form.get("thing")),
                colour=_colour(form.get("colour")),
                spot=spot_of(form) if surface is Surface.STICKER else None,
                price=money.parse(form.get("price"), name="price"),
                key=form.get("key")[:100] or None,
            )
    except (Invalid, Conflict, InsufficientFunds, WalletFrozen) as fault:
        if fault.code == "no_space":
            raise
        eyes = eyes_of(member)
        async with database.reading() as session:
            page = await _page(session, member, image_id, surface, form.failed(fault), eyes)
        return render(request, "placements/offer.html", page, status=forms.status_of(fault))
    waits = made.status == "pending"
    text = "Offered. The Buzz is held until it is answered." if waits else "It is on the picture now."
    return redirect(request, f"/images/{image_id}", text=text)


def _thing(surface: Surface, word: str) -> Sticker | int:
    if surface is Surface.STICKER:
        return things.named(word)
    number = row_id(word)
    if number is None:
        told = "Choose one of your remixes."
        raise Invalid(told, code="no_remix", fields={"thing": told})
    return number


def spot_of(form: Entered) -> Spot:
    """Where a form puts a sticker: percent of the picture, percent of the usual size, degrees. Raises Invalid."""
    return Spot(
        x=round(_number(form, "x", 50) * WHOLE / 100),
        y=round(_number(form, "y", 50) * WHOLE / 100),
        scale=round(_number(form, "scale", 100)),
        rotation=round(_number(form, "rotation", 0)),
    )


def _number(form: Entered, name: str, usual: float) -> float:
    try:
        found = float(form.get(name).replace(",", ".") or usual)
    except ValueError:
        found = float("nan")
    if not -1000 <= found <= 1000:
        told = "Give a number."
        raise Invalid(told, code="bad_spot", fields={name: told})
    return found


def _colour(word: str) -> Currency:
    try:
        return Currency(word)
    except ValueError:
        told = "Choose a colour."
        raise Invalid(told, code="wrong_colour", fields={"colour": told}) from None


async def _page(
    session: AsyncSession, member: Actor, image_id: int, surface: Surface, form: Entered, eyes: Eyes
) -> OfferPage:
    quote = await offering.quote(session, member, image_id=image_id, surface=surface)
    image = (await looking.at(session, member, image_id=image_id)).image
    choices = await _choices(session, member, image_id, surface, eyes)
    chosen = form.get("thing") or (choices[0].word if choices else "")
    try:
        spot = spot_of(form)
    except Invalid:
        spot = Spot()
    picked = next((one for one in choices if one.word == chosen), None)
    fullest = max(quote.purses, key=lambda purse: purse.balance, default=None)
    return OfferPage(
        quote=quote,
        image_id=image_id,
        picture=placed.small(image, eyes, alt=f"The picture by {quote.owner}"),
        width=image.width or 1,
        height=image.height or 1,
        choices=choices,
        chosen=chosen,
        laid=placed.at(spot, image, picked.source, picked.name) if picked and not picked.picture else None,
        spot=spot,
        form=form,
        key=form.get("key") or new_uuid().hex,
        colour=form.get("colour") or (fullest.colour.value if fullest else ""),
        at_once=quote.mode is Openness.AUTO,
        mature=things.mature(image.nsfw_level),
    )


async def _choices(
    session: AsyncSession, member: Actor, image_id: int, surface: Surface, eyes: Eyes
) -> tuple[Choice, ...]:
    if surface is Surface.REMIX:
        own = await things.remixes(session, member, image_id=image_id)
        return tuple(
            Choice(str(one.id), f"Picture {one.id}", "", 0, placed.small(one, eyes, alt="")) for one in own
        )
    return tuple(
        Choice(one.word, one.name, placed.source_of(one.key, one.artwork_key), int(one.seller_share * 100))
        for one in await things.stickers(session, member)
    )
