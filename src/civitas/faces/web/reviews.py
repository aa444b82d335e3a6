"""`/models/{id}/reviews` and `/reviews/{id}`: what people think of a model's versions, and one's own word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.contracts import subjects
from civitas.contracts.subjects import Subject, SubjectFacts
from civitas.domains.accounts.types import Actor
from civitas.domains.community.comments import policy
from civitas.domains.community.reviews import reading, writing
from civitas.domains.community.reviews.reading import ReviewTold, Tally
from civitas.faces.http.portraits import portrait
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading
from civitas.faces.web import forms
from civitas.faces.web.forms import Entered
from civitas.faces.web.reaction_bars import ReactionBar, bar_of, bars_of
from civitas.faces.web.templating import fragment, render, toast_header
from civitas.faces.web.visits import Member, Visitor, redirect
from civitas.kit import paging
from civitas.kit.errors import Fault, Invalid, NotFound
from civitas.kit.ids import row_id

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

MAX_ID: Final = 2**63 - 1
TEMPLATE: Final = "reviews/list.html"
Id = Annotated[int, Path(ge=1, le=MAX_ID)]


@dataclass(frozen=True, slots=True)
class ReviewLine:
    """A review with what this viewer may do about it."""

    told: ReviewTold
    avatar_url: str | None
    own: bool
    may_exclude: bool
    bar: ReactionBar


@dataclass(frozen=True, slots=True)
class ReviewsPage:
    """The reviews of a model, or of one version of it."""

    facts: SubjectFacts
    href: str
    tallies: tuple[Tally, ...]
    chosen: Tally | None
    up: int
    down: int
    lines: tuple[ReviewLine, ...]
    next_href: str | None
    first_page: bool
    # The version that one's own review is about; None where one cannot write one.
    version: Tally | None
    mine: ReviewTold | None
    form: Entered
    longest: int = writing.LONGEST

    @property
    def share(self) -> int | None:
        """How many of a hundred recommend it."""
        total = self.up + self.down
        return round(100 * self.up / total) if total else None


@dataclass(frozen=True, slots=True)
class ReviewPage:
    """One review and its discussion."""

    facts: SubjectFacts
    line: ReviewLine


@router.get("/models/{model_id:int}/reviews")
async def show(
    request: Request,
    actor: Visitor,
    session: Reading,
    model_id: Id,
    version: Annotated[int | None, Query(alias="modelVersionId", ge=1, le=MAX_ID)] = None,
    only: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
    cursor: Annotated[str | None, Query(max_length=paging.MAX_CURSOR)] = None,
) -> Response:
    """What people think of a model; `only` shows one version's."""
    page = await _page(session, actor, model_id, version=version, only=only, cursor=cursor)
    return render(request, TEMPLATE, page, block="reviews")


@router.post("/models/{model_id:int}/reviews")
async def write(request: Request, actor: Member, model_id: Id) -> Response:
    """Say whether one recommends a version, or take it back."""
    form = await forms.read(request, longest=writing.LONGEST * 2)
    version, post = row_id(form.get("version")) or 0, row_id(form.get("post"))
    database = state_of(request).database
    try:
        async with database.unit() as session:
            if form.get("remove"):
                await writing.remove(session, actor, version_id=version)
            elif form.get("recommended") not in ("yes", "no"):
                told = "Say whether you recommend it."
                raise Invalid(told, code="no_thumb", fields={"recommended": told})
            else:
                await writing.review(
                    session, actor, version_id=version, recommended=form.get("recommended") == "yes",
                    content=form.get("content"), post_id=post,
                )  # fmt: skip
    except Fault as fault:
        if not (isinstance(fault, Invalid) or fault.kind in ("conflict", "limited")):
            raise
        async with database.reading() as session:
            page = await _page(
                session, actor, model_id, version=version, form=form.failed(fault, postId="post")
            )
        return render(request, TEMPLATE, page, block="reviews", status=422)
    said = "Your review is gone." if form.get("remove") else "Your review is there."
    return await _done(request, actor, model_id, version, said)


