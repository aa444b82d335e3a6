"""How pictures were made, as pages and the API tell it: recipe, models, tools, tags, lineage; set by set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from civitas.domains.accounts.types import Actor
from civitas.domains.gallery import image_tags, policy, resources, tools
from civitas.domains.gallery.image_tags import Carried
from civitas.domains.gallery.resources import Used
from civitas.domains.gallery.tables import Image, Post
from civitas.domains.gallery.tools import With
from civitas.kit import clock
from civitas.kit.errors import NotFound
from civitas.kit.generation_text import write_parameters

MOST_REMIXES: Final = 12


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one picture was made. `meta` is None when there is no recipe or its owner keeps it to themselves."""

    image_id: int
    meta: Mapping[str, Any] | None
    format: str | None
    faults: Sequence[str]
    # In A1111's form, for whoever copies it.
    parameters: str | None
    workflow: Mapping[str, Any] | None
    resources: Sequence[Used]
    tools: Sequence[With]
    tags: Sequence[Carried]
    remix_of_id: int | None
    remix_ids: Sequence[int]


async def one(session: AsyncSession, actor: Actor, *, image_id: int) -> Recipe:
    """The recipe of a picture that the viewer may see. Raises NotFound (`image_not_found`)."""
    image = await session.scalar(
        select(Image)
        .join(Post, Post.id == Image.post_id)
        .where(Image.id == image_id, policy.visible_to(actor), policy.posts_visible_to(actor))
    )
    if image is None:
        raise NotFound("This picture was not found.", code="image_not_found")
    return (await of_images(session, actor, [image]))[image.id]


async def of_images(session: AsyncSession, actor: Actor, images: Sequence[Image]) -> dict[int, Recipe]:
    """The recipes of pictures that the viewer may see, in five statements however many there are."""
    ids = [image.id for image in images]
    used = await resources.of_images(session, actor, ids)
    with_tools = await tools.of_images(session, ids)
    tags = await image_tags.of_images(session, actor, ids)
    origins = await _shown(session, actor, [image.remix_of_id for image in images if image.remix_of_id])
    remixes = await _remixes(session, actor, ids)
    found = {}
    for image in images:
        hidden = image.hide_meta and not (policy.sees_own(actor) and policy.can_edit(actor, image))
        meta = None if hidden or not image.meta else image.meta
        comfy = meta.get("comfy") if meta else None
        found[image.id] = Recipe(
            image_id=image.id,
            meta=meta,
            format=image.meta_format if meta else None,
            faults=image.meta_faults or [] if meta else [],
            parameters=write_parameters(meta) if meta else None,
            workflow=comfy if isinstance(comfy, Mapping) else None,
            resources=used[image.id],
            tools=with_tools[image.id],
            tags=tags[image.id],
            remix_of_id=image.remix_of_id if image.remix_of_id in origins else None,
            remix_ids=remixes.get(image.id, [])[:MOST_REMIXES],
        )
    return found


async def _shown(session: AsyncSession, actor: Actor, ids: Sequence[int]) -> set[int]:
    if not ids:
        return set()
    return set(
        await session.scalars(
            select(Image.id)
            .join(Post, Post.id == Image.post_id)
            .where(Image.id.in_(ids), policy.visible_to(actor), policy.posts_visible_to(actor))
        )
    )


async def _remixes(session: AsyncSession, actor: Actor, ids: Sequence[int]) -> dict[int, list[int]]:
    """The newest public remixes of each, in one statement that reads no more than it shows."""
    if not ids:
        return {}
    source = aliased(Image)
    newest = (
        select(Image.id.label("remix_id"))
        .join(Post, Post.id == Image.post_id)
        .where(
            Image.remix_of_id == source.id,
            policy.visible_to(actor),
            policy.posts_visible_to(actor),
            Image.status == "ready",
            Post.published_at <= clock.now(),
        )
        .order_by(Image.id.desc())
        .limit(MOST_REMIXES)
        .correlate(source)
        .lateral()
    )
    found: dict[int, list[int]] = {}
    rows = await session.execute(
        select(source.id, newest.c.remix_id)
        .join(newest, newest.c.remix_id > 0)
        .where(source.id.in_(ids))
        .order_by(source.id, newest.c.remix_id.desc())
    )
    for row in rows:
        found.setdefault(row[0], []).append(row[1])
    return found
