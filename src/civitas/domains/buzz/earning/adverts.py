"""Adverts that people saw: signed tickets in, rewards by the hour out (FEATURES I28).

A page's slot gets a ticket for the person who looks. Sent back after it was looked at for a moment it counts once;
it cannot be made without the site's secret, used by another person, used twice or kept for later.
"""

from __future__ import annotations

import uuid
from datetime import timedelta

from itsdangerous import BadSignature, URLSafeTimedSerializer
from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.buzz.earning import awarding
from civitas.domains.buzz.earning.rewards import Earned
from civitas.domains.buzz.earning.tables import AdImpression
from civitas.domains.buzz.economy import economy, rules
from civitas.kit import clock
from civitas.kit.errors import Invalid, Limited
from civitas.kit.ids import new_uuid

REWARD = "ad_impression"
FOLD_BATCH = 5000
LONGEST_SLOT = 40

_FOLD = text(
    """
    WITH taken AS (
        SELECT id FROM ad_impressions WHERE NOT folded ORDER BY id LIMIT :most FOR UPDATE SKIP LOCKED
    ), marked AS (
        UPDATE ad_impressions a SET folded = true FROM taken t WHERE a.id = t.id RETURNING a.id, a.person_id
    )
    SELECT person_id, count(*), max(id) FROM marked GROUP BY person_id ORDER BY person_id
    """
)
_FORGET = text("DELETE FROM ad_impressions WHERE folded AND seen_at < :before")


def ticket(secret: bytes, actor: Actor, *, slot: str) -> str:
    """A ticket for an advert that is being shown to the actor. Raises Unauthorised, Invalid (`bad_slot`)."""
    person_id = actor.require(Scope.USER_WRITE)
    if not 0 < len(slot) <= LONGEST_SLOT or not slot.replace("-", "").replace("_", "").isalnum():
        raise Invalid("A slot is named by letters, digits and dashes.", code="bad_slot")
    made = [person_id, slot, new_uuid().hex, clock.now().timestamp()]
    return str(_signer(secret).dumps(made))


async def seen(session: AsyncSession, actor: Actor, *, secret: bytes, signed: str) -> bool:
    """The actor has seen the advert of this ticket; False when it counted before.

    Raises Invalid (`bad_ticket`) for one that is forged, somebody else's, too fresh or too old, and Limited when
    the hour's adverts are used up.
    """
    person_id = actor.require(Scope.USER_WRITE)
    number, slot = _read(secret, signed, person_id)
    now, adverts = clock.now(), economy.current().adverts
    hour = now.replace(minute=0, second=0, microsecond=0)
    # One at a time for each person, so that the hour's count holds when requests race.
    await session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('adverts', :person))"), {"person": person_id}
    )
    count = await session.scalar(
        select(func.count()).where(AdImpression.person_id == person_id, AdImpression.seen_at >= hour)
    )
    if (count or 0) >= adverts.counted_per_hour:
        left = int((hour + timedelta(hours=1) - now).total_seconds()) + 1
        raise Limited(
            "No more adverts count within this hour.", retry_after=max(1, left), code="adverts_used_up"
        )
    made = await session.scalar(
        insert(AdImpression)
        .values(person_id=person_id, ticket=number, slot=slot, seen_at=now)
        .on_conflict_do_nothing()
        .returning(AdImpression.id)
    )
    return made is not None


async def fold(session: AsyncSession) -> int:
    """Reward what was seen since the last time; how many people that were. Call until 0."""
    if REWARD not in economy.current().rewards:
        return 0
    rows = (await session.execute(_FOLD, {"most": FOLD_BATCH})).all()
    await awarding.award(
        session, [Earned(REWARD, person, f"upto:{last}", times=count) for person, count, last in rows]
    )
    return len(rows)


async def forget(session: AsyncSession) -> None:
    """Let impressions go that were rewarded long ago; their tickets have expired by then."""
    await session.execute(_FORGET, {"before": clock.now() - timedelta(days=2)})


def _signer(secret: bytes) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(secret, salt="adverts")


def _read(secret: bytes, signed: str, person_id: int) -> tuple[uuid.UUID, str]:
    fault = Invalid("This ticket does not hold; it may be too old or not yours.", code="bad_ticket")
    try:
        owner, slot, number, shown_at = _signer(secret).loads(signed[:500])
        found = uuid.UUID(number)
    except (BadSignature, ValueError, TypeError):
        raise fault from None
    adverts, age = economy.current().adverts, clock.now().timestamp() - shown_at
    if owner != person_id or not adverts.least_seconds <= age <= adverts.most_seconds:
        raise fault
    return found, slot


def worth() -> int:
    """Quarters for one advert."""
    rule = economy.current().rewards.get(REWARD)
    return rules.quarters(rule.amount) if rule is not None and rule.enabled else 0
