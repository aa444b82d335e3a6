"""Leaderboards over the API: boards, places of a day or a season, legends, one's own."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query

from civitas.domains.community.boards import reading
from civitas.domains.community.boards.types import BOARDS, Season, Span
from civitas.faces.http.actors import Viewer
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.portraits import portrait
from civitas.faces.http.units import Reading
from civitas.faces.rest.shapes import Answer
from civitas.kit import paging

router = APIRouter(tags=["Leaderboards"], dependencies=[CheckedForm])

Cursor = Annotated[str | None, Query(max_length=paging.MAX_CURSOR)]
Limit = Annotated[int, Query(ge=1, le=200)]


class BoardShown(Answer):
    """A board."""

    key: str
    title: str
    description: str
    unit: str


class PlaceShown(Answer):
    """Somebody's place; `moved` says by how many places they rose since the day before, null when they are new."""

    position: int
    points: int
    username: str
    image: str | None
    moved: int | None


class OwnPlace(Answer):
    """One's own place; nulls beyond the thousandth."""

    position: int | None
    points: int | None


class BoardPage(Answer):
    """A page of places of a day, or of a season."""

    board: str
    span: str
    day: date | None
    season: str | None
    items: list[PlaceShown]
    next_cursor: str | None
    me: OwnPlace | None


class LegendShown(Answer):
    """What somebody's days on a board add up to."""

    position: int
    points: int
    username: str
    image: str | None
    diamonds: int
    golds: int
    silvers: int
    bronzes: int


class LegendPage(Answer):
    """A page of legends."""

    items: list[LegendShown]
    next_cursor: str | None


@router.get("/leaderboards", operation_id="listLeaderboards", summary="List Leaderboards")
async def list_boards() -> list[BoardShown]:
    """Every board."""
    return [BoardShown(key=one.key, title=one.title, description=one.told, unit=one.unit) for one in BOARDS]


@router.get("/leaderboards/{board}", operation_id="getLeaderboard", summary="Get A Leaderboard")
async def get_board(
    board: str,
    actor: Viewer,
    session: Reading,
    span: Span = Span.WINDOW,
    day: date | None = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> BoardPage:
    """The places of the last thirty days as of a day, or of the season in which a day lies; the newest by default."""
    known = reading.board_of(board)
    newest = day or await reading.newest_day(session, known)
    if newest is None:
        return BoardPage(
            board=known.key, span=span, day=None, season=None, items=[], next_cursor=None, me=None
        )
    season = Season.of(newest)
    asked = season.first if span is Span.SEASON else newest
    found = await reading.places(session, known, span=span, day=asked, cursor=cursor, limit=limit)
    me = None
    if actor.id is not None:
        own = await reading.own(session, actor.id, known, span=span, day=asked)
        me = OwnPlace(position=own[0] if own else None, points=own[1] if own else None)
    return BoardPage(
        board=known.key,
        span=span,
        day=asked,
        season=season.name if span is Span.SEASON else None,
        items=[
            PlaceShown(
                position=one.position,
                points=one.points,
                username=one.username,
                image=portrait(one.avatar_key),
                moved=one.moved,
            )
            for one in found.items
        ],
        next_cursor=found.next_cursor,
        me=me,
    )


@router.get("/leaderboards/{board}/legends", operation_id="listLegends", summary="List Legends")
async def list_legends(board: str, session: Reading, cursor: Cursor = None, limit: Limit = 100) -> LegendPage:
    """Whose days on a board add up to most."""
    found = await reading.legends(session, reading.board_of(board), cursor=cursor, limit=limit)
    items = [
        LegendShown(
            position=one.position,
            points=one.points,
            username=one.username,
            image=portrait(one.avatar_key),
            diamonds=one.diamonds,
            golds=one.golds,
            silvers=one.silvers,
            bronzes=one.bronzes,
        )
        for one in found.items
    ]
    return LegendPage(items=items, next_cursor=found.next_cursor)
