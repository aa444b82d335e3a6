"""What is in collections over the API: listing, adding, removing, moving, reviewing; and contests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, Field
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.subjects import Subject, resolve_all
from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import reading
from civitas.domains.catalog.listing import Filters
from civitas.domains.gallery.collections import contests, entries, filling, pictures, reads, reviewing
from civitas.domains.gallery.collections.types import BATCH, Contest, Kind, Order, State
from civitas.faces.http.actors import Viewer
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.limits import take
from civitas.faces.http.links import base_url, with_query
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.asking import mask_of
from civitas.faces.rest.collection_shapes import ContestShown, contest, entry, seen
from civitas.faces.rest.parameters import Parameters
from civitas.faces.rest.shapes import Body
from civitas.faces.rest.writing import Writer
from civitas.kit import paging

router = APIRouter(tags=["Collections"], dependencies=[CheckedForm])

Cursor = Annotated[str | None, Query(max_length=paging.MAX_CURSOR)]
Id = Annotated[int, Field(gt=0, lt=2**63)]
Ids = Annotated[list[Id], Field(min_length=1, max_length=BATCH)]


class Adding(Body):
    """What to put in, by the ids of the things; in contests the tag to enter it under."""

    ids: Ids
    note: str = ""
    tag_id: int | None = None


class Named(Body):
    """Things of a collection, by their own ids."""

    ids: Ids


class Moving(Body):
    """Things of a collection, and the collection that they go to."""

    ids: Ids
    to: Id


class Noting(Body):
    """Words about a thing; empty ones remove them."""

    note: str


class Judged(Body):
    """Items of a collection, by the ids of the items, and what becomes of them."""

    item_ids: Ids
    status: Literal["accepted", "rejected"]


class Points(Body):
    """What a judge gives."""

    score: int


class EntryTagWanted(Body):
    """What a contest is entered under."""

    name: str
    ends_at: AwareDatetime | None = None


class ContestRules(Body):
    """The rules of a contest; a null leaves something open."""

    starts_at: AwareDatetime | None = None
    ends_at: AwareDatetime | None = None
    most_each: int | None = None
    existing: bool = True
    level: int = Field(0, ge=0, le=31)
    rules_url: str = ""
    judging: bool = False
    voting: bool = False
    votes_from: AwareDatetime | None = None
    votes_until: AwareDatetime | None = None
    tags: list[EntryTagWanted] | None = Field(None, max_length=20)


@router.get(
    "/collections/{collection_id}/items", operation_id="listCollectionItems", summary="List Collection Items"
)
async def listed(
    request: Request,
    collection_id: int,
    actor: Viewer,
    session: Reading,
    order: Order | None = None,
    status: State = State.ACCEPTED,
    tagId: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
    limit: Annotated[int, Query(ge=1, le=entries.LARGEST_PAGE)] = 50,
    cursor: Cursor = None,
    browsingLevel: Annotated[
        int | None, Query(ge=0, le=63, description="Bits of the levels to show.")
    ] = None,
    nsfw: Annotated[
        str | None, Query(max_length=10, description="As of pictures; safe when left out.")
    ] = None,
) -> dict[str, Any]:
    """What is in a collection; with `status`, what waits or was rejected of what you manage or added."""
    await take(request, "read")
    mask = mask_of(Parameters(request.query_params), actor)
    found = await reads.one(session, actor, collection_id=collection_id, mask=mask)
    page = await entries.page(
        session, actor, collection=found, order=order, tag_id=tagId, state=status, mask=mask, cursor=cursor,
        limit=limit,
    )  # fmt: skip
    ids = [one.subject_id for one in page.items]
    told = await _told(request, session, actor, found.kind, ids, mask)
    return {
        "items": [entry(one, told[one.subject_id]) for one in page.items if one.subject_id in told],
        "metadata": {
            "nextCursor": page.next_cursor,
            "nextPage": with_query(request, cursor=page.next_cursor) if page.next_cursor else None,
            "pageSize": limit,
        },
    }


async def _told(
    request: Request, session: AsyncSession, actor: Actor, kind: Kind, ids: Sequence[int], mask: int
) -> dict[int, dict[str, Any]]:
    """What there is to say of things that this viewer may see, by id."""
    base = base_url(request)
    if not ids:
        return {}
    if kind is Kind.MODEL:
        found = await reading.models(
            state_of(request).reads, actor, Filters(ids=tuple(ids), mask=mask), limit=len(ids)
        )
        return {model["id"]: model for model in found.objects(base)}
    if kind is Kind.ARTICLE:
        facts = await resolve_all(session, [Subject(kind.value, number) for number in ids])
        return {
            one.id: {"id": one.id, "title": told.title, "url": base + told.path}
            for one, told in facts.items()
            if told.public or told.owner_id == actor.id
        }
    shown = await pictures.things(session, actor, kind=kind.value, ids=ids, mask=mask)
    return {number: seen(one, base) for number, one in shown.items()}


@router.post(
    "/collections/{collection_id}/items", operation_id="addToCollection", summary="Add To Collection"
)
async def add(collection_id: int, body: Adding, actor: Writer, session: Unit) -> dict[str, list[int]]:
    """Put up to two hundred things in; those that are in stay. Some wait for somebody to look at them."""
    made = await filling.add(
        session, actor, collection_id=collection_id, subject_ids=body.ids, note=body.note, tag_id=body.tag_id
    )
    return {"accepted": list(made.accepted), "waiting": list(made.waiting)}


@router.post(
    "/collections/{collection_id}/items/remove",
    operation_id="removeFromCollection",
    summary="Remove From Collection",
)
async def remove(collection_id: int, body: Named, actor: Writer, session: Unit) -> dict[str, int]:
    """Take up to two hundred things out."""
    return {
        "removed": await filling.remove(session, actor, collection_id=collection_id, subject_ids=body.ids)
    }


@router.post(
    "/collections/{collection_id}/items/move",
    operation_id="moveBetweenCollections",
    summary="Move Between Collections",
)
async def move(collection_id: int, body: Moving, actor: Writer, session: Unit) -> dict[str, int]:
    """Move up to two hundred things to another collection of the same kind."""
    return {
        "moved": await filling.move(
            session, actor, collection_id=collection_id, to_id=body.to, subject_ids=body.ids
        )
    }


@router.put(
    "/collections/{collection_id}/items/{entity_id}/note",
    status_code=204,
    operation_id="noteCollectionItem",
    summary="Note Collection Item",
)
async def note(collection_id: int, entity_id: int, body: Noting, actor: Writer, session: Unit) -> None:
    """Say something about a thing that one added."""
    await filling.annotate(session, actor, collection_id=collection_id, subject_id=entity_id, note=body.note)


@router.post(
    "/collections/{collection_id}/items/review",
    operation_id="reviewCollectionItems",
    summary="Review Collection Items",
)
async def review(collection_id: int, body: Judged, actor: Writer, session: Unit) -> dict[str, int]:
    """Accept or reject what others added to a collection that one manages."""
    changed = await reviewing.review(
        session, actor, collection_id=collection_id, item_ids=body.item_ids, state=State(body.status)
    )
    return {"changed": changed}


@router.get("/collections/{collection_id}/contest", operation_id="getContest", summary="Get Contest")
async def get_contest(request: Request, collection_id: int, actor: Viewer, session: Reading) -> ContestShown:
    """The rules of a contest."""
    await take(request, "read")
    await reads.one(session, actor, collection_id=collection_id)
    return contest(
        await contests.rules_of(session, collection_id), await contests.tags_of(session, collection_id)
    )


@router.put("/collections/{collection_id}/contest", operation_id="setContest", summary="Set Contest")
async def set_contest(collection_id: int, body: ContestRules, actor: Writer, session: Unit) -> ContestShown:
    """Set the rules of a contest that one manages; with `tags`, what it is entered under."""
    rules = Contest(**body.model_dump(exclude={"tags"}))
    await contests.arrange(session, actor, collection_id=collection_id, rules=rules)
    if body.tags is not None:
        await contests.set_tags(
            session,
            actor,
            collection_id=collection_id,
            tags=[(one.name, one.ends_at) for one in body.tags],
        )
    return contest(
        await contests.rules_of(session, collection_id), await contests.tags_of(session, collection_id)
    )


@router.put(
    "/collections/{collection_id}/entries/{collection_item_id}/score",
    status_code=204,
    operation_id="scoreEntry",
    summary="Score Entry",
)
async def score(
    collection_id: int, collection_item_id: int, body: Points, actor: Writer, session: Unit
) -> None:
    """A judge's points for an entry, 1 to 10."""
    await contests.score(
        session, actor, collection_id=collection_id, item_id=collection_item_id, points=body.score
    )


@router.put(
    "/collections/{collection_id}/entries/{collection_item_id}/vote",
    operation_id="voteForEntry",
    summary="Vote For Entry",
)
async def vote(collection_id: int, collection_item_id: int, actor: Writer, session: Unit) -> dict[str, int]:
    """Vote for an entry; how many votes it has."""
    count = await contests.vote(
        session, actor, collection_id=collection_id, item_id=collection_item_id, on=True
    )
    return {"voteCount": count}


@router.delete(
    "/collections/{collection_id}/entries/{collection_item_id}/vote",
    operation_id="withdrawVote",
    summary="Withdraw Vote",
)
async def unvote(collection_id: int, collection_item_id: int, actor: Writer, session: Unit) -> dict[str, int]:
    """Vote for it no longer."""
    count = await contests.vote(
        session, actor, collection_id=collection_id, item_id=collection_item_id, on=False
    )
    return {"voteCount": count}
