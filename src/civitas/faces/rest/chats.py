"""Chat over the API: rooms, members, messages, reports. What is said as it is said comes by `/api/live/chat`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field

from civitas.domains.accounts import queries
from civitas.domains.accounts.types import Scope
from civitas.domains.community.chat import messages, reading, reports, rooms, words
from civitas.domains.community.chat.reading import Room, Said
from civitas.domains.community.chat.types import MOST_MEMBERS, PAGE, Member
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.shapes import Answer, Body
from civitas.faces.rest.writing import Owner, Writer
from civitas.kit import paging

router = APIRouter(tags=["Chat"], dependencies=[CheckedForm])

Cursor = Annotated[str | None, Query(max_length=paging.MAX_CURSOR)]
Limit = Annotated[int, Query(ge=1, le=100)]


class NewChat(Body):
    """Whom to talk to, by name; a name for a group."""

    usernames: list[str] = Field(min_length=1, max_length=MOST_MEMBERS)
    name: str | None = Field(default=None, max_length=500)


class ChatWords(Body):
    """What to say: Markdown, at most 2000 characters."""

    content: str


class ChatChange(Body):
    """`state`: joined, ignored or left. `muted`: hear nothing of it. `name`: for its owner."""

    state: Member | None = None
    muted: bool | None = None
    name: str | None = Field(default=None, max_length=500)


class ChatGuest(Body):
    """Whom to ask in."""

    username: str = Field(max_length=60)


class ChatReached(Body):
    """Up to which message one has read."""

    message_id: int = Field(ge=0, lt=2**63)


class ChatReportForm(Body):
    """What is wrong with a message."""

    reason: str = Field(max_length=5_000)


class ChatReportRuling(Body):
    """What came of a report, and why."""

    remove: bool = False
    reason: str = Field(max_length=5_000)


class ChatSeat(Answer):
    """Somebody in a room."""

    username: str
    state: str
    owner: bool


class ChatShown(Answer):
    """A room as one of its members sees it."""

    id: int
    name: str
    group: bool
    state: str
    muted: bool
    unread: int
    last_message_id: int
    last_message_at: datetime
    last_words: str
    members: list[ChatSeat]


class ChatPage(Answer):
    """A page of rooms."""

    items: list[ChatShown]
    next_cursor: str | None


class ChatMessageShown(Answer):
    """A message; `content` is empty once it was taken back."""

    id: int
    chat_id: int
    username: str
    content: str
    html: str
    created_at: datetime
    removed: bool


class ChatUnread(Answer):
    """In how many rooms something is unread."""

    rooms: int


class ChatReportShown(Answer):
    """A report that waits; the message as it was reported."""

    id: int
    message_id: int
    reason: str
    content: str
    created_at: datetime


class ChatReportPage(Answer):
    """A page of reports."""

    items: list[ChatReportShown]
    next_cursor: str | None


class ChatReportContext(Answer):
    """A reported message among those around it."""

    message_id: int
    messages: list[ChatMessageShown]


@router.get("/chats", operation_id="listChats", summary="List Your Chats")
async def list_chats(owner: Owner, session: Reading, cursor: Cursor = None, limit: Limit = PAGE) -> ChatPage:
    """One's rooms, those with the newest message first."""
    found = await reading.mine(session, owner, cursor=cursor, limit=limit)
    return ChatPage(items=[_room(one) for one in found.items], next_cursor=found.next_cursor)


@router.get("/chats/unread", operation_id="countUnreadChats", summary="Count Unread Chats")
async def unread(request: Request, owner: Owner) -> ChatUnread:
    """Muted and ignored rooms are not counted."""
    person = owner.require(Scope.SOCIAL_WRITE)
    return ChatUnread(rooms=await reading.unread(state_of(request).reads, person))


@router.post("/chats", operation_id="openChat", summary="Open A Chat", status_code=201)
async def open_chat(body: NewChat, writer: Writer, session: Unit) -> ChatShown:
    """The room of these people; the one that they have already, or a new one into which they are invited."""
    named = [
        (await queries.by_username(session, name.lstrip("@"))).id for name in dict.fromkeys(body.usernames)
    ]
    room = await rooms.open_room(session, writer, people=named, name=body.name)
    return _room(await reading.one(session, writer, room_id=room.id))


@router.get("/chats/{chat_id}", operation_id="getChat", summary="Get A Chat")
async def get_chat(chat_id: int, owner: Owner, session: Reading) -> ChatShown:
    """A room that one is in."""
    return _room(await reading.one(session, owner, room_id=chat_id))


@router.patch(
    "/chats/{chat_id}", operation_id="changeChat", summary="Join, Ignore, Leave, Mute Or Name A Chat"
)
async def change_chat(chat_id: int, body: ChatChange, writer: Writer, session: Unit) -> None:
    """What is left out stays."""
    await rooms.settle(session, writer, room_id=chat_id, muted=body.muted, name=body.name)
    if body.state is not None:
        await rooms.answer(session, writer, room_id=chat_id, state=body.state)


