"""Reviews over the API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field

from civitas.domains.accounts import queries
from civitas.domains.community.reviews import reading, writing
from civitas.domains.community.reviews.reading import ReviewTold
from civitas.faces.http.actors import Viewer
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.limits import take
from civitas.faces.http.links import base_url, with_query
from civitas.faces.http.portraits import portrait
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.shapes import Answer, Body
from civitas.faces.rest.writing import Writer
from civitas.kit import paging

router = APIRouter(tags=["Reviews"], dependencies=[CheckedForm])

MAX_ID = 2**63 - 1
Id = Annotated[int, Path(ge=1, le=MAX_ID)]


class Reviewer(Answer):
    """Who wrote it; without a name once they left."""

    id: int
    username: str | None
    image: str | None


class ReviewShown(Answer):
    """A review. `excluded` ones are read but not counted."""

    id: int
    model_id: int
    model_name: str
    version_id: int
    version_name: str
    person: Reviewer
    recommended: bool
    content: str
    post_id: int | None
    excluded: bool
    reaction_count: int
    created_at: datetime
    edited_at: datetime | None


class Reviews(Answer):
    """A page of reviews."""

    items: list[ReviewShown]
    metadata: dict[str, Any]


class VersionTally(Answer):
    """How a version is recommended."""

    version_id: int
    name: str
    up: int
    down: int


class Opinion(Body):
    """Whether one recommends it, and why; `postId` is a post of one's own with what one made."""

    recommended: bool
    content: str = Field(default="", max_length=writing.LONGEST * 2)
    post_id: int | None = Field(default=None, ge=1, le=MAX_ID)


class Counting(Body):
    """Whether it is left out of the counts."""

    excluded: bool
    reason: str = Field(default="", max_length=2000)


@router.get("/reviews", operation_id="listReviews", summary="List Reviews")
async def list_reviews(
    request: Request,
    viewer: Viewer,
    session: Reading,
    model_id: Annotated[int | None, Query(alias="modelId", ge=1, le=MAX_ID)] = None,
    version_id: Annotated[int | None, Query(alias="modelVersionId", ge=1, le=MAX_ID)] = None,
    username: Annotated[str | None, Query(max_length=40)] = None,
    recommended: bool | None = None,
    cursor: Annotated[str | None, Query(max_length=paging.MAX_CURSOR)] = None,
    limit: Annotated[int, Query(ge=1, le=reading.MOST)] = reading.PAGE,
) -> Reviews:
    """Reviews of a model, a version, or by a person, or all of them, the newest first."""
    await take(request, "read")
    person = (await queries.by_username(session, username)).id if username else None
    page = await reading.page(
        session, viewer, model_id=model_id, version_id=version_id, person_id=person,
        recommended=recommended, cursor=cursor, limit=limit,
    )  # fmt: skip
    following = page.next_cursor
    return Reviews(
        items=[_shown(request, one) for one in page.items],
        metadata={
            "nextCursor": following,
            "nextPage": with_query(request, cursor=following) if following else None,
        },
    )


@router.get("/reviews/{review_id}", operation_id="getReview", summary="Get A Review")
async def get_review(request: Request, viewer: Viewer, session: Reading, review_id: Id) -> ReviewShown:
    """One review."""
    await take(request, "read")
    return _shown(request, await reading.one(session, viewer, review_id=review_id))


@router.get(
    "/models/{model_id}/review-summary", operation_id="getReviewSummary", summary="Get How It Is Recommended"
)
async def summary(request: Request, viewer: Viewer, session: Reading, model_id: Id) -> list[VersionTally]:
    """How many people recommend each version of a model and how many do not."""
    await take(request, "read")
    found = await reading.tallies(session, viewer, model_id=model_id)
    return [VersionTally(version_id=one.version_id, name=one.name, up=one.up, down=one.down) for one in found]


@router.put("/model-versions/{version_id}/review", operation_id="reviewVersion", summary="Review A Version")
async def write_review(
    request: Request, body: Opinion, writer: Writer, session: Unit, version_id: Id
) -> ReviewShown:
    """Say whether one recommends a version, or say it anew: one review for each person and version."""
    made = await writing.review(
        session, writer, version_id=version_id, recommended=body.recommended, content=body.content,
        post_id=body.post_id,
    )  # fmt: skip
    return _shown(request, await reading.one(session, writer, review_id=made.id))


@router.delete(
    "/model-versions/{version_id}/review",
    operation_id="removeReview",
    summary="Take A Review Back",
    status_code=204,
)
async def remove_review(writer: Writer, session: Unit, version_id: Id) -> None:
    """Take one's own review of a version back."""
    await writing.remove(session, writer, version_id=version_id)


@router.put("/reviews/{review_id}/excluded", operation_id="excludeReview", summary="Leave A Review Out")
async def exclude(
    request: Request, body: Counting, writer: Writer, session: Unit, review_id: Id
) -> ReviewShown:
    """Leave a review out of the counts, or count it again: the model's owner, and moderators."""
    await writing.exclude(session, writer, review_id=review_id, excluded=body.excluded, reason=body.reason)
    return _shown(request, await reading.one(session, writer, review_id=review_id))


def _shown(request: Request, told: ReviewTold) -> ReviewShown:
    path = portrait(told.avatar_key)
    return ReviewShown(
        id=told.id,
        model_id=told.model_id,
        model_name=told.model_name,
        version_id=told.version_id,
        version_name=told.version_name,
        person=Reviewer(
            id=told.person_id, username=told.username, image=base_url(request) + path if path else None
        ),
        recommended=told.recommended,
        content=told.content,
        post_id=told.post_id,
        excluded=told.excluded,
        reaction_count=told.reaction_count,
        created_at=told.created_at,
        edited_at=told.edited_at,
    )
