"""Making and changing collections, their people and contests; what waits; and many things at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.domains.accounts import queries as accounts
from civitas.domains.accounts.types import Actor
from civitas.domains.gallery.collections import (
    contests,
    entries,
    filling,
    making,
    people,
    reads,
    reviewing,
)
from civitas.domains.gallery.collections.contests import EntryTag
from civitas.domains.gallery.collections.making import CollectionEdit
from civitas.domains.gallery.collections.people import Contributor
from civitas.domains.gallery.collections.reads import Shown
from civitas.domains.gallery.collections.types import (
    Contest,
    Kind,
    Mode,
    Order,
    Permission,
    ReadBy,
    State,
    WriteBy,
)
from civitas.faces.http.units import Reading, Unit
from civitas.faces.web import forms
from civitas.faces.web.collection_view import NOUNS, PLURALS, EntryCard, entry_cards, href_of
from civitas.faces.web.forms import Entered
from civitas.faces.web.templating import render
from civitas.faces.web.viewing import eyes_of
from civitas.faces.web.visits import Member, local_path, redirect
from civitas.kit.errors import Fault, Forbidden, Invalid, NotFound
from civitas.kit.ids import row_ids

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

ROLES = (
    ("add", "Add", Permission.ADD),
    ("review", "Suggest", Permission.ADD_REVIEW),
    ("manage", "Manage", Permission.MANAGE),
    ("judge", "Judge", Permission.JUDGE),
)


@dataclass(frozen=True, slots=True)
class EditPage:
    """The form of a collection; `collection` is None for a new one."""

    collection: Shown | None
    kind: str
    noun: str
    entered: Entered
    values: dict[str, str]
    people: tuple[Contributor, ...] = ()
    contest: Contest | None = None
    tags: tuple[EntryTag, ...] = ()
    roles: tuple[tuple[str, str, Permission], ...] = ROLES


@dataclass(frozen=True, slots=True)
class ReviewPage:
    """What waits to be looked at."""

    collection: Shown
    noun: str
    plural: str
    items: tuple[EntryCard, ...]
    next_href: str | None


@router.get("/collections/new")
async def new(request: Request, member: Member, kind: Kind = Kind.IMAGE) -> Response:
    """An empty form."""
    values = {"name": "", "description": "", "read": "private", "write": "private", "order": "newest"}
    page = EditPage(None, kind.value, NOUNS[kind], Entered(), values)
    return render(request, "collections/edit.html", page)


@router.post("/collections/new")
async def create(request: Request, member: Member, session: Unit) -> Response:
    """Make a collection."""
    form = await forms.read(request)
    kind = Kind(form.get("kind")) if form.get("kind") in set(Kind) else Kind.IMAGE
    try:
        async with session.begin_nested():
            made = await making.create(session, member, kind=kind, changes=_edit(form))
    except Fault as fault:
        if fault.kind not in ("invalid", "conflict"):
            raise
        page = EditPage(None, kind.value, NOUNS[kind], form.failed(fault), _entered(form))
        return render(request, "collections/edit.html", page, status=forms.status_of(fault))
    where = f"{href_of(made.id)}/edit" if made.mode == Mode.CONTEST else href_of(made.id)
    return redirect(request, where, text=f"“{made.name}” is ready to be filled.")


@router.get("/collections/{collection_id:int}/edit")
async def edit(request: Request, member: Member, session: Reading, collection_id: int) -> Response:
    """The form of a collection that one manages."""
    page = await _page(session, member, collection_id, Entered())
    return render(request, "collections/edit.html", page)


@router.post("/collections/{collection_id:int}/edit")
async def change(request: Request, member: Member, session: Unit, collection_id: int) -> Response:
    """Change it."""
    form = await forms.read(request)
    try:
        async with session.begin_nested():
            made = await making.edit(session, member, collection_id=collection_id, changes=_edit(form))
    except Invalid as fault:
        page = await _page(session, member, collection_id, form.failed(fault))
        return render(request, "collections/edit.html", page, status=400)
    where = "/edit#contest" if made.mode == Mode.CONTEST else ""
    return redirect(request, href_of(collection_id) + where, text="Saved.")


@router.post("/collections/{collection_id:int}/delete")
async def delete(request: Request, member: Member, session: Unit, collection_id: int) -> Response:
    """Delete it; what it held stays."""
    await making.delete(session, member, collection_id=collection_id)
    return redirect(request, "/collections?tab=mine", text="The collection is gone; what it held stays.")


@router.post("/collections/{collection_id:int}/people")
async def set_person(request: Request, member: Member, session: Unit, collection_id: int) -> Response:
    """Let somebody do more, or no longer."""
    form = await forms.read(request)
    given = Permission(sum(bit for name, _, bit in ROLES if name in form.all("may")))
    try:
        async with session.begin_nested():
            person = await accounts.by_username(session, form.get("username"))
            await people.invite(
                session, member, collection_id=collection_id, person_id=person.id, permissions=given
            )
    except (Invalid, NotFound) as fault:
        page = await _page(session, member, collection_id, form.failed(fault))
        return render(request, "collections/edit.html", page, status=400)
    said = "They know what they may do now." if given else "They do no more than others now."
    return redirect(request, f"{href_of(collection_id)}/edit#people", text=said)


@router.post("/collections/{collection_id:int}/contest")
async def set_contest(request: Request, member: Member, session: Unit, collection_id: int) -> Response:
    """Set the rules of a contest."""
    form = await forms.read(request)
    try:
        async with session.begin_nested():
            await contests.arrange(session, member, collection_id=collection_id, rules=_rules(form))
            names = [(name, None) for line in form.get("tags").splitlines() if (name := line.strip())]
            known = {one.name.lower(): one for one in await contests.tags_of(session, collection_id)}
            kept = [
                (name, known[name.lower()].ends_at if name.lower() in known else None) for name, _ in names
            ]
            await contests.set_tags(session, member, collection_id=collection_id, tags=kept)
    except Invalid as fault:
        page = await _page(session, member, collection_id, form.failed(fault))
        return render(request, "collections/edit.html", page, status=400)
    return redirect(request, href_of(collection_id), text="The rules are in force.")


@router.get("/collections/{collection_id:int}/review")
async def waiting(
    request: Request, member: Member, session: Reading, collection_id: int, cursor: str | None = None
) -> Response:
    """What others added and nobody has looked at yet."""
    found = await _managed(session, member, collection_id)
    listed = await entries.page(
        session, member, collection=found, order=Order.OLDEST, state=State.REVIEW, cursor=cursor
    )
    items = await entry_cards(request, session, member, eyes_of(member), found.kind, listed.items)
    following = f"{href_of(found.id)}/review?cursor={listed.next_cursor}" if listed.next_cursor else None
    page = ReviewPage(found, NOUNS[found.kind], PLURALS[found.kind], items, following)
    return render(request, "collections/review.html", page)


@router.post("/collections/{collection_id:int}/review")
async def review(request: Request, member: Member, session: Unit, collection_id: int) -> Response:
    """Accept or reject what was ticked."""
    form = await forms.read(request)
    state = State.ACCEPTED if form.get("do") == "accept" else State.REJECTED
    count = await reviewing.review(
        session, member, collection_id=collection_id, item_ids=row_ids(form.all("item")), state=state
    )
    said = "accepted" if state is State.ACCEPTED else "rejected"
    return redirect(request, f"{href_of(collection_id)}/review", text=f"{count} {said}.")


@router.post("/collections/{collection_id:int}/items")
async def many(request: Request, member: Member, session: Unit, collection_id: int) -> Response:
    """Move or remove what was ticked, or let one thing stand for all."""
    form = await forms.read(request)
    chosen = row_ids(form.all("thing"))
    back = local_path(form.get("back"), f"{href_of(collection_id)}?select=1")
    if form.get("do") == "remove":
        count = await filling.remove(session, member, collection_id=collection_id, subject_ids=chosen)
        return redirect(request, back, text=f"{count} taken out.")
    if form.get("do") == "cover":
        item = row_ids(form.all("item"))
        await making.set_cover(
            session, member, collection_id=collection_id, item_id=item[0] if item else None
        )
        return redirect(request, back, text="This one stands for the collection now.")
    target = row_ids(form.all("to"))
    if not target:
        raise Invalid("Choose the collection that they go to.", code="no_target")
    count = await filling.move(
        session, member, collection_id=collection_id, to_id=target[0], subject_ids=chosen
    )
    return redirect(
        request, back, text=f"{count} moved.", link=href_of(target[0]), action="Open the other one"
    )


async def _managed(session: AsyncSession, member: Actor, collection_id: int) -> Shown:
    if not 0 < collection_id < 2**63:
        raise NotFound("This collection was not found.", code="collection_not_found")
    found = await reads.one(session, member, collection_id=collection_id)
    if not found.rights.manage:
        raise Forbidden("Only its owner, and those they chose, manage this collection.", code="not_yours")
    return found


async def _page(session: AsyncSession, member: Actor, collection_id: int, entered: Entered) -> EditPage:
    found = await _managed(session, member, collection_id)
    values = {
        "name": found.name,
        "description": found.description,
        "read": found.read_by,
        "write": found.write_by,
        "order": found.order_by,
    }
    contest = found.mode is Mode.CONTEST
    return EditPage(
        collection=found,
        kind=found.kind.value,
        noun=NOUNS[found.kind],
        entered=entered,
        values=_entered(entered) if "read" in entered.values else values,
        people=tuple(await people.contributors(session, member, collection_id=collection_id)),
        contest=await contests.rules_of(session, collection_id) if contest else None,
        tags=tuple(await contests.tags_of(session, collection_id)) if contest else (),
    )


def _entered(form: Entered) -> dict[str, str]:
    return {name: form.get(name) for name in ("name", "description", "read", "write", "order")}


def _edit(form: Entered) -> CollectionEdit:
    read, write, order = form.get("read"), form.get("write"), form.get("order")
    return CollectionEdit(
        name=form.get("name"),
        description=form.get("description"),
        read_by=ReadBy(read) if read in set(ReadBy) else None,
        write_by=WriteBy(write) if write in set(WriteBy) else None,
        order_by=Order(order) if order in set(Order) else None,
        contest=form.flag("contest"),
    )


def _rules(form: Entered) -> Contest:
    most = form.get("most_each")
    level = sum(row_ids(form.all("level")))
    return Contest(
        starts_at=_moment(form, "starts_at"),
        ends_at=_moment(form, "ends_at"),
        most_each=int(most) if most.isascii() and most.isdigit() and len(most) < 5 else None,
        existing=form.flag("existing"),
        level=level,
        rules_url=form.get("rules_url").strip(),
        judging=form.flag("judging"),
        voting=form.flag("voting"),
        votes_from=_moment(form, "votes_from"),
        votes_until=_moment(form, "votes_until"),
    )


def _moment(form: Entered, name: str) -> datetime | None:
    """A time as the browser's field sends it, taken as UTC. Raises Invalid for anything else."""
    given = form.get(name).strip()
    if not given:
        return None
    try:
        return datetime.fromisoformat(given).replace(tzinfo=UTC)
    except ValueError:
        raise Invalid(
            "This is no time.", code="bad_contest", fields={name: "Write it as 2026-03-31T18:00."}
        ) from None
