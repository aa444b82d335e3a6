"""Every router of the Orchestration API, in the order in which they are matched."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, FastAPI

from civitas.domains.orchestration import queries
from civitas.domains.orchestration.media.previews import Watching
from civitas.domains.orchestration.types import Status
from civitas.faces.http.directory import Directory
from civitas.faces.http.state import State
from civitas.faces.orchestrator import (
    blobs,
    document,
    editing,
    offers,
    older_jobs,
    people,
    recipes,
    resources,
    waiting,
    workflows,
)
from civitas.infra.media.intake import Intake

ROUTERS: Final[tuple[APIRouter, ...]] = (
    workflows.router,
    editing.router,
    recipes.router,
    blobs.router,
    resources.router,
    offers.router,
    document.router,
    older_jobs.router,
    people.router,
)


def include(app: FastAPI, directory: Directory) -> None:
    """Add every route below `/v2` and `/v1`."""
    for router in ROUTERS:
        directory.include(app, router)


def prepare(app: FastAPI, state: State, intake: Intake) -> None:
    """Give the app its one look for all who wait, and nothing kept; `ended` closes them."""

    async def look(ids: list[str]) -> dict[str, Status]:
        return {one: status for one, (status, _) in (await queries.statuses(state.reads, ids)).items()}

    app.state.services = {}
    app.state.intake = intake
    app.state.watching = Watching(state.database)
    waiting.ends_with_the_process(app.state.watching)
    waiting.prepare(app, look)


async def ended(app: FastAPI) -> None:
    """Let go of everybody who waits or watches, and of the looks for them."""
    for one in (app.state.waiting, app.state.watching):
        await one.closed()
