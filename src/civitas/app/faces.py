"""Which routers and routes make up the site, in the order in which they are matched."""

from __future__ import annotations

from fastapi import FastAPI

from civitas.app.house import House
from civitas.faces.http import health, image_routes, storage_routes
from civitas.faces.rest import (
    creators,
    downloads,
    enums,
    fast,
    files,
    lineage,
    openapi,
    pictures,
    publishing,
    tags,
    uploads,
    users,
)
from civitas.faces.rest import creators, downloads, enums, fast, tags, users
from civitas.faces.web import assets, home, models, visits
from civitas.infra.settings import Settings


def include(app: FastAPI, settings: Settings) -> None:
    """Add every route; the hottest ones first, because routes are tried in order."""
    app.router.routes.extend(fast.routes)
    app.router.routes.extend(downloads.routes)
    app.router.routes.extend(storage_routes.routes)
    app.router.routes.extend(image_routes.routes)
    app.router.routes.extend(assets.static_routes())
    app.include_router(health.router)
    for reads in (creators, tags, users, enums, downloads):
        app.include_router(reads.router, prefix="/api/v1")
    _include_api(app)
    app.include_router(home.router)
    app.include_router(models.router)


def _include_api(app: FastAPI) -> None:
    # Before the fast lane, whose `/model-versions/{id}` would take `/model-versions/compare`.
    for part in (lineage, openapi):
        app.include_router(part.router, prefix=openapi.PREFIX)
    app.router.routes.extend([*fast.routes, *downloads.routes])
    for part in (publishing, files, uploads, pictures, downloads, creators, tags, users, enums):
        app.include_router(part.router, prefix=openapi.PREFIX)


def started(app: FastAPI, house: House) -> None:
    """Called once the adapters are open: what faces prepare for a process's life."""
    app.state.civitas.error_page = visits.show_fault
