"""Invitations: who came by whose link, and what that earns (FEATURES I40)."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.buzz import PersonReferred
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.buzz.earning.tables import Referral, ReferralCode, ReferralPoints, ReferralReward
from civitas.domains.buzz.economy import economy, rules
from civitas.domains.buzz.ledger import posting
from civitas.domains.buzz.ledger.posting import Entry
from civitas.domains.buzz.types import Currency, EntryType, Purpose, house, wallet
from civitas.infra.queue.outbox import publish
from civitas.kit import clock, money
from civitas.kit.errors import Forbidden

ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
CODE_LENGTH = 8
SETTLE_BATCH = 500


@dataclass(frozen=True, slots=True)
class Standing:
    """How a referrer stands. Kick-backs in quarters."""

    code: str | None
    may_refer: bool
    invited: int
    paying: int
    tokens: int
    tokens_pending: int
    next_expiry: datetime | None
    kicked_back: int
    kick_back_pending: int
    points: int
    queued_until: datetime | None


async def make_code(session: AsyncSession, actor: Actor) -> str:
    """The actor's code, made when there is none. Raises Forbidden (`account_too_young`, `not_onboarded`)."""
    person_id = actor.require(Scope.USER_WRITE)
    known = await session.scalar(select(ReferralCode.code).where(ReferralCode.person_id == person_id))
    if known is not None:
        return known
    if not actor.onboarded:
        raise Forbidden("Finish setting up your account first.", code="not_onboarded")
    if not await _may_refer(session, person_id):
        days = economy.current().referrals.account_days
        raise Forbidden(
            f"You can invite others once your account is {days} days old.", code="account_too_young"
        )
    while True:
        code = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
        await session.execute(
            insert(ReferralCode)
            .values(person_id=person_id, code=code, created_at=clock.now())
            .on_conflict_do_nothing()
        )
        known = await session.scalar(select(ReferralCode.code).where(ReferralCode.person_id == person_id))
        if known is not None:
            return known


async def _may_refer(session: AsyncSession, person_id: int) -> bool:
    born = clock.now() - timedelta(days=economy.current().referrals.account_days)
    found = await session.scalar(
        select(Person.id).where(
            Person.id == person_id,
            Person.id > 0,
            Person.status == "active",
            Person.rewards_eligibility != "ineligible",
            Person.created_at <= born,
        )
    )
    return found is not None


async def attribute(session: AsyncSession, *, person_id: int, code: str) -> bool:
    """Note that a new person came by a link; whether it counts now.

    It does not for an unknown code, a referrer who may not refer, oneself, an account that is not new, and one
    that came by another link before.
    """
    referrer = await session.scalar(select(ReferralCode.person_id).where(ReferralCode.code == code[:64]))
    if referrer is None or referrer == person_id or not await _may_refer(session, referrer):
        return False
    fresh = clock.now() - timedelta(hours=economy.current().referrals.arrival_hours)
    new = await session.scalar(select(Person.id).where(Person.id == person_id, Person.created_at >= fresh))
    if new is None:
        return False
    made = await session.scalar(
        insert(Referral)
        .values(referee_id=person_id, referrer_id=referrer, created_at=clock.now())
        .on_conflict_do_nothing()
        .returning(Referral.referee_id)
    )
    if made is not None:
        await publish(session, PersonReferred(referrer, person_id))
    return made is not None


async def membership_paid(
    session: AsyncSession, *, membership_id: int, person_id: int, tier: str, months: int, period: str
) -> None:
    """A referee paid for a membership: tokens for the referrer, and the first time a welcome for the referee."""
    referral = await session.get(Referral, person_id, with_for_update=True)
    found = economy.current()
    if referral is None or months < 1:
        return
    if referral.paid_months == 0:
        await _welcome(session, person_id, tier)
    counted = min(months, found.referrals.paid_months_per_referee - referral.paid_months)
    tokens = found.referrals.tokens.get(tier, 0) * max(0, counted)
    if tokens:
        made = await _pend(session, referral, "tokens", tokens, f"tokens:{membership_id}:{period}")
        if made:
            referral.paid_months += counted
    await session.flush()


async def _welcome(session: AsyncSession, person_id: int, tier: str) -> None:
    found = economy.current()
    share = found.tier(tier).monthly_buzz * found.referrals.welcome_share
    amount = money.buzz(int(share.to_integral_value(ROUND_FLOOR)))
    if amount:
        await posting.post(session, _gift(person_id, amount, f"referral-welcome:{person_id}", "Welcome: you came by a friend's link"))  # fmt: skip  # noqa: E501


async def purchased(session: AsyncSession, *, purchase_id: int, person_id: int, amount: int) -> None:
    """A referee bought `amount` quarters of Buzz: a share of it is put down for the referrer."""
    referral = await session.get(Referral, person_id)
    if referral is None or amount <= 0:
        return
    part = int((amount * economy.current().referrals.kick_back_share).to_integral_value(ROUND_FLOOR))
    if part:
        await _pend(session, referral, "kick_back", part, f"kick-back:{purchase_id}")


async def revoke(session: AsyncSession, *, purchase_id: int) -> bool:
    """A purchase was charged back or refunded: its kick-back is void while it still waits."""
    kept = await session.scalar(
        select(ReferralReward).where(ReferralReward.key == f"kick-back:{purchase_id}").with_for_update()
    )
    if kept is None or kept.status != "pending":
        return False
    kept.status, kept.left = "void", 0
    await session.flush()
    return True


