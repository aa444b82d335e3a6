"""How mature pictures and posts are: the owner's word, never below what words and models of the recipe say.

A picture that nobody rated has level 0 and is its owner's alone (FEATURES N1, N5).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import ALL_MASK, BLOCKED, PG13, SAFE_MASK, XXX, R, X
from civitas.domains.catalog.tables import Model, ModelVersion
from civitas.domains.gallery.tables import Image, ImageResource, Post
from civitas.domains.studio import blocking

# What a model that is mature throughout says at least.
MATURE: Final = R
_BY_RULE: Final = {"pg13": PG13, "r": R, "x": X, "xxx": XXX}


def by_words(meta: Mapping[str, Any] | None) -> int:
    """The least level that the words of a recipe allow; blocked for what is never shown, 0 for what says nothing mature.

    Harmless words do not rate a picture: it can show other things than they say.
    """
    prompt = (meta or {}).get("prompt")
    if not isinstance(prompt, str) or not prompt:
        return 0
    rules = blocking.rules()
    if rules.audit(prompt[: rules.rules.longest]).hard:
        return BLOCKED
    return _BY_RULE.get(rules.level(prompt), 0)


async def least(session: AsyncSession, image: Image) -> int:
    """The least level that a picture may have, by its recipe's words and its resources."""
    words = by_words(image.meta)
    if words >= MATURE:
        return words
    # A model counts as mature when its creator says so or no safe picture of it exists (catalog.maturity).
    mature = await session.scalar(
        select(ImageResource.version_id)
        .join(ModelVersion, ModelVersion.id == ImageResource.version_id)
        .join(Model, Model.id == ModelVersion.model_id)
        .where(
            ImageResource.image_id == image.id,
            Model.nsfw | ((Model.nsfw_level != 0) & (Model.nsfw_level.op("&")(SAFE_MASK) == 0)),
        )
        .limit(1)
    )
    return MATURE if mature is not None else words


def stricter(given: int, floor: int) -> int:
    """The given level, or the floor where that is higher."""
    return max(given, floor)


async def settle(session: AsyncSession, *, post_id: int) -> None:
    """The post is as mature as its pictures together."""
    level = (
        select(func.coalesce(func.bit_or(Image.nsfw_level.op("&")(ALL_MASK)), 0))
        .where(Image.post_id == post_id, Image.deleted_at.is_(None), Image.status == "ready")
        .scalar_subquery()
    )
    await session.execute(update(Post).where(Post.id == post_id).values(nsfw_level=level))
