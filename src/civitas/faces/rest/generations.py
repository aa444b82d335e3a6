"""Generating over the API: everything that the Create page does, from the cost to the zip."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import Field

from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.orchestration import cancelling, editing
from civitas.domains.orchestration.editing import Change
from civitas.domains.orchestration.media import rating
from civitas.domains.studio import again, blocking, generations, made
from civitas.domains.studio.recipes import Recipe
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.media_links import links_of
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.generation_shapes import (
    CostShown,
    GenerationPage,
    GenerationShown,
    cost_shown,
    generation_shown,
)
from civitas.faces.rest.shapes import Answer, Body
from civitas.faces.rest.writing import Owner, Writer
from civitas.kit import paging

router = APIRouter(prefix="/studio", tags=["Studio"], dependencies=[CheckedForm])

Cursor = Annotated[str | None, Query(max_length=paging.MAX_CURSOR)]


class Chosen(Body):
    """Several generations."""

    ids: list[str] = Field(min_length=1, max_length=again.MOST_AT_ONCE)


class Larger(Body):
    """A picture of one's own that is to be larger: twice for each doubling."""

    blob_id: str = Field(max_length=64)
    doublings: int = Field(default=1, ge=1, le=2)
    # The generation that it comes from, so that its prompt stays with it.
    generation_id: str | None = Field(default=None, max_length=64)


class OwnLevel(Body):
    """How mature one says that an output of one's own is."""

    level: Literal["pg13", "r", "x", "xxx"]


class ArchiveShown(Answer):
    """A zip that is put together while it is sent."""

    url: str
    entries: int
    expires_at: datetime


@router.post(
    "/generations/estimate", operation_id="estimateGeneration", summary="Tell What A Generation Would Cost"
)
async def estimate(body: Recipe, owner: Owner, session: Reading) -> CostShown:
    """The cost by the same function that charges, and everything that would be done otherwise than asked."""
    found = await generations.estimate(session, _maker(owner), body)
    return cost_shown(found.estimate, found.quantity, found.warnings)


@router.post("/generations", operation_id="generate", summary="Generate Pictures", status_code=201)
async def generate(request: Request, body: Recipe, writer: Writer) -> GenerationShown:
    """Submit a recipe; its cost is held until it has ended, and what was not delivered comes back."""
    database = state_of(request).database
    try:
        async with database.unit() as session:
            started = await generations.generate(session, _maker(writer), body)
    except blocking.PromptBlocked as fault:
        async with database.unit() as session:
            counted = await blocking.count(session, writer, findings=fault.findings, prompt=body.prompt)
        if counted.warning:
            fault.message = f"{fault.message} {counted.warning}"
        raise
    return await one_shown(request, writer, started.workflow_id)


@router.get("/generations", operation_id="listGenerations", summary="List What One Made")
async def list_generations(
    request: Request,
    owner: Owner,
    session: Reading,
    tag: Annotated[list[str] | None, Query(max_length=8)] = None,
    query: Annotated[str, Query(max_length=200)] = "",
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=100)] = made.PAGE,
) -> GenerationPage:
    """What one made and is making, the newest first; with `tag` (`favorite`) and `query` only what has them."""
    _reader(owner)
    page = await made.page(
        session,
        owner,
        tags=tuple(tag or ()),
        query=query,
        cursor=cursor,
        take=limit,
        rules=state_of(request).settings.agents,
    )
    links = links_of(request)
    return GenerationPage(
        items=[generation_shown(one, links) for one in page.items],
        next_cursor=page.next_cursor,
    )


@router.get("/generations/{generation_id}", operation_id="getGeneration", summary="Get A Generation")
async def get(request: Request, generation_id: str, owner: Owner) -> GenerationShown:
    """One generation of one's own: its place in the queue, its progress, its pictures."""
    return await one_shown(request, _reader(owner), generation_id)


@router.post(
    "/generations/{generation_id}/cancel", operation_id="cancelGeneration", summary="Cancel A Generation"
)
async def cancel(request: Request, generation_id: str, writer: Writer) -> GenerationShown:
    """Stop what is under way; what was not delivered comes back."""
    async with state_of(request).database.unit() as session:
        await cancelling.cancel(session, _maker(writer), await _own(session, writer, generation_id))
    return await one_shown(request, writer, generation_id)


@router.post(
    "/generations/{generation_id}/retry",
    operation_id="retryGeneration",
    summary="Try A Generation Again",
    status_code=201,
)
async def retry(request: Request, generation_id: str, writer: Writer) -> GenerationShown:
    """Submit the same recipe with the same seed once more; it is paid like any other."""
    async with state_of(request).database.unit() as session:
        started = await again.retry(session, _maker(writer), workflow_id=generation_id)
    return await one_shown(request, writer, started.workflow_id)


