"""What staff do to accounts: roles, mutes, bans (FEATURES A16). Every deed is logged with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.accounts import PersonBanned, PersonMuted, PersonUnbanned, RoleChanged
from civitas.domains.accounts import audit, moving, sessions, totp
from civitas.domains.accounts.notices import notify
from civitas.domains.accounts.policy import can_judge
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import SYSTEM_ID, Actor, Role
from civitas.infra.queue.outbox import publish
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden, Invalid, NotFound

# Codes that existing tools know, and what the public is told.
BAN_LABELS = MappingProxyType(
    {
        "SexualMinor": "Sexual content involving minors",
        "SexualMinorGenerator": "Generating sexual content involving minors",
        "SexualMinorTraining": "Training on sexual content involving minors",
        "SexualPOI": "Sexual content of real people",
        "Bestiality": "Sexual content involving animals",
        "Scat": "Content that is not allowed here",
        "Nudify": "Undressing real people",
        "Harassment": "Harassment",
        "LeaderboardCheating": "Cheating on leaderboards",
        "BuzzCheating": "Cheating with Buzz",
        "RRDViolation": "Breaking rules on restricted content",
        "Other": "Breaking the terms of use",
    }
)

# Stands for "until somebody lifts it".
FOR_EVER = datetime(9999, 1, 1, tzinfo=UTC)
LONGEST_MUTE = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class AccountStanding:
    """How an account stands; the code is for staff, the label for everyone."""

    person_id: int
    role: Role
    status: str
    ban_code: str | None
    ban_label: str | None
    banned_at: datetime | None
    muted_until: datetime | None
    rewards_eligibility: str
    off_leaderboards: bool


async def of(session: AsyncSession, person_id: int) -> AccountStanding:
    """How a person's account stands. Raises NotFound."""
    row = await _person(session, person_id)
    return AccountStanding(
        person_id=person_id,
        role=Role(row.role),
        status=row.status,
        ban_code=row.ban_code,
        ban_label=BAN_LABELS.get(row.ban_code) if row.ban_code else None,
        banned_at=row.banned_at,
        muted_until=row.muted_until if row.muted_until and row.muted_until > clock.now() else None,
        rewards_eligibility=row.rewards_eligibility,
        off_leaderboards=row.off_leaderboards,
    )


async def grant(session: AsyncSession, actor: Actor, *, person_id: int, role: Role, reason: str) -> None:
    """Give a person another role; their sessions end, so that no old secret carries new rights.

    For admins. Raises Conflict (`last_admin`) rather than leaving the site without one.
    """
    actor.require_admin()
    if role is not Role.ADMIN and (await _person(session, person_id)).role == Role.ADMIN.value:
        await require_other_admin(session, person_id)
    row = await _person(session, person_id, lock=True)
    _require_living(row)
    before = Role(row.role)
    if before is role:
        return
    await session.execute(update(Person).where(Person.id == person_id).values(role=role.value))
    await sessions.revoke_all(session, person_id, but=actor.session_id)
    await audit.record(
        session,
        actor,
        action="role.grant",
        person_id=person_id,
        reason=reason,
        details={"before": before.value, "after": role.value},
    )
    await publish(session, RoleChanged(person_id, before.value, role.value, actor.require()))


async def revoke(session: AsyncSession, actor: Actor, *, person_id: int, reason: str) -> None:
    """Make a member of staff an ordinary person again."""
    await grant(session, actor, person_id=person_id, role=Role.USER, reason=reason)


async def require_other_admin(session: AsyncSession, person_id: int) -> None:
    """Raise Conflict (`last_admin`) when this person is the only admin who is left.

    All admins' rows are held, in one order, until the transaction ends: of two who go at once the second waits
    and then sees that the first is gone. Call it before locking any of them.
    """
    admins = (
        await session.scalars(
            select(Person.id)
            .where(Person.role == Role.ADMIN.value, Person.status == "active", Person.id != SYSTEM_ID)
            .order_by(Person.id)
            .with_for_update()
        )
    ).all()
    if set(admins) <= {person_id}:
        raise Conflict("This is the only administrator; appoint another one first.", code="last_admin")


async def mute(
    session: AsyncSession, actor: Actor, *, person_id: int, until: datetime | None, reason: str
) -> None:
    """Let a person read but not write until a moment, or until it is lifted (None).

    Raises Forbidden for staff of one's own rank, Invalid (`bad_until`).
    """
    await _judge(session, actor, person_id)
    moment = clock.now()
    if until is not None and (until.tzinfo is None or not moment < until <= moment + LONGEST_MUTE):
        told = "Choose a moment in the future, within ten years."
        raise Invalid(told, code="bad_until", fields={"until": told})
    stored = until or FOR_EVER
    await session.execute(update(Person).where(Person.id == person_id).values(muted_until=stored))
    await audit.record(
        session,
        actor,
        action="mute",
        person_id=person_id,
        reason=reason,
        details={"until": clock.rfc3339(stored)},
    )
    await publish(session, PersonMuted(person_id, stored, actor.require()))
    told = f"{until:%-d %B %Y, %H:%M} UTC" if until else "staff decide otherwise"
    await notify(session, person_id, "muted", detail=told)


