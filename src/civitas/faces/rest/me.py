"""One's own account over the API: profile, preferences, sessions, and everything kept about one."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator
from datetime import datetime
from typing import IO, Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response, StreamingResponse

from civitas.domains.accounts import exports, policy, preferences, profiles, sessions
from civitas.domains.accounts.preferences import Preferences
from civitas.domains.accounts.profiles import LinkKind, ProfileEdit, ProfileLink, ProfileText
from civitas.domains.accounts.types import ALL_MASK, MATURE_MASK, Actor, Scope
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.limits import take
from civitas.faces.http.state import State, state_of
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.shapes import Answer, Body
from civitas.faces.rest.writing import Owner, Writer
from civitas.kit import clock

router = APIRouter(prefix="/me", tags=["Account"], dependencies=[CheckedForm])

CHUNK = 64 * 1024


class Link(Body):
    """A link on the profile."""

    kind: LinkKind = LinkKind.OTHER
    url: str = Field(max_length=2000)
    label: str = Field(default="", max_length=500)


class Pin(Body):
    """Something pinned to the profile."""

    kind: Literal["model", "image", "post", "article", "collection"]
    id: int = Field(gt=0, lt=2**63)


class ShownPin(Answer):
    """Something pinned to the profile."""

    kind: str
    id: int


class ProfileChange(Body):
    """What to change; what is left out stays."""

    bio: str | None = Field(default=None, max_length=20_000)
    pinned_message: str | None = Field(default=None, max_length=20_000)
    location: str | None = Field(default=None, max_length=2000)
    links: list[Link] | None = Field(default=None, max_length=100)
    sections: list[str] | None = Field(default=None, max_length=20)
    showcase: list[Pin] | None = Field(default=None, max_length=100)


class ShownLink(Answer):
    """A link on the profile."""

    kind: LinkKind
    url: str
    label: str


class OwnProfile(Answer):
    """What a person tells about themselves."""

    bio: str
    pinned_message: str
    location: str
    links: list[ShownLink]
    sections: list[str]
    showcase: list[ShownPin]


def _own(text: ProfileText) -> OwnProfile:
    return OwnProfile(
        bio=text.bio,
        pinned_message=text.pinned_message,
        location=text.location,
        links=[ShownLink.model_validate(link) for link in text.links],
        sections=list(text.sections),
        showcase=[ShownPin(kind=kind, id=number) for kind, number in text.showcase],
    )


class BrowsingChange(Body):
    """What to be shown."""

    show_mature: bool
    browsing_level: int = Field(ge=1, le=ALL_MASK, description="A mask of 1 PG, 2 PG-13, 4 R, 8 X, 16 XXX.")
    blur_mature: bool | None = Field(default=None, description="All mature levels at once; `blurLevel` wins.")
    blur_level: int | None = Field(
        default=None,
        ge=0,
        le=ALL_MASK - 1,
        description="A mask of the levels whose pictures are blurred first, PG never.",
    )
    adult_confirmed: bool = Field(default=False, description="That one is 18 or older; needed once.")


class Browsing(Answer):
    """What one is shown."""

    show_mature: bool
    blur_mature: bool
    blur_level: int
    browsing_level: int
    adult_confirmed: bool
    mask: int = Field(description="The levels that follow from it.")


class Session(Answer):
    """A signed-in browser."""

    id: int
    method: str
    user_agent: str
    address: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    current: bool


@router.get("/profile", operation_id="getOwnProfile", summary="Get My Profile")
async def get_profile(actor: Owner, session: Reading) -> OwnProfile:
    """What one tells about oneself."""
    return _own(await profiles.text_of(session, actor.require(Scope.USER_READ)))


@router.patch("/profile", operation_id="changeOwnProfile", summary="Change My Profile")
async def change_profile(actor: Writer, session: Unit, body: ProfileChange) -> OwnProfile:
    """Change some of it."""
    links = body.links
    changes = ProfileEdit(
        bio=body.bio,
        pinned_message=body.pinned_message,
        location=body.location,
        links=[ProfileLink(link.kind, link.url, link.label) for link in links] if links is not None else None,
        sections=body.sections,
        showcase=[(pin.kind, pin.id) for pin in body.showcase] if body.showcase is not None else None,
    )
    return _own(await profiles.edit(session, actor, changes=changes))


@router.get("/preferences", operation_id="getPreferences", summary="Get My Preferences")
async def get_preferences(actor: Owner, session: Reading) -> dict[str, Any]:
    """How pages and downloads behave for one."""
    return _shown(await preferences.of(session, actor.require(Scope.USER_READ)))


@router.patch("/preferences", operation_id="changePreferences", summary="Change My Preferences")
async def change_preferences(actor: Writer, session: Unit, body: dict[str, Any]) -> dict[str, Any]:
    """Change some of it, by the names that the answer has."""
    return _shown(await preferences.change(session, actor, changes=body))


@router.get("/browsing", operation_id="getBrowsing", summary="Get What I Am Shown")
async def get_browsing(actor: Owner, session: Reading) -> Browsing:
    """Which levels one is shown."""
    return Browsing.model_validate(await preferences.browsing(session, actor.require(Scope.USER_READ)))


@router.put("/browsing", operation_id="setBrowsing", summary="Choose What I Am Shown")
async def set_browsing(actor: Writer, session: Unit, body: BrowsingChange) -> Browsing:
    """Choose the levels; mature ones need `showMature`, and once `adultConfirmed`."""
    chosen = await preferences.set_browsing(
        session,
        actor,
        show_mature=body.show_mature,
        browsing_level=body.browsing_level,
        blur_level=_blurred(body),
        adult_confirmed=body.adult_confirmed,
    )
    return Browsing.model_validate(chosen)


def _blurred(body: BrowsingChange) -> int:
    if body.blur_level is not None:
        return body.blur_level
    return 0 if body.blur_mature is False else MATURE_MASK


@router.get("/sessions", operation_id="listSessions", summary="List My Browsers")
async def list_sessions(actor: Owner, session: Reading) -> list[Session]:
    """The browsers in which one is signed in, for a person at one of them."""
    policy.require_browser(actor)
    return [Session.model_validate(found) for found in await sessions.mine(session, actor)]


@router.delete(
    "/sessions/{session_id}", status_code=204, operation_id="endSession", summary="Sign A Browser Out"
)
async def end_session(actor: Writer, session: Unit, session_id: int) -> None:
    """End one of one's sessions."""
    await sessions.revoke(session, actor, session_id=session_id)


