"""What people feel about things, hide and have seen, over the API."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from pydantic import Field

from civitas.contracts.subjects import Subject
from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import hidden_tags
from civitas.domains.gallery.feeds import hiding, reactions, seeing
from civitas.domains.gallery.feeds.reactions import Feeling
from civitas.faces.http.actors import Viewer, signed_in
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.limits import take
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.shapes import Answer, Body
from civitas.faces.rest.writing import Owner, Writer
from civitas.kit import clock
from civitas.kit.text import fold

router = APIRouter(tags=["Reactions"], dependencies=[CheckedForm])

Number = Annotated[int, Path(ge=0, lt=2**62)]
Kind = Annotated[str, Path(max_length=40, pattern="^[a-z_]+$")]


async def feeling_person(request: Request, actor: Annotated[Actor, Depends(signed_in)]) -> Actor:
    """A person whose reactions are counted."""
    await take(request, "reaction")
    return actor


Feels = Annotated[Actor, Depends(feeling_person)]


class Told(Answer):
    """How often a thing was reacted to, and what you feel about it."""

    like_count: int
    heart_count: int
    laugh_count: int
    cry_count: int
    dislike_count: int
    comment_count: int
    collected_count: int
    mine: list[Feeling]


@router.get("/reactions/{kind}/{subject_id}", operation_id="getReactions", summary="Get Reactions To A Thing")
async def get_reactions(kind: Kind, subject_id: Number, actor: Viewer, session: Reading) -> Told:
    """Counts of one thing, those of the last seconds included."""
    subject = Subject(kind, subject_id)
    await reactions.require_visible(session, actor, subject)
    found = (await reactions.counts(session, kind=kind, ids=[subject_id])).get(subject_id, reactions.Counts())
    mine = (await reactions.mine(session, actor, kind=kind, ids=[subject_id])).get(subject_id, frozenset())
    return Told(
        like_count=found.likes,
        heart_count=found.hearts,
        laugh_count=found.laughs,
        cry_count=found.cries,
        dislike_count=found.dislikes,
        comment_count=found.comments,
        collected_count=found.collected,
        mine=sorted(mine),
    )


@router.put(
    "/reactions/{kind}/{subject_id}/{reaction}",
    status_code=204,
    operation_id="react",
    summary="React To A Thing",
)
async def react(kind: Kind, subject_id: Number, reaction: Feeling, actor: Feels, session: Unit) -> None:
    """React to a picture, post, comment, article, review or model; reacting twice is reacting once."""
    await reactions.react(session, actor, subject=Subject(kind, subject_id), feeling=reaction)


@router.delete(
    "/reactions/{kind}/{subject_id}/{reaction}",
    status_code=204,
    operation_id="withdrawReaction",
    summary="Withdraw A Reaction",
)
async def withdraw(kind: Kind, subject_id: Number, reaction: Feeling, actor: Feels, session: Unit) -> None:
    """Take a reaction back."""
    await reactions.withdraw(session, actor, subject=Subject(kind, subject_id), feeling=reaction)


@router.put("/images/{image_id}/hidden", status_code=204, operation_id="hideImage", summary="Hide A Picture")
async def hide_image(image_id: Number, actor: Writer, session: Unit) -> None:
    """Never be shown this picture in feeds again."""
    await hiding.hide_image(session, actor, image_id=image_id)


@router.delete(
    "/images/{image_id}/hidden", status_code=204, operation_id="showImage", summary="Show A Hidden Picture"
)
async def show_image(image_id: Number, actor: Writer, session: Unit) -> None:
    """Be shown this picture again."""
    await hiding.show_image(session, actor, image_id=image_id)


Name = Annotated[str, Path(max_length=60)]


@router.put("/tags/{name}/hidden", status_code=204, operation_id="hideTag", summary="Hide A Tag")
async def hide_tag(name: Name, actor: Writer, session: Unit) -> None:
    """Never be shown models, pictures or articles with this tag again."""
    await hidden_tags.hide(session, actor, name=fold(name))


@router.delete("/tags/{name}/hidden", status_code=204, operation_id="showTag", summary="Show A Hidden Tag")
async def show_tag(name: Name, actor: Writer, session: Unit) -> None:
    """Be shown models, pictures or articles with this tag again."""
    await hidden_tags.show(session, actor, name=fold(name))


@router.get("/me/hidden-things", operation_id="listHiddenThings", summary="List Hidden Pictures And Tags")
async def list_hidden(actor: Owner, session: Reading) -> dict[str, Any]:
    """Tags and pictures that you do not want to be shown; people are under /me/hidden."""
    tags = await hidden_tags.mine(session, actor)
    images = await hiding.mine(session, actor)
    return {
        "items": [
            *({"kind": "tag", "id": t.id, "name": t.name, "since": clock.rfc3339(t.since)} for t in tags),
            *({"kind": "image", "id": i.id, "name": None, "since": clock.rfc3339(i.since)} for i in images),
        ]
    }


class Seen(Body):
    """Pictures that were on the screen."""

    image_ids: list[Annotated[int, Field(gt=0, lt=2**62)]] = Field(max_length=seeing.MOST)


@router.post("/me/seen", status_code=204, operation_id="noteSeen", summary="Note Pictures As Seen")
async def note_seen(body: Seen, actor: Writer, session: Unit) -> None:
    """Leave these out where you filter by what you have not seen yet."""
    await seeing.note(session, actor, image_ids=body.image_ids)


@router.delete("/me/seen", status_code=204, operation_id="forgetSeen", summary="Forget What Was Seen")
async def forget_seen(actor: Writer, session: Unit) -> None:
    """Begin anew: nothing was seen."""
    await seeing.forget(session, actor)
