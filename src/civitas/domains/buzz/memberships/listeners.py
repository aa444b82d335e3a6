"""What memberships do about facts of others: codes, exchanged tokens, deleted accounts."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.accounts import PersonDeleted
from civitas.contracts.events.buzz import MembershipCodeRedeemed, ReferralTierGranted
from civitas.domains.buzz.memberships import runs
from civitas.domains.buzz.memberships.messages import MirrorSubscription
from civitas.domains.buzz.memberships.types import RECURRING, Billing, Source
from civitas.domains.buzz.types import Currency
from civitas.infra.queue.outbox import defer
from civitas.infra.queue.registry import on

# Time that no provider sold runs beside a membership paid by card, which is green.
_COLOUR = Currency.YELLOW.value


@on(MembershipCodeRedeemed)
async def queue_code(session: AsyncSession, event: MembershipCodeRedeemed) -> None:
    """Let the months of a code wait their turn; they begin at once where nothing runs."""
    await _queue(session, event, Source.CODE, Billing.PREPAID, count=event.months)


@on(ReferralTierGranted)
async def queue_referral(session: AsyncSession, event: ReferralTierGranted) -> None:
    """Let the days that tokens were exchanged for wait their turn."""
    await _queue(session, event, Source.REFERRAL, Billing.GRANTED, days=event.days)


async def _queue(
    session: AsyncSession,
    event: MembershipCodeRedeemed | ReferralTierGranted,
    source: Source,
    billing: Billing,
    *,
    count: int = 0,
    days: int = 0,
) -> None:
    await runs.hold(session, event.person_id)
    await runs.enqueue(
        session,
        person_id=event.person_id,
        colour=_COLOUR,
        tier=event.tier,
        billing=billing,
        count=count,
        days=days,
        source=source,
        source_key=event.key,
    )
    await runs.advance(session, event.person_id)


@on(PersonDeleted)
async def let_go(session: AsyncSession, event: PersonDeleted) -> None:
    """Charge a person who left no further; what was paid runs to its end, should they come back."""
    await runs.hold(session, event.person_id)
    for run in (await runs.live(session, event.person_id)).values():
        if run.billing in RECURRING and not run.cancel_at_end:
            run.cancel_at_end = True
            run.next_tier = run.next_billing = None
            await session.flush()
            await defer(session, MirrorSubscription(run.id), once=f"mirror:{run.id}")
