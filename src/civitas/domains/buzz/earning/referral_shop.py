"""What referral tokens buy: days of a tier, one after another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.buzz import ReferralTierGranted
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.buzz.earning import referrals
from civitas.domains.buzz.earning.tables import ReferralPoints, ReferralPurchase
from civitas.domains.buzz.economy import economy
from civitas.infra.queue.outbox import publish
from civitas.kit import clock
from civitas.kit.errors import Conflict, Invalid, PaymentNeeded
from civitas.kit.ids import new_uuid


@dataclass(frozen=True, slots=True)
class Bought:
    """An exchange of tokens."""

    tier: str
    days: int
    tokens: int
    queued_until: datetime | None
    replayed: bool = False


async def buy(session: AsyncSession, actor: Actor, *, tier: str, days: int, key: str | None = None) -> Bought:
    """Exchange tokens for days of a tier; they begin when the ones bought before are over.

    Raises Invalid (`no_such_offer`), PaymentNeeded (`too_few_tokens`), Conflict (`queue_full`,
    `idempotency_key_reused`). The same `key` again gives the first answer.
    """
    person_id = actor.require(Scope.USER_WRITE)
    rule = economy.current().referrals
    offer = next((one for one in rule.shop if (one.tier, one.days) == (tier, days)), None)
    if offer is None:
        raise Invalid("There is no such offer in the token shop.", code="no_such_offer")
    full_key = f"referral-shop:{person_id}:{key or new_uuid()}"
    await session.execute(insert(ReferralPoints).values(person_id=person_id).on_conflict_do_nothing())
    row = await session.get_one(ReferralPoints, person_id, with_for_update=True, populate_existing=True)
    known = await session.scalar(select(ReferralPurchase).where(ReferralPurchase.key == full_key))
    if known is not None:
        if (known.tier, known.days) != (tier, days):
            raise Conflict("This idempotency key was used for another offer.", code="idempotency_key_reused")
        return Bought(known.tier, known.days, known.tokens, row.queued_until, True)
    now = clock.now()
    until = max(row.queued_until or now, now) + timedelta(days=days)
    if until > now + timedelta(days=rule.queued_days):
        raise Conflict(
            f"At most {rule.queued_days} days can wait in the queue; come back when some are used.",
            code="queue_full",
        )
    await _take(session, person_id, offer.tokens)
    session.add(
        ReferralPurchase(
            key=full_key, person_id=person_id, tier=tier, days=days, tokens=offer.tokens, created_at=now
        )
    )
    row.queued_until = until
    await session.flush()
    await publish(session, ReferralTierGranted(person_id, tier, days, full_key))
    return Bought(tier, days, offer.tokens, until)


async def _take(session: AsyncSession, person_id: int, tokens: int) -> None:
    rest = tokens
    lots = await referrals.spendable(session, person_id)
    have = sum(lot.left for lot in lots)
    if have < tokens:
        raise PaymentNeeded(
            f"This takes {tokens} tokens and you have {have}. Nothing was taken.", code="too_few_tokens"
        )
    for lot in lots:
        part = min(rest, lot.left)
        lot.left, rest = lot.left - part, rest - part
