"""What moderators decide about prompts: who may not generate, which phrases are cleared, what nobody could rate."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.contracts.maturity import LEVELS
from civitas.domains.accounts.queries import by_ids
from civitas.domains.orchestration.media import rating
from civitas.domains.studio import blocking, overseeing
from civitas.domains.studio.blocking import Often
from civitas.domains.studio.overseeing import Case, Record
from civitas.faces.http.media_links import links_of
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading
from civitas.faces.web import forms
from civitas.faces.web.staff import Cursor, Staff
from civitas.faces.web.templating import render
from civitas.faces.web.visits import redirect
from civitas.kit.errors import Fault
from civitas.kit.ids import row_id

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

PROMPTS: Final = "/staff/prompts"
OUTPUTS: Final = "/staff/outputs"
STATES: Final = (("pending", "Waiting"), ("upheld", "Upheld"), ("overturned", "Overturned"))
LABELS: Final = {"pg": "PG", "pg13": "PG-13", "r": "R", "x": "X", "xxx": "XXX"}


@dataclass(frozen=True, slots=True)
class PromptsPage:
    """The queue of restrictions, and who is refused often."""

    cases: tuple[Case, ...]
    often: tuple[Often, ...]
    state: str
    tabs: tuple[tuple[str, str, bool], ...]
    next_href: str | None


@dataclass(frozen=True, slots=True)
class RecordPage:
    """One person's prompts."""

    record: Record


@dataclass(frozen=True, slots=True)
class Unrated:
    """An output that waits for a rating."""

    id: str
    url: str
    owner: str
    person_id: int
    width: int
    height: int
    video: bool


@dataclass(frozen=True, slots=True)
class OutputsPage:
    """Outputs that nobody could rate."""

    outputs: tuple[Unrated, ...]
    next_href: str | None
    # The blob that is to be blocked.
    blob: str = ""
    levels: tuple[tuple[str, str], ...] = tuple((level, LABELS[level]) for level in LEVELS)


@router.get(PROMPTS)
async def show(
    request: Request, staff: Staff, session: Reading, state: str = "pending", cursor: Cursor = None
) -> Response:
    """Who cannot generate, and why; below it whose prompts are refused often."""
    state = state if state in dict(STATES) else "pending"
    found = await overseeing.cases(session, staff, state=state, cursor=cursor)
    next_href = None
    if found.next_cursor:
        next_href = f"{PROMPTS}?{urlencode({'state': state, 'cursor': found.next_cursor})}"
    tabs = tuple((label, f"{PROMPTS}?state={name}", name == state) for name, label in STATES)
    often = () if cursor else tuple(await blocking.often(session, staff))
    page = PromptsPage(tuple(found.items), often, state, tabs, next_href)
    return render(request, "staff/prompts.html", page, block="cases_list")


@router.get(PROMPTS + "/{person_id:int}")
async def record(request: Request, staff: Staff, session: Reading, person_id: int) -> Response:
    """What somebody was refused, every decision, and what was cleared for them."""
    found = await overseeing.of_person(session, staff, person_id=person_id)
    return render(request, "staff/prompt_record.html", RecordPage(found))


@router.post(PROMPTS + "/{person_id:int}/{deed}")
async def rule(request: Request, staff: Staff, person_id: int, deed: str) -> Response:
    """Uphold, overturn, restrict, clear a phrase or take that back; all of it is logged."""
    form = await forms.read(request)
    reason, number = form.get("reason").strip(), form.get("restriction")
    which = row_id(number) or 0

    async def settle(session: AsyncSession, upheld: bool) -> None:
        await blocking.decide(session, staff, restriction_id=which, upheld=upheld, note=reason)

    deeds: dict[str, tuple[Callable[[AsyncSession], Awaitable[None]], str]] = {
        "uphold": (lambda session: settle(session, True), "Upheld. They were told."),
        "overturn": (lambda session: settle(session, False), "They can generate again, and were told."),
        "restrict": (
            lambda session: blocking.restrict(session, staff, person_id=person_id, reason=reason),
            "They cannot generate from now on.",
        ),
        "clear": (
            lambda session: blocking.allow(
                session, staff, person_id=person_id, phrase=form.get("phrase"), reason=reason
            ),
            "The phrase is cleared for them.",
        ),
        "withdraw": (
            lambda session: overseeing.withdraw(
                session, staff, person_id=person_id, phrase=form.get("phrase"), reason=reason
            ),
            "The phrase is judged like everybody's again.",
        ),
    }
    here = f"{PROMPTS}/{person_id}"
    if deed not in deeds:
        return redirect(request, here, kind="danger", text="There is no such ruling.")
    do, text = deeds[deed]
    try:
        async with state_of(request).database.unit() as session:
            await do(session)
    except Fault as fault:
        return redirect(request, here, kind="danger", text=fault.message)
    return redirect(request, here, text=text)


@router.get(OUTPUTS)
async def outputs(
    request: Request,
    staff: Staff,
    session: Reading,
    cursor: Cursor = None,
    blob: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """Outputs that only their owners and moderators are shown, until somebody says how mature they are."""
    found, links = await rating.unrated(session, staff, cursor=cursor), links_of(request)
    owners = await by_ids(session, {one.person_id for one in found.items})
    page = OutputsPage(
        tuple(
            Unrated(
                one.id,
                links.blob_url(one.id)[0],
                owners[one.person_id].username or f"#{one.person_id}"
                if one.person_id in owners
                else f"#{one.person_id}",
                one.person_id,
                one.width or 512,
                one.height or 512,
                one.kind == "video",
            )
            for one in found.items
        ),
        f"{OUTPUTS}?{urlencode({'cursor': found.next_cursor})}" if found.next_cursor else None,
        blob=blob,
    )
    return render(request, "staff/outputs.html", page, block="outputs_list")


@router.post(OUTPUTS + "/{blob_id}")
async def rate(request: Request, staff: Staff, blob_id: str) -> Response:
    """Say how mature an output is."""
    form = await forms.read(request)
    reason = form.get("reason").strip() or "Looked at in the list of unrated outputs."
    try:
        async with state_of(request).database.unit() as session:
            await rating.rate(session, staff, blob_id=blob_id, level=form.get("level"), reason=reason)
    except Fault as fault:
        return redirect(request, OUTPUTS, kind="danger", text=fault.message)
    return redirect(request, OUTPUTS, text="Rated.")
