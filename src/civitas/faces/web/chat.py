"""`/chat`: one's rooms, and one of them with what is said in it. Works with forms alone; script makes it live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Query, Request
from markupsafe import Markup
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.contracts.subjects import SubjectFacts
from civitas.domains.accounts import queries
from civitas.domains.accounts.types import Actor
from civitas.domains.community.chat import links, messages, reading, reports, rooms, words
from civitas.domains.community.chat.reading import Room, Said
from civitas.domains.community.chat.reports import Context
from civitas.domains.community.chat.tables import ChatReport
from civitas.domains.community.chat.types import LONGEST, PAGE
from civitas.domains.community.chat.types import Member as Standing
from civitas.faces.http.links import base_url
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading
from civitas.faces.web import form_values, forms
from civitas.faces.web.forms import Entered
from civitas.faces.web.pictures import avatar_url
from civitas.faces.web.staff import Cursor, Staff
from civitas.faces.web.templating import fragment, render
from civitas.faces.web.visits import Member, redirect
from civitas.kit.errors import Fault, Invalid, NotFound

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

NEWS: Final = "news"
REPORTS: Final = "/staff/chat-reports"
Number = Annotated[int | None, Query(ge=0, lt=2**62)]


@dataclass(frozen=True, slots=True)
class Line:
    """A message as the page shows it; `joined` when it follows one of the same person."""

    said: Said
    html: Markup
    avatar: str | None
    mine: bool
    joined: bool
    cards: tuple[SubjectFacts, ...]


@dataclass(frozen=True, slots=True)
class ChatPage:
    """One's rooms, and the one that is open."""

    list: tuple[Room, ...]
    next_href: str | None
    room: Room | None
    lines: tuple[Line, ...]
    earlier: int | None
    form: Entered
    person_id: int
    longest: int = LONGEST
    to: str = ""

    @property
    def last(self) -> int:
        """The number of the last message that is shown."""
        return self.lines[-1].said.id if self.lines else (self.room.last_id if self.room else 0)


@dataclass(frozen=True, slots=True)
class ReportsPage:
    """What waits for staff."""

    reports: tuple[ChatReport, ...]
    next_href: str | None
    context: Context | None = None


@router.get("/chat")
async def index(
    request: Request, member: Member, session: Reading, cursor: str = "", to: str = ""
) -> Response:
    """One's rooms, and the form that opens another."""
    page = await _page(request, session, member, cursor=cursor or None, to=to[:200])
    return render(request, "chat/chat.html", page)


@router.post("/chat")
async def begin(request: Request, member: Member) -> Response:
    """Open a room with the people who are named."""
    form = await forms.read(request)
    try:
        async with state_of(request).database.unit() as session:
            named = form_values.words(form.get("to").replace(" ", ","))
            if not named:
                raise Invalid("Name somebody to talk to.", code="alone", fields={"to": "Name somebody."})
            people = [(await queries.by_username(session, name.lstrip("@"))).id for name in named[:50]]
            room = await rooms.open_room(session, member, people=people, name=form.get("name"))
    except Fault as fault:
        async with state_of(request).database.reading() as session:
            page = await _page(request, session, member, form=form.failed(fault), to=form.get("to"))
        return render(request, "chat/chat.html", page, status=forms.status_of(fault))
    return redirect(request, f"/chat/{room.id}")


@router.get("/chat/{room_id:int}")
async def show(
    request: Request, member: Member, room_id: int, before: Number = None, after: Number = None
) -> Response:
    """A room; reading it is told to the room's books. With `after` only what is new."""
    async with state_of(request).database.reading() as session:
        page = await _page(request, session, member, room_id=room_id, before=before, after=after)
    if page.lines and before is None:
        async with state_of(request).database.unit() as session:
            await messages.read_to(session, member, room_id=room_id, message_id=page.last)
    return render(request, "chat/chat.html", page, block=NEWS)


@router.post("/chat/{room_id:int}")
async def say(request: Request, member: Member, room_id: int, after: Number = None) -> Response:
    """Say something; an htmx request is answered with what is new."""
    form = await forms.read(request)
    live = request.headers.get("hx-target") == NEWS
    try:
        async with state_of(request).database.unit() as session:
            made = await messages.say(session, member, room_id=room_id, content=form.get("content"))
    except Fault as fault:
        if fault.kind == "not_found":
            raise
        async with state_of(request).database.reading() as session:
            page = await _page(request, session, member, room_id=room_id, form=form.failed(fault))
        if not live:
            return render(request, "chat/chat.html", page, status=forms.status_of(fault))
        answer = fragment(request, "chat/chat.html", "trouble", page)
        answer.status_code = forms.status_of(fault)
        return answer
    if not live:
        return redirect(request, f"/chat/{room_id}#m{made.id}")
    async with state_of(request).database.reading() as session:
        page = await _page(request, session, member, room_id=room_id, after=after or 0)
    return render(request, "chat/chat.html", page, block=NEWS)


