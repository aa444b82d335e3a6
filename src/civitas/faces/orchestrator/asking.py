"""What all routes share: who asks and how often, and how a workflow is read and answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Final

import orjson
from fastapi import Depends, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.orchestration import blobs, queries
from civitas.domains.orchestration.dispatch import estimating
from civitas.domains.orchestration.dispatch.estimating import Outlook
from civitas.domains.orchestration.media.links import MediaLinks
from civitas.domains.orchestration.shown import ShownWorkflow
from civitas.faces.http import media_links
from civitas.faces.http.actors import actor_of
from civitas.faces.http.csrf import check_csrf
from civitas.faces.http.limits import take
from civitas.faces.http.links import base_url
from civitas.faces.http.state import state_of
from civitas.faces.orchestrator import shapes
from civitas.faces.orchestrator.blob_shapes import Blobs
from civitas.faces.orchestrator.waiting import LONGEST_S, waiting_of

IGNORED: Final = "X-Ignored-Fields"
MOST_IGNORED: Final = 20


async def reader(request: Request) -> Actor:
    """Somebody who may read their workflows: a key or an app's token with AIServicesRead, or a session."""
    actor = await actor_of(request)
    actor.require(Scope.AI_SERVICES_READ)
    await take(request, "read")
    return actor


async def writer(request: Request) -> Actor:
    """Somebody who may submit and change work: a key or an app's token with AIServicesWrite, or a session."""
    actor = await actor_of(request)
    actor.require(Scope.AI_SERVICES_WRITE)
    await check_csrf(request)
    await take(request, "write")
    return actor


Reader = Annotated[Actor, Depends(reader)]
Writer = Annotated[Actor, Depends(writer)]
Wait = Annotated[
    int,
    Query(ge=0, description=f"Seconds to wait for the end; at most {LONGEST_S} of them are waited."),
]
Hide = Annotated[bool, Query(alias="hideMatureContent")]


def json(value: Any, status: int = 200, *, ignored: Sequence[str] = ()) -> Response:
    """An answer of JSON, naming fields of the request that nobody read."""
    headers = {"Cache-Control": "no-store"}
    if ignored:
        named = ", ".join(ignored[:MOST_IGNORED]).encode("ascii", "replace").decode()
        headers[IGNORED] = "".join(one if one.isprintable() else "?" for one in named)[:2000]
    return Response(orjson.dumps(value), status, headers, media_type="application/json")


def nothing() -> Response:
    """204."""
    return Response(status_code=204, headers={"Cache-Control": "no-store"})


def links_of(request: Request) -> MediaLinks:
    """Links to media, under the address by which the caller reaches us."""
    return media_links.links_of(request).at(base_url(request))


async def until_final(request: Request, workflow_id: str, seconds: int) -> None:
    """Wait for the end of a workflow, holding nothing but the request. Much has ended already, an echo always."""
    if seconds <= 0:
        return
    found = (await queries.statuses(state_of(request).reads, [workflow_id])).get(workflow_id)
    if found is None or found[0].final:
        return
    await waiting_of(request).ended(workflow_id, min(seconds, LONGEST_S))


async def told(
    request: Request, session: AsyncSession, found: Sequence[ShownWorkflow], *, hide: bool
) -> list[dict[str, Any]]:
    """Workflows as the API shows them."""
    media, outlooks = await known(request, session, found, hide=hide)
    return [shapes.workflow(one, media[one.id], outlooks) for one in found]


async def known(
    request: Request, session: AsyncSession, found: Sequence[ShownWorkflow], *, hide: bool
) -> tuple[dict[str, Blobs], Mapping[str, Outlook]]:
    """What is known of the blobs of each workflow, and what their open jobs may expect."""
    facts = await blobs.links(session, _all_blobs(found))
    rules = state_of(request).settings.agents
    outlooks = await estimating.outlooks(
        session, [job for one in found for job in shapes.open_jobs(one)], rules=rules
    )
    links = links_of(request)
    media = {one.id: Blobs(facts, links, hide, one.withheld, shapes.previews(one, links)) for one in found}
    return media, outlooks


async def told_plainly(request: Request, found: ShownWorkflow, *, hide: bool) -> dict[str, Any]:
    """A workflow that has no blobs as the API shows it, read past any transaction."""
    state, links = state_of(request), links_of(request)
    outlooks = await estimating.outlooks_now(
        state.reads, list(shapes.open_jobs(found)), rules=state.settings.agents
    )
    blobs = Blobs({}, links, hide, found.withheld, shapes.previews(found, links))
    return shapes.workflow(found, blobs, outlooks)


def _all_blobs(found: Iterable[ShownWorkflow]) -> set[str]:
    return {blob for one in found for blob in shapes.blob_ids(one)}


async def shown(
    request: Request, actor: Actor, workflow_id: str, *, hide: bool, just_waited: bool = False
) -> tuple[dict[str, Any], bool]:
    """One workflow, read now in a transaction of its own, and whether it has ended. Raises UnknownWorkflow."""
    async with state_of(request).database.reading() as session:
        found = await queries.shown(session, actor, workflow_id, just_waited=just_waited)
        (made,) = await told(request, session, [found], hide=hide)
    return made, found.status.final
