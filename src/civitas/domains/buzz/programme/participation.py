"""Taking part in the creator programme: who may, joining, leaving, and what staff decide (FEATURES J1)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts import audit, onboarding, scoring
from civitas.domains.accounts.notices import inform
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor, Onboarding, Scope
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.memberships.entitlements import Entitlements, entitlements
from civitas.domains.buzz.programme import banking
from civitas.domains.buzz.programme.tables import Participant
from civitas.domains.buzz.programme.types import month_of
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden, Invalid, NotFound

PATH = "/creator-program"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing that joining needs: whether it is met, and what to do."""

    code: str
    met: bool
    told: str


@dataclass(frozen=True, slots=True)
class Candidacy:
    """Where somebody stands towards the programme. `status` is `none`, `active`, `left` or `banned`."""

    status: str
    score: int
    score_parts: dict[str, int]
    score_needed: int
    tier: str
    requirements: tuple[Requirement, ...]
    ban_reason: str | None

    @property
    def eligible(self) -> bool:
        """Whether every requirement is met."""
        return all(one.met for one in self.requirements)

    @property
    def progress(self) -> float:
        """How much of the score that is needed is there, 0 to 1."""
        return max(0.0, min(1.0, self.score / self.score_needed)) if self.score_needed > 0 else 1.0


async def candidacy(session: AsyncSession, person_id: int) -> Candidacy:
    """What joining needs and what of it is there."""
    rules = economy.current().programme
    score = await scoring.of(session, person_id)
    holds = await entitlements(session, person_id)
    row = await session.get(Participant, person_id, populate_existing=True)
    steps = Onboarding(await session.scalar(select(Person.onboarding).where(Person.id == person_id)) or 0)
    banned = Onboarding.BANNED_CREATOR_PROGRAM in steps
    tier = paying_tier(holds)
    labels = ", ".join(
        economy.current().tier(key).label for key in rules.tiers if economy.current().tier(key).offered
    )
    return Candidacy(
        status="banned" if banned else (row.status if row is not None else "none"),
        score=score.total,
        score_parts=dict(score.parts),
        score_needed=rules.score,
        tier=tier or "free",
        requirements=(
            Requirement("score", score.total >= rules.score, f"A creator score of {rules.score:,}; yours is {score.total:,}."),
            Requirement("membership", tier is not None, f"A paid membership: {labels}."),
            Requirement("not_banned", not banned, "Nobody has taken you out of the programme."),
        ),
        ban_reason=row.ban_reason if row is not None and banned else None,
    )  # fmt: skip


def paying_tier(holds: Entitlements) -> str | None:
    """The tier by which somebody may take part: the highest that was paid for, when it is one of the programme's."""
    found = holds.paid_tier
    return found.key if found is not None and found.key in economy.current().programme.tiers else None


async def join(session: AsyncSession, actor: Actor, *, accept_terms: bool) -> Candidacy:
    """Join the programme; joining again changes nothing. Afterwards a way of being paid is still to be chosen.

    Raises Invalid (`terms_needed`), Forbidden (`programme_banned`, `score_too_low`, `membership_needed`).
    """
    person_id = actor.require(Scope.USER_WRITE)
    if not accept_terms:
        raise Invalid(
            "Accept the terms of the programme to join it.",
            code="terms_needed",
            fields={"accept_terms": "Accept the terms to join."},
        )
    stands = await candidacy(session, person_id)
    if stands.status == "active":
        return stands
    missing = {one.code: one.told for one in stands.requirements if not one.met}
    if "not_banned" in missing:
        raise Forbidden("Staff took you out of the creator programme.", code="programme_banned")
    if "score" in missing:
        raise Forbidden(f"Joining needs this: {missing['score']}", code="score_too_low")
    if "membership" in missing:
        raise Forbidden(f"Joining needs this: {missing['membership']}", code="membership_needed")
    now = clock.now()
    values = {
        "status": "active",
        "joined_at": now,
        "terms_accepted_at": now,
        "ended_at": None,
        "ban_reason": None,
    }
    await session.execute(
        insert(Participant)
        .values(person_id=person_id, **values)
        .on_conflict_do_update(index_elements=["person_id"], set_=values)
    )
    await onboarding.mark(session, person_id, Onboarding.CREATOR_PROGRAM)
    return await candidacy(session, person_id)


async def leave(session: AsyncSession, actor: Actor) -> Candidacy:
    """Leave the programme. What is banked stays in the month and is paid out, and cash stays theirs.

    Raises Conflict (`not_in_programme`).
    """
    person_id = actor.require(Scope.USER_WRITE)
    row = await session.get(Participant, person_id, with_for_update=True)
    if row is None or row.status != "active":
        raise Conflict("You do not take part in the creator programme.", code="not_in_programme")
    row.status, row.ended_at = "left", clock.now()
    await _unmark(session, person_id, Onboarding.CREATOR_PROGRAM)
    await session.flush()
    return await candidacy(session, person_id)


async def ban(session: AsyncSession, actor: Actor, *, person_id: int, reason: str) -> None:
    """Staff take somebody out for good: what is banked goes back to their wallet without a fee, and they are told.

    Doing it twice changes nothing. Raises Forbidden, NotFound, Invalid (`reason_needed`).
    """
    actor.require_moderator()
    await _must_exist(session, person_id)
    await audit.record(
        session, actor, action="programme.ban", reason=reason, person_id=person_id, subject_kind="programme"
    )
    now = clock.now()
    values = {"status": "banned", "ended_at": now, "ban_reason": reason.strip()[:2000]}
    await session.execute(
        insert(Participant)
        .values(person_id=person_id, joined_at=now, terms_accepted_at=now, **values)
        .on_conflict_do_update(index_elements=["person_id"], set_=values)
    )
    await onboarding.mark(session, person_id, Onboarding.BANNED_CREATOR_PROGRAM)
    await banking.give_back(session, person_id, month=month_of(now), actor_id=actor.id)
    await inform(
        session,
        person_id,
        subject="You no longer take part in the creator programme",
        told=f"Staff took you out of the creator programme: {reason.strip()[:300]} What you had banked is in your wallet again.",
        path=PATH,
    )  # fmt: skip


async def unban(session: AsyncSession, actor: Actor, *, person_id: int, reason: str) -> None:
    """Staff allow somebody to join again; they do it themselves. Raises Forbidden, NotFound, Invalid."""
    actor.require_moderator()
    await _must_exist(session, person_id)
    await audit.record(
        session, actor, action="programme.unban", reason=reason, person_id=person_id, subject_kind="programme"
    )
    await session.execute(
        update(Participant)
        .where(Participant.person_id == person_id, Participant.status == "banned")
        .values(status="left", ban_reason=None)
    )
    await _unmark(session, person_id, Onboarding.BANNED_CREATOR_PROGRAM | Onboarding.CREATOR_PROGRAM)
    await inform(
        session,
        person_id,
        subject="You may join the creator programme again",
        told="Staff lifted your exclusion from the creator programme.",
        path=PATH,
    )


async def _must_exist(session: AsyncSession, person_id: int) -> None:
    if await session.scalar(select(Person.id).where(Person.id == person_id)) is None:
        raise NotFound("There is no such person.", code="no_such_person")


async def _unmark(session: AsyncSession, person_id: int, steps: Onboarding) -> None:
    await session.execute(
        update(Person)
        .where(Person.id == person_id)
        .values(onboarding=Person.onboarding.op("&")(~int(steps)))
        .execution_options(synchronize_session=False)
    )