async def unmute(session: AsyncSession, actor: Actor, *, person_id: int, reason: str) -> None:
    """Let a person write again."""
    await _judge(session, actor, person_id)
    await session.execute(update(Person).where(Person.id == person_id).values(muted_until=None))
    await audit.record(session, actor, action="unmute", person_id=person_id, reason=reason)
    await publish(session, PersonMuted(person_id, None, actor.require()))


async def ban(session: AsyncSession, actor: Actor, *, person_id: int, code: str, reason: str) -> None:
    """Close an account: sessions end, keys stop working, the page shows the code's public label.

    `reason` is for staff and the log. Raises Invalid (`bad_ban_code`), Forbidden, Conflict (`banned`).
    """
    if code not in BAN_LABELS:
        raise Invalid(
            "This is not one of the reasons for a ban.",
            code="bad_ban_code",
            fields={"code": "Choose one of: " + ", ".join(BAN_LABELS)},
        )
    row = await _judge(session, actor, person_id)
    if row.status != "active":
        raise Conflict("This account is closed already.", code="banned")
    await session.execute(
        update(Person)
        .where(Person.id == person_id)
        .values(status="banned", ban_code=code, banned_at=clock.now())
    )
    await sessions.revoke_all(session, person_id)
    await audit.record(
        session, actor, action="ban", person_id=person_id, reason=reason, details={"code": code}
    )
    await publish(session, PersonBanned(person_id, code, actor.require()))
    await notify(session, person_id, "banned", detail=BAN_LABELS[code])


async def unban(session: AsyncSession, actor: Actor, *, person_id: int, reason: str) -> None:
    """Open an account again; its keys work again too. Raises Conflict (`not_banned`)."""
    row = await _judge(session, actor, person_id)
    if row.status != "banned":
        raise Conflict("This account is not banned.", code="not_banned")
    await session.execute(
        update(Person).where(Person.id == person_id).values(status="active", ban_code=None, banned_at=None)
    )
    await audit.record(session, actor, action="unban", person_id=person_id, reason=reason)
    await publish(session, PersonUnbanned(person_id, actor.require()))
    await notify(session, person_id, "unbanned")


async def set_flags(
    session: AsyncSession,
    actor: Actor,
    *,
    person_id: int,
    reason: str,
    rewards_eligibility: str | None = None,
    off_leaderboards: bool | None = None,
) -> None:
    """Change whether a person earns rewards (`eligible`, `ineligible`, `protected`) or is ranked."""
    await _judge(session, actor, person_id)
    values: dict[str, Any] = {}
    if rewards_eligibility is not None:
        if rewards_eligibility not in {"eligible", "ineligible", "protected"}:
            raise Invalid("Choose eligible, ineligible or protected.", code="bad_eligibility")
        values["rewards_eligibility"] = rewards_eligibility
    if off_leaderboards is not None:
        values["off_leaderboards"] = off_leaderboards
    if values:
        await session.execute(update(Person).where(Person.id == person_id).values(**values))
        await audit.record(
            session, actor, action="account.flags", person_id=person_id, reason=reason, details=values
        )


async def reset_second_step(session: AsyncSession, actor: Actor, *, person_id: int, reason: str) -> None:
    """Take two-step sign-in away from a person who lost app and codes; for admins, after checking who asks."""
    actor.require_admin()
    await _person(session, person_id)
    await totp.reset(session, person_id)
    await sessions.revoke_all(session, person_id)
    await audit.record(session, actor, action="second_step.reset", person_id=person_id, reason=reason)
    await notify(session, person_id, "second_step_off")


async def set_email(session: AsyncSession, actor: Actor, *, person_id: int, email: str, reason: str) -> None:
    """Give a person who lost their mailbox another address; for admins. Raises Conflict (`email_taken`)."""
    actor.require_admin()
    await _person(session, person_id)
    await moving.set_by_staff(session, person_id=person_id, email=email)
    await audit.record(session, actor, action="email.set", person_id=person_id, reason=reason)


async def counts(session: AsyncSession) -> dict[str, int]:
    """How many people there are by status, for the staff's overview."""
    rows = await session.execute(
        select(Person.status, func.count().label("number"))
        .where(Person.id != SYSTEM_ID)
        .group_by(Person.status)
    )
    return {row.status: row.number for row in rows}


async def _judge(session: AsyncSession, actor: Actor, person_id: int) -> Any:
    actor.require_moderator()
    row = await _person(session, person_id, lock=True)
    _require_living(row)
    if not can_judge(actor, person_id=person_id, role=Role(row.role)):
        raise Forbidden("You cannot do this to this account.", code="cannot_judge")
    return row


def _require_living(row: Any) -> None:
    if row.status == "deleted" or row.id == SYSTEM_ID:
        raise NotFound("There is no such person.", code="no_such_person")


async def _person(session: AsyncSession, person_id: int, *, lock: bool = False) -> Any:
    statement = select(
        Person.id,
        Person.role,
        Person.status,
        Person.ban_code,
        Person.banned_at,
        Person.muted_until,
        Person.rewards_eligibility,
        Person.off_leaderboards,
    ).where(Person.id == person_id)
    row = (await session.execute(statement.with_for_update() if lock else statement)).first()
    if row is None:
        raise NotFound("There is no such person.", code="no_such_person")
    return row
