"""The versions that pictures were made with: found in their recipes, or named by their owners (FEATURES C6)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, func, literal_column, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import policy as catalog_policy
from civitas.domains.catalog.tables import Model, ModelFile, ModelVersion
from civitas.domains.gallery import previews
from civitas.domains.gallery.tables import Image, ImageResource, Post
from civitas.domains.studio import stacking
from civitas.kit.errors import Conflict, Invalid, NotFound

MOST: Final = 20
MOST_STRENGTH: Final = 1_000
_MOST_NAMED: Final = 100
_HASH: Final = re.compile(r"^[0-9A-Fa-f]{8,64}$")
_AIR_VERSION: Final = re.compile(r"@(\d{1,18})")
_MOST_ID: Final = 2**53
# What a file is called without its ending: as the index has it.
STEM: Final[ColumnElement[str]] = literal_column("lower(regexp_replace(model_files.name, '[.][^.]+$', ''))")


@dataclass(frozen=True, slots=True)
class Used:
    """A version that a picture was made with, as pages name it. `strength` is in hundredths."""

    image_id: int
    version_id: int
    version: str
    model_id: int
    model: str
    type: str
    base_model: str
    strength: int | None
    source: str


@dataclass(frozen=True, slots=True)
class Named:
    """A version that a recipe names, by the surest of its ways of naming."""

    version_id: int | None = None
    hash: str | None = None
    name: str | None = None
    strength: int | None = None


async def detect(session: AsyncSession, image: Image) -> None:
    """Note what the recipe names; the version that its post is about when it names none that is here.

    What is noted already stays. By ids, hashes, and names of files that only one public version has.
    """
    named = named_in(image.meta or {})
    found: dict[int, tuple[int | None, str]] = {}
    known = await _public(session, [one.version_id for one in named if one.version_id])
    by_hash = await stacking.by_hashes(session, [one.hash for one in named if one.hash])
    open_names = [one.name for one in named if one.name and not (one.hash and one.hash.upper() in by_hash)]
    by_name = await _by_names(session, open_names)
    for one in named:
        if one.version_id in known and one.version_id is not None:
            found.setdefault(one.version_id, (one.strength, "civitai"))
        elif one.hash and (version := by_hash.get(one.hash.upper())) is not None:
            found.setdefault(version, (one.strength, "hash"))
        elif one.name and (version := by_name.get(one.name.lower())) is not None:
            found.setdefault(version, (one.strength, "name"))
    if not found:
        about = await session.scalar(select(Post.version_id).where(Post.id == image.post_id))
        if about is not None:
            found[about] = (None, "post")
    if found:
        await session.execute(
            insert(ImageResource)
            .values(
                [
                    {"image_id": image.id, "version_id": version, "strength": strength, "source": source}
                    for version, (strength, source) in list(found.items())[:MOST]
                ]
            )
            .on_conflict_do_nothing()
        )


def named_in(meta: Mapping[str, Any]) -> list[Named]:
    """Every version that a recipe names, the surest way of naming first; hostile values are passed over."""
    found: list[Named] = []
    extra = meta.get("extra")
    by_id = [
        *_entries(meta.get("civitaiResources")),
        *_entries(extra.get("resources") if isinstance(extra, Mapping) else None),
    ]
    for entry in by_id:
        number = entry.get("modelVersionId", entry.get("versionId"))
        if not isinstance(number, int) or isinstance(number, bool):
            told = _AIR_VERSION.search(str(entry.get("air", ""))[:300])
            number = int(told[1]) if told else 0
        if 0 < number <= _MOST_ID:
            found.append(Named(version_id=number, strength=_hundredths(entry.get("weight"))))
    for entry in _entries(meta.get("resources")):
        name = entry.get("name")
        found.append(
            Named(
                hash=_hash(entry.get("hash")),
                name=name[:300] if isinstance(name, str) and name else None,
                strength=_hundredths(entry.get("weight")) if entry.get("type") != "model" else None,
            )
        )
    hashes = meta.get("hashes")
    for value in list(hashes.values())[:_MOST_NAMED] if isinstance(hashes, Mapping) else ():
        found.append(Named(hash=_hash(value)))
    found.append(Named(hash=_hash(meta.get("Model hash"))))
    return [one for one in found if one.version_id or one.hash or one.name][:_MOST_NAMED]


async def add(
    session: AsyncSession, actor: Actor, *, image_id: int, version_id: int, strength: int | None = None
) -> Image:
    """Say that one's picture was made with a version; `strength` in hundredths. Saying it again changes the strength.

    Raises NotFound, Forbidden, Invalid (`bad_strength`, `version_not_found`), Conflict (`too_many_resources`).
    """
    if strength is not None and abs(strength) > MOST_STRENGTH:
        raise Invalid(
            f"A strength is between -{MOST_STRENGTH // 100} and {MOST_STRENGTH // 100}.", code="bad_strength"
        )
    image, shows = await previews.editable(session, actor, image_id)
    visible = await session.scalar(
        select(ModelVersion.id)
        .join(Model, Model.id == ModelVersion.model_id)
        .where(ModelVersion.id == version_id, catalog_policy.versions_visible_to(actor))
    )
    if visible is None:
        raise Invalid("This version was not found; choose another one.", code="version_not_found")
    others = await session.scalar(
        select(func.count()).where(ImageResource.image_id == image.id, ImageResource.version_id != version_id)
    )
    if (others or 0) >= MOST:
        raise Conflict(
            f"A picture names at most {MOST} models; take one away first.", code="too_many_resources"
        )
    await session.execute(
        insert(ImageResource)
        .values(image_id=image.id, version_id=version_id, strength=strength, source="person")
        .on_conflict_do_update(
            index_elements=["image_id", "version_id"], set_={"strength": strength, "source": "person"}
        )
    )
    await previews.changed(session, image, shows)
    return image


async def remove(session: AsyncSession, actor: Actor, *, image_id: int, version_id: int) -> Image:
    """Take a version from a picture's resources. Raises NotFound (`resource_not_found`), Forbidden."""
    image, shows = await previews.editable(session, actor, image_id)
    gone = await session.scalar(
        delete(ImageResource)
        .where(ImageResource.image_id == image.id, ImageResource.version_id == version_id)
        .returning(ImageResource.version_id)
    )
    if gone is None:
        raise NotFound("This picture does not name that version.", code="resource_not_found")
    await previews.changed(session, image, shows)
    return image


