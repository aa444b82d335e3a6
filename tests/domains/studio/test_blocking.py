"""Refused prompts are counted, and too many of them stop somebody until staff has looked."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import actor_for, make_person

from civitas.domains.accounts.tables import StaffAction
from civitas.domains.accounts.types import Actor, Role
from civitas.domains.studio import blocking
from civitas.domains.studio.tables import PromptBlock
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden, Invalid

BAD = "a nude child"


async def refuse(session: AsyncSession, actor: Actor, times: int = 1) -> blocking.Counted:
    counted = blocking.Counted(0, restricted=False)
    for _ in range(times):
        audit = await blocking.look(session, actor, prompt=BAD)
        with pytest.raises(blocking.PromptBlocked) as refused:
            blocking.admit(audit)
        counted = await blocking.count(session, actor, findings=refused.value.findings, prompt=BAD)
    return counted


async def test_the_ninth_refusal_within_thirty_days_stops_generation(session: AsyncSession) -> None:
    actor = actor_for(await make_person(session))
    counted = await refuse(session, actor, 3)
    assert counted == blocking.Counted(3, restricted=False)
    assert counted.warning is None
    counted = await refuse(session, actor)
    assert counted.warning == (
        "Prompts of yours were refused 4 times in 30 days; after 5 more you cannot generate."
    )
    assert not (await refuse(session, actor, 4)).restricted
    await blocking.may_generate(session, actor)
    counted = await refuse(session, actor)
    assert counted.restricted
    assert counted.warning
    with pytest.raises(Forbidden, match="9 prompts were refused"):
        await blocking.may_generate(session, actor)


async def test_old_refusals_do_not_count_and_are_forgotten(session: AsyncSession) -> None:
    actor = actor_for(await make_person(session))
    start = clock.now()
    with clock.held_at(start - timedelta(days=31)):
        await refuse(session, actor, 6)
    assert (await refuse(session, actor)).blocks == 1
    assert await blocking.forget(session) == 6
    assert await session.scalar(select(func.count()).select_from(PromptBlock)) == 1


async def test_staff_and_the_safe_site_are_not_counted(session: AsyncSession) -> None:
    staff = actor_for(await make_person(session), role=Role.MODERATOR)
    assert (await refuse(session, staff, 9)).blocks == 0
    person = actor_for(await make_person(session))
    assert (await refuse(session, person.on_safe_site(), 9)).blocks == 0
    await blocking.may_generate(session, person)


async def test_a_moderator_overturns_and_the_count_begins_anew(session: AsyncSession) -> None:
    person = actor_for(await make_person(session))
    staff = actor_for(await make_person(session), role=Role.MODERATOR)
    await refuse(session, person, 9)
    assert [(one.person_id, one.blocks) for one in await blocking.often(session, staff)] == [(person.id, 9)]
    waiting = await blocking.restrictions(session, staff)
    assert [one.person_id for one in waiting.items] == [person.id]
    with pytest.raises(Forbidden):
        await blocking.decide(session, person, restriction_id=waiting.items[0].id, upheld=False, note="me")
    await blocking.decide(session, staff, restriction_id=waiting.items[0].id, upheld=False, note="A title.")
    await blocking.may_generate(session, person)
    assert (await refuse(session, person)).blocks == 1
    with pytest.raises(Conflict):
        await blocking.decide(session, staff, restriction_id=waiting.items[0].id, upheld=True, note="again")
    actions = (await session.scalars(select(StaffAction.action))).all()
    assert "studio.restriction.overturn" in actions


async def test_staff_restricts_by_its_own_word_once(session: AsyncSession) -> None:
    person = actor_for(await make_person(session))
    staff = actor_for(await make_person(session), role=Role.MODERATOR)
    assert person.id
    with pytest.raises(Invalid):
        await blocking.restrict(session, staff, person_id=person.id, reason=" ")
    await blocking.restrict(session, staff, person_id=person.id, reason="Harassment by pictures.")
    with pytest.raises(Conflict):
        await blocking.restrict(session, staff, person_id=person.id, reason="Again.")
    with pytest.raises(Forbidden, match="Harassment"):
        await blocking.may_generate(session, person)
    # The ninth refusal finds a restriction standing and adds none.
    assert (await refuse(session, person, 9)).restricted
    assert (await blocking.restrictions(session, staff)).items == []


async def test_a_phrase_cleared_for_a_person_passes_for_them_alone(session: AsyncSession) -> None:
    person, other = actor_for(await make_person(session)), actor_for(await make_person(session))
    staff = actor_for(await make_person(session), role=Role.MODERATOR)
    assert person.id
    await blocking.allow(session, staff, person_id=person.id, phrase="Scat Cats", reason="Their band.")
    assert not (await blocking.look(session, person, prompt="poster of scat cats")).findings
    assert (await blocking.look(session, other, prompt="poster of scat cats")).hard


async def test_doubtful_prompts_pass_when_acknowledged(session: AsyncSession) -> None:
    person = actor_for(await make_person(session))
    audit = await blocking.look(session, person.on_safe_site(), prompt="a damn shitty car")
    with pytest.raises(Invalid) as refused:
        blocking.admit(audit)
    assert refused.value.code == "prompt_doubtful"
    verdict = blocking.admit(audit, acknowledged=True)
    assert verdict.safe_only
    assert verdict.notices
