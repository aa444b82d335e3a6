"""Deleting an account, and bringing it back within the month (FEATURES A14)."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.accounts import PersonDeleted, PersonForgotten, PersonRestored
from civitas.domains.accounts import addresses, audit, notices, standing, usernames
from civitas.domains.accounts.policy import require_fresh
from civitas.domains.accounts.tables import (
    ApiKey,
    Ceremony,
    Departure,
    Follow,
    Identity,
    MailToken,
    Passkey,
    Person,
    PersonSession,
    Profile,
    RecoveryCode,
    TotpSecret,
)
from civitas.domains.accounts.types import Actor, Relation, Role
from civitas.infra.queue.outbox import publish
from civitas.kit import clock
from civitas.kit.errors import Conflict, NotFound

KEPT = timedelta(days=30)


async def delete_account(
    session: AsyncSession, actor: Actor, *, remove_models: bool, remove_images: bool
) -> None:
    """Delete the actor's own account, now.

    Name, address, password, sessions, keys, passkeys and linked accounts go at once. Models and images are
    removed, or else handed to the site's own account; other rooms do that when they hear PersonDeleted. For
    `KEPT` an admin can `restore` the account. Raises Forbidden (`prove_again`), Conflict (`last_admin`).
    """
    person_id = require_fresh(actor)
    if actor.is_admin:
        await standing.require_other_admin(session, person_id)
    person = (
        await session.execute(
            select(Person.username, Person.email)
            .where(Person.id == person_id, Person.status == "active")
            .with_for_update()
        )
    ).one()
    moment = clock.now()
    kept = {
        "username": person.username,
        "email": person.email,
        "remove_models": remove_models,
        "remove_images": remove_images,
        "left_at": moment,
        "forget_at": moment + KEPT,
    }
    await session.execute(
        insert(Departure)
        .values(person_id=person_id, **kept)
        .on_conflict_do_update(index_elements=["person_id"], set_=kept)
    )
    await _strip(session, person_id)
    await session.execute(
        update(Person)
        .where(Person.id == person_id)
        .values(
            status="deleted",
            deleted_at=moment,
            username=None,
            username_folded=None,
            email=None,
            email_folded=None,
            email_verified_at=None,
            password_hash=None,
            role=Role.USER.value,
        )
    )
    await publish(session, PersonDeleted(person_id, remove_models=remove_models, remove_images=remove_images))
    if person.email is not None:
        await notices.send(session, to=person.email, letter="left", username=person.username)


async def _strip(session: AsyncSession, person_id: int) -> None:
    """Take away every proof of identity, and every follow with its counts."""
    for table in (
        PersonSession, ApiKey, Passkey, Identity, TotpSecret, RecoveryCode, Ceremony, MailToken,
    ):  # fmt: skip
        await session.execute(delete(table).where(table.person_id == person_id))
    gone = (
        await session.execute(
            delete(Follow)
            .where(
                or_(
                    Follow.person_id == person_id,
                    (Follow.target_id == person_id) & (Follow.kind == Relation.FOLLOW.value),
                )
            )
            .returning(Follow.person_id, Follow.target_id, Follow.kind)
        )
    ).all()
    follows = [row for row in gone if row.kind == Relation.FOLLOW.value]
    targets = sorted({row.target_id for row in follows} - {person_id})
    sources = sorted({row.person_id for row in follows} - {person_id})
    for start in range(0, len(targets), 5000):
        await session.execute(
            update(Person)
            .where(Person.id.in_(targets[start : start + 5000]))
            .values(follower_count=Person.follower_count - 1)
            .execution_options(synchronize_session=False)
        )
    for start in range(0, len(sources), 5000):
        await session.execute(
            update(Person)
            .where(Person.id.in_(sources[start : start + 5000]))
            .values(following_count=Person.following_count - 1)
            .execution_options(synchronize_session=False)
        )
    await session.execute(
        update(Person).where(Person.id == person_id).values(follower_count=0, following_count=0)
    )


async def restore(
    session: AsyncSession, actor: Actor, *, person_id: int, reason: str, username: str | None = None
) -> None:
    """Bring a deleted person back, under another `username` when theirs was taken; for admins.

    They sign in by a mailed link, for password and keys are gone. Models that were handed over are reclaimed
    by those who hear PersonRestored. Raises NotFound after the month, Conflict (`username_taken`,
    `email_taken`).
    """
    actor.require_admin()
    kept = (
        await session.execute(
            select(Departure.username, Departure.email)
            .where(Departure.person_id == person_id, Departure.forget_at > clock.now())
            .with_for_update()
        )
    ).first()
    if kept is None:
        raise NotFound("There is nothing left of this person to restore.", code="nothing_to_restore")
    name = await usernames.check(session, username) if username else kept.username
    address = addresses.read(kept.email) if kept.email else None
    statement = update(Person).where(Person.id == person_id, Person.status == "deleted")
    try:
        async with session.begin_nested():
            await session.execute(
                statement.values(
                    status="active",
                    deleted_at=None,
                    username=name,
                    username_folded=name.lower(),
                    email=address.written if address else None,
                    email_folded=address.folded if address else None,
                    email_verified_at=clock.now() if address else None,
                )
            )
    except IntegrityError as error:
        if "email" in str(error.orig):
            raise Conflict("Another account uses their address now.", code="email_taken") from None
        raise usernames.taken() from None
    await session.execute(delete(Departure).where(Departure.person_id == person_id))
    await audit.record(session, actor, action="account.restore", person_id=person_id, reason=reason)
    await publish(session, PersonRestored(person_id, name))
    await notices.notify(session, person_id, "restored")


async def forget_due(session: AsyncSession, *, limit: int = 200) -> int:
    """Erase what is left of people whose month is over; how many that were."""
    due = (
        await session.scalars(
            select(Departure.person_id)
            .where(Departure.forget_at <= clock.now())
            .order_by(Departure.forget_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
    ).all()
    if not due:
        return 0
    await session.execute(delete(Profile).where(Profile.person_id.in_(due)))
    await session.execute(delete(Follow).where(Follow.target_id.in_(due)))
    await session.execute(
        update(Person)
        .where(Person.id.in_(due), Person.status == "deleted")
        .values(avatar_key=None, settings={}, adult_confirmed_at=None, show_mature=False)
        .execution_options(synchronize_session=False)
    )
    await session.execute(delete(Departure).where(Departure.person_id.in_(due)))
    await publish(session, *[PersonForgotten(person_id) for person_id in due])
    return len(due)
