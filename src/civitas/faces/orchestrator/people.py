"""`/v2/consumer/civitai/{userId}`: what is kept of somebody here, forgotten."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from civitas.domains.orchestration import forgetting
from civitas.faces.http.units import Unit
from civitas.faces.orchestrator import asking
from civitas.faces.orchestrator.asking import Writer

router = APIRouter(prefix="/v2/consumer/civitai", include_in_schema=False)

Number = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.delete("/{user_id}", operation_id="InvalidateUserCache")
async def forget(actor: Writer, session: Unit, user_id: Number) -> Response:
    """Forget every result that is kept so that the same work need not be done twice."""
    await forgetting.forget_results(session, actor, person_id=user_id)
    return asking.nothing()


@router.delete("/{user_id}/tokens", operation_id="InvalidateUserTokens")
async def forget_tokens(actor: Writer, user_id: Number) -> Response:
    """Nothing has to be done for it: a key is looked at anew on every request, so a revoked one has ended already."""
    forgetting.allowed(actor, user_id)
    return asking.nothing()
