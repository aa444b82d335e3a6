"""`/leaderboard`: who did most lately, in this season, and of all days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import Response

from civitas.domains.community.boards import reading
from civitas.domains.community.boards.reading import Legend, Place
from civitas.domains.community.boards.types import BOARDS, BY_KEY, Board, Season, Span
from civitas.faces.http.units import Reading
from civitas.faces.web.pictures import avatar_url
from civitas.faces.web.props import Creator
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Visitor

router = APIRouter(include_in_schema=False)

PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a board."""

    who: Creator
    place: Place | Legend
    mine: bool


@dataclass(frozen=True, slots=True)
class BoardPage:
    """The context of the template."""

    board: Board
    boards: tuple[tuple[str, str, bool], ...]
    spans: tuple[tuple[str, str, bool], ...]
    span: str
    rows: tuple[Row, ...]
    day: date | None
    season: str | None
    seasons: tuple[tuple[str, str, bool], ...]
    own: tuple[int, int] | None
    next_href: str | None
    first_page: bool


@router.get("/leaderboard")
@router.get("/leaderboard/{board}")
async def show(request: Request, actor: Visitor, session: Reading, board: str = "overall") -> Response:
    """A board; `span` is window, season or legends."""
    known = reading.board_of(board)
    asked = request.query_params
    span = asked.get("span") if asked.get("span") in ("season", "legends") else "window"
    cursor = asked.get("cursor") or None
    newest = await reading.newest_day(session, known)
    day = _day(asked.get("day", "")) or newest
    season = Season.of(day) if day else None
    found, next_cursor, own = [], None, None
    if span == "legends":
        legends = await reading.legends(session, known, cursor=cursor, limit=PAGE)
        found, next_cursor = list[Place | Legend](legends.items), legends.next_cursor
    elif day is not None and season is not None:
        kind, when = (Span.SEASON, season.first) if span == "season" else (Span.WINDOW, day)
        places = await reading.places(session, known, span=kind, day=when, cursor=cursor, limit=PAGE)
        found, next_cursor = list[Place | Legend](places.items), places.next_cursor
        if actor.id is not None:
            own = await reading.own(session, actor.id, known, span=kind, day=when)
    seasons = await reading.seasons(session, known) if span == "season" else []
    query = {name: asked[name] for name in ("span", "day") if asked.get(name)}
    page = BoardPage(
        board=known,
        boards=tuple((one.title, _href(one.key, span=span), one.key == known.key) for one in BOARDS),
        spans=(
            ("Last 30 days", _href(known.key), span == "window"),
            ("This season", _href(known.key, span="season"), span == "season"),
            ("Legends", _href(known.key, span="legends"), span == "legends"),
        ),
        span=str(span),
        rows=tuple(
            Row(Creator(one.username, avatar_url(one.avatar_key)), one, one.person_id == actor.id)
            for one in found
        ),
        day=day,
        season=season.name if season and span == "season" else None,
        seasons=tuple(
            (one.name, _href(known.key, span="season", day=one.first.isoformat()), one == season)
            for one in seasons
        ),
        own=own,
        next_href=f"/leaderboard/{known.key}?{urlencode(query | {'cursor': next_cursor})}"
        if next_cursor
        else None,
        first_page=cursor is None,
    )
    return render(request, "leaderboard/leaderboard.html", page, block="results")


def _href(board: str, **query: str | None) -> str:
    kept = {name: value for name, value in query.items() if value and value != "window"}
    place = "/leaderboard" if board == next(iter(BY_KEY)) else f"/leaderboard/{board}"
    return f"{place}?{urlencode(kept)}" if kept else place


def _day(given: str) -> date | None:
    try:
        return date.fromisoformat(given[:10]) if given else None
    except ValueError:
        return None
