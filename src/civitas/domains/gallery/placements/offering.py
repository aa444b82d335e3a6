"""Offering something to be placed on somebody's picture: what it costs, and setting that aside."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.gallery import PlacementOffered
from civitas.contracts.subjects import Subject
from civitas.domains.accounts import following
from civitas.domains.accounts.policy import require_voice
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.ledger import holds, posting
from civitas.domains.buzz.types import Currency, EntryType, wallet
from civitas.domains.gallery.feeds import looking
from civitas.domains.gallery.feeds.looking import Looked
from civitas.domains.gallery.placements import answering, parts, spaces, things
from civitas.domains.gallery.placements.parts import Parts
from civitas.domains.gallery.placements.tables import Placement
from civitas.domains.gallery.placements.things import Thing
from civitas.domains.gallery.placements.types import (
    LEAST_SCALE,
    MOST_SCALE,
    MOST_TURN,
    WHOLE,
    Openness,
    Spot,
    Status,
    Sticker,
    Surface,
)
from civitas.infra.queue.outbox import publish
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden, Invalid
from civitas.kit.ids import new_uuid

ACTIVITY: Final = "placements"
LONGEST_KEY: Final = 200
# The hold outlives the offer, so that whatever ends the offer finds it open.
GRACE: Final = timedelta(days=2)
# One picture's offers are counted and made one after the other.
_ONE_AT_A_TIME = text(
    "SELECT pg_advisory_xact_lock(hashtextextended('placement:' || CAST(:image AS text), 0))"
)


@dataclass(frozen=True, slots=True)
class Purse:
    """A colour that may pay, and what the placer has of it in quarters."""

    colour: Currency
    balance: int


@dataclass(frozen=True, slots=True)
class Quote:
    """What it takes to place something on a picture, and what then happens to the Buzz."""

    surface: Surface
    image_id: int
    owner_id: int
    owner: str
    mode: Openness
    parts: Parts
    purses: tuple[Purse, ...]
    expire_hours: int
    settle_hours: int


async def quote(
    session: AsyncSession,
    actor: Actor,
    *,
    image_id: int,
    surface: Surface,
    seller_share: Decimal = Decimal(0),
) -> Quote:
    """What the actor would pay. Raises NotFound, Forbidden (`own_picture`, `blocked`), Conflict (`no_space`)."""
    person_id = actor.require(Scope.SOCIAL_TIP)
    found, mode, price = await _open(session, actor, image_id=image_id, surface=surface)
    may = colours(actor, mature=things.mature(found.image.nsfw_level))
    held = await posting.balances(session, [wallet(person_id, colour) for colour in may])
    rules = economy.current().placements
    return Quote(
        surface, image_id, found.image.person_id, found.username, mode,
        parts.share(price, rules, seller_share=seller_share),
        tuple(Purse(colour, held[wallet(person_id, colour)]) for colour in may),
        rules.expire_hours, rules.settle_hours,
    )  # fmt: skip


def colours(actor: Actor, *, mature: bool) -> tuple[Currency, ...]:
    """The colours that may pay here: only such as can be bought, so that what was given for nothing is not laundered."""
    found = economy.current()
    return tuple(
        colour
        for colour in found.purses_for(ACTIVITY, domain=actor.domain, mature=mature)
        if found.colours[colour].purchasable
    )


async def _open(
    session: AsyncSession, actor: Actor, *, image_id: int, surface: Surface
) -> tuple[Looked, Openness, int]:
    person_id = actor.require()
    found = await looking.at(session, actor, image_id=image_id)
    owner_id = found.image.person_id
    if owner_id == person_id:
        raise Forbidden("This is your own picture.", code="own_picture")
    if found.post.published_at is None or found.post.published_at > clock.now():
        raise Conflict("This picture is not public.", code="no_space")
    await following.require_no_block(session, actor, target_id=owner_id)
    status = await session.scalar(select(Person.status).where(Person.id == owner_id))
    space = (await spaces.of_image(session, image_id=image_id, post_id=found.post.id, owner_id=owner_id))[
        surface
    ]
    moves = surface is Surface.STICKER and found.image.kind != "image"
    if space.mode is Openness.OFF or status != "active" or moves:
        raise Conflict("Nothing of this kind can be placed here.", code="no_space")
    return found, space.mode, spaces.asked(space, await spaces.cap_of(session, owner_id))


async def offer(
    session: AsyncSession,
    actor: Actor,
    *,
    image_id: int,
    thing: Sticker | int,
    colour: Currency,
    spot: Spot | None = None,
    price: int | None = None,
    key: str | None = None,
) -> Placement:
    """Offer a sticker at a spot, or one's remix by its id; the same `key` again gives the first answer.

    `price` is what the placer was shown, in quarters. Held until it is answered; where the owner takes everything at
    once it is approved now. Raises NotFound, Invalid (`bad_spot`, `bad_key`, `wrong_colour`, `no_remix`), Conflict
    (`no_space`, `price_changed`, `placed_already`, `space_full`, `too_many_offers`), Forbidden, and as `holds.reserve`.
    """
    person_id = actor.require(Scope.SOCIAL_TIP)
    require_voice(actor)
    full_key = f"placement:{person_id}:{key or new_uuid()}"
    if len(full_key) > LONGEST_KEY:
        raise Invalid("This idempotency key is too long.", code="bad_key")
    surface = Surface.REMIX if isinstance(thing, int) else Surface.STICKER
    place = _checked(spot or Spot())
    await session.execute(_ONE_AT_A_TIME, {"image": image_id})
    before = await session.scalar(select(Placement).where(Placement.key == full_key))
    if before is not None:
        return _again(before, image_id, thing, colour)
    found, mode, asks = await _open(session, actor, image_id=image_id, surface=surface)
    if price is not None and price != asks:
        raise Conflict("The price has changed; look at it again.", code="price_changed")
    if colour not in colours(actor, mature=things.mature(found.image.nsfw_level)):
        told = "This colour cannot pay here."
        raise Invalid(told, code="wrong_colour", fields={"colour": told})
    what = await things.found(session, actor, thing=thing, image=found.image)
    await _require_room(session, person_id, image_id, what)
    made = await _kept(session, actor, found, what, place, colour, asks, full_key)
    if mode is Openness.AUTO:
        await answering.accept(session, made, by_owner=False)
    else:
        await publish(session, PlacementOffered(made.id, surface.value, image_id, made.owner_id, person_id))
    return made


async def _kept(
    session: AsyncSession,
    actor: Actor,
    found: Looked,
    what: Thing,
    spot: Spot,
    colour: Currency,
    price: int,
    key: str,
) -> Placement:
    """The offer's row, and the Buzz that is set aside for it."""
    rules, now, person_id = economy.current().placements, clock.now(), actor.require()
    # Who made the sticker gets nothing of what they place themselves: it would only take from the owner's part.
    seller = what.seller_id if what.seller_id != person_id else None
    shares = parts.share(price, rules, seller_share=what.seller_share if seller else Decimal(0))
    expires_at = now + timedelta(hours=rules.expire_hours)
    held = await holds.reserve(
        session,
        key=key,
        person_id=person_id,
        colours=(colour,),
        total=price,
        type=EntryType.PURCHASE,
        expires_at=expires_at + GRACE,
        description=f"{what.name} on a picture by {found.username}"[:100],
        subject=Subject("image", found.image.id),
        actor_id=person_id,
        key_id=actor.key_id,
    )
    made = Placement(
        key=key, surface=what.surface.value, image_id=found.image.id, owner_id=found.image.person_id,
        placer_id=person_id, seller_id=seller if shares.seller else None, sticker=what.key,
        cosmetic_id=what.cosmetic_id, remix_id=what.remix_id, x=spot.x, y=spot.y, scale=spot.scale,
        rotation=spot.rotation, status=Status.PENDING.value, hold_id=held.id, colour=colour.value, price=price,
        decline_fee=shares.decline_fee, platform_part=shares.platform, seller_part=shares.seller,
        created_at=now, expires_at=expires_at, reason="",
    )  # fmt: skip
    session.add(made)
    await session.flush()
    return made


