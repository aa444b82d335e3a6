"""Prompts before they are made into pictures: refused, counted, and what comes of too many (FEATURES M9)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import Select, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts import audit as staff_log
from civitas.domains.accounts import notices
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor
from civitas.domains.studio import prompt_rules
from civitas.domains.studio.prompt_audit import Audit, Auditor, Finding, auditor
from civitas.domains.studio.tables import STANDING, PromptAllowance, PromptBlock, StudioRestriction
from civitas.infra.db.readpool import ReadPool
from civitas.kit import clock, paging
from civitas.kit.errors import Conflict, Forbidden, Invalid, NotFound

WINDOW: Final = timedelta(days=30)
WARN_ABOVE: Final = 3
SHOW_STAFF_ABOVE: Final = 5
RESTRICT_ABOVE: Final = 8
MOST_ALLOWANCES: Final = 50

_rules = prompt_rules.packaged()


def use(rules: prompt_rules.PromptRules | None) -> None:
    """Judge by these rules from now on; by the packaged ones for None. The process sets it once, at start."""
    global _rules
    _rules = rules or prompt_rules.packaged()


def rules() -> Auditor:
    """The auditor of the rules that hold in this process."""
    return auditor(_rules)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a prompt that may be made brings with it."""

    # Nothing mature may come of it, whatever was allowed.
    safe_only: bool
    # Sentences for the person: what forced safety, what was acknowledged.
    notices: tuple[str, ...]


async def look(session: AsyncSession, actor: Actor, *, prompt: str, negative: str = "") -> Audit:
    """What is found in a prompt, without counting anything: for the page, while one types."""
    green = actor.domain == "green"
    looked = rules().audit(prompt, negative, safe_site=green)
    if actor.id is None or not looked.findings:
        return looked
    found = await session.scalars(select(PromptAllowance.phrase).where(PromptAllowance.person_id == actor.id))
    if not (allowed := list(found)):
        return looked
    return rules().audit(prompt, negative, safe_site=green, allowed=allowed)


async def may_generate(session: AsyncSession, actor: Actor) -> None:
    """Raise Forbidden (`generation_restricted`) for somebody who may not generate at present."""
    person = actor.require()
    restriction = await session.scalar(_standing(person))
    if restriction is not None:
        raise _restricted(restriction.state, restriction.reason)


_RESTRICTED: Final = f"SELECT state, reason FROM studio_restrictions WHERE person_id = %s AND {STANDING}"  # noqa: S608


async def may_generate_now(reads: ReadPool, actor: Actor) -> None:
    """The same as `may_generate`, by one statement and without a transaction: for programs, which ask often."""
    for state, reason in await reads.fetch(_RESTRICTED, (actor.require(),)):
        raise _restricted(state, reason)


def _restricted(state: str, reason: str) -> Forbidden:
    waiting = "A moderator looks at it." if state == "pending" else "You can appeal to the staff."
    return Forbidden(f"You cannot generate at present: {reason} {waiting}", code="generation_restricted")


def admit(audit: Audit, *, acknowledged: bool = False) -> Verdict:
    """Let a prompt through, or raise Invalid: `prompt_blocked` for what is never made, `prompt_doubtful` for the rest.

    A doubtful prompt passes when it was acknowledged. Counting is `count`'s, in a unit of its own: raising here rolls
    back, and a refusal must be remembered.
    """
    if audit.hard:
        raise PromptBlocked(audit.hard)
    if audit.soft and not acknowledged:
        told = " ".join(finding.told() for finding in audit.soft)
        raise Invalid(told, code="prompt_doubtful", fields={"prompt": told})
    return Verdict(audit.safe_only, tuple(finding.told() for finding in audit.findings))


