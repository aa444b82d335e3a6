"""The facts that accounts state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from tests.domains.accounts.conftest import Post

from civitas.contracts.events import accounts as events
from civitas.domains.accounts import (
    following,
    joining,
    leaving,
    onboarding,
    preferences,
    profiles,
    standing,
)
from civitas.domains.accounts.types import SYSTEM, Actor, Onboarding, Relation, Role
from civitas.infra.queue.registry import REGISTRY, Listener, wire_name
from civitas.kit import clock

KINDS = [kind for kind in vars(events).values() if isinstance(kind, type) and is_dataclass(kind)]


@pytest.fixture
def heard() -> Iterator[list[Any]]:
    """Everything that listeners hear, in order."""
    found: list[Any] = []

    async def hear(_: AsyncSession, fact: Any) -> None:
        found.append(fact)

    for kind in KINDS:
        listener = Listener(kind, hear, f"test.hear_{kind.__name__}", "default", 1)
        REGISTRY.listeners.setdefault(wire_name(kind), []).append(listener)
    yield found
    for kind in KINDS:
        REGISTRY.listeners[wire_name(kind)].pop()


async def test_each_fact_is_stated_once(
    session: AsyncSession, ada: Actor, bob: Actor, heard: list[Any], post: Post
) -> None:
    a, b = ada.id or 0, bob.id or 0

    async def facts() -> list[Any]:
        heard.clear()
        await post.deliver()
        return list(heard)

    new = await joining.create_person(session, username="Newcomer", email="n@example.org")
    assert await facts() == [events.PersonJoined(new, "Newcomer"), events.PersonVerified(new)]

    await onboarding.mark(session, new, Onboarding.TERMS)
    await onboarding.mark(session, new, Onboarding.TERMS)
    assert await facts() == [events.OnboardingStepTaken(new, 1, complete=False)]

    await profiles.rename(session, ada, username="Countess")
    await profiles.rename(session, ada, username="Countess")
    assert await facts() == [events.PersonRenamed(a, "Ada", "Countess")]

    await profiles.edit(session, ada, changes=profiles.ProfileEdit(bio="x"))
    await profiles.edit(session, ada, changes=profiles.ProfileEdit())
    assert await facts() == [events.ProfileChanged(a)]

    await preferences.set_browsing(session, ada, show_mature=True, browsing_level=7, adult_confirmed=True)
    assert await facts() == [events.BrowsingChanged(a, 7)]

    await following.decide(session, ada, target_id=b, relation=Relation.FOLLOW)
    await following.decide(session, ada, target_id=b, relation=Relation.FOLLOW)
    assert await facts() == [events.Followed(a, b)]
    await following.decide(session, bob, target_id=a, relation=Relation.BLOCK)
    assert await facts() == [events.Unfollowed(a, b), events.Blocked(b, a)]
    await following.undo(session, bob, target_id=a, relation=Relation.BLOCK)
    assert await facts() == [events.Unblocked(b, a)]

    await standing.grant(session, SYSTEM, person_id=b, role=Role.MODERATOR, reason="Helps.")
    assert await facts() == [events.RoleChanged(b, "user", "moderator", -1)]
    await standing.mute(session, SYSTEM, person_id=b, until=None, reason="Loud.")
    await standing.unmute(session, SYSTEM, person_id=b, reason="Calm.")
    assert await facts() == [
        events.PersonMuted(b, standing.FOR_EVER, -1),
        events.PersonMuted(b, None, -1),
    ]
    await standing.ban(session, SYSTEM, person_id=b, code="Other", reason="Worse.")
    await standing.unban(session, SYSTEM, person_id=b, reason="Better.")
    assert await facts() == [events.PersonBanned(b, "Other", -1), events.PersonUnbanned(b, -1)]

    await leaving.delete_account(session, ada, remove_models=True, remove_images=False)
    assert await facts() == [events.PersonDeleted(a, remove_models=True, remove_images=False)]
    await leaving.restore(session, SYSTEM, person_id=a, reason="Asked.")
    assert await facts() == [events.PersonRestored(a, "Countess")]
    await leaving.delete_account(session, ada, remove_models=True, remove_images=False)
    with clock.held_at(clock.now() + leaving.KEPT):
        await leaving.forget_due(session)
    assert events.PersonForgotten(a) in await facts()