async def of_images(session: AsyncSession, actor: Actor, image_ids: Sequence[int]) -> dict[int, list[Used]]:
    """What pictures were made with, by picture, in one statement; versions that the viewer may not see are left out."""
    found: dict[int, list[Used]] = {image_id: [] for image_id in image_ids}
    if not image_ids:
        return found
    rows = await session.execute(
        select(
            ImageResource.image_id, ModelVersion.id, ModelVersion.name, Model.id, Model.name, Model.type,
            ModelVersion.base_model, ImageResource.strength, ImageResource.source,
        )
        .join(ModelVersion, ModelVersion.id == ImageResource.version_id)
        .join(Model, Model.id == ModelVersion.model_id)
        .where(ImageResource.image_id.in_(image_ids), catalog_policy.versions_visible_to(actor))
        .order_by(ImageResource.image_id, Model.type != "Checkpoint", Model.type, ModelVersion.id)
    )  # fmt: skip
    for row in rows:
        found[row[0]].append(Used(*row))
    return found


async def _public(session: AsyncSession, ids: Sequence[int | None]) -> set[int]:
    wanted = {one for one in ids if one}
    if not wanted:
        return set()
    return set(
        await session.scalars(
            select(ModelVersion.id).where(ModelVersion.id.in_(wanted), ModelVersion.published_at.is_not(None))
        )
    )


async def _by_names(session: AsyncSession, names: Sequence[str]) -> dict[str, int]:
    """Public versions by the names of their files, those only that one version alone has."""
    wanted = {name.lower() for name in names}
    if not wanted:
        return {}
    stem = STEM.label("stem")
    rows = await session.execute(
        select(stem, func.min(ModelFile.version_id))
        .join(ModelVersion, ModelVersion.id == ModelFile.version_id)
        .where(STEM.in_(wanted), ModelFile.removed_at.is_(None), ModelVersion.published_at.is_not(None))
        .group_by(stem)
        .having(func.count(func.distinct(ModelFile.version_id)) == 1)
    )
    return {row[0]: row[1] for row in rows}


def _entries(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value[:_MOST_NAMED] if isinstance(one, Mapping)] if isinstance(value, list) else []


def _hash(value: Any) -> str | None:
    text = value.removeprefix("0x") if isinstance(value, str) else ""
    return text if _HASH.match(text) else None


def _hundredths(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= MOST_STRENGTH / 100:
        return None
    return round(value * 100)
