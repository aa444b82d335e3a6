"""Collections over the API: lists of them, one, making, changing, following."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts import queries as accounts
from civitas.domains.accounts.types import Actor
from civitas.domains.gallery.collections import making, people, pictures, reads
from civitas.domains.gallery.collections.making import CollectionEdit
from civitas.domains.gallery.collections.reads import Shown
from civitas.domains.gallery.collections.types import Kind, Order, ReadBy, Sort, WriteBy
from civitas.faces.http.actors import Viewer
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.limits import take
from civitas.faces.http.links import base_url, with_query
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.asking import mask_of
from civitas.faces.rest.collection_shapes import ContributorShown, collection, contributor, permission
from civitas.faces.rest.pages import known_totals
from civitas.faces.rest.parameters import Parameters
from civitas.faces.rest.shapes import Body
from civitas.faces.rest.writing import Owner, Writer
from civitas.kit import paging
from civitas.kit.errors import Limited
from civitas.kit.paging import Page

router = APIRouter(tags=["Collections"], dependencies=[CheckedForm])

Cursor = Annotated[str | None, Query(max_length=paging.MAX_CURSOR)]
Size = Annotated[int, Query(ge=1, le=reads.LARGEST_PAGE, description="Entries a page.")]
Number = Annotated[int, Query(ge=1, le=1000, description="Page by number; only the first thousand entries.")]
Named = Annotated[
    Literal["model", "image", "post", "article", "Model", "Image", "Post", "Article"] | None, Query()
]
MOST_NUMBERED = 1000


class NewCollection(Body):
    """What a new collection is."""

    name: str
    kind: Kind
    description: str = ""
    read: ReadBy = ReadBy.PRIVATE
    write: WriteBy = WriteBy.PRIVATE
    order: Order = Order.NEWEST
    contest: bool = False


class CollectionChange(Body):
    """What to change; what is left out stays."""

    name: str | None = None
    description: str | None = None
    read: ReadBy | None = None
    write: WriteBy | None = None
    order: Order | None = None
    contest: bool | None = None


class Cover(Body):
    """Which item stands for the collection; null lets the newest ones do it."""

    item_id: int | None


class Given(Body):
    """What somebody may do; nothing takes it back."""

    permissions: list[Literal["view", "add", "addReview", "manage", "judge"]] = Field(max_length=5)


async def _listed(
    request: Request, session: AsyncSession, actor: Actor, found: Page[Shown], mask: int, **more: Any
) -> dict[str, Any]:
    base = base_url(request)
    shots = await pictures.covers(session, actor, collection_ids=reads.ids_of(found.items), each=4, mask=mask)
    metadata = {
        "nextCursor": found.next_cursor,
        "nextPage": with_query(request, cursor=found.next_cursor, page=None) if found.next_cursor else None,
        **more,
    }
    return {"items": [collection(one, shots, base) for one in found.items], "metadata": metadata}


@router.get("/collections", operation_id="listCollections", summary="List Collections")
async def listed(
    request: Request,
    actor: Viewer,
    session: Reading,
    limit: Size = 20,
    page: Number = 1,
    cursor: Cursor = None,
    type: Named = None,
    username: Annotated[str | None, Query(max_length=25, description="Those of a person.")] = None,
    sort: Sort = Sort.NEWEST,
    browsingLevel: Annotated[
        int | None, Query(ge=0, le=63, description="Bits of the levels to show.")
    ] = None,
    nsfw: Annotated[
        str | None, Query(max_length=10, description="As of pictures; safe when left out.")
    ] = None,
) -> dict[str, Any]:
    """Public collections with something in them that you are shown."""
    await take(request, "read")
    if page * limit > MOST_NUMBERED and not cursor:
        raise Limited("Pages reach only the first thousand entries; use cursors to go on.", retry_after=60)
    mask = mask_of(Parameters(request.query_params), actor)
    person_id = (await accounts.by_username(session, username)).id if username else None
    found = await reads.public(
        session,
        actor,
        mask=mask,
        kind=Kind(type.lower()) if type else None,
        person_id=person_id,
        sort=sort,
        cursor=cursor,
        limit=limit,
        offset=(page - 1) * limit,
    )
    totals = known_totals(
        before=(page - 1) * limit, shown=len(found.items), page=page, more=found.next_cursor is not None
    )
    return await _listed(request, session, actor, found, mask, currentPage=page, pageSize=limit, **totals)


@router.get("/me/collections", operation_id="listMyCollections", summary="List My Collections")
async def mine(
    request: Request,
    actor: Owner,
    session: Reading,
    kind: Kind | None = None,
    limit: Size = 20,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """One's own collections, bookmarks, and those to which one contributes; the newest first."""
    found = await reads.mine(session, actor, kind=kind, cursor=cursor, limit=limit)
    return await _listed(request, session, actor, found, actor.mask)


