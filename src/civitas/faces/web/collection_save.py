"""Saving a thing to collections: a page that works by itself, and the inside of a dialog on any other page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.contracts.subjects import Subject, resolve
from civitas.domains.accounts.types import Actor
from civitas.domains.gallery.collections import bookmarks, filling, levels, making
from civitas.domains.gallery.collections.bookmarks import Offer
from civitas.domains.gallery.collections.making import CollectionEdit
from civitas.domains.gallery.collections.types import Kind, ReadBy
from civitas.faces.http.units import Reading, Unit
from civitas.faces.web import forms
from civitas.faces.web.collection_view import NOUNS
from civitas.faces.web.forms import Entered
from civitas.faces.web.templating import fragment, render, toast_header
from civitas.faces.web.visits import Member, local_path, redirect
from civitas.kit.errors import Fault, Invalid, NotFound
from civitas.kit.ids import row_id, row_ids

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

Id = Annotated[int, Query(gt=0, lt=2**63)]


@dataclass(frozen=True, slots=True)
class SavePage:
    """What the form offers; `done` once it was saved."""

    kind: str
    noun: str
    subject_id: int
    title: str
    back: str
    offers: tuple[Offer, ...]
    entered: Entered = field(default_factory=Entered)
    done: bool = False


@router.get("/collections/save")
async def show(request: Request, member: Member, session: Reading, kind: Kind, id: Id) -> Response:
    """The collections into which a thing can be put."""
    page = await _page(session, member, kind, id, back=request.query_params.get("back"))
    if request.headers.get("hx-target") == "save-form":
        return fragment(request, "collections/save.html", "save_form", page)
    return render(request, "collections/save.html", page)


async def _page(
    session: AsyncSession,
    member: Actor,
    kind: Kind,
    subject_id: int,
    *,
    back: str | None = None,
    entered: Entered | None = None,
    done: bool = False,
) -> SavePage:
    facts = await resolve(session, Subject(kind.value, subject_id))
    if facts is None or not (member.is_moderator or levels.meets(member, facts)):
        raise NotFound(f"This {NOUNS[kind]} was not found.", code="subject_not_found")
    return SavePage(
        kind=kind.value,
        noun=NOUNS[kind],
        subject_id=subject_id,
        title=facts.title,
        back=local_path(back, facts.path),
        offers=tuple(await bookmarks.offers(session, member, kind=kind, subject_id=subject_id)),
        entered=entered or Entered(),
        done=done,
    )


@router.post("/collections/save")
async def save(request: Request, member: Member, session: Unit) -> Response:
    """Put a thing into the ticked collections and out of the others; with a name, into a new one as well."""
    form = await forms.read(request)
    kind, subject_id = _subject(form)
    try:
        async with session.begin_nested():
            text = await _save(session, member, form, kind, subject_id)
    except (Invalid, Fault) as fault:
        if fault.kind not in ("invalid", "conflict", "forbidden"):
            raise
        page = await _page(
            session, member, kind, subject_id, back=form.get("back"), entered=form.failed(fault)
        )
        if request.headers.get("hx-target") == "save-form":
            return fragment(request, "collections/save.html", "save_form", page)
        return render(request, "collections/save.html", page, status=forms.status_of(fault))
    if request.headers.get("hx-target") != "save-form":
        return redirect(request, local_path(form.get("back"), "/collections?tab=mine"), text=text)
    page = await _page(session, member, kind, subject_id, back=form.get("back"), done=True)
    return fragment(request, "collections/save.html", "save_form", page, headers=toast_header("ok", text))


async def _save(session: AsyncSession, member: Actor, form: Entered, kind: Kind, subject_id: int) -> str:
    offered, wanted = row_ids(form.all("offered")), row_ids(form.all("in"))
    put, taken = await bookmarks.save(
        session,
        member,
        kind=kind,
        subject_id=subject_id,
        offered=offered,
        wanted=wanted,
        tags={number: tag for number in offered for tag in row_ids(form.all(f"tag-{number}")) if tag},
    )
    name = form.get("name").strip()
    if name:
        made = await making.create(
            session,
            member,
            kind=kind,
            changes=CollectionEdit(
                name=name, read_by=ReadBy.PUBLIC if form.flag("public") else ReadBy.PRIVATE
            ),
        )
        await filling.add(session, member, collection_id=made.id, subject_ids=[subject_id])
        put += 1
    if not put and not taken:
        return "Nothing changed."
    parts = [f"Saved to {put}" if put else "", f"taken out of {taken}" if taken else ""]
    said = " and ".join(part for part in parts if part)
    total = put or taken
    return f"{said[0].upper()}{said[1:]} {'collection' if total == 1 else 'collections'}."


def _subject(form: Entered) -> tuple[Kind, int]:
    number = row_id(form.get("id"))
    if form.get("kind") not in set(Kind) or number is None:
        raise NotFound("There is nothing to save here.", code="subject_not_found")
    return Kind(form.get("kind")), number
