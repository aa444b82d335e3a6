"""Models and versions over the API: everything that the pages of a creator can do."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from civitas.domains.accounts.types import Scope
from civitas.domains.catalog import (
    drafts,
    engagement,
    forking,
    publishing,
    queries,
    removal,
    versions,
)
from civitas.domains.catalog.engagement import Wish
from civitas.domains.catalog.forms import ModelForm, ModelPatch, VersionForm, VersionPatch
from civitas.domains.catalog.types import Mode, Origin, Status
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.shapes import Answer, Body
from civitas.faces.rest.writing import Owner, OwnModel, OwnVersion, Writer, whole_model, whole_version

router = APIRouter(tags=["Publishing"], dependencies=[CheckedForm])


class When(Body):
    """When to publish; now when left out."""

    publish_at: datetime | None = None


class Why(Body):
    """Why something is taken from view; staff give a reason code."""

    reason: str | None = Field(default=None, max_length=60)
    note: str | None = Field(default=None, max_length=2000)


class Order(Body):
    """Every version of the model, in the order wanted."""

    ids: list[int] = Field(max_length=1000)


class ForkName(Body):
    """What the fork is called."""

    name: str | None = Field(default=None, max_length=200)


class ModelLine(Answer):
    """One of one's models in a list."""

    id: int
    name: str
    type: str
    status: str
    updated_at: datetime


class ModelLines(Answer):
    """A page of one's models."""

    items: list[ModelLine]
    next_cursor: str | None


