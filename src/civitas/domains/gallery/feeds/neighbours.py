"""What stands before and after a picture in the feed that somebody came from."""

from __future__ import annotations

from dataclasses import replace

from civitas.domains.accounts.types import ALL_MASK, Actor
from civitas.domains.gallery.feeds import indexing, pages, planning
from civitas.domains.gallery.feeds.planning import IMAGES, Place, Plan
from civitas.domains.gallery.feeds.types import FeedFilter, ImageSort
from civitas.infra.db.readpool import ReadPool
from civitas.infra.search.asking import Index
from civitas.kit import clock


async def around(
    reads: ReadPool, actor: Actor, wanted: FeedFilter, *, image_id: int, index: Index | None = None
) -> tuple[int | None, int | None]:
    """The pictures before and after this one in an order with filters; None at the ends and outside of the feed.

    What has been seen is not left out: whoever looks at a picture has just seen it.
    """
    wanted = replace(wanted, mask=wanted.mask & actor.mask & ALL_MASK, unseen=False)
    if wanted.mask == 0 or (wanted.followed and not actor.signed_in):
        return None, None
    column = planning.COLUMNS[wanted.sort]
    here = await reads.fetch(_HERE.replace("${column}", column), {"id": image_id})
    found = await pages.conditions(reads, actor, wanted) if here else None
    if not here or found is None:
        return None, None
    wrapped = wanted.sort is ImageSort.RANDOM and here[0][0] < wanted.seed
    plan = Plan(
        shelf=IMAGES,
        wanted=wanted,
        found=found,
        known=await pages.known_counts(reads),
        take=1,
        now=clock.now(),
        place=Place(here[0][0], image_id, wrapped),
    )
    after = await indexing.found_by(reads, plan, index)
    before = await indexing.found_by(reads, replace(plan, reverse=True), index)
    return (before[0][0] if before else None), (after[0][0] if after else None)


_HERE = "SELECT ${column} FROM feed_images WHERE image_id = %(id)s::bigint"