@router.post(
    "/generations/{generation_id}/release", operation_id="releaseGeneration", summary="Pay For What Is Mature"
)
async def release(request: Request, generation_id: str, writer: Writer) -> GenerationShown:
    """Pay with yellow Buzz for what turned out mature, and see it; what was paid comes back."""
    async with state_of(request).database.unit() as session:
        own = await _own(session, writer, generation_id)
        await editing.update(session, _maker(writer), own, change=Change(allow_mature=True))
    return await one_shown(request, writer, generation_id)


@router.put(
    "/generations/{generation_id}/tags/{tag}",
    operation_id="tagGeneration",
    summary="Tag A Generation",
    status_code=204,
)
async def tag(generation_id: str, tag: str, writer: Writer, session: Unit) -> None:
    """Give a tag of one's own; `favorite` marks it as a favourite."""
    await editing.add_tag(
        session, _maker(writer), await _own(session, writer, generation_id), tag=_plain(tag)
    )


@router.delete(
    "/generations/{generation_id}/tags/{tag}",
    operation_id="untagGeneration",
    summary="Take A Tag From A Generation",
    status_code=204,
)
async def untag(generation_id: str, tag: str, writer: Writer, session: Unit) -> None:
    """Take a tag away."""
    await editing.remove_tag(
        session, _maker(writer), await _own(session, writer, generation_id), tag=_plain(tag)
    )


class Feedback(Body):
    """Whether it came out well; null takes back what was said."""

    liked: bool | None


@router.put(
    "/generations/{generation_id}/feedback",
    operation_id="judgeGeneration",
    summary="Say How A Generation Came Out",
    status_code=204,
)
async def feedback(generation_id: str, body: Feedback, writer: Writer, session: Unit) -> None:
    """Say whether it came out well, once there is a picture; rewarded once a generation."""
    await again.judge(session, _maker(writer), workflow_id=generation_id[:64], liked=body.liked)


@router.delete(
    "/generations/{generation_id}",
    operation_id="removeGeneration",
    summary="Remove A Generation",
    status_code=204,
)
async def remove(generation_id: str, writer: Writer, session: Unit) -> None:
    """Remove it with its pictures."""
    await cancelling.delete(session, _maker(writer), await _own(session, writer, generation_id))


@router.put(
    "/outputs/{blob_id}/level",
    operation_id="makeOutputStricter",
    summary="Call An Output More Mature",
    status_code=204,
)
async def stricter(blob_id: str, body: OwnLevel, writer: Writer, session: Unit) -> None:
    """Say that an output of one's own is more mature than it was rated; only moderators make it milder."""
    await rating.rate(
        session, _maker(writer), blob_id=blob_id[:64], level=body.level, reason="Its owner's word."
    )


@router.post(
    "/generations/archive", operation_id="archiveGenerations", summary="Take Pictures Along", status_code=201
)
async def archive(request: Request, body: Chosen, writer: Writer, session: Unit) -> ArchiveShown:
    """All pictures of these generations as one zip, by a link that holds for a week."""
    packed = await again.pack(session, _maker(writer), workflow_ids=body.ids)
    url = links_of(request).archive_url(packed.id, packed.expires_at)
    return ArchiveShown(url=url, entries=len(packed.entries), expires_at=packed.expires_at)


@router.post(
    "/enlargements/estimate", operation_id="estimateEnlargement", summary="Tell What Enlarging Would Cost"
)
async def estimate_larger(body: Larger, owner: Owner, session: Reading) -> CostShown:
    """What making a picture larger would cost."""
    found = await again.enlarging_cost(session, _maker(owner), blob_id=body.blob_id, doublings=body.doublings)
    return cost_shown(found, 1, ())


@router.post("/enlargements", operation_id="enlarge", summary="Make A Picture Larger", status_code=201)
async def enlarge(request: Request, body: Larger, writer: Writer) -> GenerationShown:
    """Make a picture of one's own two or four times as large, by resampling."""
    async with state_of(request).database.unit() as session:
        workflow_id = await again.enlarge(
            session,
            _maker(writer),
            blob_id=body.blob_id,
            doublings=body.doublings,
            of=body.generation_id,
        )
    return await one_shown(request, writer, workflow_id)


def _maker(actor: Actor) -> Actor:
    actor.require(Scope.AI_SERVICES_WRITE)
    return actor


def _reader(actor: Actor) -> Actor:
    actor.require(Scope.AI_SERVICES_READ)
    return actor


def _plain(tag: str) -> str:
    # Marks of the generator's own, without which it would not be found again.
    return f"own:{tag}" if tag == made.GENERATED else tag


async def _own(session: Any, actor: Actor, generation_id: str) -> str:
    """The id when it is a generation of the actor's. Raises UnknownWorkflow."""
    return (await made.one(session, actor, generation_id[:64])).id


async def one_shown(request: Request, actor: Actor, generation_id: str) -> GenerationShown:
    """A generation as the API shows it, read now. Raises UnknownWorkflow."""
    state = state_of(request)
    async with state.database.reading() as session:
        found = await made.one(session, actor, generation_id[:64], rules=state.settings.agents)
    return generation_shown(found, links_of(request))
