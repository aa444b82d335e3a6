"""What moderators do about media of workflows: block what may be neither used nor shown, and allow it again."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from civitas.domains.orchestration.media import blocking
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.units import Unit
from civitas.faces.rest.shapes import Answer, Body
from civitas.faces.rest.writing import Writer

router = APIRouter(prefix="/staff/media", tags=["Staff"], dependencies=[CheckedForm])


class Why(Body):
    """Why, for the log of what staff did."""

    reason: Annotated[str, Field(min_length=1, max_length=200)]


class Struck(Answer):
    """How many blobs it was: the one that was named, and all that equal it or look like it."""

    blobs: int


@router.post("/{blob_id}/block", operation_id="blockMedia", summary="Block A Blob And What Looks Like It")
async def block(blob_id: str, why: Why, actor: Writer, session: Unit) -> Struck:
    """Nobody may use or see it any more, its owner included, nor anything that equals it or looks like it."""
    return Struck(blobs=await blocking.block(session, actor, blob_id=blob_id, reason=why.reason))


@router.post("/{blob_id}/unblock", operation_id="unblockMedia", summary="Allow A Blocked Blob Again")
async def unblock(blob_id: str, why: Why, actor: Writer, session: Unit) -> Struck:
    """Take it off the lists; what was blocked for another reason stays blocked."""
    return Struck(blobs=await blocking.unblock(session, actor, blob_id=blob_id, reason=why.reason))
