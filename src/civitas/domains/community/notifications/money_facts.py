"""What a fact of the economy, of access or of the shop tells whom."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events import buzz, catalog
from civitas.contracts.subjects import Subject
from civitas.domains.accounts.tables import Person
from civitas.domains.buzz.shop.tables import Cosmetic, ShopItem
from civitas.domains.community.notifications.delivering import Note
from civitas.domains.community.notifications.facts import Told, about, shown

WALLET, SHOP = "/buzz", "/shop/mine"


async def tipped(session: AsyncSession, event: buzz.TipGiven) -> Told:
    """Whoever was tipped."""
    facts = await about(session, event.subject_kind, event.subject_id)
    title = "being you" if event.subject_kind == "user" or facts is None else facts.title[:200]
    data = {"title": title, "path": "/buzz/tips", "quarters": event.amount}
    subject = Subject(event.subject_kind, event.subject_id)
    return (Note("tip", [event.to_id], str(event.tip_id), subject, event.from_id, data, once=True),)


async def purchased(_: AsyncSession, event: buzz.BuzzPurchased) -> Told:
    """Whoever bought."""
    data = {"path": WALLET, "quarters": event.amount}
    return (Note("purchase", [event.person_id], str(event.purchase_id), data=data, once=True),)


async def refund_came_back(session: AsyncSession, event: buzz.RefundCameBack) -> Told:
    """Whoever bought, and administrators, who may want to pay them in another way."""
    key = f"{event.purchase_id}:{event.back_cents}"
    admins = await session.scalars(select(Person.id).where(Person.role == "admin", Person.status == "active"))
    case = {"path": f"/staff/purchases/{event.purchase_id}", "note": f"${event.cents / 100:.2f}"}
    mine = {"path": WALLET, "quarters": event.amount}
    return (
        Note("refund-returned", [event.person_id], key, data=mine, once=True),
        Note("refund-case", list(admins), key, data=case, once=True),
    )


async def membership_started(_: AsyncSession, event: buzz.MembershipStarted) -> Told:
    """The new member."""
    return (_membership(event.person_id, f"started:{event.membership_id}", f"{event.tier} began"),)


async def membership_changed(_: AsyncSession, event: buzz.MembershipChanged) -> Told:
    """The member."""
    key = f"changed:{event.membership_id}:{event.before}:{event.tier}"
    return (_membership(event.person_id, key, f"it is {event.tier} now"),)


async def membership_ended(_: AsyncSession, event: buzz.MembershipEnded) -> Told:
    """Who was a member."""
    return (_membership(event.person_id, f"ended:{event.membership_id}", f"{event.tier} is over"),)


async def membership_gifted(_: AsyncSession, event: buzz.MembershipGifted) -> Told:
    """Who was given it."""
    data = {"path": "/memberships", "note": event.tier}
    key = str(event.grant_id)
    return (Note("membership-gift", [event.person_id], key, None, event.giver_id, data, once=True),)


async def compensated(_: AsyncSession, event: buzz.CompensationPaid) -> Told:
    """The creator who was paid."""
    data = {"path": WALLET, "quarters": event.amount}
    key = f"{event.day}:{event.colour}"
    return (Note("compensation", [event.person_id], key, data=data, once=True),)


async def rewards_stopped(_: AsyncSession, event: buzz.RewardsStopped) -> Told:
    """Whose rewards are off."""
    return (Note("rewards-stopped", [event.person_id], event.day, data={"path": "/buzz/earn"}, once=True),)


async def referred(_: AsyncSession, event: buzz.PersonReferred) -> Told:
    """Whoever invited them."""
    data = {"path": "/buzz/referrals"}
    return (Note("referral", [event.referrer_id], "", None, event.referee_id, data),)


async def referral_tier(_: AsyncSession, event: buzz.ReferralTierGranted) -> Told:
    """Whoever exchanged their tokens."""
    data = {"path": "/memberships", "note": f"{event.days} days of {event.tier}"}
    return (Note("referral-tier", [event.person_id], event.key, data=data, once=True),)


async def cosmetic_gained(_: AsyncSession, event: buzz.CosmeticGained) -> Told:
    """Who was given something to wear."""
    if event.giver_id is None:
        return ()
    key = f"{event.cosmetic_id}:{event.giver_id}"
    return (
        Note("cosmetic-gift", [event.person_id], key, None, event.giver_id, {"path": "/shop"}, once=True),
    )


async def cosmetic_sold(session: AsyncSession, event: buzz.CosmeticSold) -> Told:
    """The creator of what was sold."""
    if event.seller_id is None:
        return ()
    data = {"title": await _item(session, event.item_id), "path": SHOP}
    return (Note("cosmetic-sold", [event.seller_id], str(event.item_id), None, event.buyer_id, data),)


async def cosmetic_taken_down(session: AsyncSession, event: buzz.CosmeticTakenDown) -> Told:
    """The creator of what was taken off."""
    if event.seller_id is None:
        return ()
    return (
        _decided(
            event.seller_id, event.item_id, "down", f"{await _item(session, event.item_id)} was taken off"
        ),
    )


async def shop_item_reviewed(session: AsyncSession, event: buzz.ShopItemReviewed) -> Told:
    """The creator of what was looked at."""
    words = f"{await _item(session, event.item_id)} is {event.status.lower()}"
    return (_decided(event.seller_id, event.item_id, event.status, words),)


async def access_bought(session: AsyncSession, event: catalog.AccessBought) -> Told:
    """The creator who sold."""
    return await _of_version(session, "access-sold", event.version_id, event.seller_id, event.person_id)


async def donated(session: AsyncSession, event: catalog.DonationMade) -> Told:
    """The creator who was given."""
    return await _of_version(session, "donation", event.version_id, event.seller_id, event.person_id)


async def goal_reached(session: AsyncSession, event: catalog.DonationGoalReached) -> Told:
    """The creator whose goal it was."""
    return await _of_version(session, "goal-reached", event.version_id, event.person_id, None)


async def access_ended(session: AsyncSession, event: catalog.EarlyAccessEnded) -> Told:
    """The creator whose version is open."""
    return await _of_version(session, "access-ended", event.version_id, None, None)


async def access_refunded(session: AsyncSession, event: catalog.AccessRefunded) -> Told:
    """Who got their Buzz back."""
    facts = await about(session, "model_version", event.version_id)
    title = facts.title[:200] if facts else "a version that was withdrawn"
    data = {"title": title, "path": WALLET, "quarters": event.amount}
    return (Note("access-refunded", [event.person_id], str(event.payment_id), data=data, once=True),)


async def access_given(session: AsyncSession, event: catalog.AccessGiven) -> Told:
    """Who may use it now."""
    facts = await about(session, "model_version", event.version_id)
    if facts is None or not event.permissions:
        return ()
    key = f"{event.version_id}:{event.permissions}"
    return (
        Note("access-given", [event.person_id], key, facts.subject, facts.owner_id, shown(facts), once=True),
    )


def _membership(person: int, key: str, note: str) -> Note:
    return Note("membership", [person], key, data={"path": "/memberships", "note": note}, once=True)


def _decided(person: int, item: int, status: str, note: str) -> Note:
    return Note("shop-decision", [person], f"{item}:{status}", data={"path": SHOP, "note": note}, once=True)


async def _item(session: AsyncSession, item_id: int) -> str:
    name = await session.scalar(
        select(Cosmetic.name)
        .join(ShopItem, ShopItem.cosmetic_id == Cosmetic.id)
        .where(ShopItem.id == item_id)
    )
    return str(name or "An item")


async def _of_version(
    session: AsyncSession, kind: str, version_id: int, person: int | None, actor: int | None
) -> Told:
    facts = await about(session, "model_version", version_id)
    told = person or (facts.owner_id if facts else None)
    if facts is None or told is None:
        return ()
    return (Note(kind, [told], str(version_id), facts.subject, actor, shown(facts), once=actor is None),)
