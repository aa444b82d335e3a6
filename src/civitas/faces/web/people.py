"""Settings: whom one follows, hides and blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from civitas.domains.accounts import following
from civitas.domains.accounts.types import Relation
from civitas.faces.http.units import Reading
from civitas.faces.web import forms
from civitas.faces.web.profile import creator_of
from civitas.faces.web.props import Creator
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Member
from civitas.kit import paging

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

HERE = "/account/people"


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """One of the three lists."""

    relation: str
    people: tuple[Creator, ...]
    next_href: str | None
    here: str


@router.get(HERE)
async def show(
    request: Request,
    member: Member,
    session: Reading,
    relation: Annotated[Relation, Query(alias="list")] = Relation.FOLLOW,
    cursor: Annotated[str | None, Query(max_length=paging.MAX_CURSOR)] = None,
) -> Response:
    """The list, the latest decision first."""
    found = await following.mine(session, member, relation=relation, cursor=cursor)
    here = f"{HERE}?list={relation.value}"
    page = PeoplePage(
        relation=relation.value,
        people=tuple(creator_of(person) for person in found.items),
        next_href=f"{here}&cursor={quote(found.next_cursor)}" if found.next_cursor else None,
        here=here,
    )
    return render(request, "account/people.html", page, block="results")
