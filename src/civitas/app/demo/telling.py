"""Articles of the demo: two long texts with pictures of their writers, and a draft that only its writer sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.app.house import House
from civitas.domains.accounts.types import Actor
from civitas.domains.community.articles import publishing, writing
from civitas.domains.community.articles.tables import Article
from civitas.domains.gallery.tables import Image
from civitas.kit import clock


@dataclass(frozen=True, slots=True)
class DemoArticle:
    """One text; `{0}`, `{1}` and so on are numbers of its writer's pictures."""

    title: str
    category: str
    tags: tuple[str, ...]
    ago: timedelta
    text: str


GUIDE = DemoArticle(
    "Reading a model's page before you download it",
    "guide",
    ("beginner", "safety", "licences"),
    timedelta(days=6),
    """A model is a large file that somebody you have never met made. Before it goes onto your disk, its page can tell
you nearly everything that you would find out later, and some things that you would not.

![One of the pictures that stand for a model](/images/{0})

## What is in the file

Every file was opened in a sandbox before you could see it. The badge beside its name says what came of that:

| badge | what it means | what to do |
| --- | --- | --- |
| Clean | content and ending agree, nothing in it can run | take it |
| Suspicious | something is there that has no business in weights | ask its maker |
| Error | the check could not finish | wait; it is tried again |

A *safetensors* file holds numbers and a header, and nothing else. If a page offers both, take that one.

## What you may do with it

The licence is written in plain words, with the exact permissions below. Three questions are enough for most uses:

1. May I sell pictures that I make with it?
2. Do I have to name its maker?
3. May I merge it into something of my own, and under which terms?

> A permission that is not given is not yours, however common the practice.

## Where it came from

The lineage shows what a version was merged or trained from. Follow it to the root once: a licence upstream binds you,
too.

![Another picture by the same maker](/images/{1})

## Check what you received

Compare the digest with the one on the page. One line does it:

```sh
sha256sum the-file.safetensors
```

If it differs, the download was cut short or something between you and the site changed it. Take it again; do not load it.
""",
)
NOTES = DemoArticle(
    "What changed my mind about small models",
    "story",
    ("tessera", "notes"),
    timedelta(days=2),
    """For a year I believed that more parameters were the only honest road. Then I spent a rainy weekend with a model that
fits into the cache of a phone.

![It began with this](/images/{0})

## Speed is a way of seeing

When a picture takes a second, you stop composing sentences and start sketching. I made four hundred variations before
lunch and threw away all but three.

## Limits are a subject

It knows few things, and it knows them by heart. That is what a good still life is, too.
""",
)
DRAFT = DemoArticle(
    "Notes for the next one", "research", ("notes",), timedelta(), "Questions:\n\n- Why *that* blue?\n"
)


async def tell(house: House, makers: Sequence[Actor]) -> None:
    """Publish them as on the day on which they are said to have been; again changes nothing."""
    for writer, article, shown in (
        (makers[0], GUIDE, True),
        (makers[1], NOTES, True),
        (makers[0], DRAFT, False),
    ):
        async with house.database.unit() as session:
            person = writer.require()
            known = await session.scalar(
                select(Article.id).where(Article.person_id == person, Article.status == "published")
            )
            if known is not None and shown:
                continue
            with clock.held_at(clock.now() - article.ago):
                await _write(session, writer, article, shown=shown)


async def _write(session: AsyncSession, writer: Actor, article: DemoArticle, *, shown: bool) -> None:
    found = await session.scalars(
        select(Image.id)
        .where(Image.person_id == writer.require(), Image.status == "ready", Image.nsfw_level == 1)
        .order_by(Image.id)
        .limit(3)
    )
    ids = list(found)
    numbers = [ids[place % len(ids)] if ids else 0 for place in range(3)]
    made = await writing.create(session, writer, title=article.title, content=article.text.format(*numbers))
    await writing.describe(
        session,
        writer,
        article_id=made.id,
        category=article.category,
        tags=article.tags,
        cover_image_id=ids[-1] if ids and shown else None,
    )
    if shown:
        await publishing.publish(session, writer, article_id=made.id)


async def clear(session: AsyncSession, people: Sequence[int]) -> None:
    """Take them away with whatever else these people wrote."""
    await session.execute(delete(Article).where(Article.person_id.in_(people)))
