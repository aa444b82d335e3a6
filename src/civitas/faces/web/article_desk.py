"""Where articles are written: one's own list, the editor with its preview, the history, publishing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from markupsafe import Markup
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.domains.accounts.types import BLOCKED, Actor
from civitas.domains.blobs.types import Limits
from civitas.domains.catalog.documents import image_path
from civitas.domains.community.articles import (
    attachments,
    own_pictures,
    pictures,
    publishing,
    reads,
    text,
    writing,
)
from civitas.domains.community.articles.own_pictures import OwnPicture
from civitas.domains.community.articles.reads import Desk
from civitas.domains.community.articles.tables import ArticleFile, ArticleRevision
from civitas.domains.community.articles.text import Reference
from civitas.domains.community.articles.types import MAX_CONTENT, Category, Saved, Status
from civitas.domains.gallery import albums
from civitas.domains.gallery.tables import Image
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading
from civitas.faces.web import forms
from civitas.faces.web.articles import ArticleCard, cards_of, picture_of
from civitas.faces.web.form_values import local_moment, words
from civitas.faces.web.forms import Entered
from civitas.faces.web.pictures import Eyes
from civitas.faces.web.props import Picture
from civitas.faces.web.publish_frame import Creator, fault_in_short
from civitas.faces.web.templating import render
from civitas.faces.web.viewing import eyes_of
from civitas.faces.web.visits import Member, redirect
from civitas.kit.errors import Fault, Invalid
from civitas.kit.ids import row_id

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

PAGE: Final = 24
# What is not read after so many looks takes longer than anybody waits here.
MOST_ASKS: Final = 40
PICTURES: Final = ".png,.jpg,.jpeg,.webp,.avif,.heic,.heif,.gif"
LONGEST: Final = MAX_CONTENT + 10_000
LEVELS: Final = (
    ("1", "PG: for everybody"),
    ("2", "PG-13: revealing clothes, light violence, strong words"),
    ("4", "R: partial nudity, graphic violence"),
    ("8", "X: nudity"),
    ("16", "XXX: sexual acts, the extreme"),
)
_STATUS_TABS: Final = (
    (None, "All"),
    (Status.DRAFT, "Drafts"),
    (Status.SCHEDULED, "Scheduled"),
    (Status.PUBLISHED, "Public"),
    (Status.UNPUBLISHED, "Taken back"),
)


@dataclass(frozen=True, slots=True)
class MinePage:
    """One's own articles."""

    cards: tuple[ArticleCard, ...]
    tabs: tuple[tuple[str, str, bool], ...]
    next_href: str | None


@dataclass(frozen=True, slots=True)
class SentPicture:
    """A picture that was sent in the editor; `src` is None until it was decoded."""

    row: Image
    markdown: str
    src: str | None


@dataclass(frozen=True, slots=True)
class EditPage:
    """The editor."""

    desk: Desk
    form: Entered
    pieces: tuple[Markup | Picture | str, ...]
    own: tuple[OwnPicture, ...]
    sent: tuple[SentPicture, ...]
    files: tuple[ArticleFile, ...]
    # Seconds until the lists are asked for again; None when nothing is being read.
    wait: float | None
    asked: int
    largest: tuple[int, int]
    categories: tuple[tuple[str, str], ...] = (
        ("", "None"),
        *((one.value, one.capitalize()) for one in Category),
    )
    levels: tuple[tuple[str, str], ...] = LEVELS
    most: int = MAX_CONTENT
    picture_endings: str = PICTURES
    file_endings: str = ",".join(attachments.ENDINGS)
    most_files: int = attachments.MOST

    @property
    def action(self) -> str:
        """Where the form goes."""
        return f"/articles/{self.desk.article.id}/edit"


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """What an article said at other times."""

    desk: Desk
    revisions: tuple[tuple[ArticleRevision, str, int], ...]


@router.get("/articles/mine")
async def mine(request: Request, member: Member, session: Reading) -> Response:
    """One's own articles, drafts among them."""
    asked = request.query_params.get("status", "")
    status = Status(asked) if asked in {str(one) for one in Status} else None
    found = await reads.own(
        session, member, status=status, cursor=request.query_params.get("cursor") or None, limit=PAGE
    )
    query = {"status": status.value} if status else {}
    page = MinePage(
        cards=cards_of(found.items, eyes_of(member)),
        tabs=tuple(
            (label, f"/articles/mine?status={one}" if one else "/articles/mine", one == status)
            for one, label in _STATUS_TABS
        ),
        next_href=f"/articles/mine?{urlencode(query | {'cursor': found.next_cursor})}"
        if found.next_cursor
        else None,
    )
    return render(request, "articles/mine.html", page, block="results")


