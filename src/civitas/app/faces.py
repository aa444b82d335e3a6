"""Which routers and routes make up the site, in the order in which they are matched."""

from __future__ import annotations

from fastapi import FastAPI

from civitas.app.house import House
from civitas.faces.http import health, image_routes, storage_routes
from civitas.faces.web import assets, home, models, visits
from civitas.infra.settings import Settings


def include(app: FastAPI, settings: Settings) -> None:
    """Add every route."""
    app.router.routes.extend(storage_routes.routes)
    app.router.routes.extend(image_routes.routes)
    app.router.routes.extend(assets.static_routes())
    app.include_router(health.router)
    app.include_router(home.router)
    app.include_router(models.router)


def started(app: FastAPI, house: House) -> None:
    """Called once the adapters are open: what faces prepare for a process's life."""
    app.state.civitas.error_page = visits.show_fault
