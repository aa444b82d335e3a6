"""What one does with a picture of a feed: react, hide, undo; and what browsers tell of what was on the screen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Path, Request
from starlette.responses import Response

from civitas.contracts.subjects import Subject
from civitas.domains.accounts import following
from civitas.domains.accounts.types import Actor, Relation
from civitas.domains.catalog import hidden_tags
from civitas.domains.gallery import image_tags
from civitas.domains.gallery.feeds import cards, hiding, looking, reactions, seeing
from civitas.domains.gallery.feeds.reactions import Feeling
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.limits import take
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Unit
from civitas.faces.web import image_cards
from civitas.faces.web.image_filters import FeedQuery
from civitas.faces.web.image_viewer import ImageId
from civitas.faces.web.reaction_bars import bar_of
from civitas.faces.web.templating import render
from civitas.faces.web.viewing import eyes_of
from civitas.faces.web.visits import Member, local_path, redirect
from civitas.kit.errors import Invalid
from civitas.kit.ids import row_ids

router = APIRouter(include_in_schema=False, dependencies=[CheckedForm])

What = Literal["image", "person"]


@dataclass(frozen=True, slots=True)
class HiddenCard:
    """The place of a card that was hidden, with the way back."""

    image_id: int
    what: What
    text: str


@router.post("/reactions/{kind}/{subject_id:int}")
async def react(
    request: Request,
    actor: Member,
    session: Unit,
    kind: Annotated[str, Path(max_length=40)],
    subject_id: ImageId,
    reaction: Annotated[str, Form(max_length=20)],
    back: Annotated[str, Form(max_length=1000)] = "/",
) -> Response:
    """Set or take back one reaction: `heart:on`, `heart:off`."""
    await take(request, "reaction")
    word, _, way = reaction.partition(":")
    try:
        feeling = Feeling(word)
    except ValueError:
        raise Invalid("This is no reaction.", code="bad_reaction") from None
    subject = Subject(kind, subject_id)
    do = reactions.withdraw if way == "off" else reactions.react
    await do(session, actor, subject=subject, feeling=feeling)
    if request.headers.get("hx-request") == "true":
        return render(
            request, "images/reactions.html", {"bar": await bar_of(session, actor, subject), "back": back}
        )
    return redirect(request, local_path(back))


@router.post("/images/{image_id:int}/hide")
async def hide(
    request: Request,
    actor: Member,
    session: Unit,
    image_id: ImageId,
    what: Annotated[What, Form()] = "image",
    on: Annotated[bool, Form()] = True,
) -> Response:
    """Hide a picture, or everything by its maker; with `on=false` show it again."""
    await take(request, "write")
    if what == "image":
        await (hiding.hide_image if on else hiding.show_image)(session, actor, image_id=image_id)
        text = "This picture is hidden."
    else:
        text = await _person(session, actor, image_id, on)
    if request.headers.get("hx-request") != "true":
        said = text if on else "It is shown again."
        return redirect(request, "/images", text=said)
    if on:
        return render(request, "images/hidden.html", HiddenCard(image_id, what, text))
    found = await cards.images(state_of(request).reads, [image_id])
    shown = image_cards.cards_of(found, eyes_of(actor), FeedQuery("/images"))
    return render(request, "images/card.html", {"card": shown[0]})


async def _person(session: Any, actor: Actor, image_id: int, on: bool) -> str:
    found = await looking.at(session, actor, image_id=image_id)
    do = following.decide if on else following.undo
    await do(session, actor, target_id=found.image.person_id, relation=Relation.HIDE)
    return f"Everything by {found.username} is hidden."


@router.post("/images/hide-tag")
async def hide_tag(
    request: Request, actor: Member, session: Unit, name: Annotated[str, Form(max_length=60)],
    on: Annotated[bool, Form()] = True,
) -> Response:  # fmt: skip
    """Hide what carries a tag, or show it again."""
    await take(request, "write")
    await (hidden_tags.hide if on else hidden_tags.show)(session, actor, name=name)
    said = f"What carries #{name} is hidden." if on else f"What carries #{name} is shown again."
    return redirect(request, "/images", text=said)


@router.post("/images/{image_id:int}/tag")
async def vote_tag(
    request: Request, actor: Member, session: Unit, image_id: ImageId, name: Annotated[str, Form(max_length=60)],
    value: Annotated[int, Form(ge=-1, le=1)],
) -> Response:  # fmt: skip
    """Vote a tag of a picture up or down, take the vote back, or propose one; a maker's own no takes an automatic one away."""
    await take(request, "write")
    await image_tags.vote(session, actor, image_id=image_id, tag=name, value=value)
    return redirect(
        request, f"/images/{image_id}#tags", text="Noted." if value else "Your vote is taken back."
    )


@router.post("/images/seen")
async def seen(
    request: Request, actor: Member, session: Unit, ids: Annotated[str, Form(max_length=10_000)]
) -> Response:
    """Pictures that were on the screen, their numbers with commas between."""
    await take(request, "write")
    numbers = row_ids(ids.split(","))
    await seeing.note(session, actor, image_ids=numbers)
    return Response(status_code=204)
