"""Who may do what with gated versions: asked by downloads, permission checks and generation; grants for nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.catalog import AccessGiven
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import editing, policy
from civitas.domains.catalog.access_tables import EntityAccess
from civitas.domains.catalog.access_types import Permission
from civitas.domains.catalog.access_windows import SQL, SUBJECT
from civitas.infra.queue.outbox import publish
from civitas.kit import clock, paging
from civitas.kit.errors import Conflict, Forbidden, Invalid, NotFound
from civitas.kit.paging import Page

PAGE = 50


@dataclass(frozen=True, slots=True)
class Generating:
    """Whether somebody may generate with a version. `trials_left` is None for those who need none.

    `reason` is a stable word: `open`, `own`, `access` (bought or given), `trial`, or why not: `not_found`,
    `sign_in_needed`, `access_needed`.
    """

    allowed: bool
    reason: str
    trials_left: int | None = None
    price: int | None = None


async def may_generate(
    session: AsyncSession, actor: Actor, version_ids: Sequence[int]
) -> dict[int, Generating]:
    """Whether the actor may generate with each of these versions, trials counted in. One statement.

    Those who may by a trial must have it counted with `use_trials` when they do.
    """
    found: dict[int, Generating] = {version_id: Generating(False, "not_found") for version_id in version_ids}
    rows = await session.execute(
        text(SQL["generating"]),
        {
            "versions": list(version_ids), "viewer": actor.id, "kind": SUBJECT, "now": clock.now(),
            "generate": int(Permission.GENERATE),
        },
    )  # fmt: skip
    for row in rows:
        own = policy.sees_own(actor) and (actor.is_moderator or actor.id == row.person_id)
        found[row.version_id] = _generating(actor, row, own)
    return found


def _generating(actor: Actor, row: object, own: bool) -> Generating:
    public, gated, has, trials, used, price = (
        getattr(row, name) for name in ("public", "closed", "has_access", "trials", "used", "price")
    )
    if own:
        return Generating(True, "own")
    if not public:
        return Generating(False, "not_found")
    if not gated:
        return Generating(True, "open")
    if not actor.signed_in:
        return Generating(False, "sign_in_needed", price=price)
    if has:
        return Generating(True, "access")
    left = max(0, trials - used)
    return Generating(left > 0, "trial" if left else "access_needed", left, price)


async def use_trials(
    session: AsyncSession, actor: Actor, *, version_ids: Sequence[int], count: int = 1
) -> None:
    """Count `count` generations of somebody against their trials of these versions, all or none.

    Versions that they may use without a trial are not counted. Two requests at once never take more than there
    are. Raises Forbidden (`trials_used_up`, `access_needed`).
    """
    if count < 1:
        raise Invalid("At least one generation is counted.", code="bad_count")
    person = actor.require()
    verdicts = await may_generate(session, actor, version_ids)
    for version_id in sorted(set(version_ids)):
        verdict = verdicts[version_id]
        if verdict.allowed and verdict.reason != "trial":
            continue
        if not verdict.allowed:
            raise Forbidden("This version is in early access; buy access to generate with it.",
                            code="access_needed", details={"versionId": version_id})  # fmt: skip
        used = await session.scalar(
            text(SQL["use_trials"]),
            {"version": version_id, "person": person, "count": count},
        )
        if used is None:
            raise Forbidden(
                "Your trial generations with this version are used up; buy access to go on.",
                code="trials_used_up",
                details={"versionId": version_id, "left": verdict.trials_left},
            )


async def permitted(
    session: AsyncSession, person_id: int, version_ids: Sequence[int]
) -> Mapping[int, Permission]:
    """What somebody bought or was given of each of these versions; those with nothing are left out."""
    rows = await session.execute(
        select(EntityAccess.subject_id, EntityAccess.permissions).where(
            EntityAccess.subject_kind == SUBJECT,
            EntityAccess.subject_id.in_(version_ids),
            EntityAccess.accessor_kind == "user",
            EntityAccess.accessor_id == person_id,
            EntityAccess.permissions > 0,
        )
    )
    return {version_id: Permission(bits) for version_id, bits in rows}


async def give(
    session: AsyncSession,
    actor: Actor,
    *,
    version_id: int,
    username: str,
    permission: Permission = Permission.DOWNLOAD,
) -> int:
    """Give somebody access to one's version for nothing; giving twice changes nothing. Returns the person's id.

    Raises NotFound (`person_not_found`), Conflict (`own_version`), and what editing a version raises.
    """
    model, _ = await editing.version_for_edit(session, actor, version_id=version_id)
    person = await _person(session, username)
    if person == model.person_id:
        raise Conflict("This is theirs already.", code="own_version")
    bits = Permission.ALL if permission is Permission.DOWNLOAD else Permission.GENERATE
    made = insert(EntityAccess).values(
        subject_kind=SUBJECT, subject_id=version_id, accessor_kind="user", accessor_id=person,
        given=int(bits), given_by=actor.id, created_at=clock.now(),
    )  # fmt: skip
    changed = await session.execute(
        made.on_conflict_do_update(
            index_elements=["subject_kind", "subject_id", "accessor_kind", "accessor_id"],
            set_={"given": made.excluded.given, "given_by": made.excluded.given_by},
            where=EntityAccess.given != made.excluded.given,
        ).returning(EntityAccess.accessor_id)
    )
    if changed.scalar() is not None:
        editing.note(session, actor, model, "access_given", version_id=version_id, person=person)
        await session.flush()
        await publish(session, AccessGiven(version_id, model.id, person, int(bits)))
    return person


async def take(session: AsyncSession, actor: Actor, *, version_id: int, username: str) -> bool:
    """Take back what was given for nothing; what somebody bought stays theirs. False when there was nothing."""
    model, _ = await editing.version_for_edit(session, actor, version_id=version_id)
    person = await _person(session, username)
    grant = await session.get(
        EntityAccess, (SUBJECT, version_id, "user", person), populate_existing=True, with_for_update=True
    )
    if grant is None or grant.given == 0:
        return False
    grant.given, grant.given_by = 0, None
    editing.note(session, actor, model, "access_taken", version_id=version_id, person=person)
    await session.flush()
    await publish(session, AccessGiven(version_id, model.id, person, 0))
    return True


@dataclass(frozen=True, slots=True)
class Granted:
    """Somebody who may use a version without having paid for it."""

    person_id: int
    username: str
    permissions: Permission


async def given_to(
    session: AsyncSession, actor: Actor, *, version_id: int, cursor: str | None = None
) -> Page[Granted]:
    """Whom the creator gave access to a version, by their ids. Raises what editing a version raises."""
    await editing.version_for_edit(session, actor, version_id=version_id)
    asked = (
        select(Person.id, Person.username, EntityAccess.given)
        .join(Person, Person.id == EntityAccess.accessor_id)
        .where(
            EntityAccess.subject_kind == SUBJECT,
            EntityAccess.subject_id == version_id,
            EntityAccess.accessor_kind == "user",
            EntityAccess.given > 0,
        )
        .order_by(Person.id)
        .limit(PAGE + 1)
    )
    if cursor:
        asked = asked.where(Person.id > paging.decode(cursor, int)[0])
    rows = (await session.execute(asked)).all()
    items = [Granted(row[0], row[1] or "", Permission(row[2])) for row in rows[:PAGE]]
    return Page(items, paging.encode(items[-1].person_id) if len(rows) > PAGE else None)


async def _person(session: AsyncSession, username: str) -> int:
    found = await session.scalar(
        select(Person.id).where(
            Person.username_folded == username.strip().lstrip("@").lower(), Person.status == "active"
        )
    )
    if found is None:
        raise NotFound("There is nobody of this name.", code="person_not_found")
    return int(found)
