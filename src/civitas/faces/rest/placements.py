"""Placements over the API: what is on a picture, offering, answering, and what may be placed where."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request

from civitas.domains.gallery.feeds import looking
from civitas.domains.gallery.placements import answering, ending, offering, reading, spaces, things
from civitas.domains.gallery.placements.reading import Way
from civitas.domains.gallery.placements.spaces import Setting
from civitas.domains.gallery.placements.types import (
    WHOLE,
    SpaceKind,
    Spot,
    Status,
    Surface,
)
from civitas.faces.http.actors import Viewer
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.placement_shapes import (
    PlacedThing,
    PlacementOffer,
    PlacementOffers,
    PlacementPurse,
    PlacementQuote,
    PlacementReason,
    PlacementSpaceShown,
    StickerShown,
    WantedPlacement,
    WantedSpaces,
    artwork,
    offer_told,
    space_told,
    word_of,
)
from civitas.faces.rest.writing import Owner, Writer
from civitas.kit import money, paging
from civitas.kit.errors import Invalid
from civitas.kit.ids import new_uuid

router = APIRouter(tags=["Placements"], dependencies=[CheckedForm])

Number = Annotated[int, Path(ge=0, lt=2**62)]
Key = Annotated[str | None, Header(alias="Idempotency-Key", max_length=150)]
Cursor = Annotated[str | None, Query(max_length=paging.MAX_CURSOR)]


@router.get("/stickers", operation_id="listStickers", summary="List Stickers To Place")
async def list_stickers(request: Request, actor: Viewer, session: Reading) -> list[StickerShown]:
    """Stickers that come along, and those that you have."""
    return [
        StickerShown(
            word=one.word,
            name=one.name,
            image=artwork(request, one.artwork_key),
            maker_share=int(one.seller_share * 100),
        )
        for one in await things.stickers(session, actor)
    ]


@router.get(
    "/images/{image_id}/placements", operation_id="listImagePlacements", summary="List What Is On A Picture"
)
async def on_image(request: Request, image_id: Number, actor: Viewer, session: Reading) -> list[PlacedThing]:
    """Stickers on a picture and remixes below it, as you may see them, the oldest first."""
    found = await looking.at(session, actor, image_id=image_id)
    return [
        PlacedThing(
            id=one.row.id,
            kind=Surface(one.row.surface),
            name=one.name,
            sticker=word_of(one.row.sticker, one.row.cosmetic_id),
            image=artwork(request, one.artwork_key),
            remix_id=one.row.remix_id,
            placed_by=one.placer,
            x=one.spot.x / WHOLE,
            y=one.spot.y / WHOLE,
            scale=one.spot.scale / 100,
            rotation=one.spot.rotation,
        )
        for one in await reading.on_image(session, actor, image=found.image)
    ]


@router.get(
    "/images/{image_id}/placements/quote", operation_id="quotePlacement", summary="Say What A Placement Costs"
)
async def quote(
    image_id: Number, actor: Owner, session: Reading, kind: Annotated[Surface, Query()] = Surface.STICKER
) -> PlacementQuote:
    """The price of a place on a picture, and what becomes of it."""
    found = await offering.quote(session, actor, image_id=image_id, surface=kind)
    return PlacementQuote(
        kind=kind,
        owner=found.owner,
        mode=found.mode,
        price=money.as_number(found.parts.price),
        owner_part=money.as_number(found.parts.owner),
        platform_part=money.as_number(found.parts.platform),
        decline_fee=money.as_number(found.parts.decline_fee),
        expire_hours=found.expire_hours,
        settle_hours=found.settle_hours,
        purses=[
            PlacementPurse(colour=one.colour, balance=money.as_number(one.balance)) for one in found.purses
        ],
    )


@router.post(
    "/images/{image_id}/placements",
    status_code=201,
    operation_id="offerPlacement",
    summary="Offer A Placement",
)
async def offer(
    image_id: Number, body: WantedPlacement, actor: Writer, session: Unit, key: Key = None
) -> PlacementOffer:
    """Set the price aside and offer a sticker or a remix; where the owner takes all at once, it is shown now."""
    if (body.sticker is None) == (body.remix_id is None):
        raise Invalid("Name a sticker or a remix, one of the two.", code="bad_placement")
    made = await offering.offer(
        session,
        actor,
        image_id=image_id,
        thing=body.remix_id if body.remix_id is not None else things.named(body.sticker or ""),
        colour=body.colour,
        spot=Spot(round(body.x * WHOLE), round(body.y * WHOLE), round(body.scale * 100), body.rotation),
        price=None if body.price is None else money.parse(body.price, name="price"),
        key=key or str(new_uuid()),
    )
    return offer_told(await reading.one(session, actor, placement_id=made.id))


@router.get("/me/placements", operation_id="listMyPlacements", summary="List Offers Of Placements")
async def mine(
    actor: Owner,
    session: Reading,
    way: Annotated[Way, Query()] = "received",
    status: Annotated[Status | None, Query()] = None,
    cursor: Cursor = None,
) -> PlacementOffers:
    """What was offered to you, or by you (`given`), the newest first."""
    found = await reading.listed(session, actor, way=way, status=status, cursor=cursor)
    return PlacementOffers(items=[offer_told(one) for one in found.items], next_cursor=found.next_cursor)


@router.post(
    "/placements/{placement_id}/approve", operation_id="approvePlacement", summary="Approve A Placement"
)
async def approve(placement_id: Number, actor: Writer, session: Unit) -> PlacementOffer:
    """Take what was offered to you; approving again changes nothing."""
    await answering.approve(session, actor, placement_id=placement_id)
    return offer_told(await reading.one(session, actor, placement_id=placement_id))


@router.post(
    "/placements/{placement_id}/decline", operation_id="declinePlacement", summary="Decline A Placement"
)
async def decline(placement_id: Number, actor: Writer, session: Unit) -> PlacementOffer:
    """Turn down what was offered to you: you get the fee, the placer the rest."""
    await answering.decline(session, actor, placement_id=placement_id)
    return offer_told(await reading.one(session, actor, placement_id=placement_id))


@router.post(
    "/placements/{placement_id}/remove", operation_id="removePlacement", summary="Take A Placement Away"
)
async def remove(
    placement_id: Number, actor: Writer, session: Unit, body: PlacementReason | None = None
) -> PlacementOffer:
    """Withdraw what you offered, or take away what is shown; staff with a reason."""
    reason = body.reason if body is not None else ""
    await ending.remove(session, actor, placement_id=placement_id, reason=reason)
    return offer_told(await reading.one(session, actor, placement_id=placement_id))


@router.get("/me/placement-space", operation_id="getMyPlacementSpace", summary="Get Your Placement Space")
async def my_space(actor: Owner, session: Reading) -> PlacementSpaceShown:
    """What may be placed on all your pictures."""
    found = await spaces.settings(session, actor, kind=SpaceKind.USER, subject_id=actor.require())
    return space_told(found)


@router.put("/me/placement-space", operation_id="setMyPlacementSpace", summary="Set Your Placement Space")
async def set_my_space(body: WantedSpaces, actor: Writer, session: Unit) -> PlacementSpaceShown:
    """Say what may be placed on all your pictures, and for how much."""
    return await _set(session, actor, SpaceKind.USER, actor.require(), body)


@router.get(
    "/posts/{post_id}/placement-space",
    operation_id="getPostPlacementSpace",
    summary="Get A Post's Placement Space",
)
async def post_space(post_id: Number, actor: Owner, session: Reading) -> PlacementSpaceShown:
    """What may be placed on the pictures of your post."""
    return space_told(await spaces.settings(session, actor, kind=SpaceKind.POST, subject_id=post_id))


@router.put(
    "/posts/{post_id}/placement-space",
    operation_id="setPostPlacementSpace",
    summary="Set A Post's Placement Space",
)
async def set_post_space(
    post_id: Number, body: WantedSpaces, actor: Writer, session: Unit
) -> PlacementSpaceShown:
    """Say what may be placed on the pictures of your post."""
    return await _set(session, actor, SpaceKind.POST, post_id, body)


@router.get(
    "/images/{image_id}/placement-space",
    operation_id="getImagePlacementSpace",
    summary="Get A Picture's Placement Space",
)
async def image_space(image_id: Number, actor: Owner, session: Reading) -> PlacementSpaceShown:
    """What may be placed on your picture."""
    return space_told(await spaces.settings(session, actor, kind=SpaceKind.IMAGE, subject_id=image_id))


@router.put(
    "/images/{image_id}/placement-space",
    operation_id="setImagePlacementSpace",
    summary="Set A Picture's Placement Space",
)
async def set_image_space(
    image_id: Number, body: WantedSpaces, actor: Writer, session: Unit
) -> PlacementSpaceShown:
    """Say what may be placed on your picture."""
    return await _set(session, actor, SpaceKind.IMAGE, image_id, body)


async def _set(
    session: Unit, actor: Writer, kind: SpaceKind, number: int, body: WantedSpaces
) -> PlacementSpaceShown:
    wanted = {
        surface: Setting(one.mode, None if one.price is None else money.parse(one.price, name="price"))
        for surface, one in ((Surface.STICKER, body.sticker), (Surface.REMIX, body.remix))
        if one is not None
    }
    await spaces.arrange(session, actor, kind=kind, subject_id=number, wanted=wanted)
    return space_told(await spaces.settings(session, actor, kind=kind, subject_id=number))