async def _pend(session: AsyncSession, referral: Referral, kind: str, amount: int, key: str) -> bool:
    now = clock.now()
    made = await session.scalar(
        insert(ReferralReward)
        .values(
            key=key, kind=kind, referrer_id=referral.referrer_id, referee_id=referral.referee_id,
            amount=amount, left=amount, created_at=now,
            settles_at=now + timedelta(days=economy.current().referrals.settle_days),
        )
        .on_conflict_do_nothing()
        .returning(ReferralReward.id)
    )  # fmt: skip
    return made is not None


async def settle(session: AsyncSession) -> int:
    """Settle a batch of what has waited long enough; how many there were. Call until 0."""
    now, found = clock.now(), economy.current().referrals
    due = list(
        await session.scalars(
            select(ReferralReward)
            .where(ReferralReward.status == "pending", ReferralReward.settles_at <= now)
            .order_by(ReferralReward.referrer_id, ReferralReward.id)
            .limit(SETTLE_BATCH)
            .with_for_update(skip_locked=True)
        )
    )
    entries: list[Entry] = []
    gained: dict[int, int] = {}
    for reward in due:
        reward.status = "settled"
        points = gained.get(reward.referrer_id, 0)
        if reward.kind == "tokens":
            reward.expires_at = now + timedelta(days=found.expire_days)
            gained[reward.referrer_id] = points + reward.amount * found.points_per_token
        else:
            reward.left = 0
            gained[reward.referrer_id] = points + reward.amount * found.points_per_buzz // money.QUARTERS
            entries.append(
                _gift(
                    reward.referrer_id,
                    reward.amount,
                    f"referral:{reward.key}",
                    "Somebody you invited bought Buzz",
                )
            )
    await session.flush()
    for person_id in sorted(gained):
        entries += await _gain(session, person_id, gained[person_id])
    await posting.post_batch(session, entries)
    return len(due)


async def _gain(session: AsyncSession, person_id: int, points: int) -> list[Entry]:
    after = await session.scalar(
        insert(ReferralPoints)
        .values(person_id=person_id, points=points)
        .on_conflict_do_update(index_elements=["person_id"], set_={"points": ReferralPoints.points + points})
        .returning(ReferralPoints.points)
    )
    total = int(after or 0)
    return [
        _gift(
            person_id, rules.quarters(stone.reward), f"referral-milestone:{person_id}:{stone.points}",
            f"{stone.points:,} referral points",
        )
        for stone in economy.current().referrals.milestones
        if total - points < stone.points <= total
    ]  # fmt: skip


def _gift(person_id: int, amount: int, key: str, told: str) -> Entry:
    legs = posting.transfer(house(Purpose.MINT, Currency.BLUE), wallet(person_id, Currency.BLUE), amount)
    return Entry(key, EntryType.INCENTIVE, legs, told, None, {"referral": True})


async def standing(session: AsyncSession, person_id: int) -> Standing:
    """All that the referral page says."""
    now = clock.now()
    code = await session.scalar(select(ReferralCode.code).where(ReferralCode.person_id == person_id))
    invited, paying = (
        await session.execute(
            select(func.count(), func.count().filter(Referral.paid_months > 0)).where(
                Referral.referrer_id == person_id
            )
        )
    ).one()
    tokens, back = ReferralReward.kind == "tokens", ReferralReward.kind == "kick_back"
    pending, settled = ReferralReward.status == "pending", ReferralReward.status == "settled"
    usable = (ReferralReward.left > 0) & settled & tokens & (ReferralReward.expires_at > now)
    zero = func.coalesce
    sums = (
        await session.execute(
            select(
                zero(func.sum(ReferralReward.left).filter(usable), 0),
                zero(func.sum(ReferralReward.amount).filter(tokens & pending), 0),
                func.min(ReferralReward.expires_at).filter(usable),
                zero(func.sum(ReferralReward.amount).filter(back & settled), 0),
                zero(func.sum(ReferralReward.amount).filter(back & pending), 0),
            ).where(ReferralReward.referrer_id == person_id)
        )
    ).one()
    points = await session.get(ReferralPoints, person_id)
    return Standing(
        code=code,
        may_refer=await _may_refer(session, person_id),
        invited=invited,
        paying=paying,
        tokens=int(sums[0]),
        tokens_pending=int(sums[1]),
        next_expiry=sums[2],
        kicked_back=int(sums[3]),
        kick_back_pending=int(sums[4]),
        points=points.points if points else 0,
        queued_until=points.queued_until
        if points and points.queued_until and points.queued_until > now
        else None,
    )


async def spendable(session: AsyncSession, person_id: int) -> Sequence[ReferralReward]:
    """Rewards with tokens left, the first to expire first, locked until the transaction ends."""
    return list(
        await session.scalars(
            select(ReferralReward)
            .where(
                ReferralReward.referrer_id == person_id,
                ReferralReward.kind == "tokens",
                ReferralReward.status == "settled",
                ReferralReward.left > 0,
                ReferralReward.expires_at > clock.now(),
            )
            .order_by(ReferralReward.expires_at, ReferralReward.id)
            .with_for_update()
        )
    )
