"""The steps of a new person (FEATURES A3): terms, profile, browsing level, Buzz."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.accounts import OnboardingStepTaken
from civitas.domains.accounts import preferences, profiles
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import MATURE_MASK, SAFE_MASK, Actor, Onboarding, Scope
from civitas.infra.queue.outbox import publish

ORDER = (Onboarding.TERMS, Onboarding.PROFILE, Onboarding.BROWSING_LEVELS, Onboarding.BUZZ)


async def taken(session: AsyncSession, actor: Actor) -> Onboarding:
    """The steps that the actor has taken."""
    found = await session.scalar(select(Person.onboarding).where(Person.id == actor.require()))
    return Onboarding(found or 0)


def next_step(steps: Onboarding) -> Onboarding | None:
    """The first step of `ORDER` that is missing; None when the account is complete."""
    return next((step for step in ORDER if step not in steps), None)


async def accept_terms(session: AsyncSession, actor: Actor) -> Onboarding:
    """The actor accepts the terms of use; the steps taken so far."""
    return await mark(session, actor.require(Scope.USER_WRITE), Onboarding.TERMS)


async def complete_profile(session: AsyncSession, actor: Actor, *, username: str | None = None) -> Onboarding:
    """The actor keeps their username or takes another one. Raises as `profiles.rename` does."""
    if username is not None:
        await profiles.rename(session, actor, username=username)
    return await mark(session, actor.require(Scope.USER_WRITE), Onboarding.PROFILE)


async def choose_levels(
    session: AsyncSession,
    actor: Actor,
    *,
    show_mature: bool,
    browsing_level: int = SAFE_MASK,
    blur_level: int = MATURE_MASK,
    adult_confirmed: bool = False,
) -> Onboarding:
    """The actor chooses what to be shown. Raises as `preferences.set_browsing` does."""
    await preferences.set_browsing(
        session,
        actor,
        show_mature=show_mature,
        browsing_level=browsing_level,
        blur_level=blur_level,
        adult_confirmed=adult_confirmed,
    )
    return await mark(session, actor.require(Scope.USER_WRITE), Onboarding.BROWSING_LEVELS)


async def meet_buzz(session: AsyncSession, actor: Actor) -> Onboarding:
    """The actor has read what Buzz is; whoever keeps the ledger hears of it once and may give a welcome gift."""
    return await mark(session, actor.require(Scope.USER_WRITE), Onboarding.BUZZ)


async def mark(session: AsyncSession, person_id: int, step: Onboarding) -> Onboarding:
    """Note a step; the event is published the first time only, also when two requests race."""
    now: int | None = await session.scalar(
        update(Person)
        .where(Person.id == person_id, Person.onboarding.op("&")(int(step)) == 0)
        .values(onboarding=Person.onboarding.op("|")(int(step)))
        .returning(Person.onboarding)
        .execution_options(synchronize_session=False)
    )
    if now is None:
        found = await session.scalar(select(Person.onboarding).where(Person.id == person_id))
        return Onboarding(found or 0)
    steps = Onboarding(now)
    await publish(session, OnboardingStepTaken(person_id, int(step), Onboarding.COMPLETE in steps))
    return steps
