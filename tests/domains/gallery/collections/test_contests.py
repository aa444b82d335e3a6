"""Contests: what may be entered and when, points, votes, and places at the end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import make_actor
from tests.factories.collections import make_collection, make_posted

from civitas.domains.accounts.types import ANONYMOUS, Actor
from civitas.domains.gallery.collections import bookmarks, contests, entries, filling, people, reads
from civitas.domains.gallery.collections.tables import CollectionItem
from civitas.domains.gallery.collections.types import Contest, Kind, Order, Permission, WriteBy
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden, Invalid

NOW = clock.now()
RULES = Contest(
    starts_at=NOW - timedelta(days=1),
    ends_at=NOW + timedelta(days=1),
    most_each=2,
    level=3,
    judging=True,
    voting=True,
)


async def _contest(session: AsyncSession, host: Actor, rules: Contest = RULES) -> int:
    made = await make_collection(session, host, write_by=WriteBy.PUBLIC, contest=True)
    await contests.arrange(session, host, collection_id=made.id, rules=rules)
    return made.id


async def _enter(session: AsyncSession, who: Actor, number: int, **more: int) -> int:
    _, (image,) = await make_posted(session, who.require())
    await filling.add(session, who, collection_id=number, subject_ids=[image], **more)
    found = await session.scalar(
        select(CollectionItem.id).where(
            CollectionItem.collection_id == number, CollectionItem.subject_id == image
        )
    )
    assert found is not None
    return found


async def test_entries_keep_to_the_rules(session: AsyncSession) -> None:
    host, ben, cleo = (
        await make_actor(session),
        await make_actor(session, mature=True),
        await make_actor(session),
    )
    number = await _contest(session, host)
    _, others = await make_posted(session, cleo.require())
    with pytest.raises(Forbidden, match="made yourself"):
        await filling.add(session, ben, collection_id=number, subject_ids=others)
    _, mature = await make_posted(session, ben.require(), levels=(16,))
    with pytest.raises(Invalid, match="levels"):
        await filling.add(session, ben, collection_id=number, subject_ids=mature)
    await _enter(session, ben, number)
    await _enter(session, ben, number)
    with pytest.raises(Conflict, match="at most 2"):
        await _enter(session, ben, number)


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        (replace(RULES, starts_at=NOW + timedelta(hours=1)), "contest_not_begun"),
        (replace(RULES, ends_at=NOW - timedelta(hours=1)), "contest_over"),
    ],
)
async def test_there_is_a_time_for_entries(session: AsyncSession, rules: Contest, code: str) -> None:
    host, ben = await make_actor(session), await make_actor(session)
    number = await _contest(session, host, rules)
    with pytest.raises(Conflict) as fault:
        await _enter(session, ben, number)
    assert fault.value.code == code


async def test_only_new_things_when_the_rules_say_so(session: AsyncSession) -> None:
    host, ben = await make_actor(session), await make_actor(session)
    number = await _contest(session, host, replace(RULES, existing=False))
    _, old = await make_posted(session, ben.require(), published_at=NOW - timedelta(days=3))
    with pytest.raises(Invalid) as fault:
        await filling.add(session, ben, collection_id=number, subject_ids=old)
    assert fault.value.code == "entry_too_old"
    await _enter(session, ben, number)


async def test_entry_tags_are_chosen_and_some_close_early(session: AsyncSession) -> None:
    host, ben = await make_actor(session), await make_actor(session)
    number = await _contest(session, host)
    await contests.set_tags(
        session, host, collection_id=number, tags=[("Sea", None), ("Early", NOW - timedelta(hours=1))]
    )
    early, sea = await contests.tags_of(session, number)
    with pytest.raises(Invalid):
        await _enter(session, ben, number)
    with pytest.raises(Conflict):
        await _enter(session, ben, number, tag_id=early.id)
    entered = await _enter(session, ben, number, tag_id=sea.id)
    shown = await reads.one(session, ANONYMOUS, collection_id=number)
    page = await entries.page(session, ANONYMOUS, collection=shown, tag_id=sea.id)
    assert [one.id for one in page.items] == [entered]
    assert (await entries.page(session, ANONYMOUS, collection=shown, tag_id=early.id)).items == []


async def test_judges_give_points_and_people_vote_but_not_for_themselves(session: AsyncSession) -> None:
    host, ben, cleo = await make_actor(session), await make_actor(session), await make_actor(session)
    number = await _contest(session, host)
    item = await _enter(session, ben, number)
    with pytest.raises(Forbidden):
        await contests.score(session, cleo, collection_id=number, item_id=item, points=9)
    await people.invite(
        session, host, collection_id=number, person_id=cleo.require(), permissions=Permission.JUDGE
    )
    await contests.score(session, cleo, collection_id=number, item_id=item, points=9)
    await contests.score(session, host, collection_id=number, item_id=item, points=8)
    with pytest.raises(Invalid):
        await contests.score(session, host, collection_id=number, item_id=item, points=11)
    with pytest.raises(Forbidden):
        await contests.vote(session, ben, collection_id=number, item_id=item, on=True)
    assert await contests.vote(session, cleo, collection_id=number, item_id=item, on=True) == 1
    assert await contests.vote(session, cleo, collection_id=number, item_id=item, on=True) == 1
    shown = await reads.one(session, cleo, collection_id=number)
    (entry,) = (await entries.page(session, cleo, collection=shown)).items
    assert (entry.score, entry.votes, entry.voted) == (850, 1, True)


async def test_at_the_end_the_best_have_places_and_nothing_comes_in(session: AsyncSession) -> None:
    host, ben, cleo = await make_actor(session), await make_actor(session), await make_actor(session)
    number = await _contest(session, host)
    second, first, none = [await _enter(session, who, number) for who in (ben, cleo, ben)]
    await contests.score(session, host, collection_id=number, item_id=second, points=4)
    await contests.score(session, host, collection_id=number, item_id=first, points=9)
    assert await contests.end_due(session) == 0
    with clock.held_at(NOW + timedelta(days=2)):
        assert await contests.end_due(session) == 1
        assert await contests.end_due(session) == 0
        with pytest.raises(Forbidden):
            await _enter(session, cleo, number)
        with pytest.raises(Conflict):
            await contests.score(session, host, collection_id=number, item_id=none, points=9)
        with pytest.raises(Conflict):
            await contests.arrange(session, host, collection_id=number, rules=RULES)
    shown = await reads.one(session, ANONYMOUS, collection_id=number)
    page = await entries.page(session, ANONYMOUS, collection=shown)
    assert shown.order_by == Order.BEST
    assert [(one.id, one.place) for one in page.items] == [(first, 1), (second, 2), (none, None)]


async def test_votes_after_the_entries_keep_a_contest_open(session: AsyncSession) -> None:
    host = await make_actor(session)
    await _contest(session, host, replace(RULES, votes_until=NOW + timedelta(days=5)))
    with clock.held_at(NOW + timedelta(days=2)):
        assert await contests.end_due(session) == 0
    with clock.held_at(NOW + timedelta(days=6)):
        assert await contests.end_due(session) == 1


async def test_rules_that_contradict_themselves_are_refused(session: AsyncSession) -> None:
    host = await make_actor(session)
    number = (await make_collection(session, host, contest=True)).id
    with pytest.raises(Invalid) as fault:
        await contests.arrange(
            session,
            host,
            collection_id=number,
            rules=Contest(starts_at=NOW, ends_at=NOW, most_each=0, rules_url="javascript:x", level=64),
        )
    assert set(fault.value.fields) == {"ends_at", "most_each", "rules_url", "level"}


async def test_a_contest_that_one_follows_is_offered_with_its_tags(session: AsyncSession) -> None:
    host, ben = await make_actor(session), await make_actor(session)
    number = await _contest(session, host)
    await contests.set_tags(session, host, collection_id=number, tags=[("Sea", None)])
    (tag,) = await contests.tags_of(session, number)
    _, (image,) = await make_posted(session, ben.require())
    offered = await bookmarks.offers(session, ben, kind=Kind.IMAGE, subject_id=image)
    assert [one.id for one in offered] == [0]
    await people.follow(session, ben, collection_id=number, on=True)
    offered = await bookmarks.offers(session, ben, kind=Kind.IMAGE, subject_id=image)
    assert [(one.id, one.tags) for one in offered] == [(0, ()), (number, ((tag.id, "Sea"),))]
    done = await bookmarks.save(
        session, ben, kind=Kind.IMAGE, subject_id=image, offered=[0, number], wanted=[number],
        tags={number: tag.id},
    )  # fmt: skip
    assert done == (1, 0)
