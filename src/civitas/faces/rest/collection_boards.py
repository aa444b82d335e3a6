"""Boards over the API: what a collection gives for what is accepted, and staff's switch."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from fastapi import Path as Given
from pydantic import Field

from civitas.domains.buzz.types import Currency
from civitas.domains.gallery.collections import giving, policy
from civitas.faces.http.actors import Viewer
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.shapes import Answer, Body
from civitas.faces.rest.writing import Writer
from civitas.kit import money
from civitas.kit.errors import NotFound

router = APIRouter(tags=["Collections"], dependencies=[CheckedForm])

Amount = int | float
Number = Annotated[int, Given(ge=0, lt=2**62)]


class GiftTold(Answer):
    """What became of one entry; `reason` where nothing was given."""

    subject_id: int
    username: str | None
    status: str
    reason: str
    amount: Amount
    at: datetime


class BoardShown(Answer):
    """What a board gives, in Buzz. `gifts` for those who manage it."""

    gift: Amount
    colour: Currency
    each_a_day: Amount
    left_today: Amount
    days: int
    gifts: list[GiftTold]


class BoardWanted(Body):
    """Whether it is a board, and why, for the log."""

    on: bool
    reason: Annotated[str, Field(min_length=1, max_length=200)]


@router.get("/collections/{collection_id}/board", operation_id="getBoard", summary="Get What A Board Gives")
async def show(collection_id: Number, actor: Viewer, session: Reading) -> BoardShown:
    """What this collection gives for an entry that is accepted; 404 when it is no board."""
    _, rights = await policy.found(session, actor, collection_id)
    board = await giving.board_of(session, collection_id)
    if board is None:
        raise NotFound("This collection is no board.", code="no_board")
    lines = await giving.lines(session, collection_id) if rights.manage else []
    return BoardShown(
        gift=money.as_number(board.gift),
        colour=board.colour,
        each_a_day=money.as_number(board.each_a_day),
        left_today=money.as_number(board.left),
        days=board.days,
        gifts=[
            GiftTold(
                subject_id=one.subject_id,
                username=one.username,
                status=one.status,
                reason=one.reason,
                amount=money.as_number(one.amount),
                at=one.at,
            )
            for one in lines
        ],
    )


@router.put(
    "/staff/collections/{collection_id}/board",
    status_code=204,
    operation_id="setBoard",
    summary="Make A Collection A Board",
)
async def arrange(collection_id: Number, body: BoardWanted, actor: Writer, session: Unit) -> None:
    """Let a collection of yours, or the site's, give its owner's Buzz; or no more."""
    await giving.arrange(session, actor, collection_id=collection_id, on=body.on, reason=body.reason)
