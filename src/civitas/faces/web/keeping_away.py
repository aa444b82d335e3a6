"""What one does not want to meet: the choice beside any card, and the list of everything that was chosen."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Path, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.contracts.subjects import Subject, SubjectFacts, resolve
from civitas.domains.accounts import following, queries
from civitas.domains.accounts.types import Actor, Relation
from civitas.domains.catalog import engagement, hidden_tags, reading, tagging
from civitas.domains.catalog.engagement import Wish
from civitas.domains.catalog.listing import Filters, Sort
from civitas.domains.gallery import image_tags
from civitas.domains.gallery.collections import levels
from civitas.domains.gallery.feeds import cards as pictures
from civitas.domains.gallery.feeds import hiding
from civitas.faces.http.limits import take
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading, Unit
from civitas.faces.web import forms, image_cards
from civitas.faces.web.cards import cards_of
from civitas.faces.web.forms import Entered
from civitas.faces.web.image_cards import ImageCard
from civitas.faces.web.image_filters import FeedQuery
from civitas.faces.web.props import ModelCard
from civitas.faces.web.templating import fragment, render
from civitas.faces.web.viewing import eyes_of
from civitas.faces.web.visits import Member, local_path, redirect
from civitas.kit import paging
from civitas.kit.errors import NotFound
from civitas.kit.ids import row_id

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

HERE: Final = "/account/hidden"
PAGE: Final = 48
# So many tags of one thing are offered.
TAGS: Final = 20
NOUNS: Final = {"model": "model", "image": "picture"}
Kind = Literal["model", "image"]
Id = Annotated[int, Path(gt=0, lt=2**63)]
Cursor = Annotated[str | None, Query(max_length=paging.MAX_CURSOR)]


@dataclass(frozen=True, slots=True)
class Choice:
    """A tag of the thing, and whether it is hidden now."""

    name: str
    hidden: bool


@dataclass(frozen=True, slots=True)
class AwayPage:
    """What of a thing can be kept away; `username` is None for one's own, which is never hidden."""

    kind: str
    noun: str
    id: int
    title: str
    back: str
    hidden: bool
    username: str | None
    person_hidden: bool
    tags: tuple[Choice, ...]
    done: bool = False


@dataclass(frozen=True, slots=True)
class HiddenPage:
    """Everything that somebody keeps away, but people, who have a page of their own."""

    tags: tuple[str, ...]
    themes: tuple[str, ...]
    models: tuple[ModelCard, ...]
    more_models: bool
    images: tuple[ImageCard, ...]
    next_href: str | None


@router.get("/hide/{kind}/{subject_id:int}")
async def ask(request: Request, member: Member, session: Reading, kind: Kind, subject_id: Id) -> Response:
    """What of this thing to keep away: itself, its maker, its tags."""
    facts = await _seen(session, member, kind, subject_id)
    page = await _offer(session, member, facts, local_path(request.query_params.get("back"), facts.path))
    if request.headers.get("hx-target") == "hide-form":
        return fragment(request, "account/hide.html", "hide_form", page)
    return render(request, "account/hide.html", page)


@router.post("/hide/{kind}/{subject_id:int}")
async def choose(request: Request, member: Member, session: Unit, kind: Kind, subject_id: Id) -> Response:
    """Keep away what is ticked, and let back what was offered and is not."""
    await take(request, "write")
    form = await forms.read(request)
    facts = await _seen(session, member, kind, subject_id)
    before = await _offer(session, member, facts, local_path(form.get("back"), facts.path))
    await _apply(session, member, facts, before, form)
    after = await _offer(session, member, facts, before.back, done=True)
    if request.headers.get("hx-target") != "hide-form":
        return redirect(request, after.back, text="Your lists follow what you chose.")
    gone = after.hidden or after.person_hidden or any(tag.hidden for tag in after.tags)
    headers = {"HX-Trigger": json.dumps({"keep-away": {"card": str(subject_id), "kind": kind, "away": gone}})}
    return fragment(request, "account/hide.html", "hide_form", after, headers=headers)


