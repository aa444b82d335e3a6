"""Callbacks over the API: what they are signed with, what was told to whom, and telling it again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import Field

from civitas.domains.orchestration import blobs
from civitas.domains.orchestration.delivering import delivery_log, signing_secrets
from civitas.domains.orchestration.delivering.signing import CallbackKey
from civitas.domains.orchestration.media import shapes
from civitas.domains.orchestration.media.links import MediaLinks
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.links import base_url
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.shapes import Answer
from civitas.faces.rest.writing import Owner, Writer

router = APIRouter(prefix="/callbacks", tags=["Callbacks"], dependencies=[CheckedForm])

MOST = 100
Number = Annotated[int, Query(ge=1, le=MOST)]


class Secret(Answer):
    """A secret that signs, without itself."""

    id: int
    hint: str = Field(description="The secret's last characters, to tell secrets apart.")
    created_at: datetime
    expires_at: datetime | None = Field(
        description="Set while another secret replaces this one: both sign until then."
    )


class NewSecret(Secret):
    """A secret that was just made."""

    secret: str = Field(description="The secret, `whsec_` and base64, shown now and never again.")


class Delivery(Answer):
    """One event for one address."""

    id: int
    message_id: str = Field(description="The `webhook-id` that it is sent under, every time.")
    workflow_id: str
    url: str
    event: str = Field(description="Such as `workflow:succeeded`.")
    number: int = Field(description="Its place among what this address is told of this workflow.")
    state: Literal["waiting", "delivered", "given_up", "skipped"]
    attempts: int
    created_at: datetime
    ended_at: datetime | None
    due_at: datetime | None = Field(description="When it is tried next, for the one whose turn it is.")
    answer: int | None = Field(description="The status of the last answer.")
    took_ms: int | None
    trouble: str | None
    stopped: bool = Field(
        description="Whether the address wanted no more of this workflow (it answered 410)."
    )


class WholeDelivery(Delivery):
    """A delivery with its body."""

    payload: dict[str, Any]


class Deliveries(Answer):
    """A page of deliveries."""

    items: list[Delivery]
    next_cursor: str | None


@router.get("/secrets", operation_id="listCallbackSecrets", summary="List My Callback Secrets")
async def secrets(actor: Owner, session: Reading) -> list[Secret]:
    """The secrets that sign now, the newest first: one, or two while one is replaced."""
    return [Secret.model_validate(found) for found in await signing_secrets.of_person(session, actor)]


@router.post(
    "/secrets",
    status_code=201,
    operation_id="createCallbackSecret",
    summary="Make Or Replace The Callback Secret",
)
async def issue(request: Request, actor: Writer, session: Unit) -> NewSecret:
    """Make a secret. With one there already, both sign for a while (Standard Webhooks), so that nothing is missed."""
    state = state_of(request)
    overlap = timedelta(hours=state.settings.callbacks.secret_overlap_hours)
    made = await signing_secrets.issue(session, actor, key=CallbackKey(state.secret), overlap=overlap)
    return NewSecret(**Secret.model_validate(made.facts).model_dump(), secret=made.secret)


@router.delete(
    "/secrets/{secret_id}",
    status_code=204,
    operation_id="revokeCallbackSecret",
    summary="Revoke A Callback Secret",
)
async def revoke(actor: Writer, session: Unit, secret_id: int) -> None:
    """Let a secret sign nothing more, at once. Without any, callbacks are sent unsigned."""
    await signing_secrets.revoke(session, actor, secret_id=secret_id)


@router.get("/deliveries", operation_id="listDeliveries", summary="List My Callback Deliveries")
async def deliveries(
    actor: Owner,
    session: Reading,
    workflow_id: Annotated[str | None, Query(alias="workflowId", max_length=100)] = None,
    state: Annotated[str | None, Query(max_length=20)] = None,
    cursor: Annotated[str | None, Query(max_length=512)] = None,
    limit: Number = delivery_log.PAGE,
) -> Deliveries:
    """What was told to whom, the newest first. The log is kept for a month."""
    page = await delivery_log.page(
        session, actor, workflow_id=workflow_id, state=state, cursor=cursor, limit=limit
    )
    return Deliveries(
        items=[Delivery.model_validate(found) for found in page.items], next_cursor=page.next_cursor
    )


@router.get("/deliveries/{delivery_id}", operation_id="getDelivery", summary="Get A Callback Delivery")
async def delivery(request: Request, actor: Owner, session: Reading, delivery_id: int) -> WholeDelivery:
    """One delivery with its body; blobs in it come with links of now."""
    facts, payload = await delivery_log.one(session, actor, delivery_id=delivery_id)
    found = await blobs.links(session, shapes.blob_ids(payload))
    links = MediaLinks.derived(state_of(request).secret, base_url(request))
    return WholeDelivery(
        **Delivery.model_validate(facts).model_dump(), payload=shapes.filled(dict(payload), found, links)
    )


@router.post(
    "/deliveries/{delivery_id}/redeliver",
    status_code=202,
    operation_id="redeliver",
    summary="Send A Callback Again",
)
async def redeliver(actor: Writer, session: Unit, delivery_id: int) -> Delivery:
    """Send an event again under its own id, after everything that waits for the same address."""
    made = await delivery_log.again(session, actor, delivery_id=delivery_id)
    facts, _ = await delivery_log.one(session, actor, delivery_id=made)
    return Delivery.model_validate(facts)