@router.get(
    "/me/followed-collections",
    operation_id="listFollowedCollections",
    summary="List Followed Collections",
)
async def followed(
    request: Request, actor: Owner, session: Reading, limit: Size = 20, cursor: Cursor = None
) -> dict[str, Any]:
    """Collections that one follows."""
    found = await reads.followed(session, actor, cursor=cursor, limit=limit)
    return await _listed(request, session, actor, found, actor.mask)


@router.get("/collections/{collection_id}", operation_id="getCollection", summary="Get Collection")
async def one(request: Request, collection_id: int, actor: Viewer, session: Reading) -> dict[str, Any]:
    """One collection; private ones for their people only."""
    await take(request, "read")
    return await _one(request, session, actor, collection_id)


async def _one(request: Request, session: AsyncSession, actor: Actor, number: int) -> dict[str, Any]:
    found = await reads.one(session, actor, collection_id=number)
    shots = await pictures.covers(session, actor, collection_ids=[number])
    return collection(found, shots, base_url(request))


@router.post("/collections", status_code=201, operation_id="createCollection", summary="Create Collection")
async def create(request: Request, body: NewCollection, actor: Writer, session: Unit) -> dict[str, Any]:
    """Make a collection of one kind of thing."""
    made = await making.create(
        session,
        actor,
        kind=body.kind,
        changes=CollectionEdit(
            name=body.name,
            description=body.description,
            read_by=body.read,
            write_by=body.write,
            order_by=body.order,
            contest=body.contest,
        ),
    )
    return await _one(request, session, actor, made.id)


@router.patch("/collections/{collection_id}", operation_id="updateCollection", summary="Update Collection")
async def change(
    request: Request, collection_id: int, body: CollectionChange, actor: Writer, session: Unit
) -> dict[str, Any]:
    """Change a collection that one manages."""
    await making.edit(
        session,
        actor,
        collection_id=collection_id,
        changes=CollectionEdit(
            name=body.name,
            description=body.description,
            read_by=body.read,
            write_by=body.write,
            order_by=body.order,
            contest=body.contest,
        ),
    )
    return await _one(request, session, actor, collection_id)


@router.delete(
    "/collections/{collection_id}",
    status_code=204,
    operation_id="deleteCollection",
    summary="Delete Collection",
)
async def delete(collection_id: int, actor: Writer, session: Unit) -> None:
    """Delete a collection of one's own; what it held stays."""
    await making.delete(session, actor, collection_id=collection_id)


@router.put(
    "/collections/{collection_id}/cover",
    status_code=204,
    operation_id="setCollectionCover",
    summary="Set Collection Cover",
)
async def set_cover(collection_id: int, body: Cover, actor: Writer, session: Unit) -> None:
    """Let one of its items stand for a collection."""
    await making.set_cover(session, actor, collection_id=collection_id, item_id=body.item_id)


@router.put(
    "/collections/{collection_id}/follow",
    status_code=204,
    operation_id="followCollection",
    summary="Follow Collection",
)
async def follow(collection_id: int, actor: Writer, session: Unit) -> None:
    """See what comes into a collection; doing it twice changes nothing."""
    await people.follow(session, actor, collection_id=collection_id, on=True)


@router.delete(
    "/collections/{collection_id}/follow",
    status_code=204,
    operation_id="unfollowCollection",
    summary="Unfollow Collection",
)
async def unfollow(collection_id: int, actor: Writer, session: Unit) -> None:
    """See it no longer."""
    await people.follow(session, actor, collection_id=collection_id, on=False)


@router.get(
    "/collections/{collection_id}/contributors",
    operation_id="listContributors",
    summary="List Contributors",
)
async def contributors(
    request: Request, collection_id: int, actor: Viewer, session: Reading
) -> list[ContributorShown]:
    """Who may do more in a collection than others."""
    await take(request, "read")
    found = await people.contributors(session, actor, collection_id=collection_id)
    return [contributor(one, base_url(request)) for one in found]


@router.put(
    "/collections/{collection_id}/contributors/{username}",
    status_code=204,
    operation_id="setContributor",
    summary="Set Contributor",
)
async def set_contributor(
    collection_id: int, username: str, body: Given, actor: Writer, session: Unit
) -> None:
    """Let somebody do more in a collection that one manages; an empty list takes it back."""
    person = await accounts.by_username(session, username)
    await people.invite(
        session,
        actor,
        collection_id=collection_id,
        person_id=person.id,
        permissions=permission(body.permissions),
    )


@router.delete(
    "/collections/{collection_id}/contributors/me",
    status_code=204,
    operation_id="leaveCollection",
    summary="Leave Collection",
)
async def leave(collection_id: int, actor: Writer, session: Unit) -> None:
    """Do no more in somebody's collection than others do."""
    await people.leave(session, actor, collection_id=collection_id)
