"""`/following`: what is new of the people and collections that one follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.contracts.subjects import Subject, resolve_all
from civitas.domains.accounts import queries
from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import reading
from civitas.domains.catalog.listing import Filters
from civitas.domains.community.news import reads
from civitas.domains.community.news.reads import News
from civitas.domains.gallery.collections import pictures as shots
from civitas.faces.http.portraits import portrait
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading
from civitas.faces.web import pictures
from civitas.faces.web.cards import cards_of
from civitas.faces.web.pictures import Eyes
from civitas.faces.web.profile_front import Tile
from civitas.faces.web.props import Creator, ModelCard
from civitas.faces.web.templating import render
from civitas.faces.web.viewing import eyes_of
from civitas.faces.web.visits import Member
from civitas.kit import paging

router = APIRouter(include_in_schema=False)

PAGE = 30
_SAID = {"model": "published a model", "post": "posted", "article": "wrote"}


@dataclass(frozen=True, slots=True)
class Line:
    """One piece of news: who did what when, and the thing itself."""

    key: str
    who: Creator | None
    said: str
    moment: datetime
    model: ModelCard | None = None
    tile: Tile | None = None


@dataclass(frozen=True, slots=True)
class FollowingPage:
    """A page of news."""

    lines: tuple[Line, ...]
    next_href: str | None


@router.get("/following")
async def show(
    request: Request,
    member: Member,
    session: Reading,
    cursor: Annotated[str | None, Query(max_length=paging.MAX_CURSOR)] = None,
) -> Response:
    """The newest first."""
    found = await reads.page(session, member, cursor=cursor, limit=PAGE)
    eyes = eyes_of(member)
    following = f"/following?cursor={quote(found.next_cursor)}" if found.next_cursor else None
    page = FollowingPage(await _lines(request, session, member, eyes, found.items), following)
    return render(request, "profile/following.html", page, block="results")


async def _lines(
    request: Request, session: AsyncSession, member: Actor, eyes: Eyes, news: Sequence[News]
) -> tuple[Line, ...]:
    models = await _models(request, member, eyes, [one.id for one in news if one.kind == "model"])
    posts = await shots.things(
        session, member, kind="post", ids=[one.id for one in news if one.kind == "post"]
    )
    wholes = [one.id for one in news if one.kind == "collection"]
    covers = await shots.covers(session, member, collection_ids=wholes, each=1)
    facts = await resolve_all(session, [Subject(one.kind, one.id) for one in news if one.kind != "model"])
    people = await queries.by_ids(session, [one.person_id for one in news])
    lines = []
    for one in news:
        person = people.get(one.person_id)
        who = Creator(person.username, portrait(person.avatar_key)) if person else None
        if one.kind == "model":
            if one.id in models:
                lines.append(Line(f"model-{one.id}", who, _SAID["model"], one.moment, model=models[one.id]))
            continue
        told = facts.get(Subject(one.kind, one.id))
        if told is None or (one.kind == "post" and one.id not in posts):
            continue
        shot = posts[one.id].shot if one.kind == "post" else next(iter(covers.get(one.id, ())), None)
        tile = Tile(
            kind=one.kind,
            id=one.id,
            href=told.path,
            title=told.title,
            picture=pictures.of_shot(shot, eyes, alt=told.title) if shot else None,
            number=posts[one.id].number if one.kind == "post" else 1,
        )
        came = f"{one.number} new in “{told.title}”"
        lines.append(Line(f"{one.kind}-{one.id}", who, _SAID.get(one.kind, came), one.moment, tile=tile))
    return tuple(lines)


async def _models(request: Request, member: Actor, eyes: Eyes, ids: list[int]) -> dict[int, ModelCard]:
    if not ids:
        return {}
    found = await reading.models(
        state_of(request).reads, member, Filters(ids=tuple(ids), mask=member.mask), limit=len(ids)
    )
    return {card.id: card for card in cards_of(found.objects(""), eyes)}
