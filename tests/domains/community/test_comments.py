"""Comments: writing, editing, removing, keeping order, and reading threads."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import event, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from tests.factories.accounts import actor_for, make_actor, make_follow
from tests.factories.catalog import make_model, make_published_model
from tests.factories.comments import make_topic, say, trusted

from civitas.contracts import subjects
from civitas.contracts.events.gallery import Reacted, ReactionWithdrawn
from civitas.contracts.subjects import Subject
from civitas.domains.accounts.tables import Person, StaffAction
from civitas.domains.accounts.types import ANONYMOUS, Actor, Role, Scope
from civitas.domains.catalog.tables import ModelMetric
from civitas.domains.community.comments import counting, keeping, mentions, reading, storms, writing
from civitas.domains.community.comments.tables import Comment, CommentMention
from civitas.domains.community.comments.types import LONGEST, Order, State
from civitas.domains.gallery.feeds import reactions
from civitas.domains.gallery.feeds.reactions import Feeling
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.draining import drain
from civitas.infra.queue.outbox import publish
from civitas.kit import clock
from civitas.kit.errors import Conflict, Fault, Forbidden, Invalid, Limited, NotFound


async def words(session: AsyncSession, actor: Actor, subject: Subject, **chosen: object) -> list[str]:
    view = await reading.thread(session, actor, subject=subject, **chosen)  # type: ignore[arg-type]
    return [one.top.content for one in view.branches]


async def test_a_thread_is_written_and_read(session: AsyncSession) -> None:
    topic, owner = await make_topic(session)
    ben = await make_actor(session, "ben_c")
    first = await say(session, ben, topic, "First\r\n\r\n    code\x00‮")
    answer = await say(session, owner, topic, "Thanks", below=first.id)
    deep = await say(session, ben, topic, "Welcome", below=answer.id)
    view = await reading.thread(session, ANONYMOUS, subject=topic)
    assert (view.count, view.locked, view.deepest) == (3, False, 5)
    (branch,) = view.branches
    assert branch.top.content == "First\n\n    code"
    assert (branch.top.username, branch.top.reply_count) == ("ben_c", 2)
    assert [(one.id, one.parent_id, one.depth) for one in branch.answers] == [
        (answer.id, first.id, 2),
        (deep.id, answer.id, 3),
    ]
    assert await counting.counts(session, kind="model", ids=[topic.id, topic.id + 1]) == {topic.id: 3}


@pytest.mark.parametrize(
    ("content", "code"),
    [("", "empty_comment"), (" \n\t\x00", "empty_comment"), ("x" * (LONGEST + 1), "comment_too_long")],
)
async def test_what_cannot_be_said(session: AsyncSession, content: str, code: str) -> None:
    topic, owner = await make_topic(session)
    with pytest.raises(Invalid) as caught:
        await writing.write(session, owner, subject=topic, content=content)
    assert caught.value.code == code


async def test_who_may_write(session: AsyncSession) -> None:
    topic, _ = await make_topic(session)
    ben = await make_actor(session)
    number = ben.id or 0
    refused = {
        "muted": actor_for(number, muted=True),
        "not_verified": actor_for(number, verified=False),
        "not_onboarded": actor_for(number, onboarded=False),
        "insufficient_scope": actor_for(number, scopes=Scope.USER_READ),
        "sign_in_needed": ANONYMOUS,
    }
    for code, actor in refused.items():
        with pytest.raises(Fault) as caught:
            await say(session, actor, topic)
        assert caught.value.code == code


async def test_what_is_not_public_has_no_thread_for_others(session: AsyncSession) -> None:
    owner, ben = await make_actor(session), await make_actor(session)
    draft = Subject("model", await make_model(session, owner.id))
    mature = Subject("model", (await make_published_model(session, owner.id, level=8))[0])
    for topic in (
        draft,
        mature,
        Subject("model", 2**62),
        Subject("nothing", 1),
        Subject("user", ben.id or 0),
    ):
        with pytest.raises(NotFound):
            await say(session, ben, topic)
        with pytest.raises(NotFound):
            await reading.thread(session, ben, subject=topic)
    await say(session, owner, draft)
    said = await say(session, await make_actor(session, mature=True), mature)
    with pytest.raises(NotFound):
        await reading.one(session, ben, comment_id=said.id)


async def test_depth_is_bounded(session: AsyncSession) -> None:
    topic, owner = await make_topic(session)
    await trusted(session, owner)
    last: int | None = None
    for _ in range(5):
        last = (await say(session, owner, topic, below=last)).id
    with pytest.raises(Invalid) as caught:
        await say(session, owner, topic, below=last)
    assert caught.value.code == "too_deep"
    elsewhere, _ = await make_topic(session)
    with pytest.raises(NotFound):
        await say(session, owner, elsewhere, below=last)


async def test_a_block_cuts_both_ways(session: AsyncSession) -> None:
    topic, owner = await make_topic(session)
    ben, eve = await make_actor(session), await make_actor(session)
    said = await say(session, ben, topic, "From Ben")
    await say(session, owner, topic, "An answer", below=said.id)
    alone = await say(session, eve, topic, "From Eve")
    await make_follow(session, ben.id or 0, eve.id or 0, "block")
    for actor, other in ((ben, alone), (eve, said)):
        with pytest.raises(Forbidden) as caught:
            await say(session, actor, topic, below=other.id)
        assert caught.value.code == "blocked"
    assert await words(session, ben, topic) == ["From Ben"]
    # What others answered stays below a place that shows nothing.
    view = await reading.thread(session, eve, subject=topic)
    assert [(one.top.content, one.top.unseen) for one in view.branches] == [("From Eve", False), ("", True)]
    await make_follow(session, owner.id or 0, ben.id or 0, "block")
    with pytest.raises(Forbidden):
        await say(session, ben, topic)
    with pytest.raises(Forbidden):
        await writing.edit(session, ben, comment_id=said.id, content="Still here")


async def test_editing_keeps_what_was_said_for_staff(session: AsyncSession) -> None:
    topic, owner = await make_topic(session)
    staff = await make_actor(session, role=Role.MODERATOR)
    said = await say(session, owner, topic, "One")
    await writing.edit(session, owner, comment_id=said.id, content="One")
    assert said.edited_at is None
    await writing.edit(session, owner, comment_id=said.id, content="Two")
    await writing.edit(session, owner, comment_id=said.id, content="Three")
    assert [one.content for one in await keeping.history(session, staff, comment_id=said.id)] == [
        "Two",
        "One",
    ]
    for actor in (owner, await make_actor(session)):
        with pytest.raises(Forbidden):
            await keeping.history(session, actor, comment_id=said.id)
    with pytest.raises(Forbidden):
        await writing.edit(session, staff, comment_id=said.id, content="Mine now")


async def test_what_its_writer_removed_keeps_its_place(session: AsyncSession) -> None:
    topic, owner = await make_topic(session)
    ben = await make_actor(session)
    said, alone = await say(session, ben, topic), await say(session, ben, topic)
    await say(session, owner, topic, "An answer", below=said.id)
    with pytest.raises(Forbidden):
        await writing.remove(session, owner, comment_id=said.id)
    for _ in range(2):
        await writing.remove(session, ben, comment_id=said.id)
        await writing.remove(session, ben, comment_id=alone.id)
    view = await reading.thread(session, owner, subject=topic)
    assert view.count == 1
    (branch,) = view.branches
    assert (branch.top.state, branch.top.content, branch.top.reply_count) == (State.REMOVED, "", 1)
    with pytest.raises(Conflict):
        await say(session, owner, topic, below=said.id)
    with pytest.raises(Conflict):
        await writing.edit(session, ben, comment_id=said.id, content="Back")


async def test_hiding_and_showing_again(session: AsyncSession) -> None:
    topic, owner = await make_topic(session)
    ben, staff = await make_actor(session), await make_actor(session, role=Role.MODERATOR)
    said = await say(session, ben, topic, "Rude")
    with pytest.raises(Forbidden):
        await keeping.hide(session, ben, comment_id=said.id)
    await keeping.hide(session, owner, comment_id=said.id)
    await keeping.hide(session, owner, comment_id=said.id)
    assert (await reading.thread(session, ANONYMOUS, subject=topic)).branches == []
    # Its writer and whoever keeps the thread still read it.
    for actor in (ben, owner, staff):
        assert await words(session, actor, topic) == ["Rude"]
    await keeping.restore(session, owner, comment_id=said.id)
    assert (await reading.thread(session, ANONYMOUS, subject=topic)).count == 1
    await keeping.hide(session, staff, comment_id=said.id, reason="An insult")
    with pytest.raises(Forbidden):
        await keeping.restore(session, owner, comment_id=said.id)
    logged = (
        await session.scalars(select(StaffAction.reason).where(StaffAction.action == "comment.hide"))
    ).all()
    assert logged == ["An insult"]
    assert await subjects.resolve(session, Subject("comment", said.id)) is not None
    await keeping.restore(session, staff, comment_id=said.id)
    assert (await reading.thread(session, ANONYMOUS, subject=topic)).count == 1


async def test_pinned_ones_come_first_and_apart(session: AsyncSession) -> None:
    topic, owner = await make_topic(session)
    said = [await say(session, owner, topic) for _ in range(5)]
    for one in said[:3]:
        await keeping.pin(session, owner, comment_id=one.id)
    with pytest.raises(Conflict) as caught:
        await keeping.pin(session, owner, comment_id=said[3].id)
    assert caught.value.code == "too_many_pinned"
    with pytest.raises(Forbidden):
        await keeping.pin(session, await make_actor(session), comment_id=said[3].id)
    await keeping.pin(session, owner, comment_id=said[1].id, pinned=False)
    await keeping.hide(session, owner, comment_id=said[2].id)
    view = await reading.thread(session, ANONYMOUS, subject=topic)
    assert [one.top.id for one in view.pinned] == [said[0].id]
    assert [one.top.id for one in view.branches] == [said[4].id, said[3].id, said[1].id]


async def test_a_locked_thread_takes_nothing_but_from_its_keeper(session: AsyncSession) -> None:
    topic, owner = await make_topic(session)
    ben = await make_actor(session)
    said = await say(session, ben, topic)
    with pytest.raises(Forbidden):
        await keeping.lock(session, ben, subject=topic, locked=True)
    await keeping.lock(session, owner, subject=topic, locked=True)
    for attempt in (
        say(session, ben, topic),
        say(session, ben, topic, below=said.id),
        writing.edit(session, ben, comment_id=said.id, content="Else"),
    ):
        with pytest.raises(Conflict) as caught:
            await attempt
        assert caught.value.code == "thread_locked"
    await say(session, owner, topic)
    assert (await reading.thread(session, ben, subject=topic)).locked
    await keeping.lock(session, owner, subject=topic, locked=False)
    await say(session, ben, topic)


async def react(session: AsyncSession, comment_id: int, times: int) -> None:
    """As many reactions to a comment."""
    subject = Subject("comment", comment_id)
    for fan in [await make_actor(session) for _ in range(times)]:
        await reactions.react(session, fan, subject=subject, feeling=Feeling.HEART)
    await writing.count_reactions(session, comment_id=comment_id)


@pytest.mark.parametrize("order", list(Order))
async def test_pages_hold_everything_once_in_every_order(session: AsyncSession, order: Order) -> None:
    topic, owner = await make_topic(session)
    await trusted(session, owner)
    said = [await say(session, owner, topic) for _ in range(11)]
    for number, one in enumerate(said):
        await react(session, one.id, number % 3)
    found: list[int] = []
    cursor = None
    while True:
        view = await reading.thread(session, ANONYMOUS, subject=topic, order=order, cursor=cursor, limit=4)
        found += [one.top.id for one in view.branches]
        cursor = view.next_cursor
        if cursor is None:
            break
    numbers = {one.id: number % 3 for number, one in enumerate(said)}
    wanted = {
        Order.NEWEST: sorted(numbers, reverse=True),
        Order.OLDEST: sorted(numbers),
        Order.REACTIONS: sorted(numbers, key=lambda one: (numbers[one], one), reverse=True),
    }
    assert found == wanted[order]
    with pytest.raises(Invalid):
        await reading.thread(session, ANONYMOUS, subject=topic, order=order, cursor="nonsense")


async def test_answers_beyond_the_first_are_asked_for(
    session: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic, owner = await make_topic(session)
    monkeypatch.setattr(reading, "ANSWERS", 3)
    top = await say(session, owner, topic)
    said = [(await say(session, owner, topic, below=top.id)).id for _ in range(7)]
    (branch,) = (await reading.thread(session, ANONYMOUS, subject=topic)).branches
    assert [one.id for one in branch.answers] == said[:3]
    found, cursor = [], branch.next_cursor
    while cursor is not None:
        _, page = await reading.answers(session, ANONYMOUS, comment_id=top.id, cursor=cursor, limit=3)
        found += [one.id for one in page.items]
        cursor = page.next_cursor
    assert found == said[3:]


async def test_a_thread_asks_a_handful_of_queries(session: AsyncSession, connection: AsyncConnection) -> None:
    topic, owner = await make_topic(session)
    people = [await trusted(session, await make_actor(session)) for _ in range(6)]
    for actor in people:
        top = await say(session, actor, topic, f"Hello @{owner.username} and @{people[0].username}")
        for other in people:
            await say(session, other, topic, below=top.id)
    asked: list[str] = []
    event.listen(connection.sync_connection, "before_cursor_execute", lambda *args: asked.append(args[2]))
    view = await reading.thread(session, owner, subject=topic)
    assert len(view.branches) == 6
    assert len(asked) <= 7


async def test_mentions_are_people_and_bounded(session: AsyncSession) -> None:
    topic, owner = await make_topic(session)
    cy, eve = await make_actor(session, "cy_m"), await make_actor(session, "eve_m")
    await make_follow(session, eve.id or 0, owner.id or 0, "block")
    said = await say(
        session,
        owner,
        topic,
        "@CY_m, @cy_m! mail me@eve_m @eve_m @nobody_here `@cy_m` @" + str(owner.username),
    )
    named = (
        await session.scalars(select(CommentMention.person_id).where(CommentMention.comment_id == said.id))
    ).all()
    assert named == [cy.id]
    (branch,) = (await reading.thread(session, ANONYMOUS, subject=topic)).branches
    assert branch.top.mentions == {"cy_m"}
    await writing.edit(session, owner, comment_id=said.id, content="Nobody")
    assert (await reading.one(session, owner, comment_id=said.id))[1].mentions == frozenset()
    with pytest.raises(Invalid) as caught:
        await say(session, owner, topic, " ".join(f"@person{number}" for number in range(21)))
    assert caught.value.code == "too_many_mentions"
    assert mentions.names_in("a@bc.de x/@abc @ab ```\n@code\n``` (@good_one)") == ["good_one"]


async def test_storms_are_bounded_by_trust(session: AsyncSession) -> None:
    topic, owner = await make_topic(session)
    ben = await make_actor(session)
    for _ in range(10):
        await say(session, ben, topic)
    with pytest.raises(Limited) as caught:
        await say(session, ben, topic)
    assert 0 < caught.value.retry_after <= 3600
    await trusted(session, ben)
    for _ in range(50):
        await say(session, ben, topic)
    with pytest.raises(Limited):
        await say(session, ben, topic)
    hours = clock.now() - timedelta(hours=2)
    await session.execute(update(Comment).where(Comment.person_id == ben.id).values(created_at=hours))
    await session.execute(update(Person).where(Person.id == ben.id).values(score=0))
    with pytest.raises(Limited) as caught:
        await say(session, ben, topic)
    assert caught.value.retry_after > 3600 * 20
    await storms.take_turn(session, await make_actor(session, role=Role.MODERATOR), owner.id or 0)


async def test_the_same_words_twice_are_one_comment(session: AsyncSession) -> None:
    topic, owner = await make_topic(session)
    said = await say(session, owner, topic, "Once")
    with pytest.raises(Conflict) as caught:
        await say(session, owner, topic, "Once ")
    assert (caught.value.code, caught.value.details["id"]) == ("said_already", said.id)
    await writing.remove(session, owner, comment_id=said.id)
    await say(session, owner, topic, "Once")


async def test_models_show_how_much_is_said(session: AsyncSession, context: TaskContext) -> None:
    topic, owner = await make_topic(session)
    said = [await say(session, owner, topic) for _ in range(3)]

    async def shown() -> int | None:
        await drain(context)
        count: int | None = await session.scalar(
            select(ModelMetric.comments)
            .where(ModelMetric.model_id == topic.id)
            .execution_options(populate_existing=True)
        )
        return count

    assert await shown() == 3
    await keeping.hide(session, owner, comment_id=said[0].id)
    await writing.remove(session, owner, comment_id=said[1].id)
    assert await shown() == 1
    await keeping.restore(session, owner, comment_id=said[0].id)
    assert await shown() == 2


async def test_comments_show_the_reactions_that_there_are_in_whatever_order_they_are_told(
    session: AsyncSession, context: TaskContext
) -> None:
    topic, owner = await make_topic(session)
    said = await say(session, owner, topic)
    subject, fan = Subject("comment", said.id), await make_actor(session)

    async def shown() -> int:
        await drain(context)
        return (await reading.one(session, owner, comment_id=said.id))[1].reaction_count

    await reactions.react(session, fan, subject=subject, feeling=Feeling.LIKE)
    assert await shown() == 1
    # What is told late, or twice, changes nothing.
    await publish(session, ReactionWithdrawn(fan.id or 0, "comment", said.id, "like"))
    await publish(session, Reacted(fan.id or 0, "comment", said.id, "like", owner.id))
    assert await shown() == 1
    await reactions.withdraw(session, fan, subject=subject, feeling=Feeling.LIKE)
    assert await shown() == 0
