"""Tags on pictures: their owner's, and what people vote for; a tag that falls far enough is not shown until it rises."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.gallery import ImageChanged
from civitas.domains.accounts.policy import require_voice
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.catalog import tagging
from civitas.domains.catalog.tables import Tag
from civitas.domains.gallery import policy, previews
from civitas.domains.gallery.tables import Image, ImageTag, ImageTagVote, Post
from civitas.infra.queue.outbox import publish
from civitas.kit.errors import Conflict, Invalid, NotFound

MOST: Final = 30
# At this score a tag is no longer shown; one point above it is shown again.
FALLS_AT: Final = -3
# What people propose is shown from this score on.
RISES_AT: Final = 3


@dataclass(frozen=True, slots=True)
class Carried:
    """A tag of a picture; `mine` is what the viewer voted."""

    image_id: int
    name: str
    source: str
    score: int
    mine: int


async def set_tags(session: AsyncSession, actor: Actor, *, image_id: int, tags: Iterable[str]) -> Image:
    """The owner's tags are these; what machines and votes say stays. Raises NotFound, Forbidden, Invalid (`bad_tags`)."""
    image, shows = await previews.editable(session, actor, image_id)
    wanted = tagging.fold_tags(tags)
    await session.execute(
        delete(ImageTag).where(
            ImageTag.image_id == image.id,
            ImageTag.source == "person",
            ImageTag.tag_id.not_in(select(Tag.id).where(Tag.name.in_(wanted))),
        )
    )
    if wanted:
        await _carry(session, image.id, wanted, source="person", hidden=False)
    await previews.changed(session, image, shows)
    return image


async def vote(session: AsyncSession, actor: Actor, *, image_id: int, tag: str, value: int) -> int:
    """Vote a tag on a picture up (1) or down (-1), or take the vote back (0); its score.

    Voting up what is not there proposes it. Raises NotFound, Conflict (`too_many_tags`), Invalid (`bad_vote`).
    """
    person = require_voice(actor)
    actor.require(Scope.SOCIAL_WRITE)
    if value not in (-1, 0, 1):
        raise Invalid("A vote is 1, -1, or 0 to take it back.", code="bad_vote")
    (name,) = tagging.fold_tags([tag]) or ("",)
    post_id = await session.scalar(
        select(Image.post_id)
        .join(Post, Post.id == Image.post_id)
        .where(Image.id == image_id, policy.visible_to(actor), policy.posts_visible_to(actor))
        .with_for_update(of=Image)
    )
    if post_id is None:
        raise NotFound("This picture was not found.", code="image_not_found")
    tag_id = await session.scalar(
        select(Tag.id)
        .join(ImageTag, ImageTag.tag_id == Tag.id)
        .where(ImageTag.image_id == image_id, Tag.name == name)
    )
    if tag_id is None:
        if value != 1 or not name:
            raise NotFound("This picture does not carry that tag.", code="tag_not_found")
        await _require_room(session, image_id)
        await _carry(session, image_id, [name], source="votes", hidden=True)
        tag_id = await session.scalar(select(Tag.id).where(Tag.name == name))
    await session.execute(
        delete(ImageTagVote).where(
            ImageTagVote.image_id == image_id, ImageTagVote.tag_id == tag_id, ImageTagVote.person_id == person
        )
    )
    if value:
        await session.execute(
            insert(ImageTagVote).values(image_id=image_id, tag_id=tag_id, person_id=person, vote=value)
        )
    score = await _count(session, image_id, tag_id or 0)
    await publish(session, ImageChanged(image_id, post_id))
    return score


async def name_by_machine(session: AsyncSession, *, image_id: int, tags: Mapping[str, int]) -> None:
    """Let a picture carry what a machine saw in it, with how sure it was, of 100; names that nobody may use are left out."""
    sure: dict[str, int] = {}
    for name, share in tags.items():
        try:
            folded = tagging.fold_tags([name])
        except Invalid:
            continue
        sure |= {one: max(share, sure.get(one, 0)) for one in folded}
    if not sure:
        return
    await _carry(session, image_id, list(sure), source="machine", hidden=False)
    for name, share in sure.items():
        await session.execute(
            update(ImageTag)
            .where(
                ImageTag.image_id == image_id,
                ImageTag.source == "machine",
                ImageTag.tag_id.in_(select(Tag.id).where(Tag.name == name)),
            )
            .values(confidence=share)
        )


async def of_images(
    session: AsyncSession, actor: Actor, image_ids: Sequence[int]
) -> dict[int, list[Carried]]:
    """The tags that are shown, by picture, the best first, in one statement."""
    found: dict[int, list[Carried]] = {image_id: [] for image_id in image_ids}
    if image_ids:
        mine = (
            select(ImageTagVote.vote)
            .where(
                ImageTagVote.image_id == ImageTag.image_id,
                ImageTagVote.tag_id == ImageTag.tag_id,
                ImageTagVote.person_id == (actor.id or 0),
            )
            .scalar_subquery()
        )
        rows = await session.execute(
            select(ImageTag.image_id, Tag.name, ImageTag.source, ImageTag.score, func.coalesce(mine, 0))
            .join(Tag, Tag.id == ImageTag.tag_id)
            .where(ImageTag.image_id.in_(image_ids), ~ImageTag.hidden)
            .order_by(ImageTag.image_id, ImageTag.score.desc(), Tag.name)
        )
        for row in rows:
            found[row[0]].append(Carried(*row))
    return found


async def _carry(
    session: AsyncSession, image_id: int, names: Sequence[str], *, source: str, hidden: bool
) -> None:
    await session.execute(insert(Tag).values([{"name": name} for name in names]).on_conflict_do_nothing())
    chosen = select(literal(image_id), Tag.id, literal(source), literal(hidden)).where(Tag.name.in_(names))
    await session.execute(
        insert(ImageTag)
        .from_select(["image_id", "tag_id", "source", "hidden"], chosen)
        .on_conflict_do_nothing()
    )


async def _count(session: AsyncSession, image_id: int, tag_id: int) -> int:
    """Count the votes anew, and show or hide the tag; a proposal without votes is gone."""
    total = (
        select(func.coalesce(func.sum(ImageTagVote.vote), 0))
        .where(ImageTagVote.image_id == image_id, ImageTagVote.tag_id == tag_id)
        .scalar_subquery()
    )
    row = ImageTag.image_id == image_id, ImageTag.tag_id == tag_id
    # What a machine named goes when the picture's own maker says so.
    disowned = (
        select(ImageTagVote.tag_id)
        .join(Image, Image.id == ImageTagVote.image_id)
        .where(
            ImageTagVote.image_id == image_id,
            ImageTagVote.tag_id == tag_id,
            ImageTagVote.person_id == Image.person_id,
            ImageTagVote.vote < 0,
        )
        .exists()
    )
    score = await session.scalar(
        update(ImageTag)
        .where(*row)
        .values(
            score=total,
            hidden=((ImageTag.source == "votes") & (total < RISES_AT))
            | (total <= FALLS_AT)
            | ((ImageTag.source == "machine") & disowned),
        )
        .returning(ImageTag.score)
    )
    if not score:
        await session.execute(delete(ImageTag).where(*row, ImageTag.source == "votes", ImageTag.score <= 0))
    return int(score or 0)


async def _require_room(session: AsyncSession, image_id: int) -> None:
    count = await session.scalar(select(func.count()).where(ImageTag.image_id == image_id))
    if (count or 0) >= MOST:
        raise Conflict(f"A picture carries at most {MOST} tags.", code="too_many_tags")
