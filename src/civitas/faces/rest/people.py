"""What one decides about other people over the API: follow, hide, block; and who follows whom."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request

from civitas.domains.accounts import following, queries
from civitas.domains.accounts.following import Related
from civitas.domains.accounts.types import Relation
from civitas.faces.http.actors import Viewer
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.limits import take
from civitas.faces.http.links import base_url, with_query
from civitas.faces.http.portraits import portrait
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.shapes import Answer
from civitas.faces.rest.writing import Owner, Writer
from civitas.kit import paging
from civitas.kit.paging import Page

router = APIRouter(tags=["People"], dependencies=[CheckedForm])

Cursor = Annotated[str | None, Query(max_length=paging.MAX_CURSOR)]
Verb = Literal["follow", "hide", "block"]


class Person(Answer):
    """Somebody in a list."""

    id: int
    username: str
    image: str | None
    since: datetime


class People(Answer):
    """One page of people."""

    items: list[Person]
    metadata: dict[str, Any]


def _page(request: Request, found: Page[Related]) -> People:
    base, following_page = base_url(request), found.next_cursor
    return People(
        items=[
            Person(
                id=one.id,
                username=one.username,
                image=base + path if (path := portrait(one.avatar_key)) else None,
                since=one.since,
            )
            for one in found.items
        ],
        metadata={
            "nextCursor": following_page,
            "nextPage": with_query(request, cursor=following_page) if following_page else None,
        },
    )


@router.get("/me/following", operation_id="listMyFollowing", summary="List Whom I Follow")
async def followed(request: Request, actor: Owner, session: Reading, cursor: Cursor = None) -> People:
    """Whom one follows, the latest first."""
    return _page(request, await following.mine(session, actor, relation=Relation.FOLLOW, cursor=cursor))


@router.get("/me/hidden", operation_id="listMyHidden", summary="List Whom I Hide")
async def hidden(request: Request, actor: Owner, session: Reading, cursor: Cursor = None) -> People:
    """Whose work one does not want in lists, the latest first."""
    return _page(request, await following.mine(session, actor, relation=Relation.HIDE, cursor=cursor))


@router.get("/me/blocked", operation_id="listMyBlocked", summary="List Whom I Block")
async def blocked(request: Request, actor: Owner, session: Reading, cursor: Cursor = None) -> People:
    """Whom one keeps away, the latest first."""
    return _page(request, await following.mine(session, actor, relation=Relation.BLOCK, cursor=cursor))


@router.get("/users/{username}/followers", operation_id="listFollowers", summary="List Followers")
async def followers(
    request: Request, actor: Viewer, session: Reading, username: str, cursor: Cursor = None
) -> People:
    """Who follows a person, the latest first."""
    await take(request, "read")
    person = await queries.profile(session, actor, username=username)
    return _page(request, await following.followers(session, person_id=person.id, cursor=cursor))


@router.get("/users/{username}/following", operation_id="listFollowing", summary="List Followed")
async def following_of(
    request: Request, actor: Viewer, session: Reading, username: str, cursor: Cursor = None
) -> People:
    """Whom a person follows, the latest first."""
    await take(request, "read")
    person = await queries.profile(session, actor, username=username)
    return _page(request, await following.following(session, person_id=person.id, cursor=cursor))


@router.put(
    "/users/{username}/{verb}",
    status_code=204,
    operation_id="decideAboutUser",
    summary="Follow, Hide Or Block",
)
async def decide(actor: Writer, session: Unit, username: str, verb: Verb) -> None:
    """Follow, hide or block somebody; one decision replaces another. Saying it twice changes nothing."""
    person = await queries.by_username(session, username)
    await following.decide(session, actor, target_id=person.id, relation=Relation(verb))


@router.delete(
    "/users/{username}/{verb}",
    status_code=204,
    operation_id="undoDecisionAboutUser",
    summary="Take A Decision Back",
)
async def undecide(actor: Writer, session: Unit, username: str, verb: Verb) -> None:
    """Take it back; nothing happens when it does not stand."""
    person = await queries.by_username(session, username)
    await following.undo(session, actor, target_id=person.id, relation=Relation(verb))