@router.get("/me/models", operation_id="listOwnModels", summary="List Own Models")
async def mine(
    actor: Owner,
    session: Reading,
    status: Annotated[Status | None, Query()] = None,
    cursor: Annotated[str | None, Query(max_length=512)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> ModelLines:
    """One's models of any status, the latest changed first."""
    page = await queries.my_models(session, actor, status=status, cursor=cursor, limit=limit)
    lines = [
        ModelLine(id=row.id, name=row.name, type=row.type, status=row.status, updated_at=row.updated_at)
        for row in page.items
    ]
    return ModelLines(items=lines, next_cursor=page.next_cursor)


@router.get("/me/models/{model_id}", operation_id="getOwnModel", summary="Get An Own Model")
async def show(model_id: int, actor: Owner, session: Unit) -> OwnModel:
    """One's model with everything that only its owner sees, and what publishing still needs."""
    actor.require(Scope.MODELS_READ)
    found = await queries.model_for_editing(session, actor, model_id=model_id)
    return await whole_model(session, actor, found.row)


@router.post("/models", status_code=201, operation_id="createModel", summary="Create A Draft")
async def create(form: ModelForm, actor: Writer, session: Unit) -> OwnModel:
    """Begin a draft. With a `source` it is an import: where it came from stays with it."""
    origin = Origin.IMPORT if form.source is not None else Origin.UPLOAD
    return await whole_model(session, actor, await drafts.create(session, actor, form=form, origin=origin))


@router.patch("/models/{model_id}", operation_id="updateModel", summary="Change A Model")
async def update(
    model_id: int, patch: ModelPatch, actor: Writer, session: Unit, seen: datetime | None = None
) -> OwnModel:
    """Change the fields that are sent; `seen` is the `updatedAt` from which the editor started, if any."""
    model = await drafts.update(session, actor, model_id=model_id, patch=patch, seen=seen)
    return await whole_model(session, actor, model)


@router.delete("/models/{model_id}", operation_id="deleteModel", summary="Delete A Model")
async def delete(model_id: int, actor: Writer, session: Unit, reason: str | None = None) -> OwnModel:
    """Delete a model; for thirty days it can be restored. Its hashes answer for ever."""
    return await whole_model(
        session, actor, await removal.delete(session, actor, model_id=model_id, reason=reason)
    )


@router.post(
    "/models/{model_id}/publish",
    operation_id="publishModel",
    summary="Publish A Model",
)
async def publish(model_id: int, actor: Writer, session: Unit, when: When | None = None) -> OwnModel:
    """Make the model and its ready versions public, now or at a time an hour or more ahead."""
    model = await publishing.publish(
        session, actor, model_id=model_id, publish_at=when.publish_at if when else None
    )
    return await whole_model(session, actor, model)


@router.post(
    "/models/{model_id}/unpublish",
    operation_id="unpublishModel",
    summary="Unpublish A Model",
)
async def unpublish(model_id: int, actor: Writer, session: Unit, why: Why | None = None) -> OwnModel:
    """Take a model from view; it can be published again."""
    why = why or Why()
    model = await removal.unpublish(session, actor, model_id=model_id, reason=why.reason, note=why.note)
    return await whole_model(session, actor, model)


@router.post(
    "/models/{model_id}/restore",
    operation_id="restoreModel",
    summary="Restore A Model",
)
async def restore(model_id: int, actor: Writer, session: Unit) -> OwnModel:
    """Undo a deletion, or publish again what was unpublished by its owner."""
    return await whole_model(session, actor, await removal.restore(session, actor, model_id=model_id))


@router.post(
    "/models/{model_id}/archive",
    operation_id="archiveModel",
    summary="Archive A Model",
)
async def archive(model_id: int, actor: Writer, session: Unit) -> OwnModel:
    """Keep the page, withhold the files: downloads answer 410."""
    model = await removal.set_mode(session, actor, model_id=model_id, mode=Mode.ARCHIVED)
    return await whole_model(session, actor, model)


@router.post(
    "/models/{model_id}/unarchive",
    operation_id="unarchiveModel",
    summary="Unarchive A Model",
)
async def unarchive(model_id: int, actor: Writer, session: Unit) -> OwnModel:
    """Offer the files of an archived model again."""
    return await whole_model(
        session, actor, await removal.set_mode(session, actor, model_id=model_id, mode=None)
    )


@router.post(
    "/models/{model_id}/fork",
    status_code=201,
    operation_id="forkModel",
    summary="Fork A Model",
)
async def fork(
    model_id: int,
    actor: Writer,
    session: Unit,
    body: ForkName | None = None,
    version_id: Annotated[int | None, Query(alias="versionId")] = None,
) -> OwnModel:
    """Begin a draft from somebody's public model, with attribution; only where its licence allows derivatives."""
    model = await forking.fork(
        session, actor, model_id=model_id, version_id=version_id, name=body.name if body else None
    )
    return await whole_model(session, actor, model)


@router.put(
    "/models/{model_id}/versions/order",
    status_code=204,
    operation_id="orderVersions",
    summary="Order Versions",
)
async def order(model_id: int, body: Order, actor: Writer, session: Unit) -> None:
    """Show the versions in this order."""
    await versions.reorder(session, actor, model_id=model_id, version_ids=body.ids)


@router.post(
    "/models/{model_id}/versions",
    status_code=201,
    operation_id="createVersion",
    summary="Add A Version",
)
async def add_version(model_id: int, form: VersionForm, actor: Writer, session: Unit) -> OwnVersion:
    """Add a draft version."""
    return await whole_version(session, await versions.add(session, actor, model_id=model_id, form=form))


@router.patch(
    "/model-versions/{version_id}",
    operation_id="updateVersion",
    summary="Change A Version",
)
async def update_version(
    version_id: int, patch: VersionPatch, actor: Writer, session: Unit, seen: datetime | None = None
) -> OwnVersion:
    """Change the fields that are sent."""
    version = await versions.update_version(session, actor, version_id=version_id, patch=patch, seen=seen)
    return await whole_version(session, version)


@router.delete(
    "/model-versions/{version_id}",
    status_code=204,
    operation_id="deleteVersion",
    summary="Delete A Version",
)
async def delete_version(version_id: int, actor: Writer, session: Unit) -> None:
    """Delete a version; for thirty days it can be restored."""
    await versions.delete(session, actor, version_id=version_id)


@router.post(
    "/model-versions/{version_id}/publish",
    operation_id="publishVersion",
    summary="Publish A Version",
)
async def publish_version(
    version_id: int, actor: Writer, session: Unit, when: When | None = None
) -> OwnVersion:
    """Make one version of a public model public, now or later."""
    at = when.publish_at if when else None
    return await whole_version(
        session, await publishing.publish_version(session, actor, version_id=version_id, publish_at=at)
    )


@router.post(
    "/model-versions/{version_id}/unpublish",
    operation_id="unpublishVersion",
    summary="Unpublish A Version",
)
async def unpublish_version(version_id: int, actor: Writer, session: Unit) -> OwnVersion:
    """Take one version from view."""
    return await whole_version(session, await versions.unpublish(session, actor, version_id=version_id))


@router.post(
    "/model-versions/{version_id}/restore",
    operation_id="restoreVersion",
    summary="Restore A Version",
)
async def restore_version(version_id: int, actor: Writer, session: Unit) -> OwnVersion:
    """Undo a version's deletion or unpublishing."""
    return await whole_version(session, await versions.restore(session, actor, version_id=version_id))


def _wish(path: str, wish: Wish, word: str) -> None:
    async def do(model_id: int, actor: Writer, session: Unit) -> None:
        await engagement.engage(session, actor, model_id=model_id, wish=wish)

    async def undo(model_id: int, actor: Writer, session: Unit) -> None:
        await engagement.disengage(session, actor, model_id=model_id, wish=wish)

    router.add_api_route(
        f"/models/{{model_id}}/{path}", do, methods=["PUT"], status_code=204,
        operation_id=f"{path}Model", summary=f"{word} A Model",
    )  # fmt: skip
    router.add_api_route(
        f"/models/{{model_id}}/{path}", undo, methods=["DELETE"], status_code=204,
        operation_id=f"un{path}Model", summary=f"Undo {word} A Model",
    )  # fmt: skip


_wish("favorite", Wish.FAVOURITE, "Favour")
_wish("hidden", Wish.HIDE, "Hide")
_wish("notify", Wish.NOTIFY, "Watch")
