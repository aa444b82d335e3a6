"""What the composition root leaves in `app.state` for the faces."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, cast

from fastapi import FastAPI
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from civitas.infra.db.database import Units
from civitas.infra.db.readpool import ReadPool
from civitas.infra.imaging.port import Imaging
from civitas.infra.limiting.limiter import Limiter
from civitas.infra.mail.mailer import Mailer
from civitas.infra.payments.port import Providers
from civitas.infra.payouts.port import ManualPayouts, Payouts
from civitas.infra.search.asking import SocketIndex
from civitas.infra.settings import Settings
from civitas.infra.storage.store import Store
from civitas.kit.errors import Fault

ErrorPage = Callable[[Request, Fault], Awaitable[Response]]


@dataclass
class State:
    """The adapters of a serving process.

    `error_page` is how the pages' face shows a fault, `api_document` makes the API's OpenAPI document.
    """

    settings: Settings
    database: Units
    reads: ReadPool
    store: Store
    mailer: Mailer
    limiter: Limiter
    imaging: Imaging
    secret: bytes
    payments: Providers = field(default_factory=Providers)
    error_page: ErrorPage | None = None
    api_document: Callable[[FastAPI], dict[str, Any]] | None = None
    payouts: Payouts = field(default_factory=ManualPayouts)
    index: SocketIndex | None = None


def state_of(connection: HTTPConnection) -> State:
    """The process's adapters, from any request."""
    return cast(State, connection.app.state.civitas)
