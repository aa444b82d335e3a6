"""Cards of pictures and posts: rows of the gallery made ready to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from civitas.domains.catalog.documents import image_path
from civitas.domains.gallery.feeds.cards import ImageFacts, PostFacts
from civitas.faces.web import pictures
from civitas.faces.web.image_filters import FeedQuery
from civitas.faces.web.pictures import CARD_WIDTHS, Eyes, avatar_url
from civitas.faces.web.props import Creator, Level, Picture, Stat


@dataclass(frozen=True, slots=True)
class ImageCard:
    """A picture in a feed."""

    id: int
    href: str
    picture: Picture
    kind: str
    length: str | None
    creator: Creator
    person_id: int
    stats: tuple[Stat, ...]
    level: Level | None
    label: str


@dataclass(frozen=True, slots=True)
class PostCard:
    """A post in a feed, by its first picture."""

    id: int
    href: str
    title: str
    picture: Picture
    creator: Creator
    count: int
    level: Level | None


def picture_of(facts: ImageFacts, eyes: Eyes, widths: tuple[int, ...] = CARD_WIDTHS) -> Picture:
    """A picture of the gallery in its variants, blurred where the viewer asked for that."""
    image = {
        "url": image_path(facts.key, facts.name),
        "width": facts.width,
        "height": facts.height,
        "hash": facts.blurhash,
        "nsfwLevel": facts.level,
    }
    given = pictures.of_document(image, eyes, alt=alt_of(facts), widths=widths)
    return replace(given, moving=pictures.moving(given.src, facts.moving))


def alt_of(facts: ImageFacts) -> str:
    """What a reader of screens says: its maker's words, else its prompt, else whose it is."""
    if facts.note:
        return facts.note[:300]
    what = {"video": "Video", "audio": "Sound"}.get(facts.kind, "Picture")
    return pictures.alt_of({"prompt": facts.prompt}) or f"{what} by {facts.username}"


def cards_of(found: Sequence[ImageFacts], eyes: Eyes, query: FeedQuery) -> tuple[ImageCard, ...]:
    """The cards of pictures, in their order."""
    return tuple(
        ImageCard(
            id=facts.id,
            href=query.image_href(facts.id),
            picture=picture_of(facts, eyes),
            kind=facts.kind,
            length=length_of(facts.duration_ms),
            creator=Creator(facts.username, avatar_url(facts.avatar_key)),
            person_id=facts.person_id,
            stats=stats_of(facts),
            level=pictures.level_name(facts.level) if facts.level & ~3 else None,
            label=alt_of(facts)[:120],
        )
        for facts in found
    )


def stats_of(facts: ImageFacts) -> tuple[Stat, ...]:
    """Reactions and comments, those that there are."""
    counts = facts.counts
    reactions = counts.likes + counts.hearts + counts.laughs + counts.cries
    found = (Stat("heart", reactions, "reactions"), Stat("comment", counts.comments, "comments"))
    return tuple(stat for stat in found if stat.value)


def length_of(duration_ms: int | None) -> str | None:
    """`1:05` of what plays; None for what does not."""
    if not duration_ms:
        return None
    seconds = round(duration_ms / 1000)
    return f"{seconds // 60}:{seconds % 60:02d}"


def posts_of(posts: Sequence[PostFacts], images: Sequence[ImageFacts], eyes: Eyes) -> tuple[PostCard, ...]:
    """The cards of posts, in their order."""
    known = {facts.id: facts for facts in images}
    return tuple(
        PostCard(
            id=post.id,
            href=f"/posts/{post.id}",
            title=post.title or f"Post by {post.username}",
            picture=picture_of(known[post.image_ids[0]], eyes),
            creator=Creator(post.username, avatar_url(post.avatar_key)),
            count=post.count,
            level=pictures.level_name(known[post.image_ids[0]].level)
            if known[post.image_ids[0]].level & ~3
            else None,
        )
        for post in posts
        if post.image_ids and post.image_ids[0] in known
    )