def _again(before: Placement, image_id: int, thing: Sticker | int, colour: Currency) -> Placement:
    same = (
        before.remix_id == thing
        if isinstance(thing, int)
        else ((before.sticker, before.cosmetic_id) == (thing.key, thing.cosmetic_id))
    )
    if not same or (before.image_id, before.colour) != (image_id, colour.value):
        raise Conflict(
            "This idempotency key was used for another offer. Nothing was charged; send a new key.",
            code="idempotency_key_reused",
        )
    return before


def _checked(spot: Spot) -> Spot:
    inside = 0 <= spot.x <= WHOLE and 0 <= spot.y <= WHOLE
    if not (inside and LEAST_SCALE <= spot.scale <= MOST_SCALE and abs(spot.rotation) <= MOST_TURN):
        raise Invalid("The sticker has to be on the picture.", code="bad_spot")
    return spot


async def _require_room(session: AsyncSession, person_id: int, image_id: int, what: Thing) -> None:
    rules = economy.current().placements
    live = [Status.PENDING.value, Status.APPROVED.value]
    if what.remix_id is not None:
        there = await session.scalar(
            select(Placement.id).where(
                Placement.image_id == image_id,
                Placement.remix_id == what.remix_id,
                Placement.status.in_(live),
            )
        )
        if there is not None:
            raise Conflict("This remix is there already, or waits.", code="placed_already")
    here = await session.scalar(
        select(func.count()).where(
            Placement.image_id == image_id,
            Placement.surface == what.surface.value,
            Placement.status.in_(live),
        )
    )
    if (here or 0) >= rules.most_shown:
        raise Conflict("There is no more room on this picture.", code="space_full")
    waiting = await session.scalar(
        select(func.count()).where(Placement.placer_id == person_id, Placement.status == Status.PENDING.value)
    )
    if (waiting or 0) >= rules.most_waiting:
        raise Conflict("Wait until some of your offers were answered.", code="too_many_offers")
