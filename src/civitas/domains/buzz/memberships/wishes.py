"""What members decide about their own: cancel, resume, another tier from the next period on, a month of perks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.subjects import Subject
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.ledger import posting
from civitas.domains.buzz.ledger.posting import Entry
from civitas.domains.buzz.memberships import orders, runs, terms
from civitas.domains.buzz.memberships.messages import MirrorSubscription
from civitas.domains.buzz.memberships.tables import Membership, MembershipGrant, MembershipSurvey
from civitas.domains.buzz.memberships.types import LIVE, RECURRING, SURVEY, Billing, Source
from civitas.domains.buzz.types import Currency, EntryType, Purpose, house, wallet
from civitas.infra.queue.outbox import defer
from civitas.kit import clock
from civitas.kit.errors import Conflict, Invalid, NotFound
from civitas.kit.text import clean_block

LONGEST_COMMENT = 1000


async def cancel(
    session: AsyncSession, actor: Actor, *, membership_id: int, reason: str = "", comment: str = ""
) -> Membership:
    """End a membership when its period is over; until then everything stays. Twice changes nothing.

    `reason` is a key of `SURVEY`, or nothing. Raises NotFound, Conflict (`does_not_renew`), Invalid.
    """
    run = await _own(session, actor, membership_id)
    if run.billing not in RECURRING:
        raise Conflict(
            "This membership ends by itself and is charged no further, so there is nothing to cancel.",
            code="does_not_renew",
        )
    if reason and reason not in SURVEY:
        raise Invalid(
            "Choose one of the reasons, or none.", code="bad_reason", fields={"reason": "Choose one."}
        )
    if run.cancel_at_end:
        return run
    run.cancel_at_end = True
    run.next_tier = run.next_billing = None
    words = clean_block(comment[:20_000])[:LONGEST_COMMENT]
    if reason or words:
        session.add(
            MembershipSurvey(
                membership_id=run.id,
                person_id=run.person_id,
                reason=reason or "other",
                comment=words,
                created_at=clock.now(),
            )
        )
    await session.flush()
    await defer(session, MirrorSubscription(run.id), once=f"mirror:{run.id}")
    return run


async def resume(session: AsyncSession, actor: Actor, *, membership_id: int) -> Membership:
    """Take a cancellation back before it takes effect. Raises NotFound, Conflict."""
    run = await _own(session, actor, membership_id)
    if run.cancel_at_end:
        if run.period_end <= clock.now():
            raise Conflict("This membership is over; begin a new one.", code="membership_over")
        run.cancel_at_end = False
        await session.flush()
        await defer(session, MirrorSubscription(run.id), once=f"mirror:{run.id}")
    return run


async def change_later(
    session: AsyncSession, actor: Actor, *, membership_id: int, tier: str, billing: Billing
) -> Membership:
    """Go on in another tier or way of paying from the next period on; the present one again takes that back.

    Raises NotFound, Conflict (`payment_needed`) for an upgrade, which is an order.
    """
    run = await _own(session, actor, membership_id)
    if run.billing not in RECURRING:
        raise Conflict("This membership does not renew, so nothing comes after it.", code="does_not_renew")
    told, _ = await orders.quote(session, actor, tier=tier, billing=billing, colour=run.colour)
    if told.kind in ("upgrade", "start"):
        raise Conflict(
            "This begins at once and has to be paid; order it instead.", code="membership_payment_needed"
        )
    later = told.kind == "later"
    run.next_tier = tier if later else None
    run.next_billing = billing.value if later else None
    run.cancel_at_end = False
    await session.flush()
    await defer(session, MirrorSubscription(run.id), once=f"mirror:{run.id}")
    return run


async def _own(session: AsyncSession, actor: Actor, membership_id: int) -> Membership:
    person = actor.require(Scope.USER_WRITE)
    await runs.hold(session, person)
    run = await session.scalar(
        select(Membership)
        .where(Membership.id == membership_id, Membership.person_id == person, Membership.status.in_(LIVE))
        .execution_options(populate_existing=True)
    )
    if run is None:
        raise NotFound("You have no such membership.", code="no_such_membership")
    return run


@dataclass(frozen=True, slots=True)
class PerksMonth:
    """A month of perks that was bought: what it cost, and when it began (None while it waits)."""

    grant_id: int
    tier: str
    cost: int
    started_at: datetime | None


async def buy_perks(session: AsyncSession, actor: Actor, *, tier: str, key: str) -> PerksMonth:
    """A month of a tier's perks for Buzz (FEATURES I85): it does not renew and brings neither Buzz nor badge.

    `key` makes it happen once. Raises Conflict (`card_membership_runs`), InsufficientFunds, WalletFrozen, Invalid.
    """
    person = actor.require(Scope.USER_WRITE)
    chosen = terms.offered_tier(tier)
    cost = terms.perks_price(chosen)
    await runs.hold(session, person)
    known = await session.scalar(
        select(MembershipGrant).where(
            MembershipGrant.source == Source.PERKS.value, MembershipGrant.source_key == key
        )
    )
    running = (await runs.live(session, person)).values()
    if known is None and any(run.billing in RECURRING for run in running):
        raise Conflict(
            "Your membership renews by itself, so a month of perks cannot be bought beside it.",
            code="card_membership_runs",
        )
    posted = await posting.charge(
        session,
        Entry(
            key=f"perks:{key}",
            type=EntryType.DUES,
            legs=(),
            description=f"A month of {chosen.label} perks",
            subject=Subject("user", person),
            details={"tier": chosen.key},
            actor_id=person,
            key_id=actor.key_id,
        ),
        source=wallet(person, Currency.YELLOW),
        target=house(Purpose.REVENUE, Currency.YELLOW),
        colours=economy.current().purses_for("membership", domain=actor.domain),
        total=cost,
    )
    most = max(posted.parts.items(), key=lambda part: part[1])[0] if posted.parts else Currency.YELLOW
    grant, _ = await runs.enqueue(
        session,
        person_id=person,
        colour=most.value,
        tier=chosen.key,
        billing=Billing.PERKS,
        count=1,
        source=Source.PERKS,
        source_key=key,
    )
    await runs.advance(session, person)
    await session.refresh(grant)
    return PerksMonth(grant.id, grant.tier, cost, grant.started_at)