@router.get(HERE)
async def show(request: Request, member: Member, session: Reading, cursor: Cursor = None) -> Response:
    """Everything that one keeps away."""
    reads, eyes = state_of(request).reads, eyes_of(member)
    images = await hiding.page(session, member, cursor=cursor, limit=PAGE)
    facts = await pictures.images(reads, [one.id for one in images.items])
    models = await reading.models(
        reads, member, Filters(hidden=True, mask=member.mask), sort=Sort.NEWEST, limit=PAGE
    )
    page = HiddenPage(
        tags=tuple(tag.name for tag in await hidden_tags.mine(session, member)),
        themes=member.themes,
        models=cards_of(models.objects(""), eyes),
        more_models=models.next_cursor is not None,
        images=image_cards.cards_of(
            [one for one in facts if one.level & member.mask], eyes, FeedQuery("/images")
        ),
        next_href=f"{HERE}?cursor={images.next_cursor}" if images.next_cursor else None,
    )
    return render(request, "account/hidden.html", page)


@router.post(f"{HERE}/show")
async def show_again(request: Request, member: Member, session: Unit) -> Response:
    """Let one thing back into one's lists: fields `kind` (model, image, tag) and `id`, a number or a tag."""
    await take(request, "write")
    form = await forms.read(request)
    kind, given = form.get("kind"), form.get("id")
    number = row_id(given) or 0
    if kind == "tag":
        await hidden_tags.show(session, member, name=given)
    elif kind == "model":
        await engagement.disengage(session, member, model_id=number, wish=Wish.HIDE)
    elif kind == "image":
        await hiding.show_image(session, member, image_id=number)
    else:
        raise NotFound("There is no such thing to show again.", code="subject_not_found")
    return redirect(request, HERE, text="It is shown again.")


async def _seen(session: AsyncSession, member: Actor, kind: Kind, subject_id: int) -> SubjectFacts:
    facts = await resolve(session, Subject(kind, subject_id))
    if facts is None or not levels.meets(member, facts):
        raise NotFound(f"This {NOUNS[kind]} was not found.", code="subject_not_found")
    return facts


async def _offer(
    session: AsyncSession, member: Actor, facts: SubjectFacts, back: str, *, done: bool = False
) -> AwayPage:
    kind, number = facts.subject.kind, facts.subject.id
    if kind == "model":
        hidden = Wish.HIDE in (await engagement.wishes(session, member, model_ids=[number])).get(number, ())
        names = list(await tagging.tags_of(session, number))
    else:
        hidden = await hiding.is_hidden(session, member, image_id=number)
        names = [tag.name for tag in (await image_tags.of_images(session, member, [number]))[number]]
    tags_hidden = {tag.name for tag in await hidden_tags.mine(session, member)}
    owner = facts.owner_id if facts.owner_id != member.id else None
    return AwayPage(
        kind=kind,
        noun=NOUNS[kind],
        id=number,
        title=facts.title,
        back=back,
        hidden=hidden,
        username=(await queries.by_id(session, owner)).username if owner is not None else None,
        person_hidden=owner is not None
        and await following.relation(session, member.require(), owner) is Relation.HIDE,
        tags=tuple(Choice(name, name in tags_hidden) for name in names[:TAGS]),
        done=done,
    )


async def _apply(
    session: AsyncSession, member: Actor, facts: SubjectFacts, before: AwayPage, form: Entered
) -> None:
    number, itself, person = facts.subject.id, form.flag("itself"), form.flag("person")
    if itself != before.hidden:
        if before.kind == "model":
            wish = engagement.engage if itself else engagement.disengage
            await wish(session, member, model_id=number, wish=Wish.HIDE)
        else:
            await (hiding.hide_image if itself else hiding.show_image)(session, member, image_id=number)
    if facts.owner_id is not None and before.username is not None and person != before.person_hidden:
        decide = following.decide if person else following.undo
        await decide(session, member, target_id=facts.owner_id, relation=Relation.HIDE)
    wanted = set(form.all("tag"))
    for tag in before.tags:
        if (tag.name in wanted) != tag.hidden:
            await (hidden_tags.show if tag.hidden else hidden_tags.hide)(session, member, name=tag.name)
