"""News for one person, the newest first, as keyset pages of one statement."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts import following
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.catalog import hidden_tags
from civitas.kit import clock, paging
from civitas.kit.paging import Page

LARGEST_PAGE: Final = 60
# What came into a collection is told for so long.
COLLECTED_FOR: Final = timedelta(days=60)

# Each branch is bounded before they are put together; hidden people and models are in none.
_NEWS: Final = text(
    """
    WITH theirs AS MATERIALIZED (
        SELECT target_id AS id FROM follows WHERE person_id = :me AND kind = 'follow')
    SELECT n.kind, n.id, n.moment, n.number, n.person_id FROM (
        (SELECT 'model' AS kind, l.model_id AS id, l.last_version_at AS moment, 1::bigint AS number, l.person_id
           FROM model_listings l
          WHERE l.person_id IN (SELECT id FROM theirs) AND l.level & :mask <> 0
            AND (l.last_version_at, 4, l.model_id) < (:moment, :rank, :id)
            AND NOT EXISTS (SELECT FROM model_engagements e WHERE e.model_id = l.model_id AND e.person_id = :me
                               AND e.kind = 'hide')
            AND NOT l.facets && (CAST(:themes AS text[]) || ${hidden})
          ORDER BY l.last_version_at DESC, l.model_id DESC LIMIT :take)
        UNION ALL
        (SELECT 'post', p.id, p.published_at, 1, p.person_id
           FROM posts p
          WHERE p.person_id IN (SELECT id FROM theirs) AND p.deleted_at IS NULL AND NOT p.showcase
            AND p.availability = 'public' AND p.published_at <= :now AND p.nsfw_level & :mask <> 0
            AND (p.published_at, 3, p.id) < (:moment, :rank, :id)
          ORDER BY p.published_at DESC, p.id DESC LIMIT :take)
        UNION ALL
        (SELECT 'article', a.id, a.published_at, 1, a.person_id
           FROM articles a
          WHERE a.person_id IN (SELECT id FROM theirs) AND a.status = 'published' AND a.deleted_at IS NULL
            AND a.published_at <= :now AND a.nsfw_level & :mask <> 0
            AND (a.published_at, 2, a.id) < (:moment, :rank, :id)
          ORDER BY a.published_at DESC, a.id DESC LIMIT :take)
        UNION ALL
        (SELECT 'collection', c.id, max(i.created_at), count(*), c.person_id
           FROM collection_follows f
           JOIN collections c ON c.id = f.collection_id AND c.deleted_at IS NULL AND c.read_by <> 'private'
           JOIN collection_items i ON i.collection_id = c.id AND i.state = 'accepted' AND i.shown
                AND i.level & :mask <> 0 AND i.created_at > :since AND i.person_id <> :me
                AND coalesce(i.owner_id, 0) <> ALL(:unseen)
          WHERE f.person_id = :me AND c.person_id <> ALL(:unseen)
          GROUP BY c.id, c.person_id
         HAVING (max(i.created_at), 1, c.id) < (:moment, :rank, :id)
          ORDER BY max(i.created_at) DESC, c.id DESC LIMIT :take)) n
     ORDER BY n.moment DESC, CASE n.kind WHEN 'model' THEN 4 WHEN 'post' THEN 3 WHEN 'article' THEN 2 ELSE 1 END DESC,
              n.id DESC
     LIMIT :take
    """.replace("${hidden}", hidden_tags.FACETS.format(":me"))
)
_RANKS: Final = {"model": 4, "post": 3, "article": 2, "collection": 1}


@dataclass(frozen=True, slots=True)
class News:
    """Something new: a thing of somebody, or a collection into which `number` things came."""

    kind: str
    id: int
    moment: datetime
    number: int
    person_id: int


async def page(
    session: AsyncSession,
    actor: Actor,
    *,
    cursor: str | None = None,
    limit: int = 30,
    mask: int | None = None,
) -> Page[News]:
    """One page. Raises Invalid (`bad_cursor`), Unauthorised for a stranger."""
    person_id = actor.require(Scope.USER_READ)
    size = max(1, min(limit, LARGEST_PAGE))
    now = clock.now()
    moment, rank, number = now + timedelta(days=1), 9, 0
    if cursor:
        told, at, last = paging.decode(cursor, datetime, int, int)
        moment, rank, number = datetime.fromisoformat(str(told)), int(str(at)), int(str(last))
    unseen = await following.unseen_by(session, person_id)
    rows = (
        await session.execute(
            _NEWS,
            {
                "me": person_id,
                "mask": actor.mask if mask is None else actor.mask & mask,
                "moment": moment,
                "rank": rank,
                "id": number,
                "now": now,
                "since": now - COLLECTED_FOR,
                "unseen": list(unseen),
                "themes": hidden_tags.theme_facets(actor),
                "take": size + 1,
            },
        )
    ).all()
    items = [News(*row) for row in rows[:size]]
    if len(rows) <= size:
        return Page(items, None)
    end = items[-1]
    return Page(items, paging.encode(end.moment, _RANKS[end.kind], end.id))
