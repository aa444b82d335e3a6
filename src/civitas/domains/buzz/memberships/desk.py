"""What staff do about memberships: give a tier for some time, end one; always with a reason."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts import audit, queries
from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.memberships import runs
from civitas.domains.buzz.memberships.tables import Membership, MembershipGrant
from civitas.domains.buzz.memberships.types import LIVE, Billing, End, Source
from civitas.kit.errors import Invalid, NotFound
from civitas.kit.ids import new_uuid

MOST_MONTHS = 36
MOST_DAYS = 365


async def grant(
    session: AsyncSession,
    staff: Actor,
    *,
    person_id: int,
    tier: str,
    months: int = 0,
    days: int = 0,
    with_buzz: bool = False,
    reason: str,
) -> int:
    """Give a person a tier for a time, after what runs; `with_buzz` as if it had been paid. The grant's id.

    Raises Invalid, NotFound, Forbidden.
    """
    staff.require_moderator()
    if with_buzz:
        staff.require_admin()
    if economy.current().rank(tier) < 1:
        raise Invalid("Choose a tier.", code="no_such_tier", fields={"tier": "Choose a tier."})
    if not (0 <= months <= MOST_MONTHS and 0 <= days <= MOST_DAYS and months + days > 0):
        raise Invalid(
            f"Give between a day and {MOST_MONTHS} months.",
            code="bad_months",
            fields={"months": "How long shall it run?"},
        )
    if with_buzz and not months:
        raise Invalid(
            "Buzz comes with whole months only.", code="bad_months", fields={"months": "Give months."}
        )
    await queries.by_id(session, person_id)
    await runs.hold(session, person_id)
    made, _ = await runs.enqueue(
        session,
        person_id=person_id,
        colour=economy.current().memberships.granted_colour.value,
        tier=tier,
        billing=Billing.PREPAID if with_buzz else Billing.GRANTED,
        count=months,
        days=days,
        source=Source.STAFF,
        source_key=str(new_uuid()),
        giver_id=staff.id if staff.via != "system" else None,
    )
    await audit.record(
        session,
        staff,
        action="membership.grant",
        reason=reason,
        person_id=person_id,
        subject_kind="membership_grant",
        subject_id=made.id,
        details={"tier": tier, "months": months, "days": days, "buzz": with_buzz},
    )
    await runs.advance(session, person_id)
    return made.id


async def end(session: AsyncSession, staff: Actor, *, membership_id: int, reason: str) -> None:
    """End a membership now; the agreement behind it is stopped too. Raises NotFound when it does not run."""
    staff.require_moderator()
    owner = await session.scalar(select(Membership.person_id).where(Membership.id == membership_id))
    if owner is not None:
        await runs.hold(session, owner)
    run = await session.scalar(
        select(Membership)
        .where(Membership.id == membership_id, Membership.status.in_(LIVE))
        .execution_options(populate_existing=True)
    )
    if run is None:
        raise NotFound("There is no such membership that runs.", code="no_such_membership")
    await audit.record(
        session,
        staff,
        action="membership.end",
        reason=reason,
        person_id=run.person_id,
        subject_kind="membership",
        subject_id=run.id,
        details={"tier": run.tier, "billing": run.billing},
    )
    await runs.finish(session, run, End.STAFF)


async def revoke(session: AsyncSession, staff: Actor, *, grant_id: int, reason: str) -> None:
    """Take away time that still waits its turn. Raises NotFound when it does not wait."""
    staff.require_moderator()
    owner = await session.scalar(select(MembershipGrant.person_id).where(MembershipGrant.id == grant_id))
    if owner is not None:
        await runs.hold(session, owner)
    waits = await session.scalar(
        select(MembershipGrant)
        .where(MembershipGrant.id == grant_id, MembershipGrant.status == "queued")
        .execution_options(populate_existing=True)
    )
    if waits is None:
        raise NotFound("Nothing of this number waits its turn.", code="no_such_grant")
    waits.status = "revoked"
    await session.flush()
    await audit.record(
        session,
        staff,
        action="membership.revoke",
        reason=reason,
        person_id=waits.person_id,
        subject_kind="membership_grant",
        subject_id=waits.id,
        details={"tier": waits.tier, "months": waits.months, "days": waits.days},
    )