@router.get("/articles/create")
async def begin(request: Request, creator: Creator) -> Response:
    """A place to begin; the draft is made by its button, so that looking makes nothing."""
    return render(request, "articles/create.html", {"form": Entered()})


@router.post("/articles/create")
async def create(request: Request, creator: Creator) -> Response:
    """Begin a draft and go on in the editor."""
    form = await forms.read(request, LONGEST)
    try:
        async with state_of(request).database.unit() as session:
            article = await writing.create(session, creator, title=form.get("title"))
    except Fault as fault:
        context = {"form": form.failed(fault)}
        return render(request, "articles/create.html", context, status=forms.status_of(fault))
    return redirect(request, f"/articles/{article.id}/edit")


@router.get("/articles/{article_id:int}/edit")
async def edit(
    request: Request,
    creator: Creator,
    session: Reading,
    article_id: int,
    asked: Annotated[int, Query(ge=0, le=10_000)] = 0,
) -> Response:
    """The editor with what is being written; its lists of what was sent ask again until all of it was read."""
    desk = await reads.desk(session, creator, article_id=article_id)
    page = await _page(request, session, creator, desk, _entered(desk), asked=asked)
    # What was just read can be shown in the preview.
    headers = {"HX-Trigger": "article-changed"} if asked else None
    return render(
        request, "articles/edit.html", page, block=("article_pictures", "article_files"), headers=headers
    )


@router.post("/articles/{article_id:int}/edit")
async def save(request: Request, creator: Creator, article_id: int) -> Response:
    """Keep it, publish it, schedule it or take it back, by the button that was pressed."""
    form = await forms.read(request, LONGEST)
    deed = form.get("deed", "save")
    try:
        async with state_of(request).database.unit() as session:
            told = await _do(session, creator, article_id, form, deed)
    except Fault as fault:
        if fault.kind in ("not_found", "forbidden"):
            raise
        async with state_of(request).database.reading() as session:
            desk = await reads.desk(session, creator, article_id=article_id)
            page = await _page(request, session, creator, desk, form.failed(fault, at="at"))
        return render(request, "articles/edit.html", page, status=forms.status_of(fault))
    place = (
        f"/articles/{article_id}"
        if deed == "publish" and "public" in told
        else f"/articles/{article_id}/edit"
    )
    return redirect(request, place, text=told)


@router.post("/articles/{article_id:int}/autosave")
async def autosave(request: Request, creator: Creator, article_id: int) -> Response:
    """Keep what is being written; answers with the line beside the form."""
    form = await forms.read(request, LONGEST)
    problem, kept = None, None
    try:
        async with state_of(request).database.unit() as session:
            kept = await writing.save(
                session,
                creator,
                article_id=article_id,
                title=form.get("title"),
                content=form.get("content"),
                based_on=row_id(form.get("based_on")),
                kind=Saved.AUTO,
            )
    except Fault as fault:
        problem = fault_in_short(fault)
    context = {"kept": kept, "problem": problem, "based_on": form.get("based_on")}
    return render(request, "articles/saved.html", context)


@router.post("/articles/{article_id:int}/preview")
async def preview(request: Request, creator: Creator, session: Reading, article_id: int) -> Response:
    """What is being written as others will see it."""
    form = await forms.read(request, LONGEST)
    desk = await reads.desk(session, creator, article_id=article_id)
    pieces = await _pieces(session, creator, desk, form.get("content"), eyes_of(creator))
    return render(request, "articles/preview.html", {"pieces": pieces})


@router.get("/articles/{article_id:int}/history")
async def history(request: Request, creator: Creator, session: Reading, article_id: int) -> Response:
    """Every revision that is kept."""
    desk = await reads.desk(session, creator, article_id=article_id)
    kept = await writing.history(session, creator, article_id=article_id)
    rows = tuple((one, text.read(one.content).summary, text.read(one.content).words) for one in kept)
    return render(request, "articles/history.html", HistoryPage(desk, rows))


@router.post("/articles/{article_id:int}/history/{revision_id:int}")
async def restore(request: Request, creator: Creator, article_id: int, revision_id: int) -> Response:
    """Write on from an earlier revision."""
    async with state_of(request).database.unit() as session:
        await writing.restore(session, creator, article_id=article_id, revision_id=revision_id)
    told = "You write on from that revision; the one before is in the history."
    return redirect(request, f"/articles/{article_id}/edit", text=told)


@router.post("/articles/{article_id:int}/delete")
async def delete(request: Request, member: Member, article_id: int) -> Response:
    """Take an article away for good."""
    form = await forms.read(request)
    async with state_of(request).database.unit() as session:
        await writing.remove(session, member, article_id=article_id, reason=form.get("reason"))
    return redirect(request, "/articles/mine", text="The article is gone.")


