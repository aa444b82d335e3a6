"""Articles: drafts that lose nothing, publishing, levels, lists without leaks."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import actor_for, make_actor, make_follow, make_person
from tests.factories.collections import make_collection
from tests.factories.community import make_article, make_picture, make_writer

from civitas.contracts.events.community import Commented, CommentRemoved, CommentRestored
from civitas.contracts.events.gallery import ImageChanged, Reacted
from civitas.contracts.subjects import Subject, resolve
from civitas.domains.accounts import scoring
from civitas.domains.accounts.types import ALL_MASK, ANONYMOUS, SAFE_MASK, Role
from civitas.domains.catalog import hidden_tags
from civitas.domains.community.articles import counting, publishing, reads, tasks, writing
from civitas.domains.community.articles.reads import Wanted
from civitas.domains.community.articles.tables import Article, ArticleRevision
from civitas.domains.community.articles.types import Period, Saved, Sort, Status
from civitas.domains.community.comments.tables import CommentThread
from civitas.domains.gallery.collections import filling
from civitas.domains.gallery.collections.bookmarks import bookmark_of
from civitas.domains.gallery.collections.types import Kind
from civitas.domains.gallery.feeds.tables import Reaction
from civitas.domains.gallery.tables import Image
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.draining import drain
from civitas.infra.queue.outbox import publish
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden, Invalid, Limited, NotFound


async def titles(session: AsyncSession, viewer=ANONYMOUS, **wanted) -> list[str]:  # type: ignore[no-untyped-def]
    asked = Wanted(mask=viewer.mask, **wanted)
    return [
        one.title for one in (await reads.page(session, viewer, wanted=asked, cursor=None, limit=50)).items
    ]


async def test_a_draft_is_its_writers_alone_until_it_is_published(session: AsyncSession) -> None:
    writer, other = await make_writer(session), await make_actor(session)
    draft = await writing.create(session, writer, title="On light", content="It bends.")
    assert await titles(session) == []
    for stranger in (other, ANONYMOUS):
        with pytest.raises(NotFound):
            await reads.opened(session, stranger, article_id=draft.id)
    assert (await reads.opened(session, writer, article_id=draft.id)).about.title == "On light"
    with pytest.raises(NotFound):
        await writing.save(session, other, article_id=draft.id, content="mine now")
    await publishing.publish(session, writer, article_id=draft.id)
    assert await titles(session) == ["On light"]
    with pytest.raises(Forbidden):
        await writing.save(session, other, article_id=draft.id, content="mine now")
    facts = await resolve(session, Subject("article", draft.id))
    assert facts is not None and facts.public and facts.path == f"/articles/{draft.id}/on-light"


async def test_what_is_written_later_waits_until_it_is_published(session: AsyncSession) -> None:
    writer = await make_writer(session)
    article = await make_article(session, writer, content="First.")
    await writing.save(session, writer, article_id=article.id, content="Second.")
    assert (await reads.opened(session, ANONYMOUS, article_id=article.id)).source == "First."
    assert (await reads.desk(session, writer, article_id=article.id)).ahead
    with clock.held_at(clock.now() + timedelta(hours=1)):
        await publishing.publish(session, writer, article_id=article.id)
    opened = await reads.opened(session, ANONYMOUS, article_id=article.id)
    assert opened.source == "Second." and opened.about.updated_at > opened.about.published_at


async def test_no_text_is_lost(session: AsyncSession) -> None:
    writer = await make_writer(session)
    article = await writing.create(session, writer, title="A", content="one")
    first = await writing.newest(session, article.id)
    here = await writing.save(session, writer, article_id=article.id, content="two", based_on=first.id)
    assert not here.beside
    elsewhere = await writing.save(session, writer, article_id=article.id, content="three", based_on=first.id)
    assert elsewhere.beside
    kept = await writing.history(session, writer, article_id=article.id)
    assert [one.content for one in kept] == ["three", "two", "one"]
    await writing.restore(session, writer, article_id=article.id, revision_id=here.revision_id)
    assert (await reads.desk(session, writer, article_id=article.id)).revision.content == "two"
    same = await writing.save(session, writer, article_id=article.id, content="two")
    assert len(await writing.history(session, writer, article_id=article.id)) == 4 and not same.beside


async def test_savings_of_one_sitting_are_one_revision_and_old_ones_go(session: AsyncSession) -> None:
    writer = await make_writer(session)
    article = await writing.create(session, writer, content="x")
    begun = clock.now()
    for number in range(5):
        with clock.held_at(begun + timedelta(seconds=30 * number)):
            await writing.save(session, writer, article_id=article.id, content=f"v{number}", kind=Saved.AUTO)
    assert [one.content for one in await writing.history(session, writer, article_id=article.id)] == [
        "v4",
        "x",
    ]
    for number in range(60):
        await writing.save(session, writer, article_id=article.id, content=f"w{number}")
    count = await session.scalar(
        select(func.count()).select_from(ArticleRevision).where(ArticleRevision.article_id == article.id)
    )
    assert count == 50


@pytest.mark.parametrize(
    ("title", "content", "code"),
    [
        ("", "words", "title_needed"),
        ("Title", "", "article_empty"),
        ("Title", "<script>x</script>", "article_empty"),
    ],
)
async def test_what_is_not_whole_is_not_published(
    session: AsyncSession, title: str, content: str, code: str
) -> None:
    writer = await make_writer(session)
    draft = await writing.create(session, writer, title=title, content=content)
    with pytest.raises(Invalid) as fault:
        await publishing.publish(session, writer, article_id=draft.id)
    assert fault.value.code == code


async def test_bounds_are_told_in_sentences(session: AsyncSession) -> None:
    writer = await make_writer(session)
    with pytest.raises(Invalid, match="at most 100 characters"):
        await writing.create(session, writer, title="x" * 101)
    with pytest.raises(Invalid, match="at most 200,000 characters"):
        await writing.create(session, writer, content="x" * 200_001)
    draft = await writing.create(session, writer)
    with pytest.raises(Invalid, match="not a category"):
        await writing.describe(session, writer, article_id=draft.id, category="poem")
    with pytest.raises(Invalid, match="At most 10 tags"):
        await writing.describe(session, writer, article_id=draft.id, tags=[str(n) for n in range(11)])
    with pytest.raises(Forbidden, match="Confirm your email"):
        unproved = actor_for(await make_person(session), verified=False)
        await writing.create(session, unproved)
    with pytest.raises(Forbidden, match="muted"):
        await writing.create(session, actor_for(await make_person(session), muted=True))


async def test_a_day_allows_so_many_and_the_first_day_none(session: AsyncSession) -> None:
    fresh = await make_actor(session)
    draft = await writing.create(session, fresh, title="Early", content="words")
    with pytest.raises(Limited, match="second day"):
        await publishing.publish(session, fresh, article_id=draft.id)
    writer = await make_writer(session)
    for number in range(3):
        await make_article(session, writer, title=f"A{number}")
    with pytest.raises(Limited, match="3 articles within a day") as fault:
        await make_article(session, writer, title="A4")
    assert 0 < fault.value.retry_after <= 86_400
    await scoring.set_part(session, part="articles", points={writer.require(): 1_000})
    await make_article(session, writer, title="A5")
    with clock.held_at(clock.now() + timedelta(days=1, minutes=1)):
        await make_article(session, writer, title="A6")


async def test_taking_back_and_publishing_again_is_no_new_article(session: AsyncSession) -> None:
    writer = await make_writer(session)
    article = await make_article(session, writer)
    first = article.published_at
    await publishing.unpublish(session, writer, article_id=article.id)
    assert await titles(session) == []
    with clock.held_at(clock.now() + timedelta(days=2)):
        await publishing.publish(session, writer, article_id=article.id)
    assert article.published_at == first and await titles(session) == ["On light"]


async def test_a_schedule_is_kept(session: AsyncSession) -> None:
    writer = await make_writer(session)
    draft = await writing.create(session, writer, title="Later", content="words")
    at = clock.now() + timedelta(hours=3)
    await publishing.publish(session, writer, article_id=draft.id, at=at)
    assert draft.status == Status.SCHEDULED and await publishing.publish_due(session) == 0
    with clock.held_at(at + timedelta(minutes=1)):
        assert await publishing.publish_due(session) == 1
        assert await titles(session) == ["Later"]
    with pytest.raises(Invalid, match="within a year"):
        other = await writing.create(session, writer, title="Never", content="words")
        await publishing.publish(session, writer, article_id=other.id, at=clock.now() + timedelta(days=400))


async def test_an_article_is_as_mature_as_its_pictures_and_leaks_nowhere(
    session: AsyncSession, context: TaskContext
) -> None:
    writer = await make_writer(session)
    safe, mature = (
        await make_picture(session, writer.require()),
        await make_picture(session, writer.require()),
    )
    article = await make_article(
        session, writer, content=f"See ![a](/images/{safe}) and ![b](/images/{mature})"
    )
    assert article.nsfw_level == 1 and await titles(session) == ["On light"]
    await session.execute(update(Image).where(Image.id == mature).values(nsfw_level=8))
    await publish(session, ImageChanged(mature, 0))
    await session.flush()
    await drain(context)
    await session.refresh(article)
    assert article.nsfw_level == 8 and await titles(session) == []
    with pytest.raises(NotFound):
        await reads.opened(session, ANONYMOUS, article_id=article.id)
    grown = await make_actor(session, mature=True)
    opened = await reads.opened(session, grown, article_id=article.id)
    assert len(opened.pictures) == 2 and grown.mask == ALL_MASK
    assert await titles(session, grown) == ["On light"]
    facts = await resolve(session, Subject("article", article.id))
    assert facts is not None and facts.mature


async def test_the_writers_own_word_only_makes_it_stricter(session: AsyncSession) -> None:
    writer = await make_writer(session)
    picture = await make_picture(session, writer.require(), level=8)
    article = await make_article(session, writer, content=f"![a](/images/{picture})", floor_level=2)
    assert article.nsfw_level == 8
    await writing.describe(session, writer, article_id=article.id, floor_level=16)
    assert article.nsfw_level == 16
    with pytest.raises(Invalid):
        await writing.describe(session, writer, article_id=article.id, floor_level=32)


async def test_pictures_of_others_that_are_not_public_cannot_be_borrowed(session: AsyncSession) -> None:
    writer, other = await make_writer(session), await make_person(session)
    hidden = await make_picture(session, other, public=False)
    blocked = await make_picture(session, other, level=33)
    open_one = await make_picture(session, other)
    key = await session.scalar(select(Image.key).where(Image.id == hidden))
    article = await make_article(
        session,
        writer,
        content=f"![a](/images/{hidden}) ![b](/images/{blocked}) ![c](/images/{open_one}) ![d](/img/{key}/w/x.jpeg)",
    )
    shown = (await reads.opened(session, writer, article_id=article.id)).pictures
    assert {one.id for one in shown.values()} == {open_one}
    with pytest.raises(Invalid, match="no picture of this number"):
        await writing.describe(session, writer, article_id=article.id, cover_image_id=hidden)
    await writing.describe(session, writer, article_id=article.id, cover_image_id=open_one)
    assert article.cover_image_id == open_one


async def test_every_order_walks_the_whole_list_once(session: AsyncSession) -> None:
    begun = clock.now()
    for number in range(7):
        writer = await make_writer(session, f"writer{number}")
        with clock.held_at(begun - timedelta(hours=number)):
            article = await make_article(session, writer, title=f"A{number}")
        await session.execute(
            update(Article).where(Article.id == article.id).values(comment_count=number % 3)
        )
    for sort in Sort:
        seen: list[str] = []
        cursor = None
        while True:
            wanted = Wanted(mask=SAFE_MASK, sort=sort)
            page = await reads.page(session, ANONYMOUS, wanted=wanted, cursor=cursor, limit=3)
            seen += [one.title for one in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert sorted(seen) == [f"A{n}" for n in range(7)], sort
    assert (await titles(session, sort=Sort.MOST_COMMENTS))[:2] == ["A5", "A2"]
    with pytest.raises(Invalid, match="cursor"):
        await reads.page(session, ANONYMOUS, wanted=Wanted(mask=SAFE_MASK), cursor="bm9uc2Vuc2U", limit=3)


async def test_filters_of_the_list(session: AsyncSession) -> None:
    ana, ben = await make_writer(session, "ana"), await make_writer(session, "ben")
    await make_article(session, ana, title="Light guide", category="guide", tags=["Light", "SDXL"])
    with clock.held_at(clock.now() - timedelta(days=10)):
        await make_article(session, ben, title="Old news", category="news", tags=["light"])
    assert await titles(session, category="guide") == ["Light guide"]
    assert await titles(session, tags=("light",)) == ["Light guide", "Old news"]
    assert await titles(session, tags=("light", "sdxl")) == ["Light guide"]
    assert await titles(session, username="BEN") == ["Old news"]
    assert await titles(session, period=Period.WEEK) == ["Light guide"]
    assert await titles(session, query="LIGHT%") == []
    assert await titles(session, query="light") == ["Light guide"]


async def test_people_one_hides_and_blocks_are_not_listed(session: AsyncSession) -> None:
    ana = await make_writer(session, "ana")
    await make_article(session, ana)
    reader = await make_actor(session)
    assert await titles(session, reader) == ["On light"]
    await make_follow(session, ana.require(), reader.require(), "block")
    assert await titles(session, reader) == []
    hider = await make_actor(session)
    await make_follow(session, hider.require(), ana.require(), "hide")
    assert await titles(session, hider) == []


async def test_articles_of_hidden_tags_and_themes_are_not_listed(session: AsyncSession) -> None:
    ana = await make_writer(session, "ana")
    await make_article(session, ana, title="On light", tags=["light"])
    await make_article(session, ana, title="On paws", tags=["furry"])
    reader = await make_actor(session)
    assert set(await titles(session, reader)) == {"On light", "On paws"}
    assert await titles(session, replace(reader, themes=("furry",))) == ["On light"]
    await hidden_tags.hide(session, reader, name="light")
    assert await titles(session, reader) == ["On paws"]


async def test_a_list_costs_two_statements_however_long(session: AsyncSession, connection) -> None:  # type: ignore[no-untyped-def]
    from sqlalchemy import event

    for number in range(6):
        await make_article(session, await make_writer(session), title=f"A{number}", tags=["x"])
    asked: list[str] = []
    engine = connection.sync_connection
    event.listen(engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    await reads.page(session, ANONYMOUS, wanted=Wanted(mask=SAFE_MASK), cursor=None, limit=5)
    assert len(asked) == 2


async def test_staff_take_from_view_and_give_back(session: AsyncSession) -> None:
    writer, staff = await make_writer(session), await make_actor(session, role=Role.MODERATOR)
    article = await make_article(session, writer)
    with pytest.raises(Forbidden):
        await publishing.take_from_view(session, writer, article_id=article.id, reason="x")
    await publishing.take_from_view(session, staff, article_id=article.id, reason="Copied from elsewhere.")
    assert await titles(session) == []
    opened = await reads.opened(session, writer, article_id=article.id)
    assert opened.staff_note == "Copied from elsewhere."
    with pytest.raises(Conflict, match="Staff took"):
        await publishing.publish(session, writer, article_id=article.id)
    await publishing.put_back(session, staff, article_id=article.id, reason="It was theirs.")
    await publishing.publish(session, writer, article_id=article.id)
    assert await titles(session) == ["On light"]


async def test_removal_is_for_good(session: AsyncSession) -> None:
    writer, other = await make_writer(session), await make_actor(session)
    article = await make_article(session, writer)
    with pytest.raises(Forbidden):
        await writing.remove(session, other, article_id=article.id)
    await writing.remove(session, writer, article_id=article.id)
    assert await titles(session) == [] and await resolve(session, Subject("article", article.id)) is None
    with pytest.raises(NotFound):
        await reads.opened(session, writer, article_id=article.id)


async def test_views_are_counted_once_a_day_and_reactions_by_their_events(
    session: AsyncSession, context: TaskContext
) -> None:
    writer, reader = await make_writer(session), await make_actor(session)
    article = await make_article(session, writer)
    for viewer, address in (
        (reader, "1"),
        (reader, "2"),
        (ANONYMOUS, "1"),
        (ANONYMOUS, "1"),
        (ANONYMOUS, "2"),
    ):
        await counting.seen(session, viewer, article_id=article.id, address=address, secret=b"s")
    assert await counting.fold(session) == 3 and await counting.fold(session) == 0
    session.add(Reaction(kind="article", subject_id=article.id, person_id=reader.require(), reaction="heart"))
    # Told twice it is still one.
    for _ in range(2):
        await publish(session, Reacted(reader.require(), "article", article.id, "heart", writer.id))
    await session.flush()
    await drain(context)
    number = article.id
    session.expire_all()
    counts = (await reads.opened(session, ANONYMOUS, article_id=number)).about.counts
    assert (counts.views, counts.reactions) == (3, 1)


async def test_who_collects_counts_once_and_bookmarks_by_themselves(
    session: AsyncSession, context: TaskContext
) -> None:
    writer, reader = await make_writer(session), await make_actor(session)
    number = (await make_article(session, writer)).id
    marks = (await bookmark_of(session, person_id=reader.require(), kind=Kind.ARTICLE)).id
    reading = (await make_collection(session, reader, kind=Kind.ARTICLE)).id

    async def counts() -> tuple[int, int]:
        await session.flush()
        await drain(context)
        session.expire_all()
        found = (await reads.opened(session, ANONYMOUS, article_id=number)).about.counts
        return found.bookmarks, found.collected

    await filling.add(session, reader, collection_id=marks, subject_ids=[number])
    assert await counts() == (1, 1)
    await filling.add(session, reader, collection_id=reading, subject_ids=[number])
    assert await counts() == (1, 1)
    await filling.remove(session, reader, collection_id=marks, subject_ids=[number])
    assert await counts() == (0, 1)
    await filling.remove(session, reader, collection_id=reading, subject_ids=[number])
    assert await counts() == (0, 0)


async def test_a_comment_that_comes_back_counts_once(session: AsyncSession, context: TaskContext) -> None:
    writer, reader = await make_writer(session), await make_actor(session)
    number = (await make_article(session, writer)).id
    person = reader.require()
    session.add(CommentThread(kind="article", subject_id=number, comment_count=1))
    await publish(session, Commented(1, person, "article", number, None))
    await publish(session, CommentRemoved(1, person, "article", number))
    await publish(session, CommentRestored(1, person, "article", number))
    await session.flush()
    await drain(context)
    session.expire_all()
    assert (await reads.opened(session, ANONYMOUS, article_id=number)).about.counts.comments == 1


async def test_an_audit_finds_figures_that_history_does_not_bear_out(
    session: AsyncSession, context: TaskContext
) -> None:
    writer, reader = await make_writer(session), await make_actor(session)
    ids = [(await make_article(session, writer)).id for _ in range(3)]
    session.add(Reaction(kind="article", subject_id=ids[0], person_id=reader.require(), reaction="like"))
    marks = (await bookmark_of(session, person_id=reader.require(), kind=Kind.ARTICLE)).id
    await filling.add(session, reader, collection_id=marks, subject_ids=[ids[1]])
    await counting.seen(session, reader, article_id=ids[2], address="1", secret=b"s")
    await counting.fold(session)
    # Facts that nobody counted, and counts without facts.
    await session.execute(
        update(Article)
        .where(Article.id.in_(ids))
        .values(reaction_count=7, comment_count=3, collected_count=9, bookmark_count=9, view_count=0)
    )
    assert await counting.audit_step(session, after=ids[0] - 1, limit=2) == (2, 2, ids[1])
    assert await counting.audit_step(session, after=ids[1], limit=2) == (1, 1, None)
    columns = (
        Article.reaction_count,
        Article.comment_count,
        Article.collected_count,
        Article.bookmark_count,
        Article.view_count,
    )
    rows = await session.execute(select(*columns).where(Article.id.in_(ids)).order_by(Article.id))
    assert [tuple(row) for row in rows] == [(1, 0, 0, 0, 0), (0, 0, 1, 1, 0), (0, 0, 0, 0, 1)]
    assert (await counting.audit_step(session, after=ids[0] - 1))[1] == 0
    # What was forgotten of its readers does not make fewer.
    await session.execute(update(Article).where(Article.id == ids[2]).values(view_count=50))
    await tasks.audit_articles(context)
    assert await session.scalar(select(Article.view_count).where(Article.id == ids[2])) == 50