@router.get("/chats/{chat_id}/messages", operation_id="listChatMessages", summary="Read A Chat")
async def list_messages(
    chat_id: int,
    owner: Owner,
    session: Reading,
    before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
    after: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
    limit: Limit = PAGE,
) -> list[ChatMessageShown]:
    """The last messages, those before one, or those after one; always the oldest first."""
    found = await reading.said(session, owner, room_id=chat_id, before=before, after=after, limit=limit)
    return [_said(one) for one in found]


@router.post(
    "/chats/{chat_id}/messages", operation_id="sendChatMessage", summary="Say Something", status_code=201
)
async def send(chat_id: int, body: ChatWords, writer: Writer, session: Unit) -> ChatMessageShown:
    """Everybody in the room sees it, those apart whom a block parts from its writer."""
    made = await messages.say(session, writer, room_id=chat_id, content=body.content)
    (told,) = await reading.tell(session, [made])
    return _said(told)


@router.post(
    "/chats/{chat_id}/read", operation_id="readChat", summary="Tell How Far You Read", status_code=204
)
async def read_chat(chat_id: int, body: ChatReached, writer: Writer, session: Unit) -> None:
    """Never further back than before."""
    await messages.read_to(session, writer, room_id=chat_id, message_id=body.message_id)


@router.post(
    "/chats/{chat_id}/members", operation_id="inviteToChat", summary="Ask Somebody In", status_code=204
)
async def invite(chat_id: int, body: ChatGuest, writer: Writer, session: Unit) -> None:
    """For the owner of a group."""
    await rooms.of(session, writer, room_id=chat_id)
    guest = await queries.by_username(session, body.username.lstrip("@"))
    await rooms.invite(session, writer, room_id=chat_id, person_id=guest.id)


@router.delete(
    "/chats/{chat_id}/members/{username}",
    operation_id="kickFromChat",
    summary="Send Somebody Away",
    status_code=204,
)
async def kick(chat_id: int, username: str, writer: Writer, session: Unit) -> None:
    """For the owner of a group."""
    await rooms.of(session, writer, room_id=chat_id)
    member = await queries.by_username(session, username)
    await rooms.kick(session, writer, room_id=chat_id, person_id=member.id)


@router.delete(
    "/chat-messages/{message_id}",
    operation_id="takeBackChatMessage",
    summary="Take A Message Back",
    status_code=204,
)
async def take_back(message_id: int, writer: Writer, session: Unit) -> None:
    """One's own; its place stays."""
    await messages.take_back(session, writer, message_id=message_id)


@router.post(
    "/chat-messages/{message_id}/report",
    operation_id="reportChatMessage",
    summary="Report A Message",
    status_code=204,
)
async def report(message_id: int, body: ChatReportForm, writer: Writer, session: Unit) -> None:
    """Staff may read it, and what was said around it."""
    await reports.report(session, writer, message_id=message_id, reason=body.reason)


@router.get("/staff/chat-reports", operation_id="listChatReports", summary="List Reported Messages")
async def waiting(staff: Owner, session: Reading, cursor: Cursor = None) -> ChatReportPage:
    """Staff only: reports that nobody settled, the oldest first."""
    found = await reports.waiting(session, staff, cursor=cursor)
    items = [ChatReportShown.model_validate(one) for one in found.items]
    return ChatReportPage(items=items, next_cursor=found.next_cursor)


@router.post(
    "/staff/chat-reports/{report_id}/read",
    operation_id="readChatReport",
    summary="Read Around A Reported Message",
)
async def read_report(report_id: int, staff: Writer, session: Unit) -> ChatReportContext:
    """Staff only; it is logged."""
    found = await reports.read(session, staff, report_id=report_id)
    return ChatReportContext(message_id=found.message_id, messages=[_said(one) for one in found.said])


@router.post(
    "/staff/chat-reports/{report_id}/settle",
    operation_id="settleChatReport",
    summary="Settle A Reported Message",
    status_code=204,
)
async def settle(report_id: int, body: ChatReportRuling, staff: Writer, session: Unit) -> None:
    """Staff only; with `remove` the message is taken away."""
    await reports.settle(session, staff, report_id=report_id, remove=body.remove, reason=body.reason)


def _room(one: Room) -> ChatShown:
    seats = [
        ChatSeat(username=seat.person.username, state=seat.state, owner=seat.person.id == one.owner_id)
        for seat in one.seats
    ]
    return ChatShown(
        id=one.id,
        name=one.name,
        group=one.is_group,
        state=one.mine,
        muted=one.muted,
        unread=one.unread,
        last_message_id=one.last_id,
        last_message_at=one.last_at,
        last_words=one.last_words,
        members=seats,
    )


def _said(one: Said) -> ChatMessageShown:
    return ChatMessageShown(
        id=one.id,
        chat_id=one.room_id,
        username=one.by.username,
        content=one.content,
        html=words.html(one.content),
        created_at=one.created_at,
        removed=one.removed,
    )
