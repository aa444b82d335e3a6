"""API keys over the API: list, make, revoke."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import Field

from civitas.domains.accounts import keys
from civitas.domains.accounts.types import Scope
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.shapes import Answer, Body
from civitas.faces.rest.writing import Owner, Writer

router = APIRouter(prefix="/me/keys", tags=["Account"], dependencies=[CheckedForm])


class NewKey(Body):
    """What a key shall be."""

    name: str = Field(min_length=1, max_length=200)
    scopes: int = Field(
        default=int(Scope.READ_ONLY),
        ge=0,
        le=2**31 - 1,
        description="A bit mask of rights; 1 (read one's own account) is always in it.",
    )
    expires_at: datetime | None = Field(default=None, description="With its time zone; left out, never.")
    buzz_limit: list[dict[str, Any]] | None = Field(default=None, max_length=20)


class Key(Answer):
    """A key without its secret."""

    id: int
    name: str
    prefix: str = Field(description="How the secret begins, to tell keys apart.")
    scopes: int
    buzz_limit: list[dict[str, Any]] | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class MadeKey(Key):
    """A key that was just made."""

    key: str = Field(description="The secret, shown now and never again.")


@router.get("", operation_id="listKeys", summary="List My Keys")
async def listed(actor: Owner, session: Reading) -> list[Key]:
    """One's keys, the newest first, expired ones too."""
    return [Key.model_validate(found) for found in await keys.mine(session, actor)]


@router.post("", status_code=201, operation_id="createKey", summary="Make A Key")
async def create(actor: Writer, session: Unit, body: NewKey) -> MadeKey:
    """Make a key. A key that makes one passes on only rights that it has, and for no longer than it lives."""
    made = await keys.create(
        session,
        actor,
        name=body.name,
        scopes=body.scopes,
        expires_at=body.expires_at,
        buzz_limit=body.buzz_limit,
    )
    return MadeKey(**Key.model_validate(made.info).model_dump(), key=made.secret)


@router.delete("/{key_id}", status_code=204, operation_id="revokeKey", summary="Revoke A Key")
async def revoke(actor: Writer, session: Unit, key_id: int) -> None:
    """Make a key useless for ever; it may be the one that asks."""
    await keys.revoke(session, actor, key_id=key_id)
