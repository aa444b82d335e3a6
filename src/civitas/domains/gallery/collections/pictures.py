"""Pictures that stand for collections and for what is in them, never of a level that the viewer did not ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts import following
from civitas.domains.accounts.types import BLOCKED, Actor
from civitas.domains.catalog.showing import Shot
from civitas.domains.gallery import policy
from civitas.domains.gallery.tables import Image, Post
from civitas.kit import clock

# One picture for each of a row's things; `t` has kind and subject_id.
_SHOT: Final = """
    JOIN LATERAL (
        SELECT i.key, i.name, coalesce(i.width, 1) AS width, coalesce(i.height, 1) AS height, i.blurhash,
               i.nsfw_level AS level, i.kind AS media, 1 AS number, i.post_id, i.person_id
          FROM images i JOIN posts p ON p.id = i.post_id
         WHERE t.kind = 'image' AND i.id = t.subject_id AND i.status = 'ready' AND i.deleted_at IS NULL
           AND p.deleted_at IS NULL AND i.nsfw_level & :mask <> 0 AND i.nsfw_level & :blocked = 0
           AND (p.published_at <= :now OR i.person_id = :viewer)
        UNION ALL
        (SELECT i.key, i.name, coalesce(i.width, 1), coalesce(i.height, 1), i.blurhash, i.nsfw_level, i.kind,
                count(*) OVER (), i.post_id, i.person_id
           FROM images i JOIN posts p ON p.id = i.post_id
          WHERE t.kind = 'post' AND p.id = t.subject_id AND i.status = 'ready' AND i.deleted_at IS NULL
            AND p.deleted_at IS NULL AND i.nsfw_level & :mask <> 0 AND i.nsfw_level & :blocked = 0
            AND (p.published_at <= :now OR i.person_id = :viewer)
          ORDER BY i.position LIMIT 1)
        UNION ALL
        (SELECT v.key, v.name, v.width, v.height, v.blurhash, v.nsfw_level, v.kind, 1, NULL, NULL
           FROM model_versions m JOIN version_previews v ON v.version_id = m.id
          WHERE t.kind = 'model' AND m.model_id = t.subject_id AND m.status = 'Published' AND v.kind = 'image'
            AND v.nsfw_level & :mask <> 0 AND v.nsfw_level & :blocked = 0
          ORDER BY m.position, v.position LIMIT 1)
    ) s ON true
"""
_COVERS: Final = text(
    f"""
    SELECT t.collection_id, s.key, s.name, s.width, s.height, s.blurhash, s.level
      FROM (SELECT c.collection_id, x.id, x.kind, x.subject_id, x.is_cover
              FROM unnest(CAST(:ids AS bigint[])) AS c(collection_id)
              JOIN LATERAL (
                   (SELECT i.id, i.kind, i.subject_id, i.is_cover FROM collection_items i
                     WHERE i.collection_id = c.collection_id AND i.is_cover AND i.state = 'accepted'
                       AND i.shown AND i.level & :mask <> 0 AND coalesce(i.owner_id, 0) <> ALL(:unseen))
                    UNION
                   (SELECT i.id, i.kind, i.subject_id, i.is_cover FROM collection_items i
                     WHERE i.collection_id = c.collection_id AND i.state = 'accepted'
                       AND i.shown AND i.level & :mask <> 0 AND coalesce(i.owner_id, 0) <> ALL(:unseen)
                     ORDER BY i.id DESC LIMIT :each)) x ON true) t
      {_SHOT}
     ORDER BY t.collection_id, t.is_cover DESC, t.id DESC
    """  # noqa: S608 - put together from literals of this file
)
_THINGS: Final = text(
    f"""
    SELECT t.subject_id, s.key, s.name, s.width, s.height, s.blurhash, s.level, s.media, s.number, s.post_id,
           o.username, o.avatar_key, p.title
      FROM (SELECT CAST(:kind AS text) AS kind, n AS subject_id FROM unnest(CAST(:ids AS bigint[])) AS u(n)) t
      {_SHOT}
      LEFT JOIN people o ON o.id = s.person_id
      LEFT JOIN posts p ON p.id = s.post_id
    """  # noqa: S608 - put together from literals of this file
)


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture or post as somebody else's page shows it: what to draw, whose it is, how many pictures it has."""

    id: int
    shot: Shot
    media: str
    number: int
    post_id: int | None
    username: str | None
    avatar_key: str | None
    title: str | None


async def covers(
    session: AsyncSession,
    actor: Actor,
    *,
    collection_ids: Sequence[int],
    each: int = 4,
    mask: int | None = None,
) -> dict[int, list[Shot]]:
    """Up to `each` pictures for each collection, its cover first, then what came in last. One statement."""
    if not collection_ids:
        return {}
    unseen = await following.unseen_by(session, actor.id) if actor.id is not None else frozenset[int]()
    rows = await session.execute(
        _COVERS,
        {
            "ids": list(collection_ids),
            "each": each,
            "mask": actor.mask if mask is None else actor.mask & mask,
            "blocked": BLOCKED,
            "viewer": actor.id or 0,
            "now": clock.now(),
            "unseen": list(unseen),
        },
    )
    found: dict[int, list[Shot]] = {}
    for row in rows:
        shots = found.setdefault(row.collection_id, [])
        if len(shots) < each:
            shots.append(Shot(row.key, row.name, row.width, row.height, row.blurhash, row.level))
    return found


async def things(
    session: AsyncSession, actor: Actor, *, kind: str, ids: Sequence[int], mask: int | None = None
) -> dict[int, Seen]:
    """Pictures, or posts with their first picture, that this viewer may see, by id. One statement."""
    if not ids:
        return {}
    rows = await session.execute(
        _THINGS,
        {
            "kind": kind,
            "ids": list(ids),
            "mask": actor.mask if mask is None else actor.mask & mask,
            "blocked": BLOCKED,
            "viewer": actor.id or 0,
            "now": clock.now(),
        },
    )
    return {
        row.subject_id: Seen(
            id=row.subject_id,
            shot=Shot(row.key, row.name, row.width, row.height, row.blurhash, row.level),
            media=row.media,
            number=row.number,
            post_id=row.post_id,
            username=row.username,
            avatar_key=row.avatar_key,
            title=row.title,
        )
        for row in rows
    }


async def latest(
    session: AsyncSession, actor: Actor, *, kind: str, person_id: int, limit: int
) -> dict[int, Seen]:
    """The newest pictures or posts of a person that this viewer may see, by id, the newest first."""
    newest: Any = (
        select(Image.id)
        .join(Post, Post.id == Image.post_id)
        .where(Image.person_id == person_id, policy.visible_to(actor), Image.status == "ready")
        .order_by(Image.id.desc())
        if kind == "image"
        else select(Post.id)
        .where(Post.person_id == person_id, ~Post.showcase, ~Post.album)
        .order_by(Post.id.desc())
    )
    ids = await session.scalars(
        newest.where(
            Post.published_at <= clock.now(), Post.deleted_at.is_(None), Post.availability == "public"
        ).limit(limit)
    )
    wanted = list(ids)
    found = await things(session, actor, kind=kind, ids=wanted)
    return {number: found[number] for number in wanted if number in found}