class PromptBlocked(Invalid):
    """A prompt asks for what is never made here; nothing was charged."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        told = " ".join(finding.told() for finding in findings)
        super().__init__(f"{told} Nothing was charged.", code="prompt_blocked", fields={"prompt": told})
        self.findings = findings


@dataclass(frozen=True, slots=True)
class Counted:
    """How often somebody was refused within thirty days, and whether they may still generate."""

    blocks: int
    restricted: bool

    @property
    def warning(self) -> str | None:
        """What the person is told about it."""
        if self.restricted:
            return "That was once too often: you cannot generate until a moderator has looked at it."
        if self.blocks > WARN_ABOVE:
            left = RESTRICT_ABOVE + 1 - self.blocks
            return f"Prompts of yours were refused {self.blocks} times in 30 days; after {left} more you cannot generate."
        return None


async def count(
    session: AsyncSession, actor: Actor, *, findings: tuple[Finding, ...], prompt: str
) -> Counted:
    """Remember a refused prompt and draw the consequence. Staff are not counted, and nobody is on the safe site."""
    person = actor.require()
    if actor.is_moderator or actor.domain == "green" or not findings:
        return Counted(0, restricted=False)
    now = clock.now()
    first = findings[0]
    session.add(
        PromptBlock(
            person_id=person,
            category=first.category.value,
            words=list(dict.fromkeys(word for finding in findings for word in finding.words)),
            prompt=prompt[:2_000],
            created_at=now,
        )
    )
    await session.flush()
    blocks = await session.scalar(
        select(func.count())
        .select_from(PromptBlock)
        .where(PromptBlock.person_id == person, PromptBlock.created_at > now - WINDOW)
    )
    blocks = int(blocks or 0)
    restricted = False
    if blocks > RESTRICT_ABOVE:
        restricted = await _restrict(session, person, f"{blocks} prompts were refused within 30 days.")
    return Counted(blocks, restricted)


async def _restrict(session: AsyncSession, person_id: int, reason: str) -> bool:
    made = await session.scalar(
        insert(StudioRestriction)
        .values(person_id=person_id, reason=reason, created_at=clock.now())
        .on_conflict_do_nothing(index_elements=["person_id"], index_where=text(STANDING))
        .returning(StudioRestriction.id)
    )
    if made is not None:
        await notices.inform(
            session,
            person_id,
            subject="You cannot generate at present",
            told=f"{reason} A moderator looks at it and decides; everything else on the site works as before.",
        )
    return True


def _standing(person_id: int) -> Select[StudioRestriction]:
    return select(StudioRestriction).where(StudioRestriction.person_id == person_id, text(STANDING))


async def restrict(session: AsyncSession, actor: Actor, *, person_id: int, reason: str) -> None:
    """Staff's word that somebody may not generate. Raises Forbidden, Invalid for an empty reason, Conflict."""
    staff = actor.require_moderator()
    if not reason.strip():
        raise Invalid("Say why, so that the person and other moderators know.", fields={"reason": "Say why."})
    if await session.scalar(_standing(person_id)) is not None:
        raise Conflict("This person cannot generate already.", code="restricted_already")
    session.add(
        StudioRestriction(
            person_id=person_id,
            state="upheld",
            reason=reason.strip()[:500],
            created_at=clock.now(),
            decided_by=staff,
            decided_at=clock.now(),
        )
    )
    await session.flush()
    await staff_log.record(session, actor, action="studio.restrict", reason=reason, person_id=person_id)


async def decide(
    session: AsyncSession, actor: Actor, *, restriction_id: int, upheld: bool, note: str
) -> StudioRestriction:
    """Uphold a restriction, or overturn it so that the person may generate again. Raises Forbidden, NotFound, Conflict."""
    staff = actor.require_moderator()
    restriction = await session.get(StudioRestriction, restriction_id, with_for_update=True)
    if restriction is None:
        raise NotFound("There is no such restriction.", code="no_such_restriction")
    if restriction.state == "overturned" or (restriction.state == "upheld" and upheld):
        raise Conflict("This was decided already.", code="decided_already")
    restriction.state = "upheld" if upheld else "overturned"
    restriction.decided_by, restriction.decided_at, restriction.note = (
        staff,
        clock.now(),
        note.strip()[:500] or None,
    )
    if not upheld:
        # A person who was right does not stand one step before the next restriction.
        await session.execute(delete(PromptBlock).where(PromptBlock.person_id == restriction.person_id))
    await staff_log.record(
        session,
        actor,
        action="studio.restriction.uphold" if upheld else "studio.restriction.overturn",
        reason=note,
        person_id=restriction.person_id,
        details={"restriction": restriction_id},
    )
    await notices.inform(
        session,
        restriction.person_id,
        subject="Your restriction was looked at",
        told=f"You {'still cannot' if upheld else 'can'} generate{'' if upheld else ' again'}. {note.strip()}",
    )
    return restriction


