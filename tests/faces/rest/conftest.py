"""The read side of the API over ASGI, on the test's own connection."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.catalog import rebuilding
from civitas.faces.http import errors
from civitas.faces.http.state import State
from civitas.faces.rest import creators, downloads, enums, fast, tags, users
from civitas.faces.rest.lane import FastLane
from civitas.infra.db.database import BoundDatabase, driver_connection
from civitas.infra.db.readpool import BoundReads
from civitas.infra.imaging.pillow import PillowImaging
from civitas.infra.limiting.limiter import NoLimiter
from civitas.infra.mail.mailer import MemoryMailer
from civitas.infra.settings import Settings
from civitas.infra.storage.local import LocalStore
from civitas.infra.storage.signing import LinkSigner

BASE = "http://hub.example.org"
SECRET = b"a secret of thirty-two bytes....."


@dataclass
class Site:
    """A client and what stands behind it; `slow` is a client that the fast lane's own door is shut for."""

    client: httpx.AsyncClient
    slow: httpx.AsyncClient
    session: AsyncSession
    state: State

    async def show(self, *model_ids: int) -> None:
        """Rebuild these models' documents."""
        await rebuilding.rebuild(self.session, model_ids)


@pytest.fixture
async def site(session: AsyncSession, units: BoundDatabase, tmp_path: Path) -> AsyncIterator[Site]:
    """The API without its outer layers; redirects are not followed."""
    app = FastAPI()
    errors.install(app)
    app.router.routes.extend([*fast.routes, *downloads.routes])
    for part in (creators, tags, users, enums, downloads):
        app.include_router(part.router, prefix="/api/v1")
    settings = Settings(home=tmp_path)
    imaging = PillowImaging(settings.imaging)
    state = State(
        settings=settings,
        database=units,
        reads=BoundReads(await driver_connection(session)),
        store=LocalStore(tmp_path / "store", LinkSigner(SECRET)),
        mailer=MemoryMailer(),
        limiter=NoLimiter(),
        imaging=imaging,
        secret=SECRET,
    )
    app.state.civitas = state
    async with (
        httpx.AsyncClient(transport=httpx.ASGITransport(app=FastLane(app)), base_url=BASE) as client,
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=BASE) as slow,
    ):
        yield Site(client, slow, session, state)
    await imaging.aclose()
    await state.store.aclose()