@router.post("/articles/{article_id:int}/rule")
async def rule(request: Request, member: Member, article_id: int) -> Response:
    """Staff take an article from view, or give it back."""
    form = await forms.read(request)
    ruling = publishing.put_back if form.get("deed") == "restore" else publishing.take_from_view
    try:
        async with state_of(request).database.unit() as session:
            await ruling(session, member, article_id=article_id, reason=form.get("reason"))
    except Invalid as fault:
        return redirect(request, f"/articles/{article_id}", kind="danger", text=fault.message)
    return redirect(request, f"/articles/{article_id}", text="Done, and its writer can read why.")


async def _do(session: AsyncSession, creator: Actor, article_id: int, form: Entered, deed: str) -> str:
    kept = await writing.save(
        session,
        creator,
        article_id=article_id,
        title=form.get("title"),
        content=form.get("content"),
        based_on=row_id(form.get("based_on")),
    )
    await writing.describe(
        session,
        creator,
        article_id=article_id,
        category=form.get("category"),
        tags=words(form.get("tags")),
        cover_image_id=_cover(form.get("cover")),
        floor_level=row_id(form.get("level")) or 1,
    )
    if deed == "unpublish":
        await publishing.unpublish(session, creator, article_id=article_id)
        return "It is yours alone again."
    if deed in ("publish", "schedule"):
        at = local_moment(form.get("at"), form.get("zone")) if deed == "schedule" else None
        if deed == "schedule" and at is None:
            raise Invalid("Say when.", code="bad_time", fields={"at": "Choose a day and a time."})
        article = await publishing.publish(session, creator, article_id=article_id, at=at)
        return "It is public." if article.status == Status.PUBLISHED else "It is published at that time."
    if kept.beside:
        return "Kept. You had it open elsewhere, too: what was saved there is in the history."
    return "Kept."


async def _page(
    request: Request, session: AsyncSession, creator: Actor, desk: Desk, form: Entered, asked: int = 0
) -> EditPage:
    pieces = await _pieces(session, creator, desk, form.get("content"), eyes_of(creator))
    sent = await albums.pictures(session, desk.article.album_id)
    known = {image.id for image in sent}
    own = [one for one in await own_pictures.newest(session, creator) if one.id not in known]
    files = await attachments.of_article(session, desk.article.id)
    waits = any(image.status == "pending" for image in sent) or any(
        file.scan_status == "pending" for file in files
    )
    settings = state_of(request).settings
    return EditPage(
        desk,
        form,
        pieces,
        tuple(own),
        tuple(_sent(image) for image in sent),
        tuple(files),
        wait=min(0.8 * 1.4**asked, 15.0) if waits and asked < MOST_ASKS else None,
        asked=asked + 1,
        largest=(settings.imaging.max_bytes, Limits().max_attachment),
    )


def _sent(image: Image) -> SentPicture:
    shown = image.status == "ready" and not image.nsfw_level & BLOCKED
    return SentPicture(
        image,
        own_pictures.markdown_of(image.id, image.name),
        image_path(image.key, str(image.id), width=320) if shown else None,
    )


async def _pieces(
    session: AsyncSession, creator: Actor, desk: Desk, source: str, eyes: Eyes
) -> tuple[Markup | Picture | str, ...]:
    read = text.read(source)
    found = await pictures.named(session, read.references, writer_id=desk.article.person_id)

    def one(piece: str | Reference) -> Markup | Picture | str:
        if isinstance(piece, str):
            return Markup(piece)  # noqa: S704 - cleaned by articles.text
        shown = found.get(piece)
        return (
            f"[{piece.alt or 'picture'}: not found here]"
            if shown is None
            else picture_of(shown, eyes, piece.alt)
        )

    return tuple(one(piece) for piece in read.pieces)


def _entered(desk: Desk) -> Entered:
    article, revision = desk.article, desk.revision
    values: dict[str, Any] = {
        "title": revision.title,
        "content": revision.content,
        "category": article.category or "",
        "tags": ", ".join(desk.tags),
        "cover": str(article.cover_image_id or ""),
        "level": str(article.floor_level),
        "based_on": str(revision.id),
    }
    return Entered({name: (value,) for name, value in values.items()})


def _cover(given: str) -> int:
    """A picture by its number or its address."""
    last = given.strip().split("?")[0].rstrip("/")
    for part in reversed(last.split("/")):
        if (number := row_id(part)) is not None:
            return number
    if last:
        raise Invalid(
            "Give the number of a picture, or its address.",
            code="no_such_picture",
            fields={"cover": "Give the number of a picture, or its address."},
        )
    return 0