async def allow(session: AsyncSession, actor: Actor, *, person_id: int, phrase: str, reason: str) -> None:
    """Clear a phrase for one person. Raises Forbidden, Invalid."""
    staff = actor.require_moderator()
    folded = " ".join(phrase.split())
    if not 3 <= len(folded) <= 100:
        raise Invalid("A phrase has 3 to 100 characters.", fields={"phrase": "3 to 100 characters."})
    known = await session.scalar(
        select(func.count()).select_from(PromptAllowance).where(PromptAllowance.person_id == person_id)
    )
    if int(known or 0) >= MOST_ALLOWANCES:
        raise Conflict(f"At most {MOST_ALLOWANCES} phrases can be cleared for one person.", code="too_many")
    await session.execute(
        insert(PromptAllowance)
        .values(person_id=person_id, phrase=folded, allowed_by=staff, created_at=clock.now())
        .on_conflict_do_nothing()
    )
    await staff_log.record(
        session,
        actor,
        action="studio.phrase.allow",
        reason=reason,
        person_id=person_id,
        details={"phrase": folded},
    )


async def restrictions(
    session: AsyncSession, actor: Actor, *, state: str = "pending", cursor: str | None = None, most: int = 50
) -> paging.Page[StudioRestriction]:
    """Restrictions by state, the oldest first: the queue of moderators. Raises Forbidden."""
    actor.require_moderator()
    after = paging.decode(cursor, int)[0] if cursor else 0
    rows = (
        await session.scalars(
            select(StudioRestriction)
            .where(StudioRestriction.state == state, StudioRestriction.id > after)
            .order_by(StudioRestriction.id)
            .limit(most + 1)
        )
    ).all()
    shown = rows[:most]
    return paging.Page(shown, paging.encode(shown[-1].id) if len(rows) > most else None)


@dataclass(frozen=True, slots=True)
class Often:
    """Somebody whose prompts were refused often within thirty days."""

    person_id: int
    username: str | None
    blocks: int


async def often(session: AsyncSession, actor: Actor, *, most: int = 50) -> list[Often]:
    """Whose prompts were refused most within thirty days, for moderators. Raises Forbidden."""
    actor.require_moderator()
    counted = (
        select(PromptBlock.person_id, func.count().label("blocks"))
        .where(PromptBlock.created_at > clock.now() - WINDOW)
        .group_by(PromptBlock.person_id)
        .having(func.count() > SHOW_STAFF_ABOVE)
        .order_by(func.count().desc(), PromptBlock.person_id)
        .limit(most)
        .subquery()
    )
    rows = await session.execute(
        select(counted.c.person_id, Person.username, counted.c.blocks)
        .join(Person, Person.id == counted.c.person_id)
        .order_by(counted.c.blocks.desc(), counted.c.person_id)
    )
    return [Often(*row) for row in rows]


async def blocks_of(
    session: AsyncSession, actor: Actor, *, person_id: int, most: int = 50
) -> list[PromptBlock]:
    """What somebody was refused, the newest first. Raises Forbidden."""
    actor.require_moderator()
    return list(
        await session.scalars(
            select(PromptBlock)
            .where(PromptBlock.person_id == person_id)
            .order_by(PromptBlock.created_at.desc(), PromptBlock.id.desc())
            .limit(most)
        )
    )


async def forget(session: AsyncSession, *, most: int = 5_000) -> int:
    """Forget blocks that no longer count, unless a restriction still waits for somebody to look at them."""
    waiting = select(StudioRestriction.person_id).where(StudioRestriction.state == "pending")
    old = (
        select(PromptBlock.id)
        .where(PromptBlock.created_at <= clock.now() - WINDOW, PromptBlock.person_id.not_in(waiting))
        .order_by(PromptBlock.created_at)
        .limit(most)
    )
    gone = await session.execute(delete(PromptBlock).where(PromptBlock.id.in_(old)))
    return int(getattr(gone, "rowcount", 0))
