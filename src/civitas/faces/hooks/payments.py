"""`/hooks/stripe` and `/hooks/btcpay`: what payment providers tell."""

from __future__ import annotations

import structlog
from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from civitas.faces.http.errors import body_of, headers_of
from civitas.faces.http.paying import take_in
from civitas.faces.http.state import state_of
from civitas.infra.payments.port import LARGEST_NOTICE
from civitas.kit.errors import Fault, NotFound, TooLarge

log = structlog.get_logger(__name__)

router = APIRouter(prefix="/hooks", include_in_schema=False)
HEARD = ("stripe", "btcpay")


@router.post("/{provider}")
async def hear(request: Request, provider: str) -> Response:
    """Answer 200 once a signed notice is recorded; what follows from it is done afterwards."""
    try:
        if provider not in HEARD or provider not in state_of(request).payments.known:
            raise NotFound("Nobody is heard here.", code="no_such_hook")
        body = await _bounded(request)
        fresh = await take_in(state_of(request), provider, request.headers, body)
    except Fault as fault:
        log.warning("hooks.refused", provider=provider[:40], code=fault.code)
        return JSONResponse(body_of(fault), fault.status, headers_of(fault))
    return JSONResponse({"received": True, "repeated": not fresh})


async def _bounded(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_NOTICE:
            raise TooLarge("This notice is too large.", code="too_large")
    return bytes(body)
