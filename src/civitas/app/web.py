"""The ASGI app: every face put together over one set of adapters."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import structlog
from fastapi import FastAPI
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from civitas import __version__
from civitas.app import faces
from civitas.app.house import House
from civitas.faces.http import errors
from civitas.faces.http.doors import BodilessHead, KnownHosts, OpenApiDoor
from civitas.faces.http.packing import Packing
from civitas.faces.http.shield import Shield, content_security_policy
from civitas.faces.http.state import State
from civitas.faces.live import balances, commenting, making, notices, talking
from civitas.faces.orchestrator import agents
from civitas.faces.orchestrator import routes as orchestrator
from civitas.faces.rest.lane import FastLane
from civitas.infra.settings import Settings

log = structlog.get_logger(__name__)

MIB, GIB = 2**20, 2**30

OpenHouse = Callable[[], AbstractAsyncContextManager[House]]


def create_app(settings: Settings, open_house: OpenHouse, *, tune: bool = True) -> ASGIApp:
    """The whole site. `open_house` gives the adapters for the app's life; `tune` freezes what start-up made."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_house() as house:
            app.state.civitas = state_from(house)
            faces.started(app, house)
            following = balances.prepare(app, house.reads)
            making_now = making.prepare(app, house.reads)
            talking_now = talking.prepare(app, house.reads)
            noticing = notices.prepare(app, house.reads)
            commenting_now = commenting.prepare(app, house.reads)
            polling = agents.prepare(app, app.state.civitas)
            orchestrator.prepare(app, app.state.civitas, house.intake())
            if tune:
                # The collector's pauses make the slowest percent seven times slower (measured); what start-up
                # made lives as long as the process, so it need not be looked through again.
                gc.collect()
                gc.freeze()
                gc.set_threshold(50_000, 50, 100)
            log.info("serve.ready", version=__version__)
            try:
                yield
            finally:
                await following.closed()
                await making_now.closed()
                await talking_now.closed()
                await noticing.closed()
                await commenting_now.closed()
                await polling.closed()
                await orchestrator.ended(app)

    app = FastAPI(
        title="Civitas",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    errors.install(app)
    faces.include(app, settings)
    return shielded(app, settings)


def state_from(house: House) -> State:
    """What faces see of a house."""
    return State(
        settings=house.settings,
        database=house.database,
        reads=house.reads,
        store=house.store,
        mailer=house.mailer,
        limiter=house.limiter,
        imaging=house.imaging,
        payments=house.payments,
        payouts=house.payouts,
        secret=house.secret,
        index=house.index,
    )


def shielded(app: FastAPI, settings: Settings) -> ASGIApp:
    """The app behind its outer layers."""
    endpoint = settings.storage.s3_public_endpoint or settings.storage.s3_endpoint
    inner: ASGIApp = OpenApiDoor(FastLane(app, agents.routes))
    if settings.site.compress:
        inner = Packing(inner)
    inner = BodilessHead(inner)
    if settings.site.trusted_hosts and "*" not in settings.site.trusted_hosts:
        inner = KnownHosts(
            inner,
            [*settings.site.trusted_hosts, *settings.site.safe_hosts, "localhost", "127.0.0.1", "[::1]"],
        )
    guarded: ASGIApp = Shield(
        inner,
        policy=content_security_policy(_storage_origins(settings, endpoint)),
        max_body=int(settings.site.max_body_mb * MIB),
        max_part=settings.site.max_part_mb * MIB + 64 * 1024,
        timeout_s=settings.site.request_timeout_s,
        secure=(settings.site.base_url or "").startswith("https://"),
    )
    if settings.site.trusted_proxies:
        guarded = ProxyHeadersMiddleware(guarded, trusted_hosts=settings.site.trusted_proxies)  # type: ignore[arg-type, assignment]
    return guarded


def _storage_origins(settings: Settings, endpoint: str | None) -> list[str]:
    if settings.storage.url is None:
        return []
    if endpoint:
        return [endpoint]
    bucket = settings.storage.url.removeprefix("s3://").split("/", 1)[0]
    region = settings.storage.s3_region
    return [f"https://{bucket}.s3.{region}.amazonaws.com", f"https://s3.{region}.amazonaws.com"]
