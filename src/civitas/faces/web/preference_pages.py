"""Settings: what one is shown, how pages behave, which file a download picks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

from fastapi import APIRouter, Request
from starlette.responses import Response

from civitas.domains.accounts import notices, preferences
from civitas.domains.accounts.preferences import (
    Browsing,
    ContentPreferences,
    FilePreferences,
    HidePreferences,
    Preferences,
)
from civitas.domains.accounts.types import Actor
from civitas.faces.http.sessions import YEAR_S, is_secure
from civitas.faces.http.state import state_of
from civitas.faces.web import browsing_form, forms
from civitas.faces.web.browsing_form import LevelChoice
from civitas.faces.web.forms import Entered
from civitas.faces.web.shell import THEME_COOKIE
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Member, redirect
from civitas.kit.errors import Invalid

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

HERE = "/account/preferences"
BLANK = Entered()
MAILS = (
    (
        "draft-aging",
        "A draft will be removed",
        "A week before a draft goes that was not touched for a month.",
    ),
    ("schedule-failed", "Something planned was not published", "With what was missing when it was due."),
    ("collaboration", "Somebody asks you to work together", "With a link to answer."),
)


def _choices(part: type[Any], name: str) -> tuple[tuple[str, str], ...]:
    return tuple((value, value) for value in get_args(part.model_fields[name].annotation))


@dataclass(frozen=True, slots=True)
class PreferencesPage:
    """All sections."""

    browsing: Browsing
    chosen: Preferences
    section: str
    form: Entered
    levels: tuple[LevelChoice, ...]
    formats: tuple[tuple[str, str], ...] = _choices(FilePreferences, "format")
    precisions: tuple[tuple[str, str], ...] = _choices(FilePreferences, "fp")
    blank: Entered = BLANK
    mails: tuple[tuple[str, str, str], ...] = MAILS


@router.get(HERE)
async def show(request: Request, member: Member) -> Response:
    """The settings."""
    return await _page(request, member)


@router.post(f"{HERE}/browsing")
async def browse(request: Request, member: Member) -> Response:
    """Which levels are shown, and which themes never."""
    form = await forms.read(request)
    hide = {name: form.flag(f"hide_{name}") for name in HidePreferences.model_fields}
    try:
        async with state_of(request).database.unit() as session:
            await preferences.set_browsing(session, member, **browsing_form.wanted(form))
            await preferences.change(session, member, changes={"hide": hide})
    except Invalid as fault:
        failed = form.failed(fault, **browsing_form.FIELDS)
        return await _page(request, member, "browsing", failed, forms.status_of(fault))
    return redirect(request, f"{HERE}#browsing", text="From now on you see what you chose.")


@router.post(f"{HERE}/content")
async def content(request: Request, member: Member) -> Response:
    """How pages look and behave."""
    form = await forms.read(request)
    names = (name for name, info in ContentPreferences.model_fields.items() if info.annotation is bool)
    theme = form.get("theme", "system")
    changes = {"theme": theme, "content": {name: form.flag(name) for name in names}}
    try:
        async with state_of(request).database.unit() as session:
            await preferences.change(session, member, changes=changes)
    except Invalid as fault:
        return await _page(request, member, "content", form.failed(fault), forms.status_of(fault))
    response = redirect(request, f"{HERE}#content", text="Your pages follow your wishes now.")
    response.set_cookie(
        THEME_COOKIE, theme, max_age=YEAR_S, path="/", samesite="lax", secure=is_secure(request)
    )
    return response


@router.post(f"{HERE}/files")
async def files(request: Request, member: Member) -> Response:
    """Which file a download picks when several would do."""
    form = await forms.read(request)
    changes = {name: form.get(name) for name in ("format", "size", "fp", "image_format")}
    wanted: dict[str, Any] = {**changes, "quant_type": form.get("quant_type").strip() or None}
    try:
        async with state_of(request).database.unit() as session:
            await preferences.change(session, member, changes={"files": wanted})
    except Invalid as fault:
        names = {f"files.{name}": name for name in wanted}
        return await _page(request, member, "files", form.failed(fault, **names), forms.status_of(fault))
    return redirect(request, f"{HERE}#files", text="Downloads pick these files first.")


@router.post(f"{HERE}/mails")
async def mails(request: Request, member: Member) -> Response:
    """Which mails about one's own models are wanted."""
    form = await forms.read(request)
    async with state_of(request).database.unit() as session:
        others = (await preferences.of(session, member.require())).muted_notifications
        kept = [kind for kind in others if kind not in notices.OPTIONAL]
        muted = kept + [kind for kind in notices.OPTIONAL if not form.flag(f"mail-{kind}")]
        await preferences.change(session, member, changes={"muted_notifications": muted})
    return redirect(request, f"{HERE}#mails", text="You get the mails that you chose.")


async def _page(
    request: Request, member: Actor, section: str = "", form: Entered | None = None, status: int = 200
) -> Response:
    person = member.require()
    async with state_of(request).database.reading() as session:
        browsing = await preferences.browsing(session, person)
        chosen = await preferences.of(session, person)
    levels = browsing_form.choices(form if form and section == "browsing" else BLANK, browsing)
    page = PreferencesPage(browsing, chosen, section, form or Entered(), levels)
    return render(request, "account/preferences.html", page, status=status)