@router.post("/chat/{room_id:int}/{deed}")
async def act(request: Request, member: Member, room_id: int, deed: str) -> Response:
    """Join, ignore, leave, mute, name, ask in, send away."""
    form = await forms.read(request)
    place, told = f"/chat/{room_id}", "Done."
    try:
        async with state_of(request).database.unit() as session:
            if deed in ("joined", "ignored", "left"):
                await rooms.answer(session, member, room_id=room_id, state=Standing(deed))
                place = place if deed == "joined" else "/chat"
                told = {"joined": "You are in.", "ignored": "You hear nothing of it.", "left": "You left."}[
                    deed
                ]
            elif deed == "mute":
                await rooms.settle(session, member, room_id=room_id, muted=form.flag("muted"))
            elif deed == "name":
                await rooms.settle(session, member, room_id=room_id, name=form.get("name"))
            elif deed in ("invite", "kick"):
                await rooms.of(session, member, room_id=room_id)
                who = await queries.by_username(session, form.get("username").lstrip("@"))
                change = rooms.invite if deed == "invite" else rooms.kick
                await change(session, member, room_id=room_id, person_id=who.id)
            else:
                raise NotFound("There is nothing of this name to do with a room.", code="unknown_deed")
    except Fault as fault:
        if fault.code == "unknown_deed":
            raise
        return redirect(request, place, kind="danger", text=fault.message)
    return redirect(request, place, text=told)


@router.post("/chat/{room_id:int}/messages/{message_id:int}/{deed}")
async def on_message(request: Request, member: Member, room_id: int, message_id: int, deed: str) -> Response:
    """Take one's message back, or report somebody else's."""
    form = await forms.read(request)
    place = f"/chat/{room_id}"
    try:
        async with state_of(request).database.unit() as session:
            if deed == "remove":
                await messages.take_back(session, member, message_id=message_id)
                told = "It is taken back."
            elif deed == "report":
                await reports.report(session, member, message_id=message_id, reason=form.get("reason"))
                told = "Staff will look at it."
            else:
                raise NotFound("There is nothing of this name to do with a message.", code="unknown_deed")
    except Invalid as fault:
        return redirect(request, place, kind="danger", text=fault.message)
    return redirect(request, place, text=told)


@router.get(REPORTS)
async def waiting(request: Request, staff: Staff, session: Reading, cursor: Cursor = None) -> Response:
    """Messages that somebody reported."""
    found = await reports.waiting(session, staff, cursor=cursor)
    next_href = f"{REPORTS}?cursor={quote(found.next_cursor)}" if found.next_cursor else None
    return render(request, "staff/chat_reports.html", ReportsPage(tuple(found.items), next_href))


@router.post(REPORTS + "/{report_id:int}/read")
async def read_report(request: Request, staff: Staff, report_id: int) -> Response:
    """What was said around a reported message; that staff read it is logged."""
    async with state_of(request).database.unit() as session:
        context = await reports.read(session, staff, report_id=report_id)
    return render(request, "staff/chat_reports.html", ReportsPage((), None, context))


@router.post(REPORTS + "/{report_id:int}/settle")
async def settle_report(request: Request, staff: Staff, report_id: int) -> Response:
    """Take the message away, or leave it."""
    form = await forms.read(request)
    try:
        async with state_of(request).database.unit() as session:
            await reports.settle(
                session, staff, report_id=report_id, remove=form.flag("remove"), reason=form.get("reason")
            )
    except Invalid as fault:
        return redirect(request, REPORTS, kind="danger", text=fault.message)
    return redirect(request, REPORTS, text="Settled.")


async def _page(
    request: Request,
    session: AsyncSession,
    member: Actor,
    *,
    room_id: int | None = None,
    before: int | None = None,
    after: int | None = None,
    cursor: str | None = None,
    form: Entered | None = None,
    to: str = "",
) -> ChatPage:
    room: Room | None = None
    lines: tuple[Line, ...] = ()
    earlier: int | None = None
    if room_id is not None:
        room = await reading.one(session, member, room_id=room_id)
        said = await reading.said(session, member, room_id=room_id, before=before, after=after)
        earlier = said[0].id if len(said) == PAGE and after is None else None
        lines = tuple(await _lines(request, session, member, said))
    news_only = after is not None and request.headers.get("hx-request") == "true"
    found = None if news_only else await reading.mine(session, member, cursor=cursor)
    return ChatPage(
        list=tuple(found.items) if found else (),
        next_href=f"/chat?cursor={quote(found.next_cursor)}" if found and found.next_cursor else None,
        room=room,
        lines=lines,
        earlier=earlier,
        form=form or Entered(),
        person_id=member.require(),
        to=to,
    )


async def _lines(request: Request, session: AsyncSession, member: Actor, said: list[Said]) -> list[Line]:
    host = urlsplit(base_url(request)).netloc
    cards = await links.cards(session, member, [one.content for one in said], host=host)
    made = []
    for place, one in enumerate(said):
        before = said[place - 1] if place else None
        close = before is not None and (one.created_at - before.created_at).total_seconds() < 300
        made.append(
            Line(
                one,
                Markup(words.html(one.content)),  # noqa: S704 - cleaned by chat.words
                avatar_url(one.by.avatar_key),
                one.by.id == member.id,
                before is not None and close and before.by.id == one.by.id,
                cards[place],
            )
        )
    return made
