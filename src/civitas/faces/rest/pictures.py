"""A version's pictures over the API: add, order, rate, remove."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import Field

from civitas.domains.accounts.types import Actor
from civitas.domains.gallery import adding, post_pictures, previews
from civitas.domains.gallery.tables import Image
from civitas.faces.http.actors import signed_in
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.limits import take
from civitas.faces.http.links import base_url
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.shapes import Answer, Body
from civitas.kit.errors import Invalid

router = APIRouter(tags=["Images"], dependencies=[CheckedForm])


class NewImage(Body):
    """A finished upload to be shown with a version."""

    upload_id: uuid.UUID
    nsfw_level: int | None = Field(default=None, description="1 PG, 2 PG-13, 4 R, 8 X, 16 XXX.")
    meta: dict[str, Any] | None = Field(
        default=None, description="The recipe, instead of what the file says."
    )


class ImageOrder(Body):
    """Every picture of the version, in the order wanted."""

    ids: list[int] = Field(max_length=adding.MAX_PER_POST)


class ImageChange(Body):
    """What to change of a picture; what is left out stays."""

    nsfw_level: int | None = Field(default=None, description="1 PG, 2 PG-13, 4 R, 8 X, 16 XXX.")
    hide_meta: bool | None = Field(
        default=None, description="Keep the recipe, and the original file that holds it, to oneself."
    )
    note: str | None = Field(
        default=None, description="Words about it, read out where it cannot be seen; empty takes them away."
    )


class OwnImage(Answer):
    """A picture as its owner sees it; `status` is pending until it was decoded."""

    id: int
    status: str
    failure: str | None
    name: str
    type: str
    position: int
    width: int | None
    height: int | None
    duration_ms: int | None
    has_sound: bool
    nsfw_level: int
    hide_meta: bool
    note: str | None
    url: str | None


async def writer(request: Request, actor: Annotated[Actor, Depends(signed_in)]) -> Actor:
    """A person whose change is counted."""
    await take(request, "write")
    return actor


Writer = Annotated[Actor, Depends(writer)]


@router.post(
    "/model-versions/{version_id}/images",
    status_code=201,
    operation_id="addVersionImage",
    summary="Add An Image",
)
async def add(request: Request, version_id: int, body: NewImage, actor: Writer, session: Unit) -> OwnImage:
    """Show a finished image upload with one's version; it appears once it was decoded."""
    image = await previews.add(
        session,
        actor,
        version_id=version_id,
        upload_id=body.upload_id,
        nsfw_level=body.nsfw_level,
        meta=body.meta,
    )
    return shown(request, image)


@router.get(
    "/model-versions/{version_id}/images", operation_id="listVersionImages", summary="List One's Images"
)
async def listed(
    request: Request, version_id: int, actor: Annotated[Actor, Depends(signed_in)], session: Reading
) -> list[OwnImage]:
    """The pictures of one's version in order, those still being decoded or refused included."""
    return [
        shown(request, image)
        for image in await previews.own_of_version(session, actor, version_id=version_id)
    ]


@router.put(
    "/model-versions/{version_id}/images/order",
    status_code=204,
    operation_id="orderVersionImages",
    summary="Order Images",
)
async def order(version_id: int, body: ImageOrder, actor: Writer, session: Unit) -> None:
    """Put the pictures into this order."""
    await previews.reorder(session, actor, version_id=version_id, image_ids=body.ids)


@router.patch("/images/{image_id}", operation_id="updateImage", summary="Change An Image")
async def change(
    request: Request, image_id: int, body: ImageChange, actor: Writer, session: Unit
) -> OwnImage:
    """Say how mature one's picture is, whether its recipe is shown, and what is told of it."""
    if body.nsfw_level is None and body.hide_meta is None and body.note is None:
        raise Invalid("Say what to change: nsfwLevel, hideMeta or note.", code="nothing_to_change")
    if body.nsfw_level is not None:
        image = await previews.rate(session, actor, image_id=image_id, nsfw_level=body.nsfw_level)
    if body.hide_meta is not None:
        image = await previews.hide_recipe(session, actor, image_id=image_id, hidden=body.hide_meta)
    if body.note is not None:
        image = await post_pictures.annotate(session, actor, image_id=image_id, note=body.note)
    return shown(request, image)


@router.delete("/images/{image_id}", status_code=204, operation_id="deleteImage", summary="Remove An Image")
async def remove(image_id: int, actor: Writer, session: Unit) -> None:
    """Take a picture away."""
    await previews.remove(session, actor, image_id=image_id)


def shown(request: Request, image: Image) -> OwnImage:
    """A picture as the API tells its owner."""
    stem = image.name.rpartition(".")[0] or image.name
    url = (
        f"{base_url(request)}/img/{image.key}/width=450/{image.id}.jpeg" if image.status == "ready" else None
    )
    return OwnImage(
        id=image.id,
        status=image.status,
        failure=image.failure,
        name=stem,
        type=image.kind,
        position=image.position,
        width=image.width,
        height=image.height,
        duration_ms=image.duration_ms,
        has_sound=image.has_sound,
        nsfw_level=image.nsfw_level,
        hide_meta=image.hide_meta,
        note=image.note,
        url=url,
    )
