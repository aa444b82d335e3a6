"""Faults become answers: JSON under the APIs, a page elsewhere, never a traceback."""

from __future__ import annotations

import re
from typing import Any

import psycopg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from psycopg import errors as pg
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from civitas.faces.http import problems
from civitas.faces.http.state import state_of
from civitas.kit.errors import STATUS, Conflict, Fault, Forbidden, Invalid, Limited, NotFound, Unavailable

log = structlog.get_logger(__name__)

_API = re.compile(r"^/(api|v1|v2|storage|media|img|healthz|readyz|metrics)(/|$)")


def wants_json(request: Request) -> bool:
    """Under the APIs always; elsewhere when the caller asks for JSON and not for HTML."""
    accept = request.headers.get("accept", "")
    return bool(_API.match(request.url.path)) or ("application/json" in accept and "text/html" not in accept)


def body_of(fault: Fault) -> dict[str, Any]:
    """`{"error": sentence, "code": ..., "message": sentence, ...}`; details are beside them, as clients read them."""
    return {"error": fault.message, "message": fault.message, "code": fault.code, **fault.details}


def headers_of(fault: Fault) -> dict[str, str]:
    """What goes with the status: Retry-After, WWW-Authenticate, and no caching."""
    headers = {"Cache-Control": "no-store"}
    if isinstance(fault, Limited):
        headers["Retry-After"] = str(fault.retry_after)
    if fault.kind == "unauthorised":
        headers["WWW-Authenticate"] = 'Bearer realm="civitas"'
    return headers


async def answer(request: Request, fault: Fault) -> Response:
    """The response for a fault in the form that this caller reads."""
    if problems.wanted(request.url.path):
        return _problem(request, fault)
    page = state_of(request).error_page
    if wants_json(request) or page is None:
        return JSONResponse(body_of(fault), status_code=fault.status, headers=headers_of(fault))
    response = await page(request, fault)
    response.headers.update(headers_of(fault))
    return response


def _problem(request: Request, fault: Fault) -> Response:
    request_id = request.scope.get("state", {}).get("request_id", "")
    return JSONResponse(
        problems.body_of(fault, path=request.url.path, request_id=request_id),
        status_code=problems.status_of(fault),
        headers=headers_of(fault),
        media_type=problems.MEDIA_TYPE,
    )


def from_validation(error: RequestValidationError) -> Invalid:
    """FastAPI's validation errors as one Invalid with a sentence for each wrong field."""
    fields: dict[str, str] = {}
    for item in error.errors()[:50]:
        place = ".".join(str(part) for part in item["loc"] if part not in {"body", "query", "path"}) or "body"
        fields[place] = str(item["msg"])[:300]
    first = next(iter(fields.items()), ("body", "is not valid"))
    return Invalid(f"{first[0]}: {first[1]}.", code="validation_failed", fields=fields)


def from_status(error: HTTPException) -> Fault:
    """Starlette's own errors (no such route, wrong method) as faults."""
    kinds: dict[int, type[Fault]] = {404: NotFound, 403: Forbidden, 409: Conflict}
    found = kinds.get(error.status_code)
    told = str(error.detail) if error.detail else "This cannot be answered."
    if error.status_code == 404:
        return NotFound("There is nothing at this address (not found).", code="route_not_found")
    return found(told) if found else _StatusFault(told, error.status_code)


class _StatusFault(Fault):
    """A fault with a status that no kind has, such as 405."""

    code = "http_error"

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self._status = status

    @property
    def status(self) -> int:
        return self._status


def from_database(error: DBAPIError) -> Fault | None:
    """What the database refused that is the caller's or the moment's doing; None for our own mistakes."""
    return from_driver(error.orig)


def from_driver(cause: BaseException | None) -> Fault | None:
    """The same for an error of the driver itself, as the bare connections of the fast lane raise it."""
    if isinstance(cause, pg.SerializationFailure | pg.DeadlockDetected | pg.LockNotAvailable):
        return Conflict("Somebody else changed this at the same moment; try again.", code="try_again")
    if isinstance(cause, pg.QueryCanceled):
        return Unavailable(
            "This took too long and was stopped; narrow it down or try again.", code="too_slow"
        )
    if isinstance(cause, pg.UniqueViolation):
        return Conflict("This exists already.", code="already_exists")
    if isinstance(
        cause, pg.NumericValueOutOfRange | pg.UntranslatableCharacter | pg.CharacterNotInRepertoire
    ):
        return Invalid("A value is outside what can be stored.", code="out_of_range")
    if isinstance(cause, psycopg.DataError) and cause.sqlstate is None:
        # Refused by the driver before it was sent: text with a NUL, a number that no column holds.
        return Invalid("A value is outside what can be stored.", code="out_of_range")
    if isinstance(cause, pg.OperationalError):
        return Unavailable(
            "The database does not answer right now; nothing was lost, try again.", code="database"
        )
    return None


async def crashed(request: Request, error: Exception) -> Response:
    """A mistake of ours: logged with its traceback, told without it."""
    log.error("request.crashed", path=request.url.path, exc_info=error)
    request_id = request.scope.get("state", {}).get("request_id", "")
    fault = _StatusFault(
        f"Something went wrong on our side; nothing you sent was half-saved. Quote {request_id} to the operator.",
        500,
    )
    fault.code = "internal"
    return await answer(request, fault)


async def rendered(request: Request, error: Exception) -> Response:
    """The answer to whatever a handler of the fast lane raised."""
    fault = error if isinstance(error, Fault) else from_driver(error)
    return await answer(request, fault) if fault else await crashed(request, error)


def install(app: FastAPI) -> None:
    """Register the renderers."""

    async def on_fault(request: Request, error: Exception) -> Response:
        if not isinstance(error, Fault):
            raise error
        return await answer(request, error)

    async def on_validation(request: Request, error: Exception) -> Response:
        if not isinstance(error, RequestValidationError):
            raise error
        return await answer(request, from_validation(error))

    async def on_status(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        if isinstance(error.__cause__, Fault):
            # FastAPI wraps what is raised while it reads the body, such as our TooLarge.
            return await answer(request, error.__cause__)
        response = await answer(request, from_status(error))
        response.headers.update(error.headers or {})
        return response

    async def on_database(request: Request, error: Exception) -> Response:
        fault = from_database(error) if isinstance(error, DBAPIError) else None
        return await answer(request, fault) if fault else await crashed(request, error)

    async def on_driver(request: Request, error: Exception) -> Response:
        return await rendered(request, error)

    async def on_crash(request: Request, error: Exception) -> Response:
        return await crashed(request, error)

    app.add_exception_handler(Fault, on_fault)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_status)
    app.add_exception_handler(DBAPIError, on_database)
    app.add_exception_handler(psycopg.Error, on_driver)
    app.add_exception_handler(Exception, on_crash)


__all__ = ["STATUS", "answer", "body_of", "headers_of", "install", "rendered", "wants_json"]