@router.get(
    "/export",
    operation_id="exportMyData",
    summary="Export My Data",
    response_class=Response,
    responses={200: {"content": {"application/x-ndjson": {}, "application/zip": {}}}},
)
async def export(
    request: Request, actor: Owner, format: Annotated[Literal["jsonl", "zip"], Query()] = "jsonl"
) -> Response:
    """Everything kept about one: lines of `{"section", "data"}`, or an archive with a file for each section.

    Needs a browser whose owner has lately proved who they are.
    """
    policy.require_fresh(actor)
    await take(request, "write")
    day = clock.now().date().isoformat()
    name = f"civitas-{actor.username}-{day}.{'zip' if format == 'zip' else 'jsonl'}"
    rows = _zipped(state_of(request), actor) if format == "zip" else _lines(state_of(request), actor)
    return StreamingResponse(
        rows,
        media_type="application/zip" if format == "zip" else "application/x-ndjson",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


async def _lines(state: State, actor: Actor) -> AsyncIterator[bytes]:
    async with state.database.reading() as session:
        async for section, row in exports.export(session, actor):
            yield orjson.dumps({"section": section, "data": row}) + b"\n"


class _Outlet(io.RawIOBase):
    """Where the archive is written to, so that what is ready can be sent."""

    def __init__(self) -> None:
        self._ready = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._ready += data
        return len(data)

    def take(self) -> bytes:
        """What was written since."""
        taken = bytes(self._ready)
        self._ready.clear()
        return taken

    def __len__(self) -> int:
        return len(self._ready)


async def _zipped(state: State, actor: Actor) -> AsyncIterator[bytes]:
    """A ZIP written forwards only (APPNOTE 4.3.9): nothing is kept but the chunk that is being made."""
    outlet = _Outlet()
    stamp = clock.now().timetuple()[:6]
    async with state.database.reading() as session:
        with zipfile.ZipFile(outlet, "w", zipfile.ZIP_DEFLATED) as archive:
            member: IO[bytes] = io.BytesIO()
            current = ""
            async for section, row in exports.export(session, actor):
                if section != current:
                    member.close()
                    about = zipfile.ZipInfo(f"{section}.jsonl", stamp)
                    about.compress_type = zipfile.ZIP_DEFLATED
                    member, current = archive.open(about, "w", force_zip64=True), section
                member.write(orjson.dumps(row) + b"\n")
                if len(outlet) > CHUNK:
                    yield outlet.take()
            member.close()
    yield outlet.take()


def _shown(found: Preferences) -> dict[str, Any]:
    return found.model_dump()