@router.get("/reviews/{review_id:int}")
async def one(request: Request, actor: Visitor, session: Reading, review_id: Id) -> Response:
    """One review, with its discussion."""
    told = await reading.one(session, actor, review_id=review_id)
    facts = await _facts(session, actor, told.model_id)
    bar = await bar_of(session, actor, Subject("review", told.id))
    return render(request, "reviews/one.html", ReviewPage(facts, _line(told, actor, bar)))


@router.post("/reviews/{review_id:int}/exclude")
async def exclude(request: Request, actor: Member, review_id: Id) -> Response:
    """Leave a review out of the counts, or count it again."""
    form = await forms.read(request)
    out = form.get("excluded") != "false"
    async with state_of(request).database.unit() as session:
        told = await writing.exclude(session, actor, review_id=review_id, excluded=out)
    said = "It is not counted any more." if out else "It counts again."
    return await _done(request, actor, told.model_id, told.version_id, said)


async def _done(request: Request, actor: Actor, model_id: int, version: int, said: str) -> Response:
    if request.headers.get("hx-request") != "true":
        return redirect(request, f"/models/{model_id}/reviews?modelVersionId={version}", text=said)
    async with state_of(request).database.reading() as session:
        page = await _page(session, actor, model_id, version=version)
    return fragment(request, TEMPLATE, "reviews", page, headers=toast_header("ok", said))


async def _facts(session: AsyncSession, actor: Actor, model_id: int) -> SubjectFacts:
    facts = await subjects.resolve(session, Subject("model", model_id))
    if facts is None or not policy.sees(actor, facts):
        raise NotFound("This model was not found.", code="model_not_found")
    return facts


async def _page(
    session: AsyncSession,
    actor: Actor,
    model_id: int,
    *,
    version: int | None = None,
    only: int | None = None,
    cursor: str | None = None,
    form: Entered | None = None,
) -> ReviewsPage:
    facts = await _facts(session, actor, model_id)
    tallies = tuple(await reading.tallies(session, actor, model_id=model_id))
    by_id = {one.version_id: one for one in tallies}
    chosen = by_id.get(only or 0)
    about = by_id.get(only or version or 0) or (tallies[0] if tallies else None)
    found = await reading.page(
        session, actor, model_id=model_id, version_id=chosen.version_id if chosen else None, cursor=cursor
    )
    bars = await bars_of(session, actor, kind="review", ids=[one.id for one in found.items])
    writes = actor.signed_in and actor.id != facts.owner_id and about is not None
    own = await reading.mine(session, actor, version_id=about.version_id) if writes and about else None
    counted = (chosen,) if chosen else tallies
    href = f"/models/{model_id}/reviews"
    kept = {"only": str(chosen.version_id)} if chosen else {}
    if form is None and own is not None:
        form = Entered(
            {"content": (own.content,), "recommended": ("yes" if own.recommended else "no",),
             "post": (str(own.post_id or ""),)}
        )  # fmt: skip
    return ReviewsPage(
        facts=facts,
        href=href,
        tallies=tallies,
        chosen=chosen,
        up=sum(one.up for one in counted),
        down=sum(one.down for one in counted),
        lines=tuple(_line(one, actor, bars[one.id]) for one in found.items),
        next_href=f"{href}?{urlencode(kept | {'cursor': found.next_cursor})}" if found.next_cursor else None,
        first_page=cursor is None,
        version=about if writes else None,
        mine=own,
        form=form or Entered(),
    )


def _line(told: ReviewTold, actor: Actor, bar: ReactionBar) -> ReviewLine:
    return ReviewLine(
        told,
        portrait(told.avatar_key),
        told.person_id == actor.id,
        actor.signed_in and told.person_id != actor.id and (actor.is_moderator or told.owner_id == actor.id),
        bar,
    )
