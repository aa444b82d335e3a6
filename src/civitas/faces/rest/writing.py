"""What all writing routes of the catalogue share: who may, how it is counted, how an owner's model is told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import files, licensing, queries, tagging
from civitas.domains.catalog.licences import tier_of
from civitas.domains.catalog.tables import Model, ModelFile, ModelVersion
from civitas.domains.catalog.types import Status
from civitas.faces.http.actors import signed_in
from civitas.faces.http.limits import take
from civitas.faces.rest.shapes import Answer


async def writer(request: Request, actor: Annotated[Actor, Depends(signed_in)]) -> Actor:
    """A person whose change is counted."""
    await take(request, "write")
    return actor


Writer = Annotated[Actor, Depends(writer)]
Owner = Annotated[Actor, Depends(signed_in)]


class OwnFile(Answer):
    """A file as its owner sees it, with what the scan says."""

    id: int
    version_id: int
    name: str
    type: str
    format: str
    size_bytes: int
    size: str | None
    fp: str | None
    quant_type: str | None
    primary: bool
    visibility: str
    scan_status: str
    scan_message: str | None
    scanned_at: datetime | None


class OwnVersion(Answer):
    """A version as its owner sees it."""

    id: int
    model_id: int
    name: str
    position: int
    status: str
    availability: str
    base_model: str
    base_model_type: str
    description: str
    trained_words: list[str]
    steps: int | None
    epochs: int | None
    clip_skip: int | None
    settings: dict[str, float | None]
    usage_control: str
    require_auth: bool
    vae_version_id: int | None
    scheduled_at: datetime | None
    published_at: datetime | None
    updated_at: datetime
    files: list[OwnFile] = []  # noqa: RUF012 (Pydantic copies defaults)


class Missing(Answer):
    """Something that publishing still needs."""

    code: str
    text: str
    version_id: int | None


class OwnModel(Answer):
    """A model as its owner sees it, drafts and reasons included."""

    id: int
    name: str
    type: str
    status: str
    mode: str | None
    availability: str
    description: str
    category: str | None
    tags: list[str]
    nsfw: bool
    nsfw_level: int
    poi: bool
    minor: bool
    sfw_only: bool
    checkpoint_type: str | None
    allow_no_credit: bool
    allow_commercial_use: list[str]
    allow_derivatives: bool
    allow_different_license: bool
    license_tier: str
    license_text: str | None
    origin: str
    source: dict[str, Any] | None
    forked_from_version_id: int | None
    unpublished_reason: str | None
    unpublished_note: str | None
    scheduled_at: datetime | None
    published_at: datetime | None
    created_at: datetime
    updated_at: datetime
    model_versions: list[OwnVersion] = []  # noqa: RUF012
    missing: list[Missing] = []  # noqa: RUF012


def file_shown(file: ModelFile) -> OwnFile:
    """A file in the API's words."""
    return OwnFile(
        id=file.id,
        version_id=file.version_id,
        name=file.name,
        type=file.type,
        format=file.format,
        size_bytes=file.size,
        size=file.size_class,
        fp=file.precision,
        quant_type=file.quantisation,
        primary=file.is_primary,
        visibility=file.visibility,
        scan_status=file.scan_status,
        scan_message=file.scan_message,
        scanned_at=file.scanned_at,
    )


def version_shown(version: ModelVersion, own_files: list[OwnFile] | None = None) -> OwnVersion:
    """A version in the API's words."""
    return OwnVersion(
        id=version.id,
        model_id=version.model_id,
        name=version.name,
        position=version.position,
        status=version.status,
        availability=version.availability,
        base_model=version.base_model,
        base_model_type=version.base_model_type,
        description=version.description,
        trained_words=list(version.trained_words),
        steps=version.steps,
        epochs=version.epochs,
        clip_skip=version.clip_skip,
        settings={
            "strength": version.strength,
            "minStrength": version.min_strength,
            "maxStrength": version.max_strength,
        },
        usage_control=version.usage_control,
        require_auth=version.require_auth,
        vae_version_id=version.vae_version_id,
        scheduled_at=version.scheduled_at,
        published_at=version.published_at,
        updated_at=version.updated_at,
        files=own_files or [],
    )


async def whole_version(session: AsyncSession, version: ModelVersion) -> OwnVersion:
    """A version with its files."""
    await session.refresh(version)
    return version_shown(version, [file_shown(file) for file in await files.live_files(session, version.id)])


async def whole_model(session: AsyncSession, actor: Actor, model: Model) -> OwnModel:
    """A model with its versions, their files, and what publishing still needs; a deleted one without them."""
    if model.status == Status.DELETED:
        await session.refresh(model)
        return model_shown(model, await tagging.tags_of(session, model.id))
    await session.flush()
    found = await queries.model_for_editing(session, actor, model_id=model.id)
    await session.refresh(found.row)
    versions = [version_shown(v.row, [file_shown(file.row) for file in v.files]) for v in found.versions]
    missing = [Missing.model_validate(item) for item in found.checklist.missing]
    return model_shown(found.row, found.tags, versions, missing)


def model_shown(
    model: Model,
    tags: Sequence[str],
    versions: Sequence[OwnVersion] = (),
    missing: Sequence[Missing] = (),
) -> OwnModel:
    """A model in the API's words."""
    plain = set(OwnModel.model_fields) - {"tags", "license_tier", "model_versions", "missing"}
    return OwnModel(
        **{name: getattr(model, name) for name in plain},
        tags=list(tags),
        license_tier=tier_of(licensing.permissions(model)),
        model_versions=list(versions),
        missing=list(missing),
    )
